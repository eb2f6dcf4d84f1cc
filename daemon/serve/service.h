/* SPDX-License-Identifier: MIT */
/*
 * A service on the main thread: its listeners, its admission, and its
 * instances, one on each worker. A connection is accepted, admitted or refused,
 * and passed to an instance, which then owns the client.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cluster/cluster.h"
#include "config/conf.h"
#include "list.h"
#include "net/admission.h"
#include "net/listener.h"
#include "serve/service_instance.h"

struct memory_ceiling;
struct penalties;
struct report;
struct request_port;
struct server_tls;
struct service;
struct worker_batch;

/* The parts of the server that all services use. Main thread. */
struct service_env {
	const struct server_tls *tls;        /* certificates in use */
	struct lined_dispatcher *dispatcher; /* the main thread's */
	struct worker *workers;
	size_t worker_count;
	struct worker *main_worker; /* for internal services */
	struct request_port *requests;
	const struct memory_ceiling *memory; /* usage of all clients */
	struct cluster *cluster;             /* NULL: no cluster */
	uint64_t last_client_id, last_service_id;
	size_t clients; /* without those of internal services */
	/* All instances of the service have ended: the owner frees it. */
	void (*ended)(struct service *service);
};

struct service {
	struct list link; /* server.services or server.draining */
	struct service_env *env;
	uint64_t id; /* unique while the daemon runs */
	const struct conf_service *conf;
	struct conf *whole; /* a reference to the config that contains conf */
	char *name;
	struct admission *admission;
	/* For datagrams; used on the primary worker, other threads read its
	 * counters. */
	struct admission *datagram_admission;
	struct penalties *penalties;
	struct registry *registry;
	struct cluster_service *cluster; /* NULL: not clustered */
	struct list listeners;
	struct list proxied;              /* proxy_arrival.c */
	struct lined_service **instances; /* one per worker */
	size_t instance_count, running;   /* running: not yet ended */
	/* While draining: instances that have not posted calls.heard, and
	 * instances with clients. */
	size_t unheard, occupied;
	unsigned holds;       /* calls of service_hold(), not released */
	uint64_t tls_refused; /* TLS handshakes over the limit */
	unsigned turn;        /* where the next search for a worker begins */
	uint64_t lines_logged, busy; /* used by process_size.c */
	bool begun; /* the start or reload that added it is committed */
	bool draining;
};

/* The service's instance on the worker; NULL: none. MT-safe. */
struct lined_service *service_instance_on(const struct service *service,
					  const struct worker *worker);

/*
 * Makes a service without listeners. conf is a part of `whole`, to which the
 * service takes a reference. NULL: reported.
 */
struct service *service_new(struct service_env *env, struct conf *whole,
			    const struct conf_service *conf,
			    struct report *report);

/*
 * Each adds calls to a batch. ping: asks whether the worker answers. start:
 * starts the instances. reload: gives them a new config; service_take_conf()
 * must be called before the batch runs. close_datagrams: closes the datagram
 * sockets of the listener with this text (pointers are compared). -1: no
 * memory.
 */
int service_add_ping(struct worker *worker, struct worker_batch *batch);
int service_add_start(struct service *service, struct worker_batch *batch);
int service_add_reload(struct service *service, const struct conf_service *conf,
		       struct worker_batch *batch);
int service_add_close_datagrams(struct service *service, const char *listen,
				struct worker_batch *batch);
/* Passes all datagram sockets of the listener to the primary instance; on
 * failure passes none. -1 and errno. */
int service_add_datagrams(struct service *service, struct listener *listener,
			  struct worker_batch *batch);

/*
 * Runs the batch on all workers and waits at most timeout_ms (0: without
 * limit). Reports errors and warnings of the protocols. -1, reported: an
 * instance could not start (its service must then be drained), an address is
 * not served, or a worker has not answered.
 */
int service_run_batch(struct worker_batch *batch, uint32_t timeout_ms,
		      struct report *report);

/* Takes ownership of the listener and starts accepting; datagram sockets are
 * served when the batch has run. -1 and errno. */
int service_listen(struct service *service, struct listener *listener,
		   struct worker_batch *batch);

/* Sets the service's config; the instances get it later. */
void service_take_conf(struct service *service, struct conf *whole,
		       const struct conf_service *conf);

/* Gives the instances the current certificates, for new clients; does not wait.
 */
void service_use_tls(struct service *service);

/* Tells the instances the state of the cluster; does not wait. */
void service_tell_cluster(struct service *service);

/* The id of the next client or datagram socket, unique in the whole cluster. */
static inline uint64_t service_next_client_id(struct service *service)
{
	uint64_t id = ++service->env->last_client_id;

	return service->cluster != NULL
		       ? id | cluster_client_base(service->env->cluster)
		       : id;
}

/* Closes all listeners. keep_stored: keeps the UNIX paths of sockets that the
 * service manager keeps over a restart. */
void service_close_listeners(struct service *service, bool keep_stored);

/* Closes all listeners and drains the instances; env->ended() is called when
 * all have ended. */
void service_drain(struct service *service, uint32_t timeout_ms,
		   bool keep_stored);

/* Logs one NOTICE with the service's traffic since its start and each counter
 * of refusals, drops and closes that is not 0. */
void service_log_counters(const struct service *service);

/* The sum over all instances of the uint64_t counter at this offset in struct
 * lined_service. */
uint64_t service_sum(const struct service *service, size_t offset);

/* Sums the protocol's counters over all instances, by name. Returns the number
 * of names. */
size_t
service_protocol_counters(const struct service *service,
			  struct instance_counter sums[INSTANCE_COUNTERS_MAX]);

/* The number of clients and datagrams refused for this reason. */
uint64_t service_refused(const struct service *service,
			 enum admission_verdict verdict);

/* The number of lines and datagrams received so far. */
uint64_t service_lines(const struct service *service);

/* Delays env->ended(), which frees the service, until service_release() is
 * called as often as service_hold(). */
void service_hold(struct service *service);
void service_release(struct service *service);

/* Call this after the service has ended. */
void service_free(struct service *service);
