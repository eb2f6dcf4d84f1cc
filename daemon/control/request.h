/* SPDX-License-Identifier: MIT */
/*
 * Passes a client's request (lined/control.h) from the client's thread to the
 * main thread, and the responses back. verbs.c implements the request_port,
 * which handles requests.
 *
 * A request belongs to the main thread until request_finish() sends the last
 * response. The request is freed when this response was delivered or dropped.
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
#include "threads/client_pending.h"

struct request;
struct request_stop;

/* Receives the requests of all clients. Main thread. */
struct request_port {
	void (*asked)(struct request_port *port, struct request *request);
	/* The client has stopped its tap, or has closed: ends the request with
	 * this id if it is a tap. Its last response may have been sent already.
	 */
	void (*stop)(struct request_port *port, uint64_t id);
	struct lined_dispatcher *dispatcher; /* the main thread's */
	atomic_ullong last_id;
};

/* A response on its way to the client. */
struct request_delivery {
	struct lined_message message;
	struct request *request;
	struct response response;
};

struct request {
	/* Constant when the request has been sent to the main thread: */
	struct request_port *port;
	uint64_t id; /* unique */
	enum lined_request_kind kind;
	const char *argument, *text;
	size_t text_len;
	struct peercred by; /* the client; valid if `known` */
	bool known;
	struct lined_dispatcher *dispatcher; /* the client's thread */

	/* Used by the client's thread only: */
	struct client_pending pending; /* ends with the last response */
	struct lined_service *instance;
	void (*handle_response)(struct lined_socket *client, void *arg,
				const struct lined_response *response);
	void *arg;
	struct request_stop *stop; /* NULL: sent */
	bool stopped;              /* lined_control_stop() was called */

	/* Used by the main thread only: */
	struct list open; /* control.open */
	void *subject;    /* private to the verb */
	struct lined_message coming;
	struct request_delivery last;
	char *memory;

	/* For a tap. Any thread. waiting: lines under way to the client; lost:
	 * lines dropped since the last line sent. */
	atomic_uint waiting;
	atomic_ullong lost;
};

/* Sends the last response, from the main thread, and empties *response. Never
 * fails. */
void request_finish(struct request *request, struct response *response);
/* As request_finish(), with the error "out of memory". */
void request_finish_no_memory(struct request *request);

/* Sends a response that is not the last one, and empties *response. from: the
 * calling thread's dispatcher. -1: no memory, the response was dropped. */
int request_respond(struct request *request, struct lined_dispatcher *from,
		    struct response *response);
