/* SPDX-License-Identifier: MIT */
/*
 * A request of a client (lined/control.h) on its way from the client's thread
 * to the main thread, and its responses on their way back. The port takes the
 * requests; nothing here knows what they mean.
 *
 * A request belongs to the main thread until request_respond() with `last`. It
 * is freed when that response has been delivered or dropped.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/control.h>

#include "control/response.h"
#include "list.h"
#include "system/peercred.h"
#include "threads/client_wait.h"

struct request;
struct request_stop;

/* Takes the requests of all clients; on the main thread. */
struct request_port {
	void (*asked)(struct request_port *port, struct request *request);
	/* A tap is to end: its client said so, or closed. The request of this
	 * id may have got its last response already. */
	void (*stop)(struct request_port *port, uint64_t id);
	struct lined_dispatcher *dispatcher; /* the main thread's */
	atomic_ullong last_id;
};

/* A response on its way to the client. */
struct request_delivery {
	struct lined_message message;
	struct request *request;
	struct response response;
	bool last;
};

struct request {
	/* Constant: */
	struct request_port *port;
	uint64_t id; /* unique */
	enum lined_request_kind kind;
	const char *argument, *text;
	size_t text_len;
	struct peercred by; /* the client's, where `known` */
	bool known;
	struct lined_dispatcher *dispatcher; /* the client's */

	/* The client's thread's: */
	struct client_wait wait; /* open until the last response came */
	struct lined_service *instance;
	void (*handle_response)(struct lined_socket *client, void *arg,
				const struct lined_response *response);
	void *arg;
	struct request_stop *stop; /* NULL: sent */
	bool stopped;              /* by lined_control_stop() */

	/* The main thread's: */
	struct list open; /* control.open */
	void *subject;    /* what the verb works on */
	struct lined_message coming;
	struct request_delivery last;
	char *memory;

	/* Any thread's, for a tap: deliveries on their way, lines left out. */
	atomic_uint waiting;
	atomic_ullong lost;
};

/*
 * Sends a response, whose content is taken over, from the thread that runs the
 * dispatcher `from`. The last one is sent on the main thread and never fails.
 * -1: no memory, it was dropped.
 */
int request_respond(struct request *request, struct lined_dispatcher *from,
		    struct response *response, bool last);

#endif
