/* SPDX-License-Identifier: MIT */
/*
 * kv: the basic text protocol of memcached (doc/protocol.txt of memcached 1.6),
 * so that memcached's clients work unchanged. An example of lines and counted
 * blocks in one stream; storage_commands.c handles blocks, store.c items.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lined/protocol.h>

#include "kv/kv.h"

#define WORDS_MAX 8 /* words kept of a line; kv_get() reads the rest */

#define BAD_TIME "CLIENT_ERROR invalid exptime argument"

#define KV_STAT(NAME)                                                          \
	{                                                                      \
#NAME, offsetof(struct kv_stats, NAME)                         \
	}

static const struct {
	const char *name;
	size_t offset;
} kv_stat_table[] = {
	KV_STAT(cmd_get),     KV_STAT(cmd_set),       KV_STAT(cmd_flush),
	KV_STAT(cmd_touch),   KV_STAT(get_hits),      KV_STAT(get_misses),
	KV_STAT(delete_hits), KV_STAT(delete_misses), KV_STAT(incr_hits),
	KV_STAT(incr_misses), KV_STAT(decr_hits),     KV_STAT(decr_misses),
	KV_STAT(cas_hits),    KV_STAT(cas_misses),    KV_STAT(cas_badval),
	KV_STAT(touch_hits),  KV_STAT(touch_misses),  KV_STAT(total_items),
};

/* The state of a service; one worker serves all its clients. */
struct kv_cache {
	struct kv_store store;
	struct kv_stats stats;
	time_t began;
};

void kv_reply(const struct kv_request *r, const char *text)
{
	if (!r->quiet)
		lined_socket_printf(r->client, "%s\r\n", text);
}

const char *kv_no_room(const struct kv_request *r, const char *answer)
{
	if (errno == ENOMEM)
		lined_service_log(lined_client_service(r->client),
				  LINED_LOG_WARNING, "%s", strerror(errno));
	return answer;
}

const char *kv_quit(struct kv_request *r)
{
	lined_socket_close_after_flush(r->client, LINED_CLOSE_LOCAL, 0);
	return NULL;
}

/* ---- retrieval -------------------------------------------------------- */

/* Takes the key after `at` in the line; false: none. The number of keys is
 * unlimited, so they are not stored in an array. */
static bool kv_next_key(const struct lined_line *line, const char **at,
			struct lined_word *key)
{
	const char *end = line->text + line->len;

	while (*at < end && **at == ' ')
		(*at)++;
	key->text = *at;
	while (*at < end && **at != ' ')
		(*at)++;
	key->len = (size_t)(*at - key->text);
	return key->len > 0;
}

static void kv_send_item(const struct kv_request *r,
			 const struct lined_word *key,
			 const struct kv_item *item, bool with_cas)
{
	char cas[24] = "";

	if (with_cas)
		snprintf(cas, sizeof(cas), " %" PRIu64, item->cas);
	lined_socket_printf(r->client, "VALUE %.*s %" PRIu64 " %zu%s\r\n",
			    (int)key->len, key->text, item->entry->tag,
			    item->len, cas);
	kv_store_send(r->client, item);
	lined_socket_send(r->client, "\r\n", 2);
}

/* get, gets, gat, gats. An answer that exceeds the send queue would close the
 * client, so the answer ends with an error before that. */
static const char *kv_get(struct kv_request *r)
{
	struct kv_stats *stats = r->stats;
	const struct lined_word *command = &r->words[0];
	bool touches = command->text[1] == 'a';
	bool with_cas = command->text[command->len - 1] == 's';
	const char *at =
		r->words[touches ? 1 : 0].text + r->words[touches ? 1 : 0].len;
	uint64_t expires_ms = 0;
	struct lined_word key;
	struct kv_item item;

	if (touches && !kv_store_expiry(r->store, &r->words[1], &expires_ms))
		return BAD_TIME;
	while (kv_next_key(r->line, &at, &key)) {
		if (key.len > KV_KEY_MAX)
			return KV_BAD_FORMAT;
		*(touches ? &stats->cmd_touch : &stats->cmd_get) += 1;
		if (!kv_store_find(r->store, &key, &item)) {
			stats->get_misses++;
			stats->touch_misses += touches;
			continue;
		}
		if (lined_socket_room(r->client) < item.len + 2 * KV_KEY_MAX)
			return "SERVER_ERROR out of memory writing get "
			       "response";
		stats->get_hits++;
		stats->touch_hits += touches;
		/* Send the item before touching it: the touch may expire it. */
		kv_send_item(r, &key, &item, with_cas);
		if (touches)
			kv_store_touch(r->store, &key, expires_ms, &item);
	}
	return "END";
}

