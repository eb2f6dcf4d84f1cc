/* SPDX-License-Identifier: MIT */
/* A request of a client: the line of a command, and its block if it has one. */
#pragma once

#include <lined/protocol.h>

#include "kv/store.h"

#define KV_KEY_MAX 250

#define KV_BAD_FORMAT "CLIENT_ERROR bad command line format"

struct kv_options {
	int64_t memory, value_size;
};

/* Counters of clients' commands, shown by `stats`. */
struct kv_stats {
	uint64_t cmd_get, cmd_set, cmd_flush, cmd_touch;
	uint64_t get_hits, get_misses, delete_hits, delete_misses;
	uint64_t incr_hits, incr_misses, decr_hits, decr_misses;
	uint64_t cas_hits, cas_misses, cas_badval;
	uint64_t touch_hits, touch_misses, total_items;
};

/* The data of a client: lined_client_data(). */
struct kv_client {
	uint64_t discard; /* bytes of a refused block not yet read */
};

struct kv_request {
	struct lined_socket *client;
	struct kv_store *store;
	struct kv_stats *stats;
	const struct kv_options *options;
	const struct lined_line *line;
	const struct lined_word *words, *key;
	size_t count;
	bool quiet;                     /* noreply */
	const struct lined_line *block; /* NULL: none, or not yet read */
	char number[24];                /* the reply of incr and decr */
};

/* Sends the answer, unless the client wants none. */
void kv_reply(const struct kv_request *r, const char *text);

/* Logs errno if the daemon has no memory. Returns the answer. */
const char *kv_no_room(const struct kv_request *r, const char *answer);

/* Commands return their answer; NULL: answered already, or later. */

/* Implements quit. Also closes the connection of an HTTP request, or of a block
 * whose length is unknown. */
const char *kv_quit(struct kv_request *r);

/* set, add, replace, append, prepend, cas: the value follows as a block. This
 * function is called for the line, and again for the block. */
const char *kv_storage(struct kv_request *r);

/* Refuses a storage command whose block follows. `length`: the word with the
 * block's length; NULL: missing. */
const char *kv_refuse_block(struct kv_request *r,
			    const struct lined_word *length, const char *why);

/* Call this for each block. False: the block belongs to a refused command and
 * is discarded. */
bool kv_block_is_wanted(struct lined_socket *client,
			const struct lined_line *block);
