/* SPDX-License-Identifier: MIT */
/*
 * Receives the requests of all clients and calls the verb of each. Main
 * thread.
 */
#pragma once

#include "control/reply.h"

/* Makes `control` the receiver of requests from the server's clients. */
void requests_init(struct control *control, struct server *server,
		   const struct control_ops *ops);

/* A reload begins. Its result answers all requests for a reload made so far. */
void requests_reload_begins(struct control *control);
/* The reload has ended: responds to the requests that it answers. */
void requests_reloaded(struct control *control, bool done,
		       const struct report *report);

/* lined is about to stop: refuses plans whose config was not read yet. */
void requests_end_plans(struct control *control);

/* A service starts draining; or it has ended and will be freed after the call.
 */
void requests_service_drains(struct control *control, struct service *service);
void requests_service_ended(struct control *control, struct service *service);
