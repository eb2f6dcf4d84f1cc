/* SPDX-License-Identifier: MIT */
/*
 * Shows the lines of a service to who asks for them, while they come. Each
 * worker sends its own to the asker's thread; what comes faster than it is
 * taken there is passed over, and counted: a tap holds nobody up.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "serve/client.h"
#include "control/requests.h"
#include "serve/instance.h"
#include "serve/server.h"
#include "serve/service.h"

/* Lines on their way to one asker. */
#define WAITING_MAX 1024
/* Of a line, so many bytes. */
#define SHOWN_MAX 1000

struct tap;

/* On one worker. */
struct part {
	struct worker_call on, off;
	struct tap *tap;
	struct lined_service *instance;
	struct list link; /* instance.taps */
};

struct tap {
	struct control *control;
	struct request *request;
	struct service *service; /* held */
	bool ending;
	size_t open; /* parts that have not been taken off */
	size_t part_count;
	struct part parts[];
};

/* ---- on the worker ------------------------------------------------------ */

static void add_line(struct response *response, uint64_t client,
		     const char *address, const struct lined_line *line)
{
	size_t shown = line->len < SHOWN_MAX ? line->len : SHOWN_MAX;

	response_record(response, "line");
	response_number(response, "client", client);
	response_text(response, "address", address);
	response_number(response, "len", line->len);
	response_bytes(response, "text", line->text, shown);
}

static void show(struct part *part, uint64_t client, const char *address,
		 const struct lined_line *line)
{
	struct request *request = part->tap->request;
	struct lined_dispatcher *own = part->instance->worker->dispatcher;
	struct response response = {.oom = false};
	unsigned long long lost;

	if (atomic_load_explicit(&request->waiting, memory_order_relaxed) >=
	    WAITING_MAX) {
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
	add_line(&response, client, address, line);
	if (request_respond(request, own, &response, false) < 0)
		atomic_fetch_add_explicit(&request->lost, lost + 1,
					  memory_order_relaxed);
}

static void on_line(struct lined_socket *sock, const struct lined_line *line)
{
	struct lined_service *instance = lined_client_service(sock);
	struct part *part;

	list_for_each(part, &instance->taps, link)
		show(part, lined_client_id(sock), lined_client_peer(sock),
		     line);
}

/* Of a socket that the protocol has opened itself. */
static void on_opened_line(struct lined_socket *sock,
			   const struct lined_line *line)
{
	struct lined_service *instance = client_opened_by(sock);
	char text[ADDRESS_TEXT_MAX];
	struct part *part;

	client_opened_peer(sock, text, sizeof(text));
	list_for_each(part, &instance->taps, link)
		show(part, 0, text, line);
}

static void set_hooks(struct lined_service *instance)
{
	bool on = !list_is_empty(&instance->taps);

	instance->tapped = on ? on_line : NULL;
	instance->opened_tapped = on ? on_opened_line : NULL;
}

static void run_on(struct worker_call *call)
{
	struct part *part = lined_container_of(call, struct part, on);

	list_append(&part->instance->taps, &part->link);
	set_hooks(part->instance);
}

static void part_is_off(struct worker_call *call);

static void run_off(struct worker_call *call)
{
	struct part *part = lined_container_of(call, struct part, off);
	struct lined_service *instance = part->instance;

	list_remove(&part->link);
	set_hooks(instance);
	call->run = part_is_off;
	worker_answer(instance->worker, instance->main, call);
}

/* ---- on the main thread ------------------------------------------------- */

/* No line is sent any more: what was has been posted before this. */
static void part_is_off(struct worker_call *call)
{
	struct part *part = lined_container_of(call, struct part, off);
	struct tap *tap = part->tap;
	struct response last = {.oom = false};

	if (--tap->open > 0)
		return;
	control_respond(tap->request, &last);
	service_release(tap->service);
	free(tap);
}

static struct service *find_service(struct server *server, const char *name)
{
	struct service *service;

	list_for_each(service, &server->services, link)
		if (!service->conf->internal &&
		    strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

static struct tap *tap_new(struct control *control, struct request *request,
			   struct service *service)
{
	size_t count = service->instance_count, i;
	struct tap *tap;

	tap = calloc(1, sizeof(*tap) + count * sizeof(tap->parts[0]));
	if (tap == NULL)
		return NULL;
	tap->control = control;
	tap->request = request;
	tap->service = service;
	tap->open = tap->part_count = count;
	for (i = 0; i < count; i++) {
		tap->parts[i].on.run = run_on;
		tap->parts[i].off.run = run_off;
		tap->parts[i].tap = tap;
		tap->parts[i].instance = service->instances[i];
		list_init(&tap->parts[i].link);
	}
	service_hold(service);
	return tap;
}

void tap_begin(struct control *control, struct request *request)
{
	struct service *service =
		find_service(control->server, request->argument);
	struct response last = {.oom = false};
	struct tap *tap = NULL;
	size_t i;

	if (service == NULL)
		control_no_service(control, request->argument, &last);
	else
		tap = tap_new(control, request, service);
	if (tap == NULL) {
		last.oom |= service != NULL;
		control_respond(request, &last);
		return;
	}
	request->matter = tap;
	for (i = 0; i < tap->part_count; i++)
		worker_post(tap->parts[i].instance->worker, &tap->parts[i].on);
}

void tap_end(struct control *control, struct request *request)
{
	struct tap *tap = request->matter;
	size_t count, i;

	(void)control;
	if (tap->ending)
		return;
	tap->ending = true;
	/* The last part may come off within the call. */
	count = tap->part_count;
	for (i = 0; i < count; i++)
		worker_post(tap->parts[i].instance->worker, &tap->parts[i].off);
}

void tap_service_drains(struct control *control, struct request *request,
			const struct service *service)
{
	const struct tap *tap = request->matter;

	if (tap->service == service)
		tap_end(control, request);
}
