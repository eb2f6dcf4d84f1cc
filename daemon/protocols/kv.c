/* SPDX-License-Identifier: MIT */
/*
 * kv: what caches use of memcached's text protocol: get, set, delete, incr,
 * decr, version, quit, answered as memcached does. The example of lines and
 * counted blocks in one stream. The tag of an entry is its flags.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lined/protocol.h>

#define KEY_MAX   250
#define WORDS_MAX 1024
#define MONTH_S   ((int64_t)60 * 60 * 24 * 30)
#define FAR_S     (MONTH_S * 12 * 10000)

#define BAD_FORMAT "CLIENT_ERROR bad command line format"

struct options {
	int64_t memory, value_size;
};

struct request {
	struct lined_socket *client;
	struct lined_table *table;
	const struct lined_word *words, *key;
	size_t count;
	bool quiet;                     /* noreply */
	const struct lined_line *block; /* of a set, once it has come */
	char number[24];                /* what incr answers */
};

static void say(const struct request *r, const char *text)
{
	if (!r->quiet)
		lined_socket_printf(r->client, "%s\r\n", text);
}

static const struct lined_table_entry *find(const struct request *r)
{
	return lined_table_find(r->table, r->key->text, r->key->len);
}

static int keep(const struct request *r, const char *value, size_t len,
		uint64_t flags, uint64_t expires_ms)
{
	const struct lined_table_entry entry = {lined_buffer_new(value, len),
						flags, expires_ms};
	int rc = -1;

	if (entry.value != NULL)
		rc = lined_table_put(r->table, r->key->text, r->key->len,
				     &entry);
	lined_buffer_unref(entry.value);
	lined_service_count(lined_client_service(r->client), "evictions",
			    lined_table_take_evicted(r->table));
	return rc;
}

/* ---- commands: what they answer, if anything -------------------------- */

/* An answer that is more than may wait to be sent would close the client. */
static const char *get(struct request *r)
{
	const struct lined_table_entry *item;
	size_t len;

	for (; r->key < r->words + r->count; r->key++) {
		item = find(r);
		if (item == NULL)
			continue;
		len = lined_buffer_len(item->value);
		if (lined_socket_room(r->client) < len + 2 * KEY_MAX)
			return "SERVER_ERROR out of memory writing get "
			       "response";
		lined_socket_printf(r->client, "VALUE %.*s %" PRIu64 " %zu\r\n",
				    (int)r->key->len, r->key->text, item->tag,
				    len);
		lined_socket_send_shared(r->client, item->value, 0, len);
		lined_socket_send(r->client, "\r\n", 2);
	}
	return "END";
}

/* Seconds from now, or from 1970 where they are more than a month. */
static uint64_t expiry(const struct request *r, int64_t seconds)
{
	uint64_t now_ms =
		lined_dispatcher_now_ms(lined_socket_dispatcher(r->client));

	if (seconds == 0)
		return 0;
	if (seconds > MONTH_S)
		seconds -= (int64_t)time(NULL);
	return seconds > 0 ? now_ms + (uint64_t)seconds * 1000 : 1;
}

static const char *quit(struct request *r)
{
	lined_socket_close_after_flush(r->client, LINED_CLOSE_LOCAL, 0);
	return NULL;
}

static const char *store(const struct request *r, uint64_t flags,
			 uint64_t expires_ms)
{
	size_t len = r->block->len - 2;

	if (memcmp(r->block->text + len, "\r\n", 2) != 0)
		return "CLIENT_ERROR bad data chunk";
	if (keep(r, r->block->text, len, flags, expires_ms) < 0)
		return "SERVER_ERROR out of memory storing object";
	return "STORED";
}

/* The value comes next, as a block, and this is called again with it. What is
 * too large is not even read. */
