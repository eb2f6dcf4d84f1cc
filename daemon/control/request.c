/* SPDX-License-Identifier: MIT */
/*
 * Passes requests and responses between the client's thread and the main
 * thread. If both are the same thread, messages are deferred: a response must
 * not arrive within the call that sends the request.
 */
#include "config.h"

#include "control/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "serve/client.h"
#include "serve/service.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"

/* A message to the main thread that ends a tap. Allocated with the request: the
 * end of a tap must not fail for lack of memory. */
struct request_stop {
	struct lined_message message;
	struct request_port *port;
	uint64_t id;
};

static void request_carry(struct lined_dispatcher *from,
			  struct lined_dispatcher *to,
			  struct lined_message *message)
{
	if (from == to)
		lined_dispatcher_defer(to, message);
	else if (lined_dispatcher_post(to, message) < 0)
		message->cancel(message);
}

static void request_free(struct request *request)
{
	response_fini(&request->last.response);
	free(request->stop);
	free(request->memory);
	free(request);
}

/* ---- stopping ----------------------------------------------------------- */

static void request_stop_came(struct lined_message *message)
{
	struct request_stop *stop =
		lined_container_of(message, struct request_stop, message);

	stop->port->stop(stop->port, stop->id);
	free(stop);
}

static void request_stop_cancelled(struct lined_message *message)
{
	free(lined_container_of(message, struct request_stop, message));
}

static void request_send_stop(struct request *request)
{
	struct request_stop *stop = request->stop;

	if (stop == NULL)
		return;
	request->stop = NULL;
	request_carry(request->dispatcher, request->port->dispatcher,
		      &stop->message);
}

static void request_client_gone(struct client_pending *pending)
{
	request_send_stop(lined_container_of(pending, struct request, pending));
}

void lined_control_stop(struct lined_socket *sock)
{
	struct client_pending *pending;

	for (pending = client_of(sock)->pending; pending != NULL;
	     pending = pending->next) {
		struct request *request =
			lined_container_of(pending, struct request, pending);

		if (pending->gone != request_client_gone ||
		    request->kind != LINED_REQUEST_TAP)
			continue;
		request->stopped = true;
		request_send_stop(request);
	}
}

/* ---- sending ------------------------------------------------------------ */

static void request_came(struct lined_message *message)
{
	struct request *request =
		lined_container_of(message, struct request, coming);

	request->port->asked(request->port, request);
}

static void request_cancelled(struct lined_message *message)
{
	struct request *request =
		lined_container_of(message, struct request, coming);

	if (client_pending_is_open(&request->pending))
		client_pending_end(&request->pending);
	request_free(request);
}

/* Copies argument and text, each followed by a NUL. */
static int request_copy_texts(struct request *request,
			      const struct lined_request *from)
{
	size_t len = strlen(from->argument);

	request->memory = malloc(len + 1 + from->text_len + 1);
	if (request->memory == NULL)
		return -1;
	memcpy(request->memory, from->argument, len + 1);
	if (from->text_len > 0)
		memcpy(request->memory + len + 1, from->text, from->text_len);
	request->memory[len + 1 + from->text_len] = '\0';
	request->argument = request->memory;
	request->text = request->memory + len + 1;
	request->text_len = from->text_len;
	return 0;
}

static struct request *request_new(struct request_port *port,
				   const struct lined_request *from)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->stop = calloc(1, sizeof(*request->stop));
	if (request->stop == NULL || request_copy_texts(request, from) < 0) {
		request_free(request);
		return NULL;
	}
	request->port = port;
	request->id = atomic_fetch_add(&port->last_id, 1) + 1;
	request->kind = from->kind;
	request->coming.handler = request_came;
	request->coming.cancel = request_cancelled;
	request->stop->message.handler = request_stop_came;
	request->stop->message.cancel = request_stop_cancelled;
	request->stop->port = port;
	request->stop->id = request->id;
	list_init(&request->open);
	atomic_init(&request->waiting, 0);
	atomic_init(&request->lost, 0);
	return request;
}

