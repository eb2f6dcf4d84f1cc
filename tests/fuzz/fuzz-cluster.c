/* SPDX-License-Identifier: MIT */
/*
 * A node that sends anything: the fuzzer's input decides which frames, lines in
 * well-formed frames, entries and answers a real instance of a protocol in a
 * cluster receives. tests/fuzz/run links this file with chat and with relay.
 * Sanitizers check the memory; the fuzzer checks that no names are left over,
 * and that chat sends no control characters. A libFuzzer target only.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lined/protocol.h>

#include "cluster/cluster_priv.h"
#include "config/conf_section.h"
#include "log/log.h"
#include "serve/service_instance.h"
#include "worker_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct lined_protocol lined_protocol;

#define KEYS_MAX 256

static struct hall hall;
static struct cluster *cluster;
static int client;

static struct {
	void (*event)(void *arg, struct broker_event *event);
	void *arg;
	uint64_t last_tag, revision, line;
	char *keys[KEYS_MAX]; /* the keys of this input */
	size_t key_count;
} broker;

/* ---- the broker ---------------------------------------------------------- */

static void *broker_open(const struct broker_settings *settings,
			 uint32_t lease_ms,
			 void (*event)(void *arg, struct broker_event *event),
			 void *arg)
{
	(void)settings, (void)lease_ms;
	broker.event = event;
	broker.arg = arg;
	return &broker;
}

static uint64_t broker_close(void *arg)
{
	(void)arg;
	return 0;
}

static bool broker_send(void *arg, struct broker_request *request)
{
	(void)arg;
	if (request->tag != 0)
		broker.last_tag = request->tag;
	free(request);
	return true;
}

static size_t broker_backlog(const void *arg)
{
	(void)arg;
	return 0;
}

static size_t broker_frame_max(const void *arg)
{
	(void)arg;
	return 65536;
}

static const struct broker_ops ops = {
	.open = broker_open,
	.close = broker_close,
	.send = broker_send,
	.backlog = broker_backlog,
	.frame_max = broker_frame_max,
};

static void tell(enum broker_event_kind kind, enum broker_bucket bucket,
		 const char *key, const void *text, size_t len, uint64_t tag)
{
	struct broker_event *event = broker_event_new(kind, key, text, len);

	must(event != NULL);
	event->connection = 1;
	event->bucket = bucket;
	event->tag = tag;
	event->revision = ++broker.revision;
	broker.event(broker.arg, event);
	must(lined_dispatcher_poll(hall.main, 0) >= 0);
}

/* ---- the node ------------------------------------------------------------ */

/* The options of a config without a section for the protocol. */
static const void *default_options(void)
{
	struct conf_errors errors;
	struct conf_report report = {.errors = &errors};
	static struct pool *pool; /* static, so that a leak checker finds it */
	struct conf_section section = {.report = &report, .context = ""};
	void *values = calloc(1, lined_protocol.options_size + 1);

	section.pool = pool = pool_new();
	conf_errors_init(&errors);
	must(conf_section_fill(&section, lined_protocol.options, values) == 0);
	return values;
}

static void open_node(void)
{
	static const char *const servers[] = {"nats://127.0.0.1:4222"};
	static const struct broker_settings settings = {
		.servers = servers,
		.server_count = 1,
		.name = "node-a",
		.prefix = "fuzz",
	};
	struct cluster_service *service;

	if (cluster != NULL)
		return;
	log_set_level(LINED_LOG_ERR);
	hall_open(&hall, 1, &lined_protocol, default_options());
	hall.instances[0][0]->bus.clustered = "a";
	cluster = cluster_new(hall.main, hall.workers, 1, &ops, NULL);
	must(cluster != NULL);
	service = cluster_add(cluster, "a", 1, hall.registries[0]);
	must(service != NULL);
	cluster_show(service);
	must(cluster_open(cluster, &settings, 600000) == 0);
	tell(BROKER_UP, 0, NULL, NULL, 0, 0);
	tell(BROKER_LISTED, BROKER_NAMES, NULL, NULL, 0, 0);
	tell(BROKER_LISTED, BROKER_NODES, NULL, NULL, 0, 0);
	tell(BROKER_DONE, 0, NULL, NULL, 0, broker.last_tag);
	must(cluster->names.mode == NAMES_JOINED);
	client = hall_client(&hall, 0, 0);
}

