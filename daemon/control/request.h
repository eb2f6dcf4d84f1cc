/* SPDX-License-Identifier: MIT */
/*
 * Carries a request of a client (lined/control.h) from the client's thread to
 * the main thread, and its responses back. The request_port handles the
 * request: requests.c.
 *
 * A request belongs to the main thread until request_respond() is called with
 * `last`. It is freed when that response was delivered or dropped.
 */
#pragma once

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

/* Receives the requests of all clients. Main thread. */
struct request_port {
	void (*asked)(struct request_port *port, struct request *request);
	/* Ends the tap with this request id: its client has stopped it, or has
	 * closed. The last response may have been sent already. */
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
	struct peercred by; /* the client's; valid if `known` */
	bool known;
	struct lined_dispatcher *dispatcher; /* the client's */

	/* The client's thread's: */
	struct client_wait wait; /* until the last response is delivered */
	struct lined_service *instance;
	void (*handle_response)(struct lined_socket *client, void *arg,
				const struct lined_response *response);
	void *arg;
	struct request_stop *stop; /* NULL: already sent */
	bool stopped;              /* by lined_control_stop() */

	/* The main thread's: */
	struct list open; /* control.open */
	void *subject;    /* the verb's own object */
	struct lined_message coming;
	struct request_delivery last;
	char *memory;

	/* For a tap, any thread: deliveries on their way, and lines that were
	 * left out since the last one. */
	atomic_uint waiting;
	atomic_ullong lost;
};

/*
 * Sends a response from the thread of the dispatcher `from`, and takes over its
 * content. -1: no memory, the response was dropped. The last response is sent
 * from the main thread and never fails.
 */
int request_respond(struct request *request, struct lined_dispatcher *from,
		    struct response *response, bool last);
