/* SPDX-License-Identifier: MIT */
/*
 * The plan of a reload: compares the services that run with those of a new
 * config and decides what becomes of each service and each address. Opens and
 * changes nothing. server_apply() carries a plan out, `linectl plan` prints it.
 *
 * A plan is good until the main thread's next turn. The time to make one grows
 * with the number of services and addresses, by n log n. Main thread.
 */
#ifndef RELOAD_PLAN_H
#define RELOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "config/conf.h"

struct listener;
struct server;
struct service;

enum reload_listen_action {
	RELOAD_LISTEN_KEEP, /* the service has it open and goes on */
	RELOAD_LISTEN_OPEN,
	RELOAD_LISTEN_TAKE, /* from another service, or from the one before */
	RELOAD_LISTEN_NONE, /* not served yet: TLS */
};

/* An address of the new config. */
struct reload_listen {
	const struct listen_address *address;
	enum reload_listen_action action;
	struct listener *from;   /* KEEP, TAKE */
	struct listener *opened; /* by server_apply(): OPEN, TAKE */
};

/* A service of the new config. */
struct reload_service {
	const struct conf_service *conf;
	struct service *running; /* of this name now; NULL: none */
	/* The running service goes on; false with a running one: another
	 * service takes its place, for its protocol is another. */
	bool kept;
	/* For a kept one: a mask of enum conf_change. */
	unsigned changes;
	bool mode_changes;            /* of UNIX sockets */
	struct reload_listen *listen; /* one for each of conf->listen */
	/* By server_apply(): the kept service or the new one. */
	struct service *service;
};

/* A running service, or an open listener, and its place in the new config;
 * NULL: it ends, or closes. */
struct reload_running {
	struct service *service;
	struct reload_service *next;
};

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

	struct reload_running *running; /* by name */
	size_t running_count;
	struct reload_address *addresses; /* by address */
	size_t address_count;

	/* Keys that changed since the start and need a restart. */
	bool workers, user, module_dir;
	/* Keys that change now. The log is the daemon's to compare. */
	bool drain_timeout, log;
};

/* The plan for a reload that makes the server what conf says; it keeps a
 * reference to conf. NULL and ENOMEM. */
struct reload_plan *reload_plan_new(struct server *server, struct conf *conf);
void reload_plan_free(struct reload_plan *plan);

/* The service that takes the place of a running one, or is that itself; NULL:
 * it ends. */
const struct reload_service *
reload_plan_next_service(const struct reload_plan *plan,
			 const struct service *service);

/* The place of an open listener's address in the new config; NULL: it
 * closes. */
const struct reload_listen *
reload_plan_next_listen(const struct reload_plan *plan,
			const struct listener *listener);

#endif