static const char *kv_touch(struct kv_request *r)
{
	struct kv_stats *stats = r->stats;
	uint64_t expires_ms;
	struct kv_item item;

	if (!kv_store_expiry(r->store, &r->words[2], &expires_ms))
		return BAD_TIME;
	stats->cmd_touch++;
	if (!kv_store_find(r->store, r->key, &item)) {
		stats->touch_misses++;
		return "NOT_FOUND";
	}
	stats->touch_hits++;
	kv_store_touch(r->store, r->key, expires_ms, &item);
	return "TOUCHED";
}

/* ---- the other commands ----------------------------------------------- */

/* Old clients send 0 as a third word. */
static const char *kv_delete(struct kv_request *r)
{
	struct kv_stats *stats = r->stats;

	if (r->count > 2 && !lined_word_is(&r->words[2], "0") &&
	    !(r->count == 3 && r->quiet))
		return KV_BAD_FORMAT ".  Usage: delete <key> [noreply]";
	if (lined_table_remove(r->store->table, r->key->text, r->key->len) <
	    0) {
		stats->delete_misses++;
		return "NOT_FOUND";
	}
	stats->delete_hits++;
	return "DELETED";
}

/* incr wraps at 64 bits; decr stops at 0. */
static const char *kv_incr(struct kv_request *r)
{
	static const struct lined_word nothing = {"", 0};
	struct kv_stats *stats = r->stats;
	bool up = lined_word_is(&r->words[0], "incr");
	uint64_t delta, number;
	struct lined_word value;
	struct kv_item item;

	if (!lined_word_unsigned(&r->words[2], UINT64_MAX, &delta))
		return "CLIENT_ERROR invalid numeric delta argument";
	if (!kv_store_find(r->store, r->key, &item)) {
		*(up ? &stats->incr_misses : &stats->decr_misses) += 1;
		return "NOT_FOUND";
	}
	value = (struct lined_word){item.data, item.len};
	if (!lined_word_unsigned(&value, UINT64_MAX, &number))
		return "CLIENT_ERROR cannot increment or decrement "
		       "non-numeric value";
	*(up ? &stats->incr_hits : &stats->decr_hits) += 1;
	if (up)
		number += delta;
	else
		number -= delta < number ? delta : number;
	snprintf(r->number, sizeof(r->number), "%" PRIu64, number);
	value = (struct lined_word){r->number, strlen(r->number)};
	if (kv_store_put(r->store, r->key, &value, &nothing, item.entry->tag,
			 item.entry->expires_ms) < 0)
		return kv_no_room(r, "SERVER_ERROR out of memory in incr");
	return r->number;
}

/* flush_all [SECONDS] [noreply] */
static const char *kv_flush_all(struct kv_request *r)
{
	int64_t seconds = 0;

	if (r->count > (r->quiet ? 2 : 1) &&
	    !lined_word_signed(&r->words[1], -KV_FAR_S, KV_FAR_S, &seconds))
		return BAD_TIME;
	if (seconds > KV_MONTH_S)
		seconds -= (int64_t)time(NULL);
	r->stats->cmd_flush++;
	return kv_store_flush(r->store, seconds) == 0
		       ? "OK"
		       : kv_no_room(r, "SERVER_ERROR out of memory");
}

static void kv_stat(const struct kv_request *r, const char *name,
		    uint64_t value)
{
	lined_socket_printf(r->client, "STAT %s %" PRIu64 "\r\n", name, value);
}

/* stats [reset]. Other arguments ask for statistics that this cache does not
 * have. */
