/* SPDX-License-Identifier: MIT */
/*
 * Services on the main thread: accept, admit, place on a worker. The calls
 * that carry clients to their instance and news back are here, too.
 */
#include "config.h"

#include "service.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "admission.h"
#include "fd_store.h"
#include "log.h"
#include "server.h"

/* Accepted in one go; who is left comes in the next turn. */
#define ACCEPTS_A_TURN 64

/*
 * What passes between an instance and its service again and again, made
 * beforehand: news of those who left must not depend on there being memory,
 * nor a drain on a worker that answers.
 */
struct service_end {
	struct service *service;
	struct lined_service *instance;
	struct worker_call departures, drain, emptied, finish, ended;
	atomic_uint departed; /* clients; `departures` is on its way above 0 */
	uint32_t drain_ms;
};

struct lined_service *service_instance_on(const struct service *service,
					  const struct worker *worker)
{
	/* The single instance of an internal one is on a worker of whatever
	 * number. */
	size_t at = service->instance_count == 1 ? 0 : worker->index;
	struct lined_service *instance = service->instances[at];

	return instance->worker == worker ? instance : NULL;
}

struct service *service_of(const struct lined_service *instance)
{
	const struct service_end *end = instance->owner;

	return end->service;
}

/* ---- who comes -------------------------------------------------------- */

struct arrival_call {
	struct worker_call call;
	struct lined_service *instance;
	struct client_arrival arrival;
};

static void arrive(struct lined_service *instance,
		   const struct client_arrival *arrival)
{
	if (!instance->draining && client_start(instance, arrival) == 0)
		return;
	if (instance->draining)
		close(arrival->fd);
	else
		log_warning("service %s: client lost: %s", instance->name,
			    strerror(errno));
	if (!arrival->datagram)
		instance->ops->client_gone(instance, arrival->entry);
}

static void run_arrival(struct worker_call *call)
{
	struct arrival_call *arrival =
		lined_container_of(call, struct arrival_call, call);

	arrive(arrival->instance, &arrival->arrival);
	free(arrival);
}

/* The least loaded worker, beginning with another each time. */
static size_t choose_worker(struct service *service)
{
	struct server *server = service->server;
	size_t count = service->instance_count, best, i;

	if (count == 1)
		return 0;
	if (service->conf->module->flags & LINED_ONE_WORKER)
		return service_primary(service->name, count);
	best = service->turn++ % count;
	for (i = 0; i < count; i++)
		if (server->workers[i].load < server->workers[best].load)
			best = i;
	return best;
}

static void client_left(struct service *service, struct worker *worker,
			struct admission_entry *entry)
{
	worker->load--;
	if (!service->conf->internal)
		server_clients_left(service->server, 1);
	admission_leave(service->admission, entry);
}

static void place(struct service *service, size_t worker,
		  const struct client_arrival *arrival)
{
	struct lined_service *instance = service->instances[worker];
	struct arrival_call *call;

	if (!arrival->datagram)
		instance->worker->load++;
	if (!instance->worker->threaded) {
		arrive(instance, arrival);
		return;
	}
	call = malloc(sizeof(*call));
	if (call == NULL) {
		log_warning("service %s: client lost: %s", service->name,
			    strerror(ENOMEM));
		close(arrival->fd);
		if (arrival->datagram)
			return;
		client_left(service, instance->worker, arrival->entry);
		return;
	}
	call->call.run = run_arrival;
	call->instance = instance;
	call->arrival = *arrival;
	worker_post(instance->worker, &call->call);
}

static void log_refusal(struct service *service, const struct sockaddr *address,
			enum admission_verdict verdict)
{
	char text[ADDRESS_TEXT_MAX];

	log_at(conf_clients_level(service->conf), "service %s: refused %s: %s",
	       service->name, address_format(address, text, sizeof(text)),
	       admission_verdict_text(verdict));
}

static enum admission_verdict admit(struct service *service,
				    struct client_arrival *arrival)
{
	const struct sockaddr *address =
		(const struct sockaddr *)&arrival->address;
	struct lined_dispatcher *d = service->server->dispatcher;

	if (!access_rules_allow(&service->conf->access, address)) {
		admission_refuse(service->admission, ADMISSION_DENIED);
		return ADMISSION_DENIED;
	}
	return admission_enter(service->admission, address,
			       lined_dispatcher_now_ms(d), &arrival->entry);
}

