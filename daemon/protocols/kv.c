/* SPDX-License-Identifier: MIT */
/*
 * kv: memcached's basic text protocol (doc/protocol.txt of memcached 1.6), so
 * that its clients work unchanged. The example of lines and counted blocks in
 * one stream.
 *
 * A value that a client sends is never read as a command. The block of a
 * refused storage command is discarded; if its length is not known, the
 * connection is closed.
 *
 * The tag of an entry holds its flags; its buffer begins with its cas unique.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lined/protocol.h>

#define KEY_MAX   250
#define WORDS_MAX 8 /* more than any command takes, except get */
#define MONTH_S   ((int64_t)60 * 60 * 24 * 30)
#define FAR_S     (MONTH_S * 12 * 10000)
#define CAS_SIZE  sizeof(uint64_t)
/* A refused block is discarded in pieces of at most this size. */
#define DISCARD_MAX ((uint64_t)64 * 1024)

#define BAD_FORMAT "CLIENT_ERROR bad command line format"
#define BAD_TIME   "CLIENT_ERROR invalid exptime argument"
#define TOO_LARGE  "SERVER_ERROR object too large for cache"

struct kv_options {
	int64_t memory, value_size;
};

/* The counters of clients' commands that `stats` shows. */
struct kv_stats {
	uint64_t cmd_get, cmd_set, cmd_flush, cmd_touch;
	uint64_t get_hits, get_misses, delete_hits, delete_misses;
	uint64_t incr_hits, incr_misses, decr_hits, decr_misses;
	uint64_t cas_hits, cas_misses, cas_badval;
	uint64_t touch_hits, touch_misses, total_items, evictions;
};

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
	KV_STAT(evictions),
};

/* The state of a service; one worker serves all its clients. */
struct kv_cache {
	struct lined_service *service;
	struct lined_timer flush; /* of flush_all with a delay */
	time_t began;
	uint64_t last_cas;
	struct kv_stats stats;
};

struct kv_client {
	uint64_t discard; /* bytes of a refused block still to be read */
};

struct kv_request {
	struct lined_socket *client;
	struct kv_cache *cache;
	struct lined_table *table;
	const struct kv_options *options;
	const struct lined_line *line;
	const struct lined_word *words, *key;
	size_t count;
	bool quiet;                     /* noreply */
	const struct lined_line *block; /* NULL: not read yet */
	char number[24];                /* the reply of incr and decr */
};

/* A value that was found. Valid as long as the entry of the table. */
struct kv_item {
	const struct lined_table_entry *entry;
	const char *data;
	size_t len;
	uint64_t cas;
};

static void kv_reply(const struct kv_request *r, const char *text)
{
	if (!r->quiet)
		lined_socket_printf(r->client, "%s\r\n", text);
}

static const char *kv_quit(struct kv_request *r)
{
	lined_socket_close_after_flush(r->client, LINED_CLOSE_LOCAL, 0);
	return NULL;
}

/* ---- items ------------------------------------------------------------ */

static bool kv_find(const struct kv_request *r, const struct lined_word *key,
		    struct kv_item *item)
{
	item->entry = lined_table_find(r->table, key->text, key->len);
	if (item->entry == NULL)
		return false;
	item->data = lined_buffer_data(item->entry->value) + CAS_SIZE;
	item->len = lined_buffer_len(item->entry->value) - CAS_SIZE;
	memcpy(&item->cas, lined_buffer_data(item->entry->value), CAS_SIZE);
	return true;
}

/* Puts an entry under the key; a reference to its value is taken. */
static int kv_put(const struct kv_request *r,
		  const struct lined_table_entry *entry)
{
	int rc = lined_table_put(r->table, r->key->text, r->key->len, entry);
	uint64_t evicted = lined_table_take_evicted(r->table);

	lined_service_count(r->cache->service, "evictions", evicted);
	r->cache->stats.evictions += evicted;
	return rc;
}

/* Stores head followed by tail, with a cas unique of its own. */
static int kv_store(const struct kv_request *r, const struct lined_word *head,
		    const struct lined_word *tail, uint64_t flags,
		    uint64_t expires_ms)
{
	struct lined_table_entry entry = {
		.tag = flags,
		.expires_ms = expires_ms,
	};
	uint64_t cas = ++r->cache->last_cas;
	char *data;
	int rc;

	entry.value =
		lined_buffer_alloc(CAS_SIZE + head->len + tail->len, &data);
	if (entry.value == NULL)
		return -1;
	memcpy(data, &cas, CAS_SIZE);
	memcpy(data + CAS_SIZE, head->text, head->len);
	memcpy(data + CAS_SIZE + head->len, tail->text, tail->len);
	rc = kv_put(r, &entry);
	lined_buffer_unref(entry.value);
	return rc;
}