static const char *set(struct request *r)
{
	const struct options *options =
		lined_service_options(lined_client_service(r->client));
	uint64_t flags, len;
	int64_t seconds;

	if (!lined_word_unsigned(&r->words[2], UINT32_MAX, &flags) ||
	    !lined_word_signed(&r->words[3], -FAR_S, FAR_S, &seconds) ||
	    !lined_word_unsigned(&r->words[4], INT32_MAX, &len))
		return BAD_FORMAT;
	if (r->block != NULL)
		return store(r, flags, expiry(r, seconds));
	if (len > (uint64_t)options->value_size) {
		/* Nobody shall take the old one for it. */
		lined_table_remove(r->table, r->key->text, r->key->len);
		say(r, "SERVER_ERROR object too large for cache");
		return quit(r);
	}
	lined_client_expect_block(r->client, len + 2);
	return NULL;
}

static const char *drop(struct request *r)
{
	return lined_table_remove(r->table, r->key->text, r->key->len) == 0
		       ? "DELETED"
		       : "NOT_FOUND";
}

/* Up wraps, down ends at 0. */
static const char *incr(struct request *r)
{
	const struct lined_table_entry *item = find(r);
	uint64_t delta, number;
	struct lined_word value;

	if (!lined_word_unsigned(&r->words[2], UINT64_MAX, &delta))
		return "CLIENT_ERROR invalid numeric delta argument";
	if (item == NULL)
		return "NOT_FOUND";
	value.text = lined_buffer_data(item->value);
	value.len = lined_buffer_len(item->value);
	if (!lined_word_unsigned(&value, UINT64_MAX, &number))
		return "CLIENT_ERROR cannot increment or decrement "
		       "non-numeric value";
	if (lined_word_is(&r->words[0], "incr"))
		number += delta;
	else
		number -= delta < number ? delta : number;
	snprintf(r->number, sizeof(r->number), "%" PRIu64, number);
	if (keep(r, r->number, strlen(r->number), item->tag, item->expires_ms) <
	    0)
		return "SERVER_ERROR out of memory in incr";
	return r->number;
}

static const char *version(struct request *r)
{
	(void)r;
	return "VERSION 1.6.0-lined";
}

static const struct command {
	const char *name;
	size_t least, most; /* words */
	bool may_be_quiet;
	const char *(*run)(struct request *r);
} commands[] = {
	{"get", 2, WORDS_MAX, false, get},
	{"set", 5, 6, true, set},
	{"delete", 2, 4, true, drop},
	{"incr", 3, 4, true, incr},
	{"decr", 3, 4, true, incr},
	{"version", 1, WORDS_MAX, false, version},
	{"quit", 1, WORDS_MAX, false, quit},
	{NULL, 0, 0, false, NULL},
};

static const char *run(struct request *r)
{
	const struct command *c = commands;
	size_t i;

	while (c->name != NULL && (r->count < c->least || r->count > c->most ||
				   !lined_word_is(&r->words[0], c->name)))
		c++;
	if (c->name == NULL)
		return "ERROR";
	r->quiet = c->may_be_quiet &&
		   lined_word_is(&r->words[r->count - 1], "noreply");
	for (i = 1; i < r->count; i++)
		if (r->words[i].len > KEY_MAX)
			return BAD_FORMAT;
	return c->run(r);
}

/* ---- the service ------------------------------------------------------ */

static void serve(struct lined_socket *client, const struct lined_line *line,
		  const struct lined_line *block)
{
	struct lined_service *service = lined_client_service(client);
	const struct options *options = lined_service_options(service);
	struct lined_word words[WORDS_MAX];
	struct request r = {
		.client = client,
		.table = lined_service_table(service, (size_t)options->memory),
		.words = words,
		.key = words + 1,
		.count = lined_line_words(line, words, WORDS_MAX),
		.block = block,
	};
	const char *answer = run(&r);

	if (answer != NULL)
		say(&r, answer);
}

static void handle_line(struct lined_socket *client,
			const struct lined_line *line)
{
	serve(client, line, NULL);
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
	.handle_block = serve,
	.options = option_table,
	.options_size = sizeof(struct options),
	.framing_fixed = LINED_FRAMING_TERMINATOR | LINED_FRAMING_TOO_LONG |
			 LINED_FRAMING_UNTERMINATED,
	.framing = {.line_length = 16 * 1024},
};
