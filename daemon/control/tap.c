/* SPDX-License-Identifier: MIT */
/*
 * Copies lines that a service receives to the client that asked for the tap.
 * Each worker posts its lines to that client's thread. If too many lines are
 * under way, further lines are dropped and counted: a tap never slows a service
 * down.
 */
#include "config.h"

#include "control/verbs.h"

#include <stdlib.h>

#include <lined/address.h>

#include "control/service_search.h"
#include "serve/client_log.h"
#include "serve/service.h"
#include "serve/service_instance.h"

/* The most lines under way to the client. */
#define TAP_WAITING_MAX 1024
/* The most bytes shown of a line. */
#define TAP_SHOWN_MAX 1000

struct tap;

/* The part of a tap on one worker. */
struct tap_part {
	struct worker_call on, off;
	struct tap *tap;
	struct lined_service *instance;
	struct list link; /* instance.taps */
};

struct tap {
	struct request *request;
	struct service *service; /* held by service_hold() */
	bool ending;
	size_t open; /* parts that may still send lines */
	size_t part_count;
	struct tap_part parts[];
};

/* ---- on the worker ------------------------------------------------------ */

static void tap_add_line(struct response *response, uint64_t client,
			 const char *address, const struct lined_line *line)
{
	size_t shown = line->len < TAP_SHOWN_MAX ? line->len : TAP_SHOWN_MAX;

	response_record(response, "line");
	response_number(response, "client", client);
	response_text(response, "address", address);
	response_number(response, "len", line->len);
	response_bytes(response, "text", line->text, shown);
}

static void tap_show(struct tap_part *part, uint64_t client,
		     const char *address, const struct lined_line *line)
{
	struct request *request = part->tap->request;
	struct lined_dispatcher *own = part->instance->worker->dispatcher;
	struct response response = {.oom = false};
	unsigned long long lost;

	if (atomic_load_explicit(&request->waiting, memory_order_relaxed) >=
	    TAP_WAITING_MAX) {
		atomic_fetch_add_explicit(&request->lost, 1,
					  memory_order_relaxed);
		return;
	}
	lost = atomic_exchange_explicit(&request->lost, 0,
					memory_order_relaxed);
	if (lost > 0) {
		response_record(&response, "lost");
		response_number(&response, "lines", lost);
	}
	tap_add_line(&response, client, address, line);
	if (request_respond(request, own, &response) < 0)
		atomic_fetch_add_explicit(&request->lost, lost + 1,
					  memory_order_relaxed);
}

static void tap_on_line(struct lined_socket *sock,
			const struct lined_line *line)
{
	struct lined_service *instance = lined_client_service(sock);
	struct tap_part *part;

	list_for_each(part, &instance->taps, link)
		tap_show(part, lined_client_id(sock), lined_client_peer(sock),
			 line);
}

/* Called for a line of a socket that the protocol has opened. */
static void tap_on_opened_line(struct lined_socket *sock,
			       const struct lined_line *line)
{
	struct lined_service *instance = client_opened_by(sock);
	char text[LINED_ADDRESS_TEXT_MAX];
	struct tap_part *part;

	client_opened_peer(sock, text, sizeof(text));
	list_for_each(part, &instance->taps, link)
		tap_show(part, 0, text, line);
}

static void tap_set_hooks(struct lined_service *instance)
{
	bool on = !list_is_empty(&instance->taps);

	instance->tapped = on ? tap_on_line : NULL;
	instance->opened_tapped = on ? tap_on_opened_line : NULL;
}

static void tap_part_on(struct worker_call *call)
{
	struct tap_part *part = lined_container_of(call, struct tap_part, on);

	list_append(&part->instance->taps, &part->link);
	tap_set_hooks(part->instance);
}

static void tap_part_is_off(struct worker_call *call);

static void tap_part_off(struct worker_call *call)
{
	struct tap_part *part = lined_container_of(call, struct tap_part, off);
	struct lined_service *instance = part->instance;

	list_remove(&part->link);
	tap_set_hooks(instance);
	call->run = tap_part_is_off;
	worker_answer(instance->worker, call);
}

/* ---- on the main thread ------------------------------------------------- */

/* No more lines come from this worker: the worker posted all its lines before
 * this call. */
static void tap_part_is_off(struct worker_call *call)
{
	struct tap_part *part = lined_container_of(call, struct tap_part, off);
	struct tap *tap = part->tap;
	struct response last = {.oom = false};

	if (--tap->open > 0)
		return;
	request_finish(tap->request, &last);
	service_release(tap->service);
	free(tap);
}

static struct tap *tap_new(struct request *request, struct service *service)
{
	size_t count = service->instance_count, i;
	struct tap *tap;

	tap = calloc(1, sizeof(*tap) + count * sizeof(tap->parts[0]));
	if (tap == NULL)
		return NULL;
	tap->request = request;
	tap->service = service;
	tap->open = tap->part_count = count;
	for (i = 0; i < count; i++) {
		tap->parts[i].on.run = tap_part_on;
		tap->parts[i].off.run = tap_part_off;
		tap->parts[i].tap = tap;
		tap->parts[i].instance = service->instances[i];
		list_init(&tap->parts[i].link);
	}
	service_hold(service);
	return tap;
}

void tap_run(struct control *control, struct request *request)
{
	const char *name = request->argument;
	struct service *service = service_search(control, name);
	struct response last = {.oom = false};
	struct tap *tap;
	size_t i;

	if (service == NULL || service->draining) {
		service_search_failed(control, name, &last);
		request_finish(request, &last);
		return;
	}
	tap = tap_new(request, service);
	if (tap == NULL) {
		request_finish_no_memory(request);
		return;
	}
	request->subject = tap;
	for (i = 0; i < tap->part_count; i++)
		worker_post(tap->parts[i].instance->worker, &tap->parts[i].on);
}

void tap_end(struct request *request)
{
	struct tap *tap = request->subject;
	size_t count = tap->part_count, i;

	if (tap->ending)
		return;
	tap->ending = true;
	/* The loop does not use tap->part_count: the last part frees the tap,
	 * within worker_post() if the main thread is the only worker. */
	for (i = 0; i < count; i++)
		worker_post(tap->parts[i].instance->worker, &tap->parts[i].off);
}

void tap_service_drains(struct request *request, const struct service *service)
{
	const struct tap *tap = request->subject;

	if (tap->service == service)
		tap_end(request);
}
