/* SPDX-License-Identifier: MIT */
/*
 * Functions shared by several verbs: sending the last response, finding a
 * service by name, calling daemon.c. Main thread.
 */
#pragma once

#include <stdbool.h>

#include "config/conf.h"
#include "config/conf_subprocess.h"
#include "control/request.h"
#include "control/response.h"
#include "list.h"

struct control;
struct reload_plan;
struct report;
struct server;
struct service;

/* Functions of daemon.c. */
struct control_ops {
	/* Begins a reload, as SIGHUP does; verbs_reloaded() is called after
	 * it. */
	void (*reload)(struct control *control);
	/* Fills in how a reload would read the config. */
	void (*source)(struct control *control, struct conf_source *source);
	/* Plans a reload to the config that the child has read. NULL: the
	 * reload would be refused; errors has the reasons. */
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

/* Sends the request's last response and takes over the content of *response. */
void reply_last(struct control *control, struct request *request,
		struct response *response);

/* Sends "out of memory" as the last response. */
void reply_no_memory(struct control *control, struct request *request);

/* Puts an error into the response: no service has this name, or the service was
 * drained. */
void reply_no_service(struct control *control, const char *name,
		      struct response *response);

/* Adds a record `message`. */
void reply_message(struct response *response, enum lined_log_level level,
		   const char *text);
/* Adds a record `message` for each error and warning. */
void reply_messages(struct response *response,
		    const struct conf_errors *errors);

/* Finds a service by name: an open one or, if `draining`, a draining one; never
 * an internal one. NULL: none. */
struct service *reply_find_service(struct control *control, const char *name,
				   bool draining);

/* Calls add for each service of the config that was drained and has ended. */
void reply_each_drained(struct control *control, struct response *response,
			void (*add)(struct response *response,
				    const struct conf_service *drained));
