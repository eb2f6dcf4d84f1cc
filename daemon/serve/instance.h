/* SPDX-License-Identifier: MIT */
/*
 * An instance: one service on one worker, the struct lined_service that a
 * protocol sees. Owns the clients there, the protocol's state and the group
 * that carries their limits and counters. All of it belongs to the worker's
 * thread; the service on the main thread speaks to it by calls.
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
	struct lined_dispatcher *main;
	const struct lined_protocol *protocol;
	const struct conf_service *conf;
	char *name; /* outlives every conf */
	unsigned workers;
	bool primary;

	/* Of its clients, and of sockets that the protocol opens itself. */
	struct lined_socket_group group, own_group;
	struct list clients, datagrams;
	struct list taps;
	/* Who is shown the lines of its clients, and of those other sockets;
	 * NULL: nobody. */
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
	/* Of what asked for start() or reload(), while that runs; else NULL. */
	struct report *report;
	struct instance_counter counters[INSTANCE_COUNTERS_MAX];

	struct lined_timer drain;
	uint64_t drain_end_ms, datagrams_end_ms;
	/* Its last client has gone; all instances' have; it has stopped. */
	bool draining, emptied, finishing, ending;

	/* Given by the owner, called on the worker's thread. */
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
	void (*client_gone)(struct lined_service *instance,
			    struct admission_entry *entry);
	/* It drains and has no clients any more: instance_finish() once this
	 * is so on every worker. */
	void (*emptied)(struct lined_service *instance);
	/* It has ended; the owner frees it. */
	void (*ended)(struct lined_service *instance);
	/* Whether a datagram may come in. */
	bool (*admit)(struct lined_service *instance,
		      const struct sockaddr *from);
};

/* id: the service's, no other has had it; not 0. */
struct lined_service *instance_new(const struct conf_service *conf, uint64_t id,
				   struct worker *worker,
				   struct lined_dispatcher *main,
				   unsigned workers, bool primary,
				   const struct instance_owner_ops *ops,
				   void *owner);
void instance_free(struct lined_service *instance);

/* The rest on the worker's thread. */

/* Calls the protocol's start(). -1: it cannot. */
int instance_start(struct lined_service *instance);

/* The config was read again: limits for all, framing for who comes. */
void instance_reload(struct lined_service *instance,
		     const struct conf_service *conf);

/* Closes the datagram sockets that came from this address (the pointer). */
void instance_close_datagrams(struct lined_service *instance,
			      const char *listen);

/*
 * Says goodbye and closes each client once it has nothing pending, all within
 * timeout_ms; ops->emptied follows, later.
 */
void instance_drain(struct lined_service *instance, uint32_t timeout_ms);

/*
 * No instance has clients any more, and what they said has come: lets the
 * protocol finish what it opened, within what is left of the time, and stops
 * it; ops->ended follows, later.
 */
void instance_finish(struct lined_service *instance);

/* lined_service_count(). */
void instance_count(struct lined_service *instance, const char *name,
		    uint64_t n);

#endif
