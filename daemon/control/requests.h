/* SPDX-License-Identifier: MIT */
/*
 * Answers what clients ask of the daemon as a whole (lined/control.h): knows
 * who can answer what, and which questions are open. The daemon's own part,
 * reading the config, is given to it. Main thread.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/response.h"
#include "config/conf.h"
#include "list.h"
#include "control/request.h"

struct control;
struct server;
struct service;

struct control_ops {
	/* Reads the config again, as on SIGHUP; a `message` for each error and
	 * warning. False: nothing was changed. */
	bool (*reload)(struct control *control, struct response *response);
	/* A config of which the text is given; NULL: see errors. Files that it
	 * includes are shown to may_read. */
	struct conf *(*load)(struct control *control, const char *path,
			     const char *text, size_t len,
			     bool (*may_read)(void *arg, int fd), void *arg,
			     struct conf_errors *errors);
	/* Whether the log would be another one with this config. */
	bool (*log_changes)(struct control *control, const struct conf *conf);
	/* Adds what only the daemon knows to its record. */
	void (*describe)(struct control *control, struct response *response);
};

struct control {
	struct server *server;
	const struct control_ops *ops;
	struct list open; /* last_request */
	/* Gives each question its id; any thread. */
	atomic_ullong last_request;
};

void control_init(struct control *control, struct server *server,
		  const struct control_ops *ops);

/* A question has come; one is not to be answered any further. */
void control_asked(struct control *control, struct request *request);
void control_stop(struct control *control, uint64_t request);

/* For who answers: gives the last answer, which is taken over. */
void control_respond(struct request *request, struct response *response);

/* A service begins to drain; has ended, and is about to be freed. */
void control_service_drains(struct control *control, struct service *service);
void control_service_ended(struct control *control, struct service *service);

/* Refuses: there is no service of this name, or none any more. */
void control_no_service(struct control *control, const char *name,
			struct response *response);

/* Adds a `message` for each error and warning. */
void control_messages(struct response *response,
		      const struct conf_errors *errors);

/* ---- who answers, each in the file of its name -------------------------- */

/* survey.c: LINED_REQUEST_STATUS, SERVICES; false: there is no such service. */
void survey_daemon(struct control *control, struct response *response);
bool survey_services(struct control *control, const char *name,
		     struct response *response);
/* Of the services in the config that a drain has ended the next one, from the
 * *at-th of them all on, which is moved behind it; NULL: there is no more. */
const struct conf_service *survey_drained(struct control *control, size_t *at);

/* census.c: LINED_REQUEST_CLIENTS, DO_KICK; answers by itself. */
void census_take(struct control *control, struct request *request);

/* ruling.c: LINED_REQUEST_WHY. */
void ruling_give(struct control *control, const char *address,
		 struct response *response);

/* plan.c: LINED_REQUEST_PLAN. */
void plan_make(struct control *control, const struct request *request,
	       struct response *response);

/* tap.c: LINED_REQUEST_TAP; answers by itself. It ends by tap_end(), or with
 * its service. */
void tap_begin(struct control *control, struct request *request);
void tap_end(struct control *control, struct request *request);
void tap_service_drains(struct control *control, struct request *request,
			const struct service *service);

#endif
