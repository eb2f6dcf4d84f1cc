/* SPDX-License-Identifier: MIT */
/*
 * The structures that the links (nats.c) and the server (nats_server.c) share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"
#include "net/broker.h"

#define NATS_MS_NS UINT64_C(1000000)

/* The kinds of messages to a machine. Messages of one kind keep their order. */
enum {
	WAY_FRAMES,
	WAY_ANSWERS,
	WAY_WATCHES, /* one for each bucket */
	WAYS = WAY_WATCHES + BROKER_BUCKETS,
};

struct way {
	struct broker_event *first, **last;
};

/* The server's part of a watch. */
struct watch {
	uint64_t revision; /* the last revision that was sent to the machine */
	uint64_t last;     /* the bucket's latest revision when the machine
			    * connected */
	bool listed;
};

/* A machine's broker, and its link while it is up. */
struct nats {
	unsigned machine;
	const struct broker_settings *settings; /* NULL: not open */
	void (*event)(void *arg, struct broker_event *event);
	void *arg;
	uint64_t lease_ns;

	bool up;         /* the machine thinks that the link is up */
	bool dead;       /* the link has ended, and the machine has not noticed
			  * yet */
	bool subscribed; /* frames and events of watches come */
	uint64_t connection, retry_ns;
	struct way ways[WAYS];
	struct watch watches[BROKER_BUCKETS];
	struct broker_request *first, **last; /* requests on the way to the
					       * server */
	size_t backlog;

	/* The state of the machine's network, whether or not a link is open. */
	bool cut;
	uint64_t notice_ns, slow_ns;
	struct broker_request *late, **last_late; /* written before the link was
						   * cut */
};

extern struct nats nats_of[MACHINES];

/* Removes and returns the first event. There must be one. */
struct broker_event *way_take(struct way *way);
void way_clear(struct way *way);

/* ---- nats_server.c ------------------------------------------------------ */

void nats_server_begin(void);
/* Loses all buckets. The server is there again after this time. */
void nats_server_die(uint64_t away_ns);
void nats_server_come_back(void);
bool nats_server_is_there(void);

/* A machine has connected: its watches begin. Returns a number that changes
 * when the buckets are lost. */
uint64_t nats_server_accept(struct nats *nats);
/* Sends the next entry of a bucket to the machine. False: there is none. */
bool nats_server_tell(struct nats *nats, enum broker_bucket which);
/* Executes and frees a request. answered is false if the link has gone. */
void nats_server_take(struct nats *from, struct broker_request *request,
		      bool answered);
