/* SPDX-License-Identifier: MIT */
/*
 * A service on the main thread: its listeners, the admission of clients, and
 * its instances, one on each worker. It accepts a connection, admits or refuses
 * it, and passes it to an instance, which then owns the client.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cluster/cluster.h"
#include "config/conf.h"
#include "serve/instance.h"
#include "list.h"
#include "net/admission.h"
#include "net/listener.h"

struct memory;
struct penalties;
struct report;
struct request_port;
struct server_tls;
struct service;
struct service_part;
struct worker_batch;

/* The environment that the server gives to all its services. Main thread. */
struct service_env {
	const struct server_tls *tls;        /* certificates that are in use */
	struct lined_dispatcher *dispatcher; /* the main thread's */
	struct worker *workers;
	size_t worker_count;
	struct worker *main_worker; /* serves the internal services */
	struct request_port *requests;
	const struct memory *memory; /* what all clients hold */
	struct cluster *cluster;     /* NULL: there is none */
	uint64_t last_client_id, last_service_id;
	const struct service_owner_ops *ops;
};

struct service_owner_ops {
	/* A client was admitted; `count` clients have closed. Not called for
	 * clients of internal services. */
	void (*client_came)(struct service_env *env);
	void (*clients_left)(struct service_env *env, size_t count);
	/* All instances have ended; the owner frees the service. */
	void (*ended)(struct service *service);
};

struct service {
	struct list link; /* server.services or server.draining */
	struct service_env *env;
	uint64_t id; /* unique while the daemon runs */
	const struct conf_service *conf;
	struct conf *whole; /* the config with conf in it: a reference */
	char *name;
	struct admission *admission;
	/* For datagrams, on the primary worker; others read its counters. */
	struct admission *datagram_admission;
	struct penalties *penalties;
	struct registry *registry;
	struct cluster_service *cluster; /* NULL: not clustered */
	struct list listeners;
	struct list proxied;              /* proxy_arrival.c */
	struct lined_service **instances; /* one a worker */
	struct service_part *parts;       /* one a worker */
	size_t instance_count, running;   /* running: have not ended */
	size_t occupied;      /* while it drains: instances with clients */
	unsigned holds;       /* by service_hold() */
	uint64_t tls_refused; /* handshakes of TLS over the limit */
	unsigned turn;        /* where the search for a worker begins */
	uint64_t lines_logged, busy; /* memory_watch.c */
	bool begun;                  /* the plan that made it was carried out */
	bool draining;
};

/* The service's instance on the worker; NULL: it has none there. MT-safe. */
struct lined_service *service_instance_on(const struct service *service,
					  const struct worker *worker);

/* The service of an instance. MT-safe. */
struct service *service_of(const struct lined_service *instance);

/*
 * Makes a service without listeners. conf is a part of `whole`, to which the
 * service has a reference. NULL: reported.
 */
struct service *service_new(struct service_env *env, struct conf *whole,
			    const struct conf_service *conf,
			    struct report *report);

/*
 * Add calls to a batch: each asks whether the worker answers, starts the
 * instances, gives them a new config after service_take_conf(), or closes the
 * datagram sockets of the listener with this text (pointers are compared). -1:
 * no memory.
 */
int service_add_ping(struct worker *worker, struct worker_batch *batch);
int service_add_start(struct service *service, struct worker_batch *batch);
int service_add_reload(struct service *service, const struct conf_service *conf,
		       struct worker_batch *batch);
int service_add_close_datagrams(struct service *service, const char *listen,
				struct worker_batch *batch);
/* Gives the listener's datagram sockets to the primary instance: all of them
 * or, if that fails, none. -1 and errno. */
int service_add_datagrams(struct service *service, struct listener *listener,
			  struct worker_batch *batch);

/* Runs such calls on all workers and waits, for timeout_ms at most (0: any
 * time). Errors and warnings of the protocols are reported. -1: an instance
 * could not start, or a worker has not answered; reported. The service must be
 * drained if it could not start. */
int service_run_batch(struct worker_batch *batch, uint32_t timeout_ms,
		      struct report *report);

/* Takes over the listener and begins to accept; its datagram sockets are served
 * when the batch has run. -1 and errno. */
int service_listen(struct service *service, struct listener *listener,
		   struct worker_batch *batch);

/* The new config of the service, before that of its instances. */
void service_take_conf(struct service *service, struct conf *whole,
		       const struct conf_service *conf);

/* Gives the instances the certificates that are in use now, for new clients;
 * does not wait for them. */
void service_use_tls(struct service *service);

/* Gives the instances the state of the cluster; does not wait for them. */
void service_tell_cluster(struct service *service);

/* The id of the next client, or datagram socket: unique in the cluster, too. */
static inline uint64_t service_next_client_id(struct service *service)
{
	uint64_t id = ++service->env->last_client_id;

	return service->cluster != NULL
		       ? id | cluster_client_base(service->env->cluster)
		       : id;
}

/* Closes all listeners. keep_stored: the UNIX paths of sockets that the service
 * manager keeps over a restart are not removed. */
void service_close_listeners(struct service *service, bool keep_stored);

/* Closes all listeners and drains the instances; ops->ended is called when all
 * have ended. */
void service_drain(struct service *service, uint32_t timeout_ms,
		   bool keep_stored);

/* Logs in one NOTICE the traffic since its start, and each counter of refusals,
 * drops and closes that is not 0. */
void service_log_counters(const struct service *service);

/* The sum of a uint64_t counter over the instances, at this offset in struct
 * lined_service. */
uint64_t service_sum(const struct service *service, size_t offset);

/* Sums the protocol's counters of each name over the instances. Returns the
 * number of names. */
size_t
service_protocol_counters(const struct service *service,
			  struct instance_counter sums[INSTANCE_COUNTERS_MAX]);

/* The clients, and the datagrams, that were refused for this reason. */
uint64_t service_refused(const struct service *service,
			 enum admission_verdict verdict);

/* Logs that a client or a datagram was refused, by which key. MT-safe. */
void service_log_refusal(const struct service *service,
			 const struct sockaddr *address, const char *why);

/* Lines and datagrams received so far. */
uint64_t service_lines(const struct service *service);

/* A hold delays ops->ended, which frees the service, until the release. */
void service_hold(struct service *service);
void service_release(struct service *service);

/* To be called after it has ended. */
void service_free(struct service *service);