/* Reads when an entry expires. 0: never; up to a month: after so many seconds;
 * more: at that UNIX time. False: the word is no such number. */
static bool kv_expiry(const struct kv_request *r, const struct lined_word *word,
		      uint64_t *expires_ms)
{
	uint64_t now_ms = lined_dispatcher_now_ms(
		lined_service_dispatcher(r->cache->service));
	int64_t seconds;

	*expires_ms = 0;
	if (!lined_word_signed(word, -FAR_S, FAR_S, &seconds))
		return false;
	if (seconds == 0)
		return true;
	if (seconds > MONTH_S)
		seconds -= (int64_t)time(NULL);
	*expires_ms = seconds > 0 ? now_ms + (uint64_t)seconds * 1000 : 1;
	return true;
}

/* ---- storage commands ------------------------------------------------- */

/* Discards len bytes of a refused block, piece by piece. */
static void kv_discard(struct lined_socket *client, uint64_t len)
{
	struct kv_client *state = lined_client_data(client);

	state->discard = len;
	if (len > DISCARD_MAX)
		len = DISCARD_MAX;
	if (len > 0 && lined_client_expect_block(client, len) < 0)
		lined_socket_close_after_flush(client, LINED_CLOSE_LOCAL, 0);
}

/* Refuses a storage command whose block follows; `length` is the word of the
 * line with its length. NULL: there is none. */
static const char *kv_refuse_block(struct kv_request *r,
				   const struct lined_word *length,
				   const char *why)
{
	uint64_t len;

	kv_reply(r, why);
	if (length == NULL || !lined_word_unsigned(length, INT32_MAX, &len))
		return kv_quit(r);
	kv_discard(r->client, len + 2);
	return NULL;
}

/* Stores the block as the command says. */
static const char *kv_store_block(struct kv_request *r, uint64_t flags,
				  uint64_t expires_ms, uint64_t cas)
{
	static const struct lined_word nothing = {"", 0};
	struct kv_stats *stats = &r->cache->stats;
	const struct lined_word *command = &r->words[0];
	struct lined_word head = {r->block->text, r->block->len - 2};
	struct lined_word tail = nothing;
	struct kv_item item;
	bool found;

	stats->cmd_set++;
	if (memcmp(head.text + head.len, "\r\n", 2) != 0)
		return "CLIENT_ERROR bad data chunk";
	found = kv_find(r, r->key, &item);
	if (lined_word_is(command, "cas")) {
		if (!found) {
			stats->cas_misses++;
			return "NOT_FOUND";
		}
		if (item.cas != cas) {
			stats->cas_badval++;
			return "EXISTS";
		}
		stats->cas_hits++;
	} else if (!lined_word_is(command, "set")) {
		if (found == lined_word_is(command, "add"))
			return "NOT_STORED";
	}
	if (lined_word_is(command, "append") ||
	    lined_word_is(command, "prepend")) {
		struct lined_word old = {item.data, item.len};
		bool after = lined_word_is(command, "append");

		if (head.len + old.len > (uint64_t)r->options->value_size)
			return "NOT_STORED";
		tail = after ? head : old;
		head = after ? old : head;
		flags = item.entry->tag;
		expires_ms = item.entry->expires_ms;
	}
	if (kv_store(r, &head, &tail, flags, expires_ms) < 0)
		return "SERVER_ERROR out of memory storing object";
	stats->total_items++;
	return "STORED";
}

/* The value follows as a block, and this is called again with it. A value that
 * is too large is not stored. A `set` of one also removes the old value, or
 * clients would take the old value for the new one. */
static const char *kv_storage(struct kv_request *r)
{
	uint64_t flags, len, cas = 0, expires_ms;

	if (!lined_word_unsigned(&r->words[4], INT32_MAX, &len) ||
	    r->key->len > KEY_MAX ||
	    !lined_word_unsigned(&r->words[2], UINT32_MAX, &flags) ||
	    !kv_expiry(r, &r->words[3], &expires_ms) ||
	    (lined_word_is(&r->words[0], "cas") &&
	     !lined_word_unsigned(&r->words[5], UINT64_MAX, &cas)))
		return kv_refuse_block(r, &r->words[4], BAD_FORMAT);
	if (r->block != NULL)
		return kv_store_block(r, flags, expires_ms, cas);
	if (len > (uint64_t)r->options->value_size) {
		if (lined_word_is(&r->words[0], "set"))
			lined_table_remove(r->table, r->key->text, r->key->len);
		return kv_refuse_block(r, &r->words[4], TOO_LARGE);
	}
	if (lined_client_expect_block(r->client, len + 2) < 0)
		return kv_refuse_block(r, &r->words[4], TOO_LARGE);
	return NULL;
}

