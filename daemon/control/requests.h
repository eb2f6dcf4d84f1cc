/* SPDX-License-Identifier: MIT */
/*
 * Receives the requests of all clients and calls the verb of each. Main
 * thread.
 */
#pragma once

#include "control/reply.h"

/* From now on the control receives the requests of the server's clients. */
void requests_init(struct control *control, struct server *server,
		   const struct control_ops *ops);

/* A reload begins, for which the requests so far have asked. */
void requests_reload_begins(struct control *control);
/* It has ended: responds to them. */
void requests_reloaded(struct control *control, bool done,
		       const struct report *report);

/* lined is about to stop: refuses the plans that are not read yet. */
void requests_end_plans(struct control *control);

/* The service begins to drain; it has ended and will be freed after the
 * call. */
void requests_service_drains(struct control *control, struct service *service);
void requests_service_ended(struct control *control, struct service *service);
