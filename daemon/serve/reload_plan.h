/* SPDX-License-Identifier: MIT */
/*
 * The plan of a reload: for each service and each address of the running server
 * and of a new config, the step that the reload takes. Planning opens and
 * changes nothing and takes O(n log n) time. reload_apply() carries a plan out,
 * `linectl plan` prints it.
 *
 * A plan is valid until the main thread's next turn. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/conf.h"

struct listener;
struct report;
struct server;
struct service;

enum reload_listen_action {
	RELOAD_LISTEN_KEEP, /* open in the service, which keeps it */
	RELOAD_LISTEN_OPEN,
	RELOAD_LISTEN_TAKE, /* open in another or a replaced service */
};

/* An address of the new config. */
struct reload_listen {
	const struct listen_address *address;
	enum reload_listen_action action;
	struct listener *from; /* set for KEEP and TAKE */
	bool lost; /* OPEN: a listener is open, but its path was removed or
		    * replaced */
	struct listener *opened; /* for OPEN and TAKE, by reload_apply() */
};

/* A service of the new config. */
struct reload_service {
	const struct conf_service *conf;
	struct service *running; /* the service of this name; NULL: none */
	/* The running service is kept. False: no service of this name runs, or
	 * the running one is replaced. A service is replaced if its module has
	 * changed, or an option that needs a new instance, or if it enters or
	 * leaves the cluster. */
	bool kept;
	/* If kept: what changes, a mask of enum conf_change. */
	unsigned changes;
	bool mode_changes;            /* mode or owner of UNIX sockets */
	struct reload_listen *listen; /* one for each of conf->listen */
	/* Set by reload_apply(): the kept or the new service. */
	struct service *service;
};

/* A running service and the service of the same name in the new config; NULL:
 * the service ends. */
struct reload_running {
	const struct conf_service *conf; /* the service's when planned */
	struct service *service;
	struct reload_service *next;
};

/* An open listener and its address in the new config; NULL: the listener
 * closes. */
struct reload_address {
	const struct listen_address *address; /* of the listener */
	struct listener *listener;
	struct reload_listen *next;
};

struct reload_plan {
	struct server *server;
	struct conf *conf; /* a reference */
	/* In the config's order; internal services last. */
	struct reload_service *services;
	size_t count;
	struct reload_listen *listen; /* addresses of all services */

	struct reload_running *running; /* sorted by name */
	size_t running_count;
	struct reload_address *addresses; /* sorted by address */
	size_t address_count;

	/* Keys that need a restart, and whose values have changed after the
	 * start. Ends with NULL. */
	const char *restart_keys[6];
	/* The top-level settings that this reload changes. reload.c sets
	 * `log`. */
	bool drain_timeout, memory, log, cluster;
};

/* Plans a reload to this config and keeps a reference to it. NULL/ENOMEM. */
struct reload_plan *reload_plan_new(struct server *server, struct conf *conf);
void reload_plan_free(struct reload_plan *plan);

/* The service of the new config that keeps or replaces a running service; NULL:
 * the running service ends. */
const struct reload_service *
reload_plan_next_service(const struct reload_plan *plan,
			 const struct service *service);

/* The open listener's address in the new config; NULL: the listener closes. */
const struct reload_listen *
reload_plan_next_listen(const struct reload_plan *plan,
			const struct listener *listener);

/* Carries out the plan (reload_apply.c). -1: nothing has changed; the reasons
 * are reported. */
int reload_apply(struct reload_plan *plan, struct report *report);
