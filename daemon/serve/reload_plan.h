/* SPDX-License-Identifier: MIT */
/*
 * The plan of a reload: for each service and each address of the running server
 * and of a new config, the step that the reload takes. Making a plan opens and
 * changes nothing; it takes O(n log n) time. server_apply() carries a plan out,
 * `linectl plan` prints it.
 *
 * A plan is valid until the main thread's next turn. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/conf.h"

struct listener;
struct server;
struct service;

enum reload_listen_action {
	RELOAD_LISTEN_KEEP, /* the service has it open and keeps it */
	RELOAD_LISTEN_OPEN,
	RELOAD_LISTEN_TAKE, /* from another service, or the one it replaces */
};

/* An address of the new config. */
struct reload_listen {
	const struct listen_address *address;
	enum reload_listen_action action;
	struct listener *from; /* KEEP, TAKE */
	bool lost; /* OPEN: it is open, but its path was removed or replaced */
	struct listener *opened; /* OPEN, TAKE: set by server_apply() */
};

/* A service of the new config. */
struct reload_service {
	const struct conf_service *conf;
	struct service *running; /* the one of this name; NULL: none */
	/* The running service is kept. False: it is replaced, because its
	 * protocol or its module has changed, or it enters or leaves the
	 * cluster; or there is none. */
	bool kept;
	/* If kept: a mask of enum conf_change. */
	unsigned changes;
	bool mode_changes;            /* of UNIX sockets */
	struct reload_listen *listen; /* one for each of conf->listen */
	/* Set by server_apply(): the kept service or the new one. */
	struct service *service;
};

/* A running service and the one of its name in the new config; NULL: none, it
 * ends. */
struct reload_running {
	struct service *service;
	struct reload_service *next;
};

/* An open listener and its address in the new config; NULL: none, it closes. */
struct reload_address {
	struct listener *listener;
	struct reload_listen *next;
};

struct reload_plan {
	struct server *server;
	struct conf *conf; /* referenced */
	/* In the order of the config, internal ones last. */
	struct reload_service *services;
	size_t count;
	struct reload_listen *listen; /* of all services */

	struct reload_running *running; /* sorted by name */
	size_t running_count;
	struct reload_address *addresses; /* sorted by address */
	size_t address_count;

	/* Keys that differ from the start's and need a restart; NULL ends. */
	const char *restart_keys[6];
	/* Keys that change with this reload. reload.c compares the log. */
	bool drain_timeout, memory, log, cluster;
};

/* Plans a reload to this config, to which the plan has a reference.
 * NULL/ENOMEM. */
struct reload_plan *reload_plan_new(struct server *server, struct conf *conf);
void reload_plan_free(struct reload_plan *plan);

/* The service in the new config that keeps or replaces a running one; NULL:
 * none, it ends. */
const struct reload_service *
reload_plan_next_service(const struct reload_plan *plan,
			 const struct service *service);

/* The address of an open listener in the new config; NULL: none, it closes. */
const struct reload_listen *
reload_plan_next_listen(const struct reload_plan *plan,
			const struct listener *listener);