/* ---- retrieval -------------------------------------------------------- */

/* The key after `at` in the line; false: there is none. The number of keys has
 * no limit, so they are not stored in an array. */
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
	lined_socket_send_shared(r->client, item->entry->value, CAS_SIZE,
				 item->len);
	lined_socket_send(r->client, "\r\n", 2);
}

/* Changes when an item expires; its cas unique stays. */
static bool kv_touch_item(const struct kv_request *r,
			  const struct lined_word *key, uint64_t expires_ms,
			  struct kv_item *item)
{
	struct lined_table_entry entry = *item->entry;
	struct kv_request one = *r;

	one.key = key;
	entry.expires_ms = expires_ms;
	return kv_put(&one, &entry) == 0 && kv_find(r, key, item);
}

/* get, gets, gat, gats. An answer that exceeds the send queue would close the
 * client, so it ends with an error before that. */
static const char *kv_get(struct kv_request *r)
{
	struct kv_stats *stats = &r->cache->stats;
	const struct lined_word *command = &r->words[0];
	bool touches = command->text[1] == 'a';
	bool with_cas = command->text[command->len - 1] == 's';
	const char *at =
		r->words[touches ? 1 : 0].text + r->words[touches ? 1 : 0].len;
	uint64_t expires_ms = 0;
	struct lined_word key;
	struct kv_item item;

	if (touches && !kv_expiry(r, &r->words[1], &expires_ms))
		return BAD_TIME;
	while (kv_next_key(r->line, &at, &key)) {
		if (key.len > KEY_MAX)
			return BAD_FORMAT;
		*(touches ? &stats->cmd_touch : &stats->cmd_get) += 1;
		if (!kv_find(r, &key, &item)) {
			stats->get_misses++;
			stats->touch_misses += touches;
			continue;
		}
		if (lined_socket_room(r->client) < item.len + 2 * KEY_MAX)
			return "SERVER_ERROR out of memory writing get "
			       "response";
		stats->get_hits++;
		stats->touch_hits += touches;
		/* The item is sent before it is touched, because the touch may
		 * expire it. */
		kv_send_item(r, &key, &item, with_cas);
		if (touches)
			kv_touch_item(r, &key, expires_ms, &item);
	}
	return "END";
}

static const char *kv_touch(struct kv_request *r)
{
	struct kv_stats *stats = &r->cache->stats;
	uint64_t expires_ms;
	struct kv_item item;

	if (!kv_expiry(r, &r->words[2], &expires_ms))
		return BAD_TIME;
	stats->cmd_touch++;
	if (!kv_find(r, r->key, &item)) {
		stats->touch_misses++;
		return "NOT_FOUND";
	}
	stats->touch_hits++;
	kv_touch_item(r, r->key, expires_ms, &item);
	return "TOUCHED";
}

/* ---- the other commands ----------------------------------------------- */

/* Old clients send 0 as the third word. */
static const char *kv_delete(struct kv_request *r)
{
	struct kv_stats *stats = &r->cache->stats;

	if (r->count > 2 && !lined_word_is(&r->words[2], "0") &&
	    !(r->count == 3 && r->quiet))
		return BAD_FORMAT ".  Usage: delete <key> [noreply]";
	if (lined_table_remove(r->table, r->key->text, r->key->len) < 0) {
		stats->delete_misses++;
		return "NOT_FOUND";
	}
	stats->delete_hits++;
	return "DELETED";
}

