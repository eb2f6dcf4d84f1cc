/* SPDX-License-Identifier: MIT */
/*
 * The verbs of linectl and metrics. A verb is a function that handles one kind
 * of request and sends the last response, at once or later. verbs.c receives
 * the requests of all clients and calls the verb for each request. Main thread.
 */
#pragma once

#include <stdbool.h>

#include "config/conf_subprocess.h"
#include "control/request.h"
#include "list.h"

struct conf_errors;
struct control;
struct reload_plan;
struct report;
struct server;
struct service;

/* Functions of daemon.c. */
struct control_ops {
	/* Begins a reload, as SIGHUP does. verbs_reloaded() is called when the
	 * reload has ended. */
	void (*reload)(struct control *control);
	/* Fills in the source from which a reload would read the config. */
	void (*source)(struct control *control, struct conf_source *source);
	/* Plans a reload to the config that the child has read. NULL: the
	 * reload would be refused. errors then has the reasons, or nothing if
	 * there was no memory. */
	struct reload_plan *(*plan)(struct control *control,
				    const struct conf_subprocess *child,
				    struct conf_errors *errors);
	/* Adds the values of daemon.c to the record `daemon`. */
	void (*describe)(struct control *control, struct response *response);
};

struct control {
	struct request_port port;
	struct server *server;
	const struct control_ops *ops;
	struct list open;  /* requests without their last response */
	struct list plans; /* waiting or being read */
};

/* Makes `control` the receiver of requests from the server's clients. */
void verbs_init(struct control *control, struct server *server,
		const struct control_ops *ops);

/* Call this when a reload begins: its result will answer all requests for a
 * reload made so far. */
void verbs_reload_begins(struct control *control);
/* Call this when the reload has ended: sends the last response to these
 * requests. */
void verbs_reloaded(struct control *control, bool done,
		    const struct report *report);

/* Call these when a service starts to drain, and when a service has ended,
 * before it is freed. */
void verbs_service_drains(struct control *control, struct service *service);
void verbs_service_ended(struct control *control, struct service *service);

/* ---- the verbs ---------------------------------------------------------- */

/* status.c: LINED_REQUEST_STATUS */
void status_run(struct control *control, struct request *request);
void status_add(struct control *control, struct response *response);

/* services.c: SERVICES */
void services_run(struct control *control, struct request *request);
void services_add_all(struct control *control, struct response *response);

/* cluster_report.c: CLUSTER */
void cluster_run(struct control *control, struct request *request);
void cluster_add_records(struct control *control, struct response *response);

/* protocol_records.c: ALL, RECORDS */
void all_run(struct control *control, struct request *request);
void records_run(struct control *control, struct request *request);

/* clients.c: CLIENTS, KICK */
void clients_run(struct control *control, struct request *request);
void kick_run(struct control *control, struct request *request);

/* why.c: WHY, FORGIVE */
void why_run(struct control *control, struct request *request);
void forgive_run(struct control *control, struct request *request);

/* plan.c: PLAN, PLAN_FILES. plan_end_all(): lined stops; refuses all plans that
 * are not finished. */
void plan_run(struct control *control, struct request *request);
void plan_end_all(struct control *control);

/* tap.c: TAP. A tap ends by tap_end(), or when its service drains. */
void tap_run(struct control *control, struct request *request);
void tap_end(struct request *request);
void tap_service_drains(struct request *request, const struct service *service);

/* drain.c: DRAIN. drain_service_ended() sends the response. */
void drain_run(struct control *control, struct request *request);
void drain_service_ended(struct request *request,
			 const struct service *service);
