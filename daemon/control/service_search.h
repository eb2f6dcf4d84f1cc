/* SPDX-License-Identifier: MIT */
/* Finds services by name for the verbs. Main thread. */
#pragma once

struct conf_service;
struct control;
struct response;
struct service;

/* The service of this name: an open one or, if there is none, a draining one;
 * never an internal one. NULL: none. */
struct service *service_search(struct control *control, const char *name);

/* Puts an error into the response: no service has this name, or the service was
 * drained. */
void service_search_failed(struct control *control, const char *name,
			   struct response *response);

/* Calls add for each service of the config that was drained and has ended. */
void service_search_drained(struct control *control, struct response *response,
			    void (*add)(struct response *response,
					const struct conf_service *drained));