/* ---- what the other node sends ------------------------------------------ */

static void put(char **at, uint64_t number, size_t bytes)
{
	while (bytes-- > 0)
		*(*at)++ = (char)(number >> (8 * bytes));
}

/* A frame with one message on the protocol's topic. */
static void say_line(const uint8_t *data, size_t len)
{
	const char *topic =
		strcmp(lined_protocol.name, "chat") == 0 ? "chat" : "feed";
	size_t topic_len = strlen(topic);
	char bytes[1024], *at = bytes;

	memcpy(at, "L1l", 4);
	at += 4;
	put(&at, UINT64_C(0x8000000000000b0b), 8);
	put(&at, ++broker.line, 8);
	put(&at, 1, 4);
	put(&at, 0, 8);
	put(&at, 0, 8);
	memcpy(at, "\1a", 2);
	at += 2;
	put(&at, topic_len, 1);
	memcpy(at, topic, topic_len + 1);
	at += topic_len + 1;
	put(&at, 1, 4); /* lines in the message */
	put(&at, len, 4);
	memcpy(at, data, len);
	tell(BROKER_FRAME, 0, NULL, bytes, (size_t)(at - bytes) + len, 0);
}

/* data is KEY NUL VALUE. Without a value, the entry is erased. */
static void say_entry(enum broker_bucket bucket, const uint8_t *data,
		      size_t len)
{
	size_t key_len = strnlen((const char *)data, len);
	char *key = strndup((const char *)data, key_len);

	must(key != NULL);
	if (broker.key_count < KEYS_MAX) {
		if (key_len + 1 < len)
			tell(BROKER_STORED, bucket, key, data + key_len + 1,
			     len - key_len - 1, 0);
		else
			tell(BROKER_ERASED, bucket, key, NULL, 0, 0);
		broker.keys[broker.key_count++] = key;
	} else {
		free(key);
	}
}

static void say(unsigned what, const uint8_t *data, size_t len)
{
	switch (what % 6) {
	case 0:
		tell(BROKER_FRAME, 0, NULL, data, len, 0);
		break;
	case 1:
		say_entry(BROKER_NODES, data, len);
		break;
	case 2:
		tell(len % 2 != 0 ? BROKER_DONE : BROKER_FAILED, 0, NULL, NULL,
		     0, len % 3 != 0 ? broker.last_tag : 0);
		break;
	case 3:
		say_entry(BROKER_NAMES, data, len);
		break;
	default:
		say_line(data, len);
		break;
	}
}

/* IAC begins a telnet command, with at most two more bytes. No other byte may
 * be a control character. */
static void hear(void)
{
	static unsigned char text[1 << 16];
	ssize_t n, i;

	while ((n = recv(client, text, sizeof(text), MSG_DONTWAIT)) > 0)
		for (i = 0; i < n && lined_protocol.name[0] == 'c'; i++)
			must(text[i] >= ' ' || text[i] == '\n' ||
			     text[i] == '\r' || (i > 0 && text[i - 1] >= 0xfb));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t i, own;

	open_node();
	/* Each item begins with two bytes: its kind, and its length. */
	while (size > 2) {
		size_t len = data[1];
		unsigned what = data[0];

		data += 2;
		size -= 2;
		len = len < size ? len : size;
		say(what, data, len);
		hear();
		data += len;
		size -= len;
	}
	for (i = 0; i < broker.key_count; i++) {
		tell(BROKER_ERASED, BROKER_NAMES, broker.keys[i], NULL, 0, 0);
		free(broker.keys[i]);
	}
	broker.key_count = 0;
	own = lined_protocol.name[0] == 'c' ? 2 : 0;
	must(hall.registries[0]->replicas[0].counters.names <= own);
	return 0;
}
