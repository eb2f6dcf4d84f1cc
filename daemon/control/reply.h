/* SPDX-License-Identifier: MIT */
/*
 * The parts that verbs share: the daemon, finding a service by its name, and
 * the last response. Main thread.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "config/conf.h"
#include "control/request.h"
#include "control/response.h"
#include "list.h"

struct control;
struct reload_plan;
struct report;
struct server;
struct service;

/* A config file's content. may_read decides on each file that it includes. */
struct control_text {
	const char *path, *text;
	size_t len;
	bool (*may_read)(void *arg, int fd);
	void *may_read_arg;
};

/* The daemon's own part. */
struct control_ops {
	/* Reads the config again, as on SIGHUP. False: nothing was changed. */
	bool (*reload)(struct control *control, struct report *report);
	/* The plan of a reload of this text. NULL: the reload would be refused,
	 * see errors. */
	struct reload_plan *(*plan)(struct control *control,
				    const struct control_text *text,
				    struct conf_errors *errors);
	/* Adds what only the daemon knows to the record `daemon`. */
	void (*describe)(struct control *control, struct response *response);
};

struct control {
	struct request_port port;
	struct server *server;
	const struct control_ops *ops;
	struct list open; /* requests without their last response */
};

/* Gives the request its last response, which is taken over. */
void reply_last(struct control *control, struct request *request,
		struct response *response);

/* Gives the last response: there was no memory for any other. */
void reply_no_memory(struct control *control, struct request *request);

/* Refuses: there is no service of this name, or it was drained. */
void reply_no_service(struct control *control, const char *name,
		      struct response *response);

/* Adds a `message`. */
void reply_message(struct response *response, enum lined_log_level level,
		   const char *text);
/* Adds a `message` for each error and warning. */
void reply_messages(struct response *response,
		    const struct conf_errors *errors);

/* A service that is open, or (draining) on its way out; none of the internal
 * ones. NULL: there is none. */
struct service *reply_find_service(struct control *control, const char *name,
				   bool draining);

/* Calls add for each service of the config that a drain has ended. */
void reply_each_drained(struct control *control, struct response *response,
			void (*add)(struct response *response,
				    const struct conf_service *drained));

#endif