/* incr wraps at 64 bits, decr stops at 0. */
static const char *kv_incr(struct kv_request *r)
{
	static const struct lined_word nothing = {"", 0};
	struct kv_stats *stats = &r->cache->stats;
	bool up = lined_word_is(&r->words[0], "incr");
	uint64_t delta, number;
	struct lined_word value;
	struct kv_item item;

	if (!lined_word_unsigned(&r->words[2], UINT64_MAX, &delta))
		return "CLIENT_ERROR invalid numeric delta argument";
	if (!kv_find(r, r->key, &item)) {
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
	if (kv_store(r, &value, &nothing, item.entry->tag,
		     item.entry->expires_ms) < 0)
		return "SERVER_ERROR out of memory in incr";
	return r->number;
}

static void kv_flush_due(struct lined_timer *timer)
{
	struct kv_cache *cache =
		lined_container_of(timer, struct kv_cache, flush);
	const struct kv_options *options =
		lined_service_options(cache->service);

	lined_table_clear(
		lined_service_table(cache->service, (size_t)options->memory));
}

/* flush_all [SECONDS] [noreply] */
static const char *kv_flush_all(struct kv_request *r)
{
	int64_t seconds = 0;

	if (r->count > (r->quiet ? 2 : 1) &&
	    !lined_word_signed(&r->words[1], -FAR_S, FAR_S, &seconds))
		return BAD_TIME;
	if (seconds > MONTH_S)
		seconds -= (int64_t)time(NULL);
	r->cache->stats.cmd_flush++;
	lined_timer_stop(&r->cache->flush);
	if (seconds > 0 && lined_timer_start(&r->cache->flush,
					     (uint64_t)seconds * 1000, 0) < 0)
		return "SERVER_ERROR out of memory";
	if (seconds <= 0)
		lined_table_clear(r->table);
	return "OK";
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
	time_t now = time(NULL);
	uint64_t value;
	size_t i;

	if (r->count > 1 && lined_word_is(&r->words[1], "reset")) {
		memset(&r->cache->stats, 0, sizeof(r->cache->stats));
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
	kv_stat(r, "uptime", (uint64_t)(now - r->cache->began));
	kv_stat(r, "time", (uint64_t)now);
	lined_socket_printf(r->client, "STAT version 1.6.0-lined\r\n");
	kv_stat(r, "pointer_size", sizeof(void *) * 8);
	kv_stat(r, "curr_connections",
		lined_service_clients(r->cache->service));
	for (i = 0; i < sizeof(kv_stat_table) / sizeof(kv_stat_table[0]); i++) {
		memcpy(&value,
		       (const char *)&r->cache->stats + kv_stat_table[i].offset,
		       sizeof(value));
		kv_stat(r, kv_stat_table[i].name, value);
	}
	kv_stat(r, "threads", 1);
	kv_stat(r, "curr_items", lined_table_len(r->table));
	kv_stat(r, "bytes", lined_table_bytes(r->table));
	kv_stat(r, "limit_maxbytes", (uint64_t)r->options->memory);
	return "END";
}

/* Accepted without effect: the log has its own level. */
static const char *kv_verbosity(struct kv_request *r)
{
	uint64_t level;

	if (!(r->count == 2 && r->quiet) &&
	    !lined_word_unsigned(&r->words[1], UINT32_MAX, &level))
		return BAD_FORMAT;
	return "OK";
}

static const char *kv_version(struct kv_request *r)
{
	(void)r;
	return "VERSION 1.6.0-lined";
}

/* ---- lines ------------------------------------------------------------ */

static const struct kv_command {
	const char *name;
	size_t least, most; /* words */
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

/* Whether the line is of an HTTP request. A web page can make a browser send
 * commands here in the body of a request: such a connection is closed. */
static bool kv_is_http(const struct kv_request *r)
{
	const struct lined_word *first = &r->words[0], *third = &r->words[2];

	return lined_word_is(first, "POST") ||
	       (first->len >= 5 && memcmp(first->text, "Host:", 5) == 0) ||
	       (r->count == 3 && third->len > 5 &&
		memcmp(third->text, "HTTP/", 5) == 0);
}

/* The meta command `ms KEY LENGTH FLAG...` is not served, but its block must be
 * discarded. */
static const char *kv_unknown(struct kv_request *r)
{
	if (r->count == 0)
		return "ERROR";
	if (kv_is_http(r)) {
		lined_service_count(r->cache->service, "http_requests", 1);
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
	    r->key->len > KEY_MAX)
		return BAD_FORMAT;
	return c->run(r);
}

static void kv_serve(struct lined_socket *client, const struct lined_line *line,
		     const struct lined_line *block)
{
	struct lined_service *service = lined_client_service(client);
	const struct kv_options *options = lined_service_options(service);
	struct lined_word words[WORDS_MAX];
	struct kv_request r = {
		.client = client,
		.cache = lined_service_data(service),
		.table = lined_service_table(service, (size_t)options->memory),
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
	struct kv_client *state = lined_client_data(client);

	if (state->discard > 0)
		kv_discard(client, state->discard - block->len);
	else
		kv_serve(client, line, block);
}

static int kv_start(struct lined_service *service)
{
	struct kv_cache *cache = lined_service_data(service);

	cache->service = service;
	cache->began = time(NULL);
	lined_service_timer(service, &cache->flush, kv_flush_due);
	return 0;
}

static void kv_stop(struct lined_service *service)
{
	struct kv_cache *cache = lined_service_data(service);

	lined_timer_stop(&cache->flush);
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
	.options = kv_options,
	.options_size = sizeof(struct kv_options),
	.client_size = sizeof(struct kv_client),
	.instance_size = sizeof(struct kv_cache),
	.framing_fixed = LINED_FRAMING_TERMINATOR | LINED_FRAMING_TOO_LONG |
			 LINED_FRAMING_UNTERMINATED,
	/* Room for a get of some 10,000 keys. */
	.framing = {.line_length = 1024 * 1024},
};
