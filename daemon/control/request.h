/* SPDX-License-Identifier: MIT */
/*
 * What a client has asked the daemon by its protocol (lined/control.h), on its
 * way from the client's thread to the main one, and the answers on their way
 * back. Who answers what is control.c's business.
 *
 * A question is the main thread's until request_respond() with `last`; it goes
 * when that answer has been delivered, or found nobody any more.
 */
#ifndef QUESTION_H
#define QUESTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/control.h>

#include "control/response.h"
#include "system/peercred.h"
#include "list.h"

struct client;
struct control;
struct request_stop;

/* An answer on its way to the asker. */
struct request_delivery {
	struct lined_message message;
	struct request *request;
	struct response response;
	bool last;
};

struct request {
	/* Constant: */
	struct control *control;
	uint64_t id; /* no other request has it */
	enum lined_request_kind kind;
	const char *argument, *text;
	size_t text_len;
	struct credentials by; /* who asks, where `known` */
	bool known;
	struct lined_dispatcher *asker; /* the client's dispatcher */

	/* The client's thread's: */
	struct list asked;
	struct client *client; /* NULL: gone, or answered */
	void (*answered)(struct lined_socket *client, void *arg,
			 const struct lined_response *response);
	void *arg;
	struct request_stop *stop; /* NULL: sent */
	bool stopped;              /* by lined_control_stop() */

	/* The main thread's: */
	struct list open; /* control.open */
	void *matter;     /* of who works at it */
	struct lined_message coming;
	struct request_delivery last;
	char *memory;

	/* Of a tap, any thread: deliveries on their way, lines passed over. */
	atomic_uint waiting;
	atomic_ullong lost;
};

/*
 * Gives an answer, which is taken over and emptied, from the thread whose
 * dispatcher is `from`; on the main thread the last, which never fails. -1: no
 * memory, it was dropped.
 */
int request_respond(struct request *request, struct lined_dispatcher *from,
		    struct response *response, bool last);

/* The client is gone: nobody is told any more. Its thread. */
void request_client_gone(struct client *client);

#endif
