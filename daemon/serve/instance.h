/* SPDX-License-Identifier: MIT */
/*
 * An instance: one service on one worker, the struct lined_service of the
 * public headers. It owns the clients there, the protocol's data, and the group
 * with their limits and counters. Thread: the worker's; the service on the main
 * thread calls it by worker_post().
 */
#ifndef INSTANCE_H
#define INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/protocol.h>

#include "threads/bus.h"
#include "serve/client.h"
#include "config/conf.h"
#include "list.h"
#include "threads/registry.h"
#include "threads/worker.h"

struct report;

#define INSTANCE_COUNTERS_MAX 32

struct instance_counter {
	const char *name;
	uint64_t value;
};

struct lined_service {
	struct worker *worker;
	struct lined_dispatcher *main; /* the main thread's */
	const struct lined_protocol *protocol;
	const struct conf_service *conf;
	char *name; /* outlives every conf */
	unsigned workers;
	bool primary;

	/* For clients, and for sockets that the protocol opens itself. */
	struct lined_socket_group group, own_group;
	struct list clients, datagrams;
	struct list taps; /* control/tap.c */
	/* Called for each line of a client, or of such another socket; NULL:
	 * there is no tap. */
	void (*tapped)(struct lined_socket *sock,
		       const struct lined_line *line);
	void (*opened_tapped)(struct lined_socket *sock,
			      const struct lined_line *line);
	size_t client_count;
	struct bus_member bus;
	struct registry_member registry;
	void *data;
	struct lined_table *table;
	bool started;
	struct lined_timer task;
	/* While start() or reload() runs: where to report to. Else NULL. */
	struct report *report;
	struct instance_counter counters[INSTANCE_COUNTERS_MAX];

	struct lined_timer drain;
	uint64_t drain_end_ms, datagrams_end_ms;
	/* The states of its end, one after the other: it drains, has no client
	 * left, no other instance has one, the protocol was stopped. */
	bool draining, emptied, finishing, ending;

	/* The owner's, called on the worker's thread. */
	const struct instance_owner_ops *ops;
	void *owner;
};

/* The instance of a client. */
static inline struct lined_service *client_instance(struct lined_socket *sock)
{
	return lined_container_of(lined_socket_group(sock),
				  struct lined_service, group);
}

/* The instance whose protocol has opened this socket itself. */
static inline struct lined_service *client_opened_by(struct lined_socket *sock)
{
	return lined_container_of(lined_socket_group(sock),
				  struct lined_service, own_group);
}

struct instance_owner_ops {
	/* A client has gone; the owner counts it no longer. */
	void (*client_gone)(struct lined_service *instance,
			    struct admission_entry *entry);
	/* It drains and has no client left. The owner calls instance_finish()
	 * when this is so on every worker. */
	void (*emptied)(struct lined_service *instance);
	/* It has ended; the owner frees it. */
	void (*ended)(struct lined_service *instance);
	/* Whether a datagram is let in. */
	bool (*admit)(struct lined_service *instance,
		      const struct sockaddr *from);
};

/* id: the service's, never used before; not 0. NULL/ENOMEM. */
struct lined_service *instance_new(const struct conf_service *conf, uint64_t id,
				   struct worker *worker,
				   struct lined_dispatcher *main,
				   unsigned workers, bool primary,
				   const struct instance_owner_ops *ops,
				   void *owner);
void instance_free(struct lined_service *instance);

/* ---- on the worker's thread --------------------------------------------- */

/* Calls the protocol's start(). -1: it failed, or no memory. */
int instance_start(struct lined_service *instance);

/* Takes a new config: its limits for all clients, its framing for new ones.
 * Calls the protocol's reload(). */
void instance_reload(struct lined_service *instance,
		     const struct conf_service *conf);

/* Closes the datagram sockets of a listener, by its text (the pointer). */
void instance_close_datagrams(struct lined_service *instance,
			      const char *listen);

/*
 * Calls the protocol's drain(), and closes each client when it has nothing
 * pending, all within timeout_ms. ops->emptied follows, after the call.
 */
void instance_drain(struct lined_service *instance, uint32_t timeout_ms);

/*
 * No instance has clients any more, and what they have published has arrived.
 * Calls the protocol's finish() until it has finished or the time of the drain
 * is up, then stop(). ops->ended follows, after the call.
 */
void instance_finish(struct lined_service *instance);

/* The protocol has stopped, or could not start: bus and registry call none of
 * its handlers any more. */
void instance_leave(struct lined_service *instance);

/* lined_service_count(). */
void instance_count(struct lined_service *instance, const char *name,
		    uint64_t n);

#endif
