/* SPDX-License-Identifier: MIT */
/*
 * Receives the requests of all clients and calls the verb of each. Main
 * thread.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "control/reply.h"

/* From now on the control receives the requests of the server's clients. */
void requests_init(struct control *control, struct server *server,
		   const struct control_ops *ops);

/* The service begins to drain; it has ended and will be freed after the
 * call. */
void requests_service_drains(struct control *control, struct service *service);
void requests_service_ended(struct control *control, struct service *service);

#endif
