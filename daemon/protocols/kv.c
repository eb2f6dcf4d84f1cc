/* SPDX-License-Identifier: MIT */
/*
 * kv: what caches use of memcached's text protocol: get, set, delete, incr,
 * decr, version, quit, answered as memcached does. The example of lines and
 * counted blocks in one stream. An item in the table is its flags, the value
 * and CRLF, so that get sends it as it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lined/protocol.h>

#define KEY_MAX   250
#define WORDS_MAX 1024
#define FLAGS_LEN sizeof(uint32_t)
#define MONTH_S   ((int64_t)60 * 60 * 24 * 30)
#define FAR_S     (MONTH_S * 12 * 10000)

#define BAD_FORMAT "CLIENT_ERROR bad command line format"

struct options {
	int64_t memory, value_size;
};

struct request {
	struct lined_socket *client;
	struct lined_table *table;
	struct lined_word *words, *key;
	size_t count;
	bool quiet; /* noreply */
};

/* A set whose value is on its way: a client's own. */
struct set {
	bool waits, quiet;
	uint32_t flags;
	uint64_t expires_ms;
	struct lined_word key;
	char text[KEY_MAX];
};

static void say(const struct request *r, const char *text)
{
	if (!r->quiet)
		lined_socket_printf(r->client, "%s\r\n", text);
}

static int keep(const struct request *r, uint32_t flags, const char *value,
		size_t len, uint64_t expires_ms)
{
	char *to;
	struct lined_buffer *item = lined_buffer_alloc(FLAGS_LEN + len, &to);
	int rc;

	if (item == NULL)
		return -1;
	memcpy(to, &flags, FLAGS_LEN);
	memcpy(to + FLAGS_LEN, value, len);
	rc = lined_table_put(r->table, r->key->text, r->key->len, item,
			     expires_ms);
	lined_buffer_unref(item);
	lined_service_count(lined_client_service(r->client), "evictions",
			    lined_table_take_evicted(r->table));
	return rc;
}

static uint32_t flags_of(const struct lined_buffer *item)
{
	uint32_t flags;

	memcpy(&flags, lined_buffer_data(item), FLAGS_LEN);
	return flags;
}

/* ---- commands -------------------------------------------------------- */

/* An answer that is more than may wait to be sent would close the client. */
static void get(struct request *r)
{
	size_t most = lined_socket_group(r->client)->limits.send_queue, len;
	struct lined_buffer *item;

	for (; r->key < r->words + r->count; r->key++) {
		item = lined_table_find(r->table, r->key->text, r->key->len,
					NULL);
		if (item == NULL)
			continue;
		len = lined_buffer_len(item) - FLAGS_LEN;
		if (most > 0 &&
		    lined_socket_queued(r->client) + len > most - 2 * KEY_MAX) {
			say(r, "SERVER_ERROR out of memory writing get "
			       "response");
			return;
		}
		lined_socket_printf(r->client, "VALUE %.*s %" PRIu32 " %zu\r\n",
				    (int)r->key->len, r->key->text,
				    flags_of(item), len - 2);
		lined_socket_send_shared(r->client, item, FLAGS_LEN, len);
	}
	say(r, "END");
}

/* Seconds from now, or from 1970 where they are more than a month. */
static uint64_t expiry(struct lined_socket *client, int64_t seconds)
{
	uint64_t now_ms =
		lined_dispatcher_now_ms(lined_socket_dispatcher(client));

	if (seconds == 0)
		return 0;
	if (seconds > MONTH_S)
		seconds -= (int64_t)time(NULL);
	return seconds > 0 ? now_ms + (uint64_t)seconds * 1000 : 1;
}

/* The value comes next, as a block; what is too large is not even read. */
static void set(struct request *r)
{
	const struct options *options =
		lined_service_options(lined_client_service(r->client));
	struct set *set = lined_client_data(r->client);
	uint64_t flags, len;
	int64_t seconds;

	if (!lined_word_unsigned(&r->words[2], UINT32_MAX, &flags) ||
	    !lined_word_signed(&r->words[3], -FAR_S, FAR_S, &seconds) ||
	    !lined_word_unsigned(&r->words[4], INT32_MAX, &len)) {
		say(r, BAD_FORMAT);
	} else if (len > (uint64_t)options->value_size) {
		/* Nobody shall take the old one for it. */
		lined_table_remove(r->table, r->key->text, r->key->len);
		say(r, "SERVER_ERROR object too large for cache");
		lined_socket_close_after_flush(r->client, LINED_CLOSE_LOCAL, 0);
	} else {
		memcpy(set->text, r->key->text, r->key->len);
		set->key = (struct lined_word){set->text, r->key->len};
		set->flags = (uint32_t)flags;
		set->expires_ms = expiry(r->client, seconds);
		set->quiet = r->quiet;
		set->waits = true;
		lined_client_expect_block(r->client, len + 2);
	}
}