int lined_control_request(
	struct lined_socket *sock, const struct lined_request *from,
	void (*handle_response)(struct lined_socket *client, void *arg,
				const struct lined_response *response),
	void *arg)
{
	struct client *client = client_of(sock);
	struct lined_service *instance = client_instance(sock);
	struct request_port *port = instance->service->env->requests;
	struct request *request = request_new(port, from);

	if (request == NULL)
		return -1;
	request->instance = instance;
	request->dispatcher = instance->worker->dispatcher;
	request->handle_response = handle_response;
	request->arg = arg;
	request->known = peercred_get(lined_socket_fd(sock), &request->by) == 0;
	client_pending_begin(
		&request->pending, &client->pending, sock,
		request->kind != LINED_REQUEST_TAP ? CLIENT_HOLD_REQUEST : 0,
		request_client_gone);
	socket_set_busy(sock, true);
	request_carry(request->dispatcher, port->dispatcher, &request->coming);
	return 0;
}

/* ---- responding --------------------------------------------------------- */

static bool request_is_last(const struct request_delivery *delivery)
{
	return delivery == &delivery->request->last;
}

static void request_deliver(struct request_delivery *delivery)
{
	struct request *request = delivery->request;
	struct lined_service *instance = request->instance;
	bool last = request_is_last(delivery);
	struct lined_response view;

	response_view(&delivery->response, last, &view);
	if (last) {
		client_pending_end(&request->pending);
		socket_set_busy(request->pending.sock, false);
	}
	worker_enter(instance->worker, instance);
	request->handle_response(request->pending.sock, request->arg, &view);
	worker_leave(instance->worker);
}

static void request_delivery_free(struct request_delivery *delivery)
{
	if (request_is_last(delivery)) {
		request_free(delivery->request);
		return;
	}
	response_fini(&delivery->response);
	free(delivery);
}

static void request_delivery_came(struct lined_message *message)
{
	struct request_delivery *delivery =
		lined_container_of(message, struct request_delivery, message);
	struct request *request = delivery->request;

	if (!request_is_last(delivery))
		atomic_fetch_sub_explicit(&request->waiting, 1,
					  memory_order_relaxed);
	/* Do not deliver lines that were under way when the tap was stopped. */
	if (client_pending_is_open(&request->pending) &&
	    (request_is_last(delivery) || !request->stopped))
		request_deliver(delivery);
	request_delivery_free(delivery);
}

static void request_delivery_cancelled(struct lined_message *message)
{
	struct request_delivery *delivery =
		lined_container_of(message, struct request_delivery, message);

	if (request_is_last(delivery) &&
	    client_pending_is_open(&delivery->request->pending))
		client_pending_end(&delivery->request->pending);
	request_delivery_free(delivery);
}

static void request_send(struct request_delivery *delivery,
			 struct request *request, struct lined_dispatcher *from,
			 struct response *response)
{
	delivery->message.handler = request_delivery_came;
	delivery->message.cancel = request_delivery_cancelled;
	delivery->request = request;
	delivery->response = *response;
	memset(response, 0, sizeof(*response));
	request_carry(from, request->dispatcher, &delivery->message);
}

int request_respond(struct request *request, struct lined_dispatcher *from,
		    struct response *response)
{
	struct request_delivery *delivery = calloc(1, sizeof(*delivery));

	if (delivery == NULL) {
		response_fini(response);
		return -1;
	}
	atomic_fetch_add_explicit(&request->waiting, 1, memory_order_relaxed);
	request_send(delivery, request, from, response);
	return 0;
}

void request_finish(struct request *request, struct response *response)
{
	list_remove(&request->open);
	request_send(&request->last, request, request->port->dispatcher,
		     response);
}

void request_finish_no_memory(struct request *request)
{
	struct response response = {.oom = true};

	log_warning("control: a request is refused: %s", strerror(ENOMEM));
	request_finish(request, &response);
}