/* The listener asks again by itself: one line when it begins, one when it is
 * over. */
static void note_accept_error(struct listener *listener, int error)
{
	const char *name = listener->service->name;
	bool failing = error != 0 && error != EAGAIN && error != EWOULDBLOCK;

	if (failing && !listener->failing)
		log_warning("service %s: accept on %s: %s", name,
			    listener->text, strerror(error));
	else if (!failing && listener->failing)
		log_notice("service %s: accepting on %s again", name,
			   listener->text);
	listener->failing = failing;
}

/* True: more may be waiting. */
static bool accept_some(struct listener *listener, struct lined_socket *sock)
{
	struct service *service = listener->service;
	struct client_arrival arrival = {.listen = listener->text};
	enum admission_verdict verdict;
	socklen_t len;
	int i;

	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		arrival.fd =
			lined_socket_accept_fd(sock, &arrival.address, &len);
		if (arrival.fd < 0)
			break;
		if (len == 0)
			arrival.address.ss_family = AF_UNIX;
		verdict = admit(service, &arrival);
		if (verdict != ADMISSION_OK) {
			log_refusal(service,
				    (struct sockaddr *)&arrival.address,
				    verdict);
			close(arrival.fd);
			continue;
		}
		if (!service->conf->internal)
			server_client_came(service->server);
		arrival.id = ++service->server->last_client_id;
		place(service, choose_worker(service), &arrival);
	}
	note_accept_error(listener, arrival.fd < 0 ? errno : 0);
	return arrival.fd >= 0;
}

static void on_accept(struct lined_socket *sock, void *arg)
{
	accept_some(arg, sock);
}

/* Who came before the address went stays like the others who came by it. */
static void accept_last(struct listener *listener)
{
	size_t i;
	int turns;

	for (i = 0; i < listener->count; i++)
		for (turns = 0; listener->sockets[i].sock != NULL &&
				turns < LISTENER_BACKLOG / ACCEPTS_A_TURN;
		     turns++)
			if (!accept_some(listener, listener->sockets[i].sock))
				break;
}

static void on_listener_close(struct lined_socket *sock, void *arg,
			      enum lined_close_reason reason, int error)
{
	struct listener *listener = arg;

	if (reason != LINED_CLOSE_ERROR)
		return;
	log_err("service %s: listen %s: lost: %s", listener->service->name,
		listener->text, strerror(error));
	listener_lost(listener, sock);
}

static const struct lined_socket_handlers listening = {
	.handle_accept = on_accept,
	.handle_close = on_listener_close,
};

/* ---- news from the instances ------------------------------------------ */

static void run_departures(struct worker_call *call)
{
	struct service_end *end =
		lined_container_of(call, struct service_end, departures);
	unsigned gone = atomic_exchange(&end->departed, 0);

	end->instance->worker->load -= gone;
	if (!end->service->conf->internal)
		server_clients_left(end->service->server, gone);
	admission_collect(end->service->admission);
}

static void check_ended(struct service *service)
{
	if (service->running == 0 && service->holds == 0)
		server_service_ended(service->server, service);
}

static void instance_ended(struct service *service)
{
	service->running--;
	check_ended(service);
}

void service_hold(struct service *service)
{
	service->holds++;
}

void service_release(struct service *service)
{
	service->holds--;
	check_ended(service);
}

static void run_finish(struct worker_call *call)
{
	instance_finish(
		lined_container_of(call, struct service_end, finish)->instance);
}

/*
 * What protocols open themselves may live on one worker and serve the clients
 * of all, so it is to end after the last client of any. What that one had
 * published comes to each worker before this does.
 */
static void run_emptied(struct worker_call *call)
{
	struct service *service =
		lined_container_of(call, struct service_end, emptied)->service;
	size_t i;

	if (--service->occupied > 0)
		return;
	for (i = 0; i < service->instance_count; i++)
		worker_post(service->instances[i]->worker,
			    &service->ends[i].finish);
}

static void run_ended(struct worker_call *call)
{
	instance_ended(
		lined_container_of(call, struct service_end, ended)->service);
}

