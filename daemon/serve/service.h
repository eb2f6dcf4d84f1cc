/* SPDX-License-Identifier: MIT */
/*
 * A service on the main thread: its listeners, the admission of clients, and
 * its instances, one on each worker. Accepts, admits or refuses, and hands
 * over; a client belongs to its instance from then on.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/conf.h"
#include "serve/instance.h"
#include "list.h"
#include "net/listener.h"

struct report;
struct request_port;
struct service;
struct service_part;

/* What services share, given by their owner, the server. Main thread. */
struct service_env {
	struct lined_dispatcher *dispatcher; /* the main thread's */
	struct worker *workers;
	size_t worker_count;
	struct worker *main_worker; /* serves the internal services */
	struct request_port *requests;
	uint64_t last_client_id, last_service_id;
	const struct service_owner_ops *ops;
};

struct service_owner_ops {
	/* A client was admitted; so many have left. Internal services do not
	 * report theirs. */
	void (*client_came)(struct service_env *env);
	void (*clients_left)(struct service_env *env, size_t count);
	/* The last instance has ended; the owner frees the service. */
	void (*ended)(struct service *service);
	/* The main thread still waits for a worker; once a second. */
	void (*waiting)(struct service_env *env);
};

struct service {
	struct list link; /* server.services or server.draining */
	struct service_env *env;
	uint64_t id; /* never used again */
	const struct conf_service *conf;
	struct conf *whole; /* what conf is part of: a reference */
	char *name;
	struct admission *admission;
	/* For datagrams: used by the primary worker only. */
	struct admission *datagram_admission;
	struct registry *registry;
	struct list listeners;
	struct lined_service **instances; /* one a worker */
	struct service_part *parts;       /* likewise */
	size_t instance_count, running;
	size_t occupied; /* instances with clients, while it drains */
	unsigned holds;  /* by service_hold() */
	unsigned turn;   /* where the search for a worker begins */
	uint64_t lines_logged, busy; /* memory_watch.c */
	bool begun; /* it was part of the server, not only of a plan */
	bool draining;
};

/* Its instance on the worker; NULL: it has none there. MT-safe. */
struct lined_service *service_instance_on(const struct service *service,
					  const struct worker *worker);

/* The service of an instance. MT-safe. */
struct service *service_of(const struct lined_service *instance);

/*
 * A service that listens nowhere yet. conf is a part of `whole`, of which the
 * service takes a reference. NULL: reported.
 */
struct service *service_new(struct service_env *env, struct conf *whole,
			    const struct conf_service *conf,
			    struct report *report);

/* Starts the instances and waits for them. -1: reported, and the service is to
 * be drained. */
int service_start(struct service *service, struct report *report);

/* Takes the listener over and begins to accept. -1 and errno. */
int service_listen(struct service *service, struct listener *listener);

/* Stops listening on it; keep_path: another listener has its path. */
void service_unlisten(struct service *service, struct listener *listener,
		      bool keep_path);

/* Takes the new config, also to the instances. Errors and warnings of the
 * protocol are reported. */
void service_reload(struct service *service, struct conf *whole,
		    const struct conf_service *conf, struct report *report);

/* Stops listening. keep_stored: the paths remain of those sockets that the
 * service manager keeps over a restart. */
void service_close_listeners(struct service *service, bool keep_stored);

/* Stops listening and drains the instances; ops->ended follows when the last
 * of them has ended. */
void service_drain(struct service *service, uint32_t timeout_ms,
		   bool keep_stored);

/* Logs, in one NOTICE, what it has done since its start: traffic, and each kind
 * of refusal, drop and close that has happened. */
void service_log_counters(const struct service *service);

/* The sum of a uint64_t counter over the instances, at this offset in struct
 * lined_service. */
uint64_t service_sum(const struct service *service, size_t offset);

/* The counters of the protocol, summed over the instances by their names; how
 * many there are. */
size_t
service_protocol_counters(const struct service *service,
			  struct instance_counter sums[INSTANCE_COUNTERS_MAX]);

/* Lines and datagrams received so far. */
uint64_t service_lines(const struct service *service);

/* While it is held it may end, but ops->ended waits for the release. */
void service_hold(struct service *service);
void service_release(struct service *service);

/* After it has ended. */
void service_free(struct service *service);

#endif
