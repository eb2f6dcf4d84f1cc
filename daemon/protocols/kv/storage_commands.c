/* SPDX-License-Identifier: MIT */
/*
 * The commands with a value, which follows their line as a block. The block of
 * a refused command is discarded; if its length is unknown, the connection is
 * closed, because the value would be read as commands.
 */
#include "kv/kv.h"

#include <errno.h>
#include <string.h>

/* The most bytes discarded of a refused block at a time. */
#define STORAGE_DISCARD_MAX ((uint64_t)64 * 1024)

#define TOO_LARGE "SERVER_ERROR object too large for cache"

/* Discards len bytes of a refused block, piece by piece. */
static void storage_discard(struct lined_socket *client, uint64_t len)
{
	struct kv_client *state = lined_client_data(client);

	state->discard = len;
	if (len > STORAGE_DISCARD_MAX)
		len = STORAGE_DISCARD_MAX;
	if (len > 0 && lined_client_expect_block(client, len) < 0)
		lined_socket_close_after_flush(client, LINED_CLOSE_LOCAL, 0);
}

const char *kv_refuse_block(struct kv_request *r,
			    const struct lined_word *length, const char *why)
{
	uint64_t len;

	kv_reply(r, why);
	if (length == NULL || !lined_word_unsigned(length, INT32_MAX, &len))
		return kv_quit(r);
	storage_discard(r->client, len + 2);
	return NULL;
}

/* Stores the block according to the command. */
static const char *storage_store(struct kv_request *r, uint64_t flags,
				 uint64_t expires_ms, uint64_t cas)
{
	static const struct lined_word nothing = {"", 0};
	struct kv_stats *stats = r->stats;
	const struct lined_word *command = &r->words[0];
	struct lined_word head = {r->block->text, r->block->len - 2};
	struct lined_word tail = nothing;
	struct kv_item item;
	bool found;

	stats->cmd_set++;
	if (memcmp(head.text + head.len, "\r\n", 2) != 0)
		return "CLIENT_ERROR bad data chunk";
	found = kv_store_find(r->store, r->key, &item);
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
	if (kv_store_put(r->store, r->key, &head, &tail, flags, expires_ms) < 0)
		return kv_no_room(r,
				  "SERVER_ERROR out of memory storing object");
	stats->total_items++;
	return "STORED";
}

/* A value that is too large, or for whose block there is no memory, is not
 * stored. A `set` then removes the old value: otherwise clients would take the
 * old value for the new value. */
const char *kv_storage(struct kv_request *r)
{
	uint64_t flags, len, cas = 0, expires_ms;
	const char *why = TOO_LARGE;

	if (!lined_word_unsigned(&r->words[4], INT32_MAX, &len) ||
	    r->key->len > KV_KEY_MAX ||
	    !lined_word_unsigned(&r->words[2], UINT32_MAX, &flags) ||
	    !kv_store_expiry(r->store, &r->words[3], &expires_ms) ||
	    (lined_word_is(&r->words[0], "cas") &&
	     !lined_word_unsigned(&r->words[5], UINT64_MAX, &cas)))
		return kv_refuse_block(r, &r->words[4], KV_BAD_FORMAT);
	if (r->block != NULL)
		return storage_store(r, flags, expires_ms, cas);
	if (len <= (uint64_t)r->options->value_size) {
		if (lined_client_expect_block(r->client, len + 2) == 0)
			return NULL;
		why = kv_no_room(r, "SERVER_ERROR out of memory");
	}
	if (lined_word_is(&r->words[0], "set"))
		lined_table_remove(r->store->table, r->key->text, r->key->len);
	return kv_refuse_block(r, &r->words[4], why);
}

bool kv_block_is_wanted(struct lined_socket *client,
			const struct lined_line *block)
{
	struct kv_client *state = lined_client_data(client);

	if (state->discard == 0)
		return true;
	storage_discard(client, state->discard - block->len);
	return false;
}