static void on_client_gone(struct lined_service *instance,
			   struct admission_entry *entry)
{
	struct service_end *end = instance->owner;

	if (!instance->worker->threaded) {
		client_left(end->service, instance->worker, entry);
		return;
	}
	admission_depart(end->service->admission, entry);
	if (atomic_fetch_add(&end->departed, 1) == 0)
		worker_answer(instance->worker, instance->main,
			      &end->departures);
}

static void on_emptied(struct lined_service *instance)
{
	struct service_end *end = instance->owner;

	worker_answer(instance->worker, instance->main, &end->emptied);
}

static void on_ended(struct lined_service *instance)
{
	struct service_end *end = instance->owner;

	worker_answer(instance->worker, instance->main, &end->ended);
}

/*
 * Datagram sockets live on one worker, and the rules they go by do not change
 * under it: a reload waits for the workers. Their table is their own, no
 * other thread uses it.
 */
static bool on_datagram(struct lined_service *instance,
			const struct sockaddr *from)
{
	const struct service_end *end = instance->owner;
	uint64_t now_ms = lined_dispatcher_now_ms(instance->worker->dispatcher);

	if (!access_rules_allow(&instance->conf->access, from)) {
		lined_service_count(instance, "datagrams_denied", 1);
		return false;
	}
	return admission_datagram(end->service->datagram_admission, from,
				  now_ms) == ADMISSION_OK;
}

static const struct instance_owner_ops owner_ops = {
	.client_gone = on_client_gone,
	.emptied = on_emptied,
	.ended = on_ended,
	.admit = on_datagram,
};

static struct admission_limits limits_of(const struct conf_service *conf)
{
	return (struct admission_limits){
		.clients = conf->clients,
		.clients_per_address = conf->clients_per_address,
		.connect_rate_per_address = conf->connect_rate_per_address,
		.datagram_rate = conf->limits.line_rate,
		.datagram_burst = conf->limits.line_burst,
	};
}

/* ---- calls to the instances ------------------------------------------- */

struct instance_call {
	struct worker_call call;
	struct lined_service *instance;
	const struct conf_service *conf;
	const char *listen;
	int result;
};

static void run_start(struct worker_call *call)
{
	struct instance_call *start =
		lined_container_of(call, struct instance_call, call);

	start->result = instance_start(start->instance);
}

static void run_reload(struct worker_call *call)
{
	struct instance_call *reload =
		lined_container_of(call, struct instance_call, call);

	instance_reload(reload->instance, reload->conf);
	if (reload->instance->primary) {
		const struct service_end *end = reload->instance->owner;
		struct admission_limits limits = limits_of(reload->conf);

		admission_set_limits(end->service->datagram_admission, &limits);
	}
}

static void run_drain(struct worker_call *call)
{
	struct service_end *end =
		lined_container_of(call, struct service_end, drain);

	instance_drain(end->instance, end->drain_ms);
}

static void run_close_datagrams(struct worker_call *call)
{
	struct instance_call *close_call =
		lined_container_of(call, struct instance_call, call);

	instance_close_datagrams(close_call->instance, close_call->listen);
}

/* A worker that stands still keeps us waiting: it is to be named all the
 * same. */
static void look_meanwhile(void *arg)
{
	struct server *server = arg;

	heartbeat_look(&server->heartbeat);
}

/* Runs it for each instance and waits. -1: one of them said so. */
static int call_all(struct service *service, struct instance_call *call)
{
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		call->instance = service->instances[i];
		call->result = 0;
		worker_post_wait(call->instance->worker, &call->call,
				 look_meanwhile, service->server);
		if (call->result < 0)
			return -1;
	}
	return 0;
}

/* ---- life ------------------------------------------------------------- */

size_t service_primary(const char *name, size_t workers)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % workers;
}

/* The workers that serve it, *count of them. */
static struct worker *workers_of(const struct service *service, size_t *count)
{
	const struct server *server = service->server;

	*count = service->conf->internal ? 1 : server->worker_count;
	return service->conf->internal ? server->own_worker : server->workers;
}

static int make_registry(struct service *service)
{
	size_t count;
	struct worker *workers = workers_of(service, &count);

	service->registry = registry_new(workers, count,
					 service_primary(service->name, count));
	return service->registry != NULL ? 0 : -1;
}

