/* SPDX-License-Identifier: MIT */
/*
 * The parts that the cluster's files share. cluster.c handles the broker's
 * events, cluster_nodes.c joins and leaves, cluster_bus.c sends lines,
 * cluster_frames.c delivers the lines of other nodes, cluster_registry.c turns
 * decisions about names into changes on the workers, cluster_service.c lists
 * the services, cluster_out.c sends to the broker, cluster_status.c reports the
 * state. nodes.c and name_claims.c make the decisions, and call none of these
 * files.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "cluster/cluster.h"
#include "cluster/name_claims.h"
#include "cluster/nodes.h"
#include "clock.h"
#include "list.h"

/* The most bytes of frames that wait for the workers. Above this limit, frames
 * of other nodes are dropped and counted as lost. */
#define CLUSTER_ARRIVED_MAX ((size_t)64 << 20)

struct bus_end;

/* Sends frames and requests to the broker. Any thread. */
struct cluster_out {
	const struct broker_ops *ops;
	uint64_t number; /* this node's number */
	pthread_mutex_t lock;
	void *broker;        /* NULL: not open; written by the main thread */
	uint64_t connection; /* its number; 0: none; main thread only */
	uint64_t next_line;  /* the sequence number of the next line */
	/* buckets_id: when the buckets were created; 0: no connection.
	 * revision: the last revision of the names that this node has received.
	 */
	_Atomic uint64_t buckets_id, revision;
	_Atomic uint64_t sent, unsent, too_long;
	atomic_size_t frame_max; /* read from the broker at each BROKER_UP */
	atomic_bool up;          /* the node is joined: lines are sent */
};

/* A worker's lines of the current turn, for other nodes. */
struct cluster_end {
	struct cluster *cluster;
	struct worker *worker;
	struct worker_call attach;
	char *frame; /* starts with space for the header */
	size_t len, room;
	uint32_t lines;
	bool too_long_logged;
};

struct cluster_service {
	struct list link; /* in cluster.services until removed */
	struct cluster *cluster;
	char *name;
	uint64_t scope;
	struct registry *registry;
	bool shown;    /* the service's instances have started */
	char prefix[]; /* begins each key of the service */
};

/* The message that tells the main thread of queued events. If the cluster is
 * freed while the message is in the mailbox, the message frees itself. */
struct cluster_arrival {
	struct lined_message message;
	struct cluster *cluster; /* NULL: the cluster is freed */
};

struct cluster {
	struct lined_dispatcher *dispatcher;
	const struct cluster_events *events;
	struct worker *workers;
	struct cluster_end *ends;
	size_t count;
	struct cluster_out out;
	struct nodes nodes;
	struct names names;
	struct list services;
	bool names_listed;

	const struct broker_settings *settings; /* NULL: not open */
	uint32_t lease_ms;
	struct lined_timer tick;
	uint64_t opened_us, down_us; /* down_us: when this node became alone */
	uint64_t asked_us;           /* when names_ask_again() last ran */
	bool ever_up;                /* this node has joined at least once */
	bool forgot;                 /* names_forget() ran since down_us */
	char trouble[256];           /* the last error; "" once joined */
	uint64_t received, late, waiting;
	struct list markers; /* struct cluster_marker, the oldest first */

	/* Events, queued by any thread. */
	pthread_mutex_t lock;
	struct broker_event *first, **last;
	struct cluster_arrival *arrival;
	bool arrived_due;
	atomic_size_t arrived_bytes;
};

/* Runs the message's handler on the worker: at once if the worker is this
 * thread, otherwise later. */
static inline void cluster_post(const struct worker *worker,
				struct lined_message *message)
{
	if (!worker->threaded)
		message->handler(message);
	else if (lined_dispatcher_post(worker->dispatcher, message) < 0)
		message->cancel(message);
}

static inline uint64_t cluster_now_us(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000;
}

static inline void cluster_changed(struct cluster *cluster)
{
	if (cluster->events != NULL)
		cluster->events->changed(cluster, cluster->events->arg);
}