static const char *kv_stats(struct kv_request *r)
{
	const struct kv_cache *cache = lined_service_data(r->store->service);
	time_t now = time(NULL);
	uint64_t value;
	size_t i;

	if (r->count > 1 && lined_word_is(&r->words[1], "reset")) {
		memset(r->stats, 0, sizeof(*r->stats));
		r->store->evictions = 0;
		return "RESET";
	}
	if (r->count > 1 && (lined_word_is(&r->words[1], "items") ||
			     lined_word_is(&r->words[1], "slabs") ||
			     lined_word_is(&r->words[1], "sizes") ||
			     lined_word_is(&r->words[1], "settings")))
		return "END";
	if (r->count > 1)
		return "ERROR";
	kv_stat(r, "pid", (uint64_t)getpid());
	kv_stat(r, "uptime", (uint64_t)(now - cache->began));
	kv_stat(r, "time", (uint64_t)now);
	lined_socket_printf(r->client, "STAT version 1.6.0-lined\r\n");
	kv_stat(r, "pointer_size", sizeof(void *) * 8);
	kv_stat(r, "curr_connections",
		lined_service_clients(r->store->service));
	for (i = 0; i < sizeof(kv_stat_table) / sizeof(kv_stat_table[0]); i++) {
		memcpy(&value, (const char *)r->stats + kv_stat_table[i].offset,
		       sizeof(value));
		kv_stat(r, kv_stat_table[i].name, value);
	}
	kv_stat(r, "evictions", r->store->evictions);
	kv_stat(r, "threads", 1);
	kv_stat(r, "curr_items", lined_table_len(r->store->table));
	kv_stat(r, "bytes", lined_table_bytes(r->store->table));
	kv_stat(r, "limit_maxbytes", (uint64_t)r->options->memory);
	return "END";
}

/* Accepted without effect: the log has its own level. */
static const char *kv_verbosity(struct kv_request *r)
{
	uint64_t level;

	if (!(r->count == 2 && r->quiet) &&
	    !lined_word_unsigned(&r->words[1], UINT32_MAX, &level))
		return KV_BAD_FORMAT;
	return "OK";
}

static const char *kv_version(struct kv_request *r)
{
	return "VERSION 1.6.0-lined";
}

/* ---- lines ------------------------------------------------------------ */

static const struct kv_command {
	const char *name;
	size_t least, most; /* allowed numbers of words */
	bool may_be_quiet;
	const char *(*run)(struct kv_request *r);
} kv_commands[] = {
	{"get", 2, SIZE_MAX, false, kv_get},
	{"gets", 2, SIZE_MAX, false, kv_get},
	{"gat", 2, SIZE_MAX, false, kv_get},
	{"gats", 2, SIZE_MAX, false, kv_get},
	{"set", 5, 6, true, kv_storage},
	{"add", 5, 6, true, kv_storage},
	{"replace", 5, 6, true, kv_storage},
	{"append", 5, 6, true, kv_storage},
	{"prepend", 5, 6, true, kv_storage},
	{"cas", 6, 7, true, kv_storage},
	{"touch", 3, 4, true, kv_touch},
	{"delete", 2, 4, true, kv_delete},
	{"incr", 3, 4, true, kv_incr},
	{"decr", 3, 4, true, kv_incr},
	{"flush_all", 1, 3, true, kv_flush_all},
	{"stats", 1, 3, false, kv_stats},
	{"verbosity", 2, 3, true, kv_verbosity},
	{"version", 1, SIZE_MAX, false, kv_version},
	{"quit", 1, SIZE_MAX, false, kv_quit},
	{NULL, 0, 0, false, NULL},
};

/* Whether the line belongs to an HTTP request. A web page can make a browser
 * send commands in the body of a request, so kv_unknown() closes such a
 * connection. */
static bool kv_is_http(const struct kv_request *r)
{
	const struct lined_word *first = &r->words[0], *third = &r->words[2];

	return lined_word_is(first, "POST") ||
	       (first->len >= 5 && memcmp(first->text, "Host:", 5) == 0) ||
	       (r->count == 3 && third->len > 5 &&
		memcmp(third->text, "HTTP/", 5) == 0);
}

/* Refuses an unknown command. The block of the meta command `ms KEY LENGTH
 * FLAG...` must be discarded. */
static const char *kv_unknown(struct kv_request *r)
{
	if (r->count == 0)
		return "ERROR";
	if (kv_is_http(r)) {
		lined_service_count(r->store->service, "http_requests", 1);
		return kv_quit(r);
	}
	if (lined_word_is(&r->words[0], "ms"))
		return kv_refuse_block(r, r->count > 2 ? &r->words[2] : NULL,
				       "ERROR");
	return "ERROR";
}