static int make_instances(struct service *service)
{
	size_t count, i;
	struct worker *workers = workers_of(service, &count);

	service->instances = calloc(count, sizeof(struct lined_service *));
	service->ends = calloc(count, sizeof(*service->ends));
	if (service->instances == NULL || service->ends == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		struct service_end *end = &service->ends[i];

		service->instances[i] = instance_new(
			service->conf, service->id, &workers[i],
			service->server->dispatcher, (unsigned)count,
			i == service_primary(service->name, count), &owner_ops,
			end);
		if (service->instances[i] == NULL)
			return -1;
		end->service = service;
		end->instance = service->instances[i];
		end->departures.run = run_departures;
		end->drain.run = run_drain;
		end->emptied.run = run_emptied;
		end->finish.run = run_finish;
		end->ended.run = run_ended;
		registry_join(service->registry, i, service->instances[i]);
		service->instance_count++;
	}
	return 0;
}

static struct service *make(struct server *server,
			    struct generation *generation,
			    const struct conf_service *conf)
{
	struct admission_limits limits = limits_of(conf);
	struct service *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return NULL;
	list_init(&service->link);
	list_init(&service->listeners);
	service->server = server;
	service->id = ++server->last_service_id;
	service->conf = conf;
	service->generation = generation_ref(generation);
	service->name = strdup(conf->name);
	service->admission = admission_new(&limits);
	service->datagram_admission = admission_new(&limits);
	if (service->name != NULL && service->admission != NULL &&
	    service->datagram_admission != NULL &&
	    make_registry(service) == 0 && make_instances(service) == 0)
		return service;
	service_free(service);
	errno = ENOMEM;
	return NULL;
}

struct service *service_new(struct server *server,
			    struct generation *generation,
			    const struct conf_service *conf)
{
	struct instance_call start = {.call.run = run_start};
	struct service *service = make(server, generation, conf);

	if (service == NULL) {
		log_err("service %s: %s", conf->name, strerror(errno));
		return NULL;
	}
	service->running = service->instance_count;
	if (call_all(service, &start) == 0)
		return service;
	log_err("service %s: protocol %s could not start", conf->name,
		conf->protocol);
	server_retire(server, service);
	return NULL;
}

int service_listen(struct service *service, struct listener *listener)
{
	struct client_arrival arrival = {.datagram = true};
	size_t i;

	listener->service = service;
	list_append(&service->listeners, &listener->link);
	fd_store_add(listener);
	if (listener_start(listener, service->server->dispatcher, &listening,
			   listener) < 0)
		return -1;
	for (i = 0; i < listener->count; i++) {
		if (!listener->sockets[i].datagram)
			continue;
		arrival.fd = listener_take_fd(listener, i);
		if (arrival.fd < 0)
			return -1;
		arrival.id = ++service->server->last_client_id;
		arrival.listen = listener->text;
		place(service,
		      service_primary(service->name, service->instance_count),
		      &arrival);
	}
	return 0;
}

struct listener *service_find_listener(struct service *service,
				       const struct listen_address *address)
{
	struct listener *listener;

	list_for_each(listener, &service->listeners, link)
		if (listener->open &&
		    listen_address_equal(&listener->address, address))
			return listener;
	return NULL;
}

void service_unlisten(struct service *service, struct listener *listener,
		      bool keep_path)
{
	struct instance_call call = {.call.run = run_close_datagrams,
				     .listen = listener->text};

	if (listener->open && listener_has_datagrams(listener))
		call_all(service, &call);
	if (!keep_path)
		accept_last(listener);
	listener_close(listener, keep_path);
}

void service_reload(struct service *service, struct generation *generation,
		    const struct conf_service *conf)
{
	struct instance_call call = {.call.run = run_reload, .conf = conf};
	struct admission_limits limits = limits_of(conf);
	struct generation *before = service->generation;

	service->conf = conf;
	service->generation = generation_ref(generation);
	admission_set_limits(service->admission, &limits);
	call_all(service, &call);
	generation_unref(before);
}

void service_close_listeners(struct service *service)
{
	struct listener *listener;

	list_for_each(listener, &service->listeners, link)
		listener_close(listener, service->server->stopping &&
						 listener_is_stored(listener));
}

