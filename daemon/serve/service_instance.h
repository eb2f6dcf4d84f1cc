/* SPDX-License-Identifier: MIT */
/*
 * An instance is one service on one worker: the struct lined_service of the
 * public headers. It owns its clients, the protocol's data, and the socket
 * groups with limits and counters. Thread: the worker's; the main thread uses
 * worker_post().
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lined/protocol.h>

#include "config/conf.h"
#include "list.h"
#include "memory_ceiling.h"
#include "serve/client.h"
#include "threads/bus.h"
#include "threads/programs.h"
#include "threads/registry.h"
#include "threads/worker.h"
#include "tls.h"

struct report;

#define INSTANCE_COUNTERS_MAX 32

struct instance_counter {
	const char *name;
	uint64_t value;
};

struct lined_service {
	struct worker *worker;
	const struct lined_protocol *protocol;
	const struct conf_service *conf;
	char *name; /* a copy, because a reload replaces conf */
	unsigned workers;
	bool primary;
	/* elsewhere: the primary is on another node, or is a newer service of
	 * this name. parted: some nodes do not hear each other. */
	bool elsewhere, parted;

	/* group: of clients. own_group: of sockets opened by the protocol. */
	struct lined_socket_group group, own_group;
	/* handshakes: clients not passed to the protocol yet. */
	struct list clients, handshakes, datagrams;
	struct list places; /* struct lined_place */
	struct list taps;   /* control/tap.c */
	/* Called for each line of a socket in group (tapped) and in own_group
	 * (opened_tapped); NULL: no tap. */
	void (*tapped)(struct lined_socket *sock,
		       const struct lined_line *line);
	void (*opened_tapped)(struct lined_socket *sock,
			      const struct lined_line *line);
	size_t client_count; /* length of `clients` */
	unsigned asking;     /* client_ask not answered yet */
	unsigned hold_first; /* index of the client to resume first when the
			      * next hold ends */
	struct bus_member bus;
	struct registry_member registry;
	struct programs programs;
	void *data;
	void *own_data; /* protocol->instance_size bytes, or NULL */
	struct lined_table *table;
	struct tls_server *tls; /* NULL: the service has no `tls` */
	uint64_t tls_results[TLS_RESULTS];
	bool started;
	struct lined_timer task;
	struct memory_keeper keeper; /* calls the protocol's give_up() */
	/* Collects the protocol's errors and warnings while start() or reload()
	 * runs; NULL at other times. */
	struct report *report;
	struct instance_counter counters[INSTANCE_COUNTERS_MAX];
	uint64_t timeouts[TIMEOUTS]; /* clients closed by each timeout */

	struct lined_timer drain;
	uint64_t drain_end_ms, datagrams_end_ms;
	/* The steps of a drain, set in this order, except that emptied may come
	 * at any time. heard: this instance has handled the lines that its
	 * clients sent before the drain; parting: all instances of the service
	 * have done so. emptied: this instance has no clients; finishing: no
	 * instance of the service has clients. ending: stop() was called. */
	bool draining, heard, parting, emptied, finishing, ending;

	/* Shared with the other instances of the service. datagram_admission:
	 * used on the primary worker only. */
	struct admission *admission, *datagram_admission;
	struct penalties *penalties;
	bool line_refused; /* a line of this datagram was refused */

	struct service *service;
	/* Calls between the instance and its service. The service sets their
	 * functions. The calls are part of this struct, because they must not
	 * fail for lack of memory. */
	struct {
		/* To the main thread. departures: `departed` clients have
		 * closed. heard: the instance drains, and has handled the lines
		 * from before the drain. emptied: it has no clients any more.
		 * ended: the service may free it. */
		struct worker_call departures, heard, emptied, ended;
		struct worker_call drain, part, finish; /* to the worker */
		/* To the main thread and back, for struct client_ask. */
		void (*ask)(struct worker_call *call);
	} calls;
	atomic_uint departed; /* departures is posted while this is above 0 */
	uint32_t drain_ms;
};

/* The instance that serves the client. */
static inline struct lined_service *client_instance(struct lined_socket *sock)
{
	return lined_container_of(lined_socket_group(sock),
				  struct lined_service, group);
}

/* The instance whose protocol has opened this socket. */
static inline struct lined_service *client_opened_by(struct lined_socket *sock)
{
	return lined_container_of(lined_socket_group(sock),
				  struct lined_service, own_group);
}

/* id: the scope of the service's topics, not 0 (BUS_SHARED). NULL/ENOMEM. */
struct lined_service *instance_new(const struct conf_service *conf, uint64_t id,
				   struct worker *worker, unsigned workers,
				   bool primary);
void instance_free(struct lined_service *instance);

/* ---- on the worker's thread --------------------------------------------- */

/* Calls the protocol's start() and starts the task. -1: start() has failed, or
 * there is no memory. */
int instance_start(struct lined_service *instance);

/* Takes the new config: limits change for all clients, framing only for new
 * clients. Then calls the protocol's reload(). */
void instance_reload(struct lined_service *instance,
		     const struct conf_service *conf);

/* Takes the state of the cluster; tells the protocol what has changed. */
void instance_set_cluster(struct lined_service *instance, bool primary,
			  bool whole);

/* Closes the datagram sockets of the listener with this text (pointers are
 * compared). */
void instance_close_datagrams(struct lined_service *instance,
			      const char *listen);

/*
 * Calls the protocol's drain(), and posts calls.heard when the lines that have
 * arrived so far are handled. After timeout_ms closes all clients. Posts
 * calls.emptied later.
 */
void instance_drain(struct lined_service *instance, uint32_t timeout_ms);

/*
 * Call this when all instances of the service have posted calls.heard and their
 * messages on the bus have arrived. Closes each client when its input is
 * handled and its output sent.
 */
void instance_part(struct lined_service *instance);

/*
 * Call this when no instance of the service has clients and their messages on
 * the bus have arrived. Calls the protocol's finish() until it returns true or
 * the drain's timeout is over, then stop(). Posts calls.ended later.
 */
void instance_finish(struct lined_service *instance);

/* A client that the service has placed on this worker has closed: stops
 * counting it as a client of the worker. */
static inline void instance_client_gone(struct lined_service *instance)
{
	if (atomic_fetch_add(&instance->departed, 1) == 0)
		worker_answer(instance->worker, &instance->calls.departures);
}

/* Leaves bus and registry and ends the instance's programs without calling the
 * protocol, which has stopped or could not start. */
void instance_leave(struct lined_service *instance);

/* Implements lined_service_count(). */
void instance_count(struct lined_service *instance, const char *name,
		    uint64_t n);