static const char *kv_run(struct kv_request *r)
{
	const struct kv_command *c = kv_commands;
	size_t last;

	while (c->name != NULL &&
	       (r->count == 0 || !lined_word_is(&r->words[0], c->name)))
		c++;
	if (c->name == NULL)
		return kv_unknown(r);
	last = r->count < WORDS_MAX ? r->count - 1 : WORDS_MAX - 1;
	r->quiet = c->may_be_quiet && lined_word_is(&r->words[last], "noreply");
	if (r->count < c->least || r->count > c->most) {
		r->quiet = false;
		return c->run == kv_storage ? kv_refuse_block(r, NULL, "ERROR")
					    : "ERROR";
	}
	if (c->run != kv_storage && c->run != kv_get && r->count > 1 &&
	    r->key->len > KV_KEY_MAX)
		return KV_BAD_FORMAT;
	return c->run(r);
}

static void kv_serve(struct lined_socket *client, const struct lined_line *line,
		     const struct lined_line *block)
{
	struct lined_service *service = lined_client_service(client);
	const struct kv_options *options = lined_service_options(service);
	struct kv_cache *cache = lined_service_data(service);
	struct lined_word words[WORDS_MAX];
	struct kv_request r = {
		.client = client,
		.store = &cache->store,
		.stats = &cache->stats,
		.options = options,
		.line = line,
		.words = words,
		.key = words + 1,
		.count = lined_line_words(line, words, WORDS_MAX),
		.block = block,
	};
	const char *answer = kv_run(&r);

	if (answer != NULL)
		kv_reply(&r, answer);
}

static void kv_handle_line(struct lined_socket *client,
			   const struct lined_line *line)
{
	kv_serve(client, line, NULL);
}

static void kv_handle_block(struct lined_socket *client,
			    const struct lined_line *line,
			    const struct lined_line *block)
{
	if (kv_block_is_wanted(client, block))
		kv_serve(client, line, block);
}

static void kv_reload(struct lined_service *service)
{
	const struct kv_options *options = lined_service_options(service);
	struct kv_cache *cache = lined_service_data(service);

	cache->store.memory = (size_t)options->memory;
	cache->store.table = lined_service_table(service, cache->store.memory);
}

static int kv_start(struct lined_service *service)
{
	struct kv_cache *cache = lined_service_data(service);

	cache->began = time(NULL);
	kv_store_init(&cache->store, service);
	kv_reload(service);
	return 0;
}

static void kv_stop(struct lined_service *service)
{
	struct kv_cache *cache = lined_service_data(service);

	lined_timer_stop(&cache->store.flush);
}

static void kv_give_up(struct lined_service *service, uint64_t bytes,
		       bool spare)
{
	struct kv_cache *cache = lined_service_data(service);

	if (!spare)
		kv_store_give_up(&cache->store, bytes);
}

static uint64_t kv_keeps_most(const void *options, size_t line_length,
			      uint64_t clients, unsigned workers)
{
	return (uint64_t)((const struct kv_options *)options)->memory;
}

static const struct lined_option kv_options[] = {
	{LINED_OPTION("memory", SIZE, struct kv_options, memory),
	 .fallback = "64M"},
	{LINED_OPTION("value-size", SIZE, struct kv_options, value_size),
	 .fallback = "512k", .max = 128 * 1024 * 1024},
	{.name = NULL},
};

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "kv",
	.summary = "keys and values in memory, as memcached has them",
	.flags = LINED_ONE_WORKER,
	.handle_line = kv_handle_line,
	.handle_block = kv_handle_block,
	.start = kv_start,
	.stop = kv_stop,
	.reload = kv_reload,
	.give_up = kv_give_up,
	.keeps_most = kv_keeps_most,
	.options = kv_options,
	.options_size = sizeof(struct kv_options),
	.client_size = sizeof(struct kv_client),
	.instance_size = sizeof(struct kv_cache),
	.framing_fixed = LINED_FRAMING_TERMINATOR | LINED_FRAMING_TOO_LONG |
			 LINED_FRAMING_UNTERMINATED,
	/* Enough for a get of some 10,000 keys. */
	.framing = {.line_length = 1024 * 1024},
};