void service_drain(struct service *service, uint32_t timeout_ms)
{
	size_t i;

	if (service->draining)
		return;
	service->draining = true;
	service->occupied = service->instance_count;
	service_close_listeners(service);
	for (i = 0; i < service->instance_count; i++) {
		struct service_end *end = &service->ends[i];

		end->drain_ms = timeout_ms;
		worker_post(end->instance->worker, &end->drain);
	}
}

/* ---- counters --------------------------------------------------------- */

#define REPORT_MAX 1024

struct report {
	char text[REPORT_MAX];
	size_t len;
};

static void report(struct report *to, const char *name, uint64_t n)
{
	int len;

	if (n == 0)
		return;
	len = snprintf(to->text + to->len, REPORT_MAX - to->len, ", %s %llu",
		       name, (unsigned long long)n);
	if (len > 0 && to->len + (size_t)len < REPORT_MAX)
		to->len += (size_t)len;
	else
		to->text[to->len] = '\0';
}

/* The sum over the workers of the counter at this place. */
static uint64_t sum(const struct service *service, size_t offset)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		const char *counters =
			(const char *)&service->instances[i]->group.counters;

		total += __atomic_load_n(
			(const uint64_t *)(const void *)(counters + offset),
			__ATOMIC_RELAXED);
	}
	return total;
}

#define SUM(service, member)                                                   \
	sum(service, offsetof(struct lined_counters, member))

static void report_protocol(struct report *to, const struct service *service)
{
	size_t i, k;

	for (i = 0; i < service->instance_count; i++)
		for (k = 0; k < INSTANCE_COUNTERS_MAX; k++) {
			const struct instance_counter *counter =
				&service->instances[i]->counters[k];
			const char *name = __atomic_load_n(&counter->name,
							   __ATOMIC_ACQUIRE);

			if (name != NULL)
				report(to, name,
				       __atomic_load_n(&counter->value,
						       __ATOMIC_RELAXED));
		}
}

void service_log_counters(const struct service *service)
{
	struct report to = {.len = 0};
	char name[64];
	int i;

	report(&to, "datagrams in", SUM(service, datagrams_in));
	report(&to, "datagrams dropped", SUM(service, datagrams_dropped));
	report(&to, "too long", SUM(service, too_long));
	report(&to, "bare LF", SUM(service, bare_lf));
	report(&to, "unterminated", SUM(service, unterminated));
	report(&to, "sends dropped", SUM(service, sends_dropped));
	report(&to, "rate slowed", SUM(service, rate_slowed));
	for (i = ADMISSION_OK + 1; i < ADMISSION_VERDICTS; i++) {
		snprintf(name, sizeof(name), "refused by %s",
			 admission_verdict_text(i));
		report(&to, name, admission_refused(service->admission, i));
	}
	for (i = 0; i < LINED_CLOSE_REASONS; i++) {
		snprintf(name, sizeof(name), "closed %s",
			 lined_close_reason_text(i));
		report(&to, name,
		       sum(service, offsetof(struct lined_counters, closed) +
					    (size_t)i * sizeof(uint64_t)));
	}
	report_protocol(&to, service);
	/* Asked for, and by each service: not to be left out as a repeat. */
	log_each(LINED_LOG_NOTICE,
		 "service %s: %u clients, lines in %llu, bytes in %llu, "
		 "bytes out %llu%s",
		 service->name, admission_clients(service->admission),
		 (unsigned long long)SUM(service, lines_in),
		 (unsigned long long)SUM(service, bytes_in),
		 (unsigned long long)SUM(service, bytes_out), to.text);
}

uint64_t service_lines(const struct service *service)
{
	return SUM(service, lines_in) + SUM(service, datagrams_in);
}

void service_free(struct service *service)
{
	struct listener *listener, *next;
	size_t i;

	list_for_each_safe(listener, next, &service->listeners, link) {
		list_remove(&listener->link);
		listener_free(listener);
	}
	for (i = 0; i < service->instance_count; i++)
		instance_free(service->instances[i]);
	free(service->instances);
	free(service->ends);
	registry_unref(service->registry);
	admission_free(service->admission);
	admission_free(service->datagram_admission);
	generation_unref(service->generation);
	free(service->name);
	free(service);
}
