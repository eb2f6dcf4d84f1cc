/* SPDX-License-Identifier: MIT */
/*
 * The server: its buckets, the watches of the machines, and how it executes
 * their requests.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bucket.h"
#include "nats_priv.h"
#include "world.h"

static struct {
	uint64_t buckets_id; /* changes when the buckets are lost */
	uint64_t back_ns;
	struct bucket buckets[BROKER_BUCKETS];
} server;

/* ---- ways to a machine -------------------------------------------------- */

static void way_add(struct way *way, struct broker_event *event)
{
	must(event != NULL);
	event->next = NULL;
	*way->last = event;
	way->last = &event->next;
}

struct broker_event *way_take(struct way *way)
{
	struct broker_event *event = way->first;

	way->first = event->next;
	if (way->first == NULL)
		way->last = &way->first;
	return event;
}

void way_clear(struct way *way)
{
	while (way->first != NULL)
		free(way_take(way));
	way->last = &way->first;
}

/* ---- watches ------------------------------------------------------------ */

static bool watch_list(struct nats *nats, enum broker_bucket which)
{
	struct broker_event *listed;

	if (nats->watches[which].listed)
		return false;
	nats->watches[which].listed = true;
	listed = broker_event_new(BROKER_LISTED, NULL, NULL, 0);
	must(listed != NULL);
	listed->bucket = which;
	listed->revision = nats->watches[which].last;
	way_add(&nats->ways[WAY_WATCHES + which], listed);
	return true;
}

bool nats_server_tell(struct nats *nats, enum broker_bucket which)
{
	struct watch *watch = &nats->watches[which];
	struct bucket *bucket = &server.buckets[which];
	const struct bucket_entry *entry = bucket_next(bucket, watch->revision);
	struct broker_event *event;

	if (!nats->subscribed)
		return false;
	if (entry == NULL)
		return watch_list(nats, which);
	watch->revision = entry->revision;
	event = broker_event_new(entry->erased ? BROKER_ERASED : BROKER_STORED,
				 entry->key, entry->data, entry->len);
	must(event != NULL);
	event->bucket = which;
	event->revision = entry->revision;
	way_add(&nats->ways[WAY_WATCHES + which], event);
	/* The entry was the last one: the list is complete. */
	if (bucket_next(bucket, watch->revision) == NULL)
		watch_list(nats, which);
	return true;
}

/* Sends all entries to every connected machine. lined purges a delete marker
 * only when it is some seconds old, so every machine has got the marker by
 * then. */
static void watch_tell_all(enum broker_bucket which)
{
	unsigned i;

	for (i = 0; i < machine_count; i++)
		while (nats_of[i].up && !nats_of[i].dead &&
		       nats_server_tell(&nats_of[i], which))
			;
}

uint64_t nats_server_accept(struct nats *nats)
{
	unsigned i;

	memset(nats->watches, 0, sizeof(nats->watches));
	for (i = 0; i < BROKER_BUCKETS; i++)
		nats->watches[i].last = server.buckets[i].last;
	server.buckets[BROKER_NODES].age_ns = nats->lease_ns;
	return server.buckets_id;
}

/* ---- requests ----------------------------------------------------------- */

static void serve_frame(const struct nats *from,
			const struct broker_request *request)
{
	unsigned i;

	for (i = 0; i < machine_count; i++) {
		struct nats *nats = &nats_of[i];

		if (nats != from && nats->up && !nats->dead && nats->subscribed)
			way_add(&nats->ways[WAY_FRAMES],
				broker_event_new(BROKER_FRAME, NULL,
						 request->data, request->len));
	}
}

/* from NULL: the link has gone, so nobody waits for the answer. */
static void serve_entry(struct nats *from, const struct broker_request *request)
{
	struct bucket *bucket = &server.buckets[request->bucket];
	uint64_t found, revision;
	struct broker_event *answer;

	revision = bucket_write(bucket, request->key, request->expected,
				request->kind == BROKER_ERASE, request->data,
				request->len, &found);
	trace("nats: m%d %s %s of %llu: %s %llu",
	      from != NULL ? (int)from->machine : -1,
	      request->kind == BROKER_ERASE ? "erases" : "stores", request->key,
	      (unsigned long long)request->expected,
	      revision != 0 ? "now" : "no, it is",
	      (unsigned long long)(revision != 0 ? revision : found));
	if (from == NULL)
		return;
	answer = broker_event_new(revision != 0 ? BROKER_DONE : BROKER_FAILED,
				  NULL, NULL, 0);
	must(answer != NULL);
	answer->tag = request->tag;
	answer->revision = revision != 0 ? revision : found;
	way_add(&from->ways[WAY_ANSWERS], answer);
}

void nats_server_take(struct nats *from, struct broker_request *request,
		      bool answered)
{
	switch (request->kind) {
	case BROKER_SEND:
		serve_frame(from, request);
		break;
	case BROKER_STORE:
	case BROKER_ERASE:
		serve_entry(answered ? from : NULL, request);
		break;
	case BROKER_PURGE:
		watch_tell_all(request->bucket);
		bucket_purge(&server.buckets[request->bucket], request->key,
			     request->expected);
		break;
	}
	free(request);
}

/* ---- life --------------------------------------------------------------- */

bool nats_server_is_there(void)
{
	return world_now_ns() >= server.back_ns;
}

void nats_server_begin(void)
{
	unsigned i;

	server.buckets_id = 1;
	server.back_ns = 0;
	for (i = 0; i < BROKER_BUCKETS; i++)
		bucket_begin(&server.buckets[i]);
}

void nats_server_die(uint64_t away_ns)
{
	unsigned i;

	server.buckets_id = world_random() | 1;
	server.back_ns = world_now_ns() + away_ns;
	for (i = 0; i < BROKER_BUCKETS; i++)
		bucket_clear(&server.buckets[i]);
}

void nats_server_come_back(void)
{
	server.back_ns = 0;
}
