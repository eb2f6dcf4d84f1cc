/* SPDX-License-Identifier: MIT */
/*
 * The structures that the files of the broker nats-server share. nats_link.c is
 * a connection, nats_bucket.c watches and stores entries, nats_broker.c is the
 * broker with its thread and its queue of requests. Functions run on the
 * broker's thread, unless they say otherwise.
 */
#pragma once

#include "net/broker.h"

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "list.h"

#define NATS_CONNECT_MS  2000
#define NATS_SUBJECT_MAX 1280
#define NATS_WHY         256
/* Room for a message's headers, which count towards NATS's limit. */
#define NATS_FRAME_SPARE 256
/* Room for the longest entry, or a short line. */
#define NATS_PAYLOAD_MIN 1536

#define NATS_TRY(STATUS, CALL)                                                 \
	do {                                                                   \
		if ((STATUS) == NATS_OK)                                       \
			(STATUS) = (CALL);                                     \
	} while (0)

struct nats_link;

struct nats_watch {
	struct nats_link *link;
	enum broker_bucket bucket;
	natsSubscription *sub; /* only for the broker's thread */
	uint64_t last; /* the bucket's last revision at BROKER_UP; only for
			* BROKER_NAMES; set before subscribing */
	uint64_t told; /* changes reported so far */
	atomic_bool listed;
};

struct nats_link {
	struct list link; /* nats_broker.links */
	/* References, under broker->lock: one for the thread, one for each
	 * callback that may still come. */
	unsigned refs;
	struct nats_broker *broker;
	uint64_t number; /* unique in the broker */
	atomic_bool closed;
	char why[NATS_WHY]; /* the first reason for the end; under
			     * broker->lock */
	char inbox[128];    /* written before the callbacks are set */
	struct nats_watch watches[BROKER_BUCKETS];
	/* Only for the broker's thread: callbacks get their connection as an
	 * argument. */
	natsConnection *nc;
	uint64_t unsent; /* lines of requests that were not written */
	jsCtx *js;
	natsSubscription *frames, *answers;
};

struct nats_broker {
	struct pool *pool;
	struct broker_settings *settings; /* a copy in the pool */
	uint32_t lease_ms;
	pthread_t thread;
	char buckets[BROKER_BUCKETS][64], subject[64];
	char streams[BROKER_BUCKETS][80]; /* names of streams */
	uint64_t connections;             /* the number of the newest link */
	struct list links;                /* links not yet freed; under lock */

	pthread_mutex_t event_lock; /* held during event() */
	void (*event)(void *arg, struct broker_event *event);
	void *arg;
	bool silent; /* event() must not be called any more */

	pthread_mutex_t lock;
	pthread_cond_t wanted; /* signals the thread: a request, or the end */
	pthread_cond_t over;   /* the thread has ended */
	struct broker_request *first, **last; /* under lock */
	bool up, closing, ended, left;        /* under lock */
	atomic_size_t backlog, frame_max;
	_Atomic uint64_t lines; /* accepted lines not yet written or reported */
	_Atomic uint64_t
		writing_since; /* when the write began, in ms; 0: none */
};

/* ---- nats_link.c --------------------------------------------------------- */

/* NULL: no memory. */
struct nats_link *nats_link_new(struct nats_broker *broker);
/* Callbacks may still come; the link is freed after the last one. */
void nats_link_close(struct nats_link *link);
/* Frees the links that are left after nats_CloseAndWait(). If a connection was
 * still closing at that time, libnats does not make the last callback, which
 * would free the link. */
void nats_links_free(struct nats_broker *broker);
/* Connects to any of the servers. False: nats_link_end() was called. */
bool nats_link_connect(struct nats_link *link);
/* Subscribes to frames: BROKER_FRAME events follow. False: nats_link_end() was
 * called. */
bool nats_link_subscribe(struct nats_link *link);

/* Keeps the link until the subscription has ended: the subscription's callbacks
 * use the link. */
natsStatus nats_link_complete(struct nats_link *link, natsSubscription *sub);

/* Sets why the link ends; the first reason is kept. Any thread. */
void nats_link_end(struct nats_link *link, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* nats_link_end() with the last libnats error of this thread as reason. */
void nats_link_fail(struct nats_link *link, natsStatus status,
		    const char *doing);
void nats_explain(char why[NATS_WHY], natsStatus status, const char *doing);

/* Takes ownership of an event. event NULL: there was no memory for the event,
 * so the link ends. Any thread. */
void nats_emit(struct nats_link *link, natsConnection *nc,
	       struct broker_event *event);
void nats_emit_text(struct nats_link *link, natsConnection *nc,
		    enum broker_event_kind kind, const char *text,
		    uint64_t unsent);
/* Emits an event with the reason why the link has ended. */
void nats_emit_end(struct nats_link *link, enum broker_event_kind kind);

/* ---- nats_bucket.c ------------------------------------------------------- */

/* Makes the missing buckets. *buckets_id: when the bucket of names was created.
 * False: nats_link_end() was called. */
bool nats_buckets_make(struct nats_link *link, uint64_t *buckets_id);
/* Subscribes to entries and answers. False: nats_link_end() was called. */
bool nats_buckets_subscribe(struct nats_link *link);
natsStatus nats_bucket_write(struct nats_link *link,
			     const struct broker_request *request);
