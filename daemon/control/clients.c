/* SPDX-License-Identifier: MIT */
/*
 * Goes round all workers to list the clients, or to close one of them: only
 * their own thread may touch them. Each worker fills in its part and sends it
 * back; one that stands still is not waited for.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/client.h"
#include "control/requests.h"
#include "serve/instance.h"
#include "serve/server.h"
#include "serve/service.h"

#define PATIENCE_MS 5000

struct census;

/* What one worker is asked. */
struct part {
	struct worker_call call;
	struct census *census;
	struct worker *worker;
	struct response response;
	bool found; /* whom to kick */
	bool done;
};

struct census {
	struct control *control;
	struct request *request; /* NULL: answered */
	uint64_t kick;           /* an id; 0: list them */
	struct lined_timer timer;
	struct service **services; /* held */
	size_t service_count;
	struct part *parts;
	size_t part_count, open;
};

/* ---- on the worker ------------------------------------------------------- */

static void list_client(struct lined_socket *sock, void *arg)
{
	struct response *response = arg;
	struct lined_service *instance = lined_client_service(sock);
	struct lined_traffic traffic;

	if (lined_socket_is_closed(sock))
		return;
	lined_socket_traffic(sock, &traffic);
	response_record(response, "client");
	response_number(response, "id", lined_client_id(sock));
	response_text(response, "service", instance->name);
	response_text(response, "address", lined_client_peer(sock));
	response_text(response, "listen", lined_client_listen(sock));
	response_number(response, "worker", instance->worker->index);
	response_number(response, "connected_ms", traffic.connected_ms);
	response_number(response, "silent_ms", traffic.silent_ms);
	response_number(response, "lines_in", traffic.lines_in);
	response_number(response, "bytes_in", traffic.bytes_in);
	response_number(response, "bytes_out", traffic.bytes_out);
	response_number(response, "queued", lined_socket_queued(sock));
}

static void kick_client(struct lined_socket *sock, void *arg)
{
	struct part *part = arg;

	if (lined_client_id(sock) != part->census->kick ||
	    lined_socket_is_closed(sock))
		return;
	list_client(sock, &part->response);
	lined_socket_close_for(sock, LINED_CLOSE_KICKED, 0);
	part->found = true;
}

static void part_came(struct worker_call *call);

static void run_part(struct worker_call *call)
{
	struct part *part = lined_container_of(call, struct part, call);
	const struct census *census = part->census;
	struct lined_dispatcher *main = census->control->server->dispatcher;
	size_t i;

	for (i = 0; i < census->service_count; i++) {
		struct lined_service *instance =
			census->services[i]->instances[part->worker->index];

		if (census->kick != 0)
			lined_service_each_client(instance, kick_client, part);
		else
			lined_service_each_client(instance, list_client,
						  &part->response);
	}
	call->run = part_came;
	worker_answer(part->worker, main, call);
}

/* ---- on the main thread -------------------------------------------------- */

static void census_free(struct census *census)
{
	size_t i;

	lined_timer_stop(&census->timer);
	for (i = 0; i < census->service_count; i++)
		service_release(census->services[i]);
	for (i = 0; i < census->part_count; i++)
		response_fini(&census->parts[i].response);
	free(census->services);
	free(census->parts);
	free(census);
}

/* The parts that have come, each as an answer of its own, and the last one. */
static void give_answer(struct census *census, struct response *last)
{
	struct lined_dispatcher *main = census->control->server->dispatcher;
	struct request *request = census->request;
	bool dropped = false;
	size_t i;

	census->request = NULL;
	for (i = 0; i < census->part_count; i++)
		if (census->parts[i].done &&
		    request_respond(request, main, &census->parts[i].response,
				    false) < 0)
			dropped = true;
	if (dropped && last->error == NULL)
		response_refuse(last, "%s", strerror(ENOMEM));
	control_respond(request, last);
}

static bool has_found(const struct census *census)
{
	size_t i;

	for (i = 0; i < census->part_count; i++)
		if (census->parts[i].done && census->parts[i].found)
			return true;
	return false;
}

