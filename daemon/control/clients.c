/* SPDX-License-Identifier: MIT */
/*
 * Lists the clients, or closes one client. Clients may be used only on their
 * worker's thread, so a call is posted to each worker. If a worker has not run
 * its call after CLIENTS_TIMEOUT_MS, the request fails and the error names the
 * worker.
 */
#include "config.h"

#include "control/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/service_search.h"
#include "serve/client.h"
#include "serve/client_log.h"
#include "serve/server.h"
#include "serve/service.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"

#define CLIENTS_TIMEOUT_MS 5000

struct clients;

/* The call to one worker, and the call's result. */
struct clients_part {
	struct worker_call call;
	struct clients *clients;
	struct worker *worker;
	struct response response;
	bool found; /* the client to kick was found */
	bool done;
};

struct clients {
	struct control *control;
	struct request *request; /* NULL: the last response was sent */
	uint64_t kick;           /* id of the client to close; 0: list all */
	struct lined_timer timer;
	struct service **services; /* each held by service_hold() */
	size_t service_count;
	struct clients_part *parts;
	size_t part_count, open;
};

/* ---- on the worker ------------------------------------------------------- */

static void clients_list_one(struct lined_socket *sock, void *arg)
{
	struct response *response = arg;
	struct lined_service *instance = lined_client_service(sock);
	char via[LINED_ADDRESS_TEXT_MAX];
	struct lined_traffic traffic;

	if (lined_socket_is_closed(sock))
		return;
	lined_socket_traffic(sock, &traffic);
	response_record(response, "client");
	response_number(response, "id", lined_client_id(sock));
	response_text(response, "service", instance->name);
	response_text(response, "address", lined_client_peer(sock));
	if (client_via(sock, via, sizeof(via)) != NULL)
		response_text(response, "via", via);
	response_text(response, "listen", lined_client_listen(sock));
	if (socket_class(sock) > 0)
		response_text(
			response, "class",
			instance->conf->classes[socket_class(sock) - 1].name);
	response_number(response, "worker", instance->worker->index);
	response_number(response, "connected_ms", traffic.connected_ms);
	response_number(response, "silent_ms", traffic.silent_ms);
	response_number(response, "lines_in", traffic.lines_in);
	response_number(response, "bytes_in", traffic.bytes_in);
	response_number(response, "bytes_out", traffic.bytes_out);
	response_number(response, "queued", lined_socket_queued(sock));
}

static void clients_kick_one(struct lined_socket *sock, void *arg)
{
	struct clients_part *part = arg;

	if (lined_client_id(sock) != part->clients->kick ||
	    lined_socket_is_closed(sock))
		return;
	clients_list_one(sock, &part->response);
	lined_socket_close_for(sock, LINED_CLOSE_KICKED, 0);
	part->found = true;
}

static void clients_part_came(struct worker_call *call);

static void clients_part_run(struct worker_call *call)
{
	struct clients_part *part =
		lined_container_of(call, struct clients_part, call);
	const struct clients *clients = part->clients;
	size_t i;

	for (i = 0; i < clients->service_count; i++) {
		struct lined_service *instance =
			clients->services[i]->instances[part->worker->index];

		if (clients->kick != 0)
			lined_service_each_client(instance, clients_kick_one,
						  part);
		else
			lined_service_each_client(instance, clients_list_one,
						  &part->response);
	}
	call->run = clients_part_came;
	worker_answer(part->worker, call);
}

/* ---- on the main thread -------------------------------------------------- */

static void clients_free(struct clients *clients)
{
	size_t i;

	lined_timer_stop(&clients->timer);
	for (i = 0; i < clients->service_count; i++)
		service_release(clients->services[i]);
	for (i = 0; i < clients->part_count; i++)
		response_fini(&clients->parts[i].response);
	free(clients->services);
	free(clients->parts);
	free(clients);
}

/* Sends the responses of the finished parts, then the last response. */
static void clients_respond(struct clients *clients, struct response *last)
{
	struct lined_dispatcher *main = clients->control->server->dispatcher;
	struct request *request = clients->request;
	bool dropped = false;
	size_t i;

	clients->request = NULL;
	for (i = 0; i < clients->part_count; i++)
		if (clients->parts[i].done &&
		    request_respond(request, main,
				    &clients->parts[i].response) < 0)
			dropped = true;
	if (dropped && last->error == NULL)
		response_refuse(last, "%s", strerror(ENOMEM));
	request_finish(request, last);
}

static bool clients_found(const struct clients *clients)
{
	size_t i;

	for (i = 0; i < clients->part_count; i++)
		if (clients->parts[i].done && clients->parts[i].found)
			return true;
	return false;
}