/* ---- cluster_service.c -------------------------------------------------- */

/* The newest service of this name whose instances have started. */
struct cluster_service *cluster_find_service(const struct cluster *cluster,
					     const char *name, size_t len);

/* Frees a removed service. Called when the service's registry is freed:
 * messages that are under way at cluster_remove() keep the registry and use the
 * service. */
void cluster_service_freed(void *service);

/* ---- cluster_out.c ------------------------------------------------------ */

enum frame_kind {
	FRAME_LINES = 'l',
	FRAME_HELLO = 'h', /* carries the node's name */
	FRAME_PROBE = 'q', /* asks nodes of this name for a hello */
};

#define FRAME_HEADER      40
#define FRAME_MESSAGE_MIN 11 /* length of the shortest message */

struct frame {
	enum frame_kind kind;
	uint64_t number; /* the sending node's number */
	/* The number of the frame's first line; if the frame has no lines, of
	 * the node's next line. */
	uint64_t line;
	uint32_t lines;
	/* As in cluster_out of the sending node. */
	uint64_t buckets_id, revision;
	const char *data; /* after the header */
	size_t len;
};

/* Write and read a number of a frame, the high byte first. frame_put() returns
 * the end of the number, frame_get() moves *at there. */
char *frame_put(char *at, uint64_t number, size_t bytes);
uint64_t frame_get(const char **at, size_t bytes);

/* False: the bytes are not a frame of this version. */
bool frame_read(struct frame *frame, const char *bytes, size_t len);

void cluster_out_init(struct cluster_out *out, const struct broker_ops *ops,
		      uint64_t number);
void cluster_out_fini(struct cluster_out *out);
/* Sends a frame; `bytes` has FRAME_HEADER bytes for the header. */
void cluster_out_send(struct cluster_out *out, enum frame_kind kind,
		      char *bytes, size_t len, uint32_t lines);
/* Numbers and counts lines that are not sent, because no other node is there.
 */
void cluster_out_skip(struct cluster_out *out, uint32_t lines);
/* These lines were counted as sent, but were not written: counts them as
 * unsent. */
void cluster_out_unsend(struct cluster_out *out, uint64_t lines);
/* Sends a frame that carries a name. */
void cluster_out_send_name(struct cluster_out *out, enum frame_kind kind,
			   const char *name);
void cluster_out_request(struct cluster_out *out, enum broker_request_kind kind,
			 enum broker_bucket bucket, const char *key,
			 const void *data, size_t len, uint64_t expected,
			 uint64_t tag);
size_t cluster_out_backlog(struct cluster_out *out);

/* ---- cluster_bus.c ------------------------------------------------------ */

int cluster_bus_init(struct cluster *cluster);
void cluster_bus_fini(struct cluster *cluster);

/* ---- cluster_frames.c --------------------------------------------------- */

/* Takes ownership of a frame's event; delivers the frame, or keeps it until its
 * revision is seen. */
void cluster_frames_take(struct cluster *cluster, struct broker_event *event);
/* Delivers the frames whose revision has been seen or whose waiting time is
 * over. */
void cluster_frames_deliver(struct cluster *cluster, uint64_t now_us);
/* Delivers a node's waiting frames at once. Counts their lines as late, unless
 * the frame's revision has been seen. */
void cluster_frames_leave(struct cluster *cluster, struct node *node);

/* ---- cluster_nodes.c ---------------------------------------------------- */

extern const struct nodes_ops cluster_nodes_ops;

/* This node joins if both buckets are listed and its lease is stored. */
void cluster_try_join(struct cluster *cluster);
/* This node decides about names by itself from now on. */
void cluster_be_alone(struct cluster *cluster, uint64_t now_us);

/* ---- cluster_registry.c ------------------------------------------------- */

extern const struct names_ops cluster_names_ops;

/* Reads an entry's value from the bucket's text. False: not a valid value. */
bool cluster_registry_read(struct names_value *value, const char *text,
			   size_t len);
