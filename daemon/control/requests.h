/* SPDX-License-Identifier: MIT */
/*
 * The open requests, and the table of the verbs that work on them. Main
 * thread.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "control/reply.h"

/* Makes the control take the requests of the server's clients. */
void requests_init(struct control *control, struct server *server,
		   const struct control_ops *ops);

/* A service begins to drain; it has ended and is about to be freed. */
void requests_service_drains(struct control *control, struct service *service);
void requests_service_ended(struct control *control, struct service *service);

#endif