static void clients_refuse_kick(const struct clients *clients,
				struct response *last)
{
	response_refuse(last, "there is no client %llu, or it has closed",
			(unsigned long long)clients->kick);
}

static void clients_part_came(struct worker_call *call)
{
	struct clients_part *part =
		lined_container_of(call, struct clients_part, call);
	struct clients *clients = part->clients;
	struct response last = {.oom = false};

	part->done = true;
	if (--clients->open > 0)
		return;
	if (clients->request != NULL) {
		if (clients->kick != 0 && !clients_found(clients))
			clients_refuse_kick(clients, &last);
		clients_respond(clients, &last);
	}
	clients_free(clients);
}

static void clients_timed_out(struct lined_timer *timer)
{
	struct clients *clients =
		lined_container_of(timer, struct clients, timer);
	struct response last = {.oom = false};
	size_t i;

	for (i = 0; i < clients->part_count && clients->parts[i].done; i++)
		;
	response_refuse(&last,
			"worker %u does not answer: it is stuck, see the log",
			clients->parts[i].worker->index);
	clients_respond(clients, &last);
}

/* Collects and holds the services of this name; name "": all services. False:
 * no such service. */
static bool clients_choose_services(struct clients *clients, const char *name)
{
	struct server *server = clients->control->server;
	struct service *service = NULL;

	while ((service = server_next_service(server, service)) != NULL) {
		if (name[0] != '\0' && strcmp(service->name, name) != 0)
			continue;
		service_hold(service);
		clients->services[clients->service_count++] = service;
	}
	return name[0] == '\0' || clients->service_count > 0;
}

static size_t clients_count_services(struct server *server)
{
	struct service *service = NULL;
	size_t count = 0;

	while ((service = server_next_service(server, service)) != NULL)
		count++;
	return count;
}

static struct clients *clients_new(struct control *control,
				   struct request *request)
{
	struct server *server = control->server;
	struct clients *clients = calloc(1, sizeof(*clients));

	if (clients == NULL)
		return NULL;
	clients->control = control;
	clients->request = request;
	lined_timer_init(&clients->timer, server->dispatcher,
			 clients_timed_out);
	clients->services = calloc(clients_count_services(server) + 1,
				   sizeof(struct service *));
	clients->parts = calloc(server->worker_count, sizeof(*clients->parts));
	if (clients->services != NULL && clients->parts != NULL &&
	    lined_timer_start(&clients->timer, CLIENTS_TIMEOUT_MS, 0) == 0)
		return clients;
	clients_free(clients);
	return NULL;
}

static void clients_ask_workers(struct clients *clients)
{
	struct server *server = clients->control->server;
	size_t count = server->worker_count, i;

	clients->part_count = clients->open = count;
	for (i = 0; i < count; i++) {
		struct clients_part *part = &clients->parts[i];

		part->call.run = clients_part_run;
		part->clients = clients;
		part->worker = &server->workers[i];
	}
	/* The loop does not use `clients->part_count`: the last part frees
	 * `clients`, within worker_post() if the main thread is the only
	 * worker. */
	for (i = 0; i < count; i++)
		worker_post(&server->workers[i], &clients->parts[i].call);
}

/* Returns 0 if the text is not a client's id. */
static uint64_t clients_parse_id(const char *text)
{
	unsigned long long id;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	id = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' ? id : 0;
}

/* Asks the workers for the clients of this service; name "": for the clients of
 * all services. */
static void clients_begin(struct control *control, struct clients *clients,
			  const char *name)
{
	struct response last = {.oom = false};

	if (!clients_choose_services(clients, name)) {
		service_search_failed(control, name, &last);
	} else if (clients->service_count > 0) {
		clients_ask_workers(clients);
		return;
	} else if (clients->kick != 0) {
		clients_refuse_kick(clients, &last);
	}
	clients_respond(clients, &last);
	clients_free(clients);
}

void clients_run(struct control *control, struct request *request)
{
	struct clients *clients = clients_new(control, request);

	if (clients == NULL)
		request_finish_no_memory(request);
	else
		clients_begin(control, clients, request->argument);
}

void kick_run(struct control *control, struct request *request)
{
	struct response last = {.oom = false};
	uint64_t id = clients_parse_id(request->argument);
	struct clients *clients;

	if (id == 0) {
		response_refuse(
			&last,
			"\"%s\" is no client's id (\"clients\" shows them)",
			request->argument);
		request_finish(request, &last);
		return;
	}
	clients = clients_new(control, request);
	if (clients == NULL) {
		request_finish_no_memory(request);
		return;
	}
	clients->kick = id;
	clients_begin(control, clients, "");
}
