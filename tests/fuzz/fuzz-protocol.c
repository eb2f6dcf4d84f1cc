/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer's input is the lines of two clients of a real instance of a
 * protocol; it also decides the cuts and the turns. tests/fuzz/run links this
 * file with each protocol, as fuzz-protocol-chat and so on. Sanitizers check
 * the memory; the fuzzer checks that the instance lets go of both clients, and
 * that chat sends no control characters. A libFuzzer target only.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lined/protocol.h>

#include "config/conf_section.h"
#include "log/log.h"
#include "worker_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct lined_protocol lined_protocol;

static struct hall hall;

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
	if (lined_protocol.options != NULL)
		must(conf_section_fill(&section, lined_protocol.options,
				       values) == 0);
	return values;
}

static void open_hall(void)
{
	if (hall.main != NULL)
		return;
	log_set_level(LINED_LOG_ERR);
	hall_open(&hall, 1, &lined_protocol, default_options());
}

/* IAC begins a telnet command, with at most two more bytes. No other byte may
 * be a control character. */
static void judge_text(const unsigned char *text, size_t len)
{
	size_t i;

	if (strcmp(lined_protocol.name, "chat") != 0)
		return;
	for (i = 0; i < len; i++)
		must(text[i] >= ' ' || text[i] == '\n' || text[i] == '\r' ||
		     (i > 0 && text[i - 1] >= 0xfb) ||
		     (i > 1 && text[i - 2] == 0xff));
}

static void hear(int fd)
{
	static unsigned char text[1 << 16];
	ssize_t n;

	while ((n = recv(fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
		judge_text(text, (size_t)n);
}

static void turn(const int fds[2])
{
	must(lined_dispatcher_poll(hall.main, 0) >= 0);
	hear(fds[0]);
	hear(fds[1]);
}

static bool are_gone(void *arg)
{
	(void)arg;
	return lined_service_clients(hall.instances[0][0]) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[2];

	open_hall();
	fds[0] = hall_client(&hall, 0, 0);
	fds[1] = hall_client(&hall, 0, 0);
	turn(fds);
	/* Each item begins with a byte that gives the client and the length. */
	while (size > 1) {
		size_t len = 1 + data[0] / 2;
		int who = data[0] & 1;

		data++;
		size--;
		len = len < size ? len : size;
		(void)!send(fds[who], data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		turn(fds);
		data += len;
		size -= len;
	}
	shutdown(fds[0], SHUT_WR);
	turn(fds);
	turn(fds);
	close(fds[0]);
	close(fds[1]);
	hall_wait(&hall, are_gone, NULL);
	return 0;
}
