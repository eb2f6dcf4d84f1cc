/* SPDX-License-Identifier: MIT */
/*
 * The structures that the files of the broker nats-server share. nats_link.c is
 * a connection, nats_bucket.c the entries that it watches and stores,
 * broker_nats.c the broker with its thread and the requests that wait.
 * Functions are for the broker's thread only, unless they say otherwise.
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
/* The headers of a message, which count towards NATS's limit. */
#define NATS_FRAME_SPARE 256
/* Holds the longest entry, or a short line. */
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
	natsSubscription *sub; /* the thread's alone */
	uint64_t last;         /* revision at UP; set before it is subscribed */
	uint64_t told;         /* changes told so far */
	atomic_bool listed;
};

struct nats_link {
	struct list link; /* nats_broker.links */
	/* One of the thread, one of each callback that may still come; under
	 * lock. */
	unsigned refs;
	struct nats_broker *broker;
	uint64_t life;
	atomic_bool closed;
	char why[NATS_WHY]; /* why it ends, the first reason; under lock */
	char inbox[128];    /* written before the callbacks are set */
	struct nats_watch watches[BROKER_BUCKETS];
	/* The thread's alone: a callback is given its connection. */
	natsConnection *nc;
	uint64_t unsent; /* lines of requests that were not written */
	jsCtx *js;
	natsSubscription *frames, *answers;
};

struct nats_broker {
	struct broker_settings *settings; /* a copy */
	uint32_t lease_ms;
	pthread_t thread;
	char buckets[BROKER_BUCKETS][64], subject[64];
	uint64_t lives;
	struct list links; /* those that are not freed; under lock */

	pthread_mutex_t event_lock; /* held during event() */
	void (*event)(void *arg, struct broker_event *event);
	void *arg;
	bool silent; /* event() is not called any more */

	pthread_mutex_t lock;
	pthread_cond_t wanted; /* by the thread: a request, or the end */
	pthread_cond_t over;   /* the thread has ended */
	struct broker_request *first, **last; /* under lock */
	bool up, closing, ended, left;        /* under lock */
	atomic_size_t backlog, frame_max;
	_Atomic uint64_t writing_since; /* ms; 0: nothing is written */
};

/* ---- nats_link.c --------------------------------------------------------- */

/* NULL: no memory. */
struct nats_link *nats_link_new(struct nats_broker *broker);
/* Its callbacks may still come; it is freed after the last one. */
void nats_link_close(struct nats_link *link);
/* To be called after the end of libnats, which leaves out callbacks of
 * connections that are closing at that time. */
void nats_links_free(struct nats_broker *broker);
/* Connects, to any of the servers. False: nats_link_end() was called. */
bool nats_link_connect(struct nats_link *link);
/* Starts BROKER_FRAME events. False as above. */
bool nats_link_subscribe(struct nats_link *link);

/* A callback with the link may come until the subscription has ended. */
natsStatus nats_link_complete(struct nats_link *link, natsSubscription *sub);

/* Why the link ends: the first reason is kept. Any thread. */
void nats_link_end(struct nats_link *link, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, by what libnats says of the call before on this thread. */
void nats_link_fail(struct nats_link *link, natsStatus status,
		    const char *doing);
void nats_explain(char why[NATS_WHY], natsStatus status, const char *doing);

/* Takes over an event; NULL: there was no memory for it, so the link ends. Any
 * thread. */
void nats_emit(struct nats_link *link, natsConnection *nc,
	       struct broker_event *event);
void nats_emit_text(struct nats_link *link, natsConnection *nc,
		    enum broker_event_kind kind, const char *text,
		    uint64_t unsent);
/* With the reason why it has ended. */
void nats_emit_end(struct nats_link *link, enum broker_event_kind kind);

/* ---- nats_bucket.c ------------------------------------------------------- */

/* Makes the missing buckets; *life is when that of the names was made. False:
 * nats_link_end() was called. */
bool nats_buckets_make(struct nats_link *link, uint64_t *life);
/* Starts the events of entries and answers. False as above. */
bool nats_buckets_subscribe(struct nats_link *link);
natsStatus nats_bucket_write(struct nats_link *link,
			     const struct broker_request *request);
