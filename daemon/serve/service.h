/* SPDX-License-Identifier: MIT */
/*
 * A service as the main thread sees it: its listeners, who is admitted, and
 * its instances, one a worker. Accepts, decides, and hands on; nothing of a
 * client is touched here once it has arrived at its instance.
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
struct server;
struct service_end;

struct service {
	struct list link; /* server.services or server.draining */
	struct server *server;
	uint64_t id; /* no other service has had or will have it */
	const struct conf_service *conf;
	struct conf *whole; /* what conf is part of: a reference */
	char *name;
	struct admission *admission;
	/* Of datagrams: used by the primary worker only. */
	struct admission *datagram_admission;
	struct registry *registry;
	struct list listeners;
	struct lined_service **instances; /* one a worker */
	struct service_end *ends;         /* likewise */
	size_t instance_count, running;
	size_t occupied; /* instances, while it drains: they have clients */
	unsigned holds;  /* by who is with the workers about it */
	unsigned turn;   /* where the search for a worker begins */
	uint64_t lines_logged, busy; /* memory_watch.c */
	bool begun; /* it was a part of the server, not of a plan only */
	bool draining;
};

/* Which worker the single things of a service live on. */
size_t service_primary(const char *name, size_t workers);

/* Its instance there; NULL: it has none. MT-safe. */
struct lined_service *service_instance_on(const struct service *service,
					  const struct worker *worker);

/* Whose instance it is. MT-safe. */
struct service *service_of(const struct lined_service *instance);

/* A service that listens nowhere yet, its instances started. NULL: reported. */
struct service *service_new(struct server *server, struct conf *whole,
			    const struct conf_service *conf,
			    struct report *report);

/* Takes a listener over and begins to accept. -1: logged. */
int service_listen(struct service *service, struct listener *listener);

/* The listener that is open on this address; NULL: none. */
struct listener *service_find_listener(struct service *service,
				       const struct listen_address *address);

/* Stops listening on it. */
void service_unlisten(struct service *service, struct listener *listener,
		      bool keep_path);

/* Takes the new config, also to the instances. Errors and warnings of the
 * protocol are reported. */
void service_reload(struct service *service, struct conf *whole,
		    const struct conf_service *conf, struct report *report);

/* Stops listening altogether. */
void service_close_listeners(struct service *service);

/*
 * Stops listening, says goodbye to the clients; server_service_ended() is
 * called when the last instance has ended.
 */
void service_drain(struct service *service, uint32_t timeout_ms);

/* Logs, in one NOTICE, what it has done since it began: traffic, and each kind
 * of refusal, drop and close that has happened. */
void service_log_counters(const struct service *service);

/* Lines and datagrams that it has got so far. */
uint64_t service_lines(const struct service *service);

/* While it is held it may end, but server_service_ended() is not called. */
void service_hold(struct service *service);
void service_release(struct service *service);

/* After it has ended. */
void service_free(struct service *service);

#endif