static void refuse_kick(const struct census *census, struct response *last)
{
	response_refuse(last, "there is no client %llu (any more)",
			(unsigned long long)census->kick);
}

static void part_came(struct worker_call *call)
{
	struct part *part = lined_container_of(call, struct part, call);
	struct census *census = part->census;
	struct response last = {.oom = false};

	part->done = true;
	if (--census->open > 0)
		return;
	if (census->request != NULL) {
		if (census->kick != 0 && !has_found(census))
			refuse_kick(census, &last);
		give_answer(census, &last);
	}
	census_free(census);
}

static void patience_ended(struct lined_timer *timer)
{
	struct census *census = lined_container_of(timer, struct census, timer);
	struct response last = {.oom = false};
	size_t i;

	for (i = 0; i < census->part_count && census->parts[i].done; i++)
		;
	response_refuse(&last,
			"worker %u does not answer: it is stuck, the log says "
			"in what",
			census->parts[i].worker->index);
	give_answer(census, &last);
}

/* The services to go by; false: there is none of this name. */
static bool choose_services(struct census *census, const char *name)
{
	struct server *server = census->control->server;
	struct list *const lists[] = {&server->services, &server->draining};
	struct service *service;
	size_t i;

	for (i = 0; i < 2; i++)
		list_for_each(service, lists[i], link) {
			if (service->conf->internal ||
			    (name[0] != '\0' &&
			     strcmp(service->name, name) != 0))
				continue;
			service_hold(service);
			census->services[census->service_count++] = service;
		}
	return name[0] == '\0' || census->service_count > 0;
}

static size_t count_services(struct server *server)
{
	struct service *service;
	size_t count = 0;

	list_for_each(service, &server->services, link)
		count++;
	list_for_each(service, &server->draining, link)
		count++;
	return count;
}

static struct census *census_new(struct control *control,
				 struct request *request)
{
	struct server *server = control->server;
	struct census *census = calloc(1, sizeof(*census));

	if (census == NULL)
		return NULL;
	census->control = control;
	census->request = request;
	lined_timer_init(&census->timer, server->dispatcher, patience_ended);
	census->services =
		calloc(count_services(server) + 1, sizeof(struct service *));
	census->parts = calloc(server->worker_count, sizeof(*census->parts));
	if (census->services != NULL && census->parts != NULL &&
	    lined_timer_start(&census->timer, PATIENCE_MS, 0) == 0)
		return census;
	census_free(census);
	return NULL;
}

static void ask_workers(struct census *census)
{
	struct server *server = census->control->server;
	size_t count = server->worker_count, i;

	census->part_count = census->open = count;
	for (i = 0; i < count; i++) {
		struct part *part = &census->parts[i];

		part->call.run = run_part;
		part->census = census;
		part->worker = &server->workers[i];
	}
	/* The last one to come back frees it all: a single worker on this
	 * thread, within the call. */
	for (i = 0; i < count; i++)
		worker_post(&server->workers[i], &census->parts[i].call);
}

/* A client's id, all of the text; 0: it is none. */
static uint64_t parse_id(const char *text)
{
	unsigned long long id;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	id = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' ? id : 0;
}

void census_take(struct control *control, struct request *request)
{
	bool kick = request->kind == LINED_REQUEST_KICK;
	const char *name = kick ? "" : request->argument;
	struct census *census = census_new(control, request);
	struct response last = {.oom = false};

	if (census == NULL) {
		response_refuse(&last, "%s", strerror(ENOMEM));
	} else if (kick && (census->kick = parse_id(request->argument)) == 0) {
		response_refuse(
			&last,
			"\"%s\" is no client's id (a number; see clients)",
			request->argument);
	} else if (!choose_services(census, name)) {
		control_no_service(control, name, &last);
	} else if (census->service_count > 0) {
		ask_workers(census);
		return;
	} else if (kick) {
		refuse_kick(census, &last);
	}
	if (census != NULL)
		census_free(census);
	control_respond(request, &last);
}