static void store(struct request *r, struct set *set,
		  const struct lined_line *block)
{
	set->waits = false;
	r->quiet = set->quiet;
	r->key = &set->key;
	if (memcmp(block->text + block->len - 2, "\r\n", 2) != 0)
		say(r, "CLIENT_ERROR bad data chunk");
	else if (keep(r, set->flags, block->text, block->len, set->expires_ms) <
		 0)
		say(r, "SERVER_ERROR out of memory storing object");
	else
		say(r, "STORED");
}

static void drop(struct request *r)
{
	if (lined_table_remove(r->table, r->key->text, r->key->len) == 0)
		say(r, "DELETED");
	else
		say(r, "NOT_FOUND");
}

/* Up wraps, down ends at 0. */
static void incr(struct request *r)
{
	uint64_t delta, number, expires_ms;
	struct lined_buffer *item = lined_table_find(r->table, r->key->text,
						     r->key->len, &expires_ms);
	struct lined_word value;
	char text[32];

	if (!lined_word_unsigned(&r->words[2], UINT64_MAX, &delta)) {
		say(r, "CLIENT_ERROR invalid numeric delta argument");
		return;
	}
	if (item == NULL) {
		say(r, "NOT_FOUND");
		return;
	}
	value.text = lined_buffer_data(item) + FLAGS_LEN;
	value.len = lined_buffer_len(item) - FLAGS_LEN - 2;
	if (!lined_word_unsigned(&value, UINT64_MAX, &number)) {
		say(r, "CLIENT_ERROR cannot increment or decrement "
		       "non-numeric value");
		return;
	}
	if (lined_word_is(&r->words[0], "incr"))
		number += delta;
	else
		number -= delta < number ? delta : number;
	snprintf(text, sizeof(text), "%" PRIu64 "\r\n", number);
	if (keep(r, flags_of(item), text, strlen(text), expires_ms) < 0)
		say(r, "SERVER_ERROR out of memory in incr");
	else if (!r->quiet)
		lined_socket_send(r->client, text, strlen(text));
}

static void version(struct request *r)
{
	say(r, "VERSION 1.6.0-lined");
}

static void quit(struct request *r)
{
	lined_socket_close_after_flush(r->client, LINED_CLOSE_LOCAL, 0);
}

static const struct command {
	const char *name;
	size_t least, most; /* words */
	bool may_be_quiet;
	void (*run)(struct request *r);
} commands[] = {
	{"get", 2, WORDS_MAX, false, get},
	{"set", 5, 6, true, set},
	{"delete", 2, 4, true, drop},
	{"incr", 3, 4, true, incr},
	{"decr", 3, 4, true, incr},
	{"version", 1, WORDS_MAX, false, version},
	{"quit", 1, WORDS_MAX, false, quit},
};

static const char *run(struct request *r)
{
	const struct command *c = commands;
	size_t i;

	while (r->count == 0 || !lined_word_is(&r->words[0], c->name))
		if (++c == commands + sizeof(commands) / sizeof(commands[0]))
			return "ERROR";
	if (r->count < c->least || r->count > c->most)
		return "ERROR";
	r->quiet = c->may_be_quiet &&
		   lined_word_is(&r->words[r->count - 1], "noreply");
	for (i = 1; i < r->count; i++)
		if (r->words[i].len > KEY_MAX)
			return BAD_FORMAT;
	c->run(r);
	return NULL;
}

/* ---- the service ------------------------------------------------------ */

static void handle_line(struct lined_socket *client,
			const struct lined_line *line)
{
	struct set *set = lined_client_data(client);
	struct lined_service *service = lined_client_service(client);
	const struct options *options = lined_service_options(service);
	struct lined_word words[WORDS_MAX];
	struct request r = {
		.client = client,
		.table = lined_service_table(service, (size_t)options->memory),
		.words = words,
		.key = words + 1,
	};
	const char *error;

	if (r.table == NULL) {
		lined_socket_close_for(client, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	if (set->waits) {
		store(&r, set, line);
		return;
	}
	r.count = lined_line_words(line, words, WORDS_MAX);
	error = run(&r);
	if (error != NULL)
		say(&r, error);
}

static const struct lined_option option_table[] = {
	{LINED_OPTION("memory", SIZE, struct options, memory),
	 .fallback = "64M"},
	{LINED_OPTION("value-size", SIZE, struct options, value_size),
	 .fallback = "512k", .max = 128 * 1024 * 1024},
	{.name = NULL},
};

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "kv",
	.summary = "keys and values in memory, as memcached has them",
	.flags = LINED_ONE_WORKER,
	.handle_line = handle_line,
	.options = option_table,
	.options_size = sizeof(struct options),
	.framing_fixed = LINED_FRAMING_TERMINATOR | LINED_FRAMING_TOO_LONG |
			 LINED_FRAMING_UNTERMINATED,
	.framing = {.line_length = 16 * 1024},
	.client_size = sizeof(struct set),
};
