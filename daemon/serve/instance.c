/* SPDX-License-Identifier: MIT */
/*
 * Instances: how a service begins, reloads, drains and ends on one worker, and
 * what a protocol may ask of it (lined/service.h). Accepting is the main
 * thread's business, clients are made in client.c.
 */
#include "config.h"

#include "serve/instance.h"

#include <errno.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lined/address.h>

#include "cache_line.h"
#include "log/report.h"
#include "socket_hold.h"

/* How often a draining instance looks for clients that have nothing pending,
 * and how long what was closed has to be told so. */
#define DRAIN_STEP_MS 10
#define NEWCOMER_MS   250

/* Datagrams never end: how long those that had come have to be served. */
#define DATAGRAMS_MS 1000

#define DATAGRAM_PORT_MIN 1024

#define TASK_LATE_MS 2

/* ---- the group's hooks ------------------------------------------------ */

static void log_departure(struct lined_socket *sock,
			  enum lined_close_reason reason, int error)
{
	const char *missed = lined_socket_missed_deadline(sock);
	const struct lined_limits *limits = &lined_socket_group(sock)->limits;
	enum lined_log_level level =
		conf_clients_level(client_service(client_of(sock))->conf);
	char label[LINED_ADDRESS_TEXT_MAX + 32];

	if (!log_enabled(level))
		return;
	client_label(sock, label, sizeof(label));
	if (strcmp(missed, "idle") == 0)
		log_at(level, "%s: closed: idle %g s", label,
		       limits->idle_ms / 1000.0);
	else if (missed[0] != '\0')
		log_at(level, "%s: closed: %s: %s timeout", label,
		       lined_close_reason_text(reason), missed);
	else if (error != 0)
		log_at(level, "%s: closed: %s: %s", label,
		       lined_close_reason_text(reason), strerror(error));
	else
		log_at(level, "%s: closed: %s", label,
		       lined_close_reason_text(reason));
}

/* As one word: a path and a time-out may have spaces. */
static const char *as_word(char *out, size_t size, const char *text)
{
	size_t i;

	snprintf(out, size, "%s", text);
	for (i = 0; out[i] != '\0'; i++)
		if (out[i] == ' ')
			out[i] = '_';
	return out;
}

/* What there is to be said of a connection that has ended, for programs. Each
 * connection is one: none is suppressed. */
static void log_access_line(struct lined_socket *sock,
			    enum lined_close_reason reason)
{
	const struct lined_service *service = client_service(client_of(sock));
	const char *missed = lined_socket_missed_deadline(sock);
	enum lined_log_level level = conf_clients_level(service->conf);
	char label[LINED_ADDRESS_TEXT_MAX + 32], listen[128], limit[32];
	struct lined_traffic traffic;

	if (!log_access() || !log_enabled(level))
		return;
	lined_socket_traffic(sock, &traffic);
	log_each(level,
		 "%s: access: service=%s listen=%s duration=%llu.%03u "
		 "lines_in=%llu bytes_in=%llu bytes_out=%llu queued=%zu "
		 "reason=%s%s%s",
		 client_label(sock, label, sizeof(label)), service->name,
		 as_word(listen, sizeof(listen), client_of(sock)->listen),
		 (unsigned long long)(traffic.connected_ms / 1000),
		 (unsigned)(traffic.connected_ms % 1000),
		 (unsigned long long)traffic.lines_in,
		 (unsigned long long)traffic.bytes_in,
		 (unsigned long long)traffic.bytes_out,
		 lined_socket_queued(sock), lined_close_reason_text(reason),
		 missed[0] != '\0' ? "," : "",
		 as_word(limit, sizeof(limit), missed));
}

static void client_closed(struct lined_socket *sock,
			  enum lined_close_reason reason, int error)
{
	struct client *client = client_of(sock);
	struct lined_service *service = client_service(client);

	if (!list_is_linked(&client->link))
		return; /* it never got as far as being a client */
	list_remove(&client->link);
	client_wait_end_all(&client->waits);
	if (lined_socket_is_datagram(sock)) {
		if (reason != LINED_CLOSE_SHUTDOWN)
			log_err("service %s: %s: lost: %s", service->name,
				client->listen, strerror(error));
		return;
	}
	log_departure(sock, reason, error);
	log_access_line(sock, reason);
	service->client_count--;
	service->ops->client_gone(service, client->entry);
}

/* A port below 1024 or our own: an answer there could come back for ever. */
static bool is_reflection(struct lined_socket *sock,
			  const struct sockaddr *from)
{
	uint16_t port = lined_address_port(from);

	return port < DATAGRAM_PORT_MIN ||
	       port == ntohs(client_of(sock)->peer.port);
}

static bool datagram_admitted(struct lined_socket *sock,
			      const struct sockaddr *from, socklen_t len)
{
	struct lined_service *service = client_service(client_of(sock));

	(void)len;
	if (service->protocol->flags & LINED_NO_REFLECTION &&
	    is_reflection(sock, from)) {
		instance_count(service, "reflections_refused", 1);
		log_debug("service %s: datagram from port %u dropped",
			  service->name, (unsigned)lined_address_port(from));
		return false;
	}
	return service->ops->admit(service, from);
}

/* ---- life ------------------------------------------------------------- */

static void take_conf(struct lined_service *service,
		      const struct conf_service *conf)
{
	service->conf = conf;
	service->group.limits = conf->limits;
	service->own_group.limits = (struct lined_limits){
		.send_stall_ms = conf->limits.send_stall_ms,
		.send_queue = conf->limits.send_queue,
	};
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/*
 * The next multiple of task_ms by the clock of the day, as a deadline of the
 * dispatcher's, whose own idea of now is as old as the turn. A little late
 * rather than early: the two clocks do not quite run alike.
 */
static int start_task(struct lined_service *service)
{
	uint64_t now_ms = lined_dispatcher_now_ms(service->worker->dispatcher);
	uint64_t task_us = (uint64_t)service->protocol->task_ms * 1000;
	uint64_t left_us = task_us - clock_us(CLOCK_REALTIME) % task_us;
	uint64_t due_us = clock_us(CLOCK_MONOTONIC) + left_us;

	return lined_timer_start(&service->task,
				 due_us / 1000 + TASK_LATE_MS - now_ms, 0);
}

static void task_fired(struct lined_timer *timer)
{
	struct lined_service *service =
		lined_container_of(timer, struct lined_service, task);

	/* The slot of a timer that has just fired is free: it cannot fail. */
	start_task(service);
	worker_enter(service->worker, service);
	service->protocol->handle_task(service);
	worker_leave(service->worker);
}

/* The bus is overloaded: the clients, which cause it, are not read. */
static void instance_hold(struct bus_member *member, bool on)
{
	struct lined_service *service =
		lined_container_of(member, struct lined_service, bus);
	void (*set)(struct lined_socket * sock, unsigned reason) =
		on ? socket_hold : socket_unhold;
	struct client *client;

	list_for_each(client, &service->clients, link)
		set(client_socket(client), CLIENT_HOLD_BUS);
	list_for_each(client, &service->datagrams, link)
		set(client_socket(client), CLIENT_HOLD_BUS);
}

static void drain_fired(struct lined_timer *timer);

struct lined_service *instance_new(const struct conf_service *conf, uint64_t id,
				   struct worker *worker,
				   struct lined_dispatcher *main,
				   unsigned workers, bool primary,
				   const struct instance_owner_ops *ops,
				   void *owner)
{
	struct lined_service *service = cache_line_calloc(sizeof(*service));

	if (service == NULL)
		return NULL;
	service->name = strdup(conf->name);
	service->table = lined_table_new(worker->dispatcher, 0);
	if (service->name == NULL || service->table == NULL) {
		lined_table_free(service->table);
		free(service->name);
		free(service);
		return NULL;
	}
	service->worker = worker;
	service->main = main;
	service->protocol = conf->module;
	service->workers = workers;
	service->primary = primary;
	service->ops = ops;
	service->owner = owner;
	service->group.closed = client_closed;
	service->group.admit = datagram_admitted;
	if (!conf->internal) {
		service->group.tap = client_line_came;
		service->own_group.tap = client_opened_line_came;
	}
	list_init(&service->clients);
	list_init(&service->datagrams);
	list_init(&service->taps);
	bus_member_init(&service->bus, worker, service, id, instance_hold);
	lined_timer_init(&service->task, worker->dispatcher, task_fired);
	lined_timer_init(&service->drain, worker->dispatcher, drain_fired);
	take_conf(service, conf);
	return service;
}

void instance_free(struct lined_service *service)
{
	if (service == NULL)
		return;
	bus_member_fini(&service->bus);
	registry_member_fini(&service->registry);
	lined_table_free(service->table);
	free(service->name);
	free(service);
}

static void leave(struct lined_service *service)
{
	bus_member_leave(&service->bus);
	registry_member_leave(&service->registry);
}

int instance_start(struct lined_service *service)
{
	const struct lined_protocol *protocol = service->protocol;

	if (protocol->start != NULL) {
		int result;

		worker_enter(service->worker, service);
		result = protocol->start(service);
		worker_leave(service->worker);
		if (result < 0) {
			leave(service);
			lined_table_set_max(service->table, 0);
			return -1;
		}
	}
	service->started = true;
	return protocol->handle_task != NULL ? start_task(service) : 0;
}

void instance_reload(struct lined_service *service,
		     const struct conf_service *conf)
{
	struct client *client;

	take_conf(service, conf);
	list_for_each(client, &service->clients, link)
		lined_socket_limits_changed(client_socket(client));
	if (service->protocol->reload == NULL)
		return;
	worker_enter(service->worker, service);
	service->protocol->reload(service);
	worker_leave(service->worker);
}

void instance_close_datagrams(struct lined_service *service, const char *listen)
{
	struct client *client, *next;

	list_for_each_safe(client, next, &service->datagrams, link)
		if (client->listen == listen)
			lined_socket_close_for(client_socket(client),
					       LINED_CLOSE_SHUTDOWN, 0);
}

/* ---- draining --------------------------------------------------------- */

/* One that has come in the last moment is about to say what it came for: over
 * a restart nobody is to be let in and then shut out. */
static bool is_newcomer(const struct lined_socket *sock)
{
	struct lined_traffic traffic;

	lined_socket_traffic(sock, &traffic);
	return traffic.bytes_in == 0 && traffic.connected_ms < NEWCOMER_MS;
}

static void drain_client(struct lined_service *service,
			 struct lined_socket *sock)
{
	if (service->protocol->handle_drain == NULL || !service->started) {
		lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
		return;
	}
	worker_enter(service->worker, service);
	service->protocol->handle_drain(sock);
	worker_leave(service->worker);
}

/* What it said may have been taken and not been answered yet. A question is
 * not waited for: it may be waiting for this drain. */
static bool is_answered(const struct lined_socket *sock)
{
	return lined_socket_is_quiet(sock) && !is_newcomer(sock) &&
	       !socket_is_held(sock, CLIENT_HOLD_CLAIM | CLIENT_HOLD_PASSWORD);
}

/* Every client once what it sent has been answered; all when time is up. */
static void close_clients(struct lined_service *service, bool all)
{
	struct client *client, *next;

	list_for_each_safe(client, next, &service->clients, link) {
		struct lined_socket *sock = client_socket(client);

		if (all)
			lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
		else if (!lined_socket_is_closed(sock) && is_answered(sock))
			drain_client(service, sock);
	}
}

/* An address is left once what had come there is answered. */
static void close_datagrams(struct lined_service *service, bool all)
{
	struct client *client, *next;

	list_for_each_safe(client, next, &service->datagrams, link) {
		struct lined_socket *sock = client_socket(client);

		if (all || lined_socket_is_quiet(sock))
			lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
	}
}

/* Whether the protocol has nothing more to do: for clients, here and on other
 * workers, or with what it opened itself. */
static bool is_finished(struct lined_service *service, bool late)
{
	const struct lined_protocol *protocol = service->protocol;
	bool finished;

	if (!service->emptied) {
		service->emptied = true;
		service->ops->emptied(service);
	}
	if (!service->finishing)
		return false;
	if (late || !service->started || protocol->finish == NULL)
		return true;
	worker_enter(service->worker, service);
	finished = protocol->finish(service);
	worker_leave(service->worker);
	return finished;
}

static void stop(struct lined_service *service)
{
	service->ending = true;
	lined_timer_stop(&service->task);
	worker_enter(service->worker, service);
	if (service->started && service->protocol->stop != NULL)
		service->protocol->stop(service);
	worker_leave(service->worker);
	leave(service);
}

/* True: it has ended. The protocol is stopped when the last client is gone;
 * the memory goes a step later, when the handle_close of what it closed itself
 * has come, too. */
static bool end(struct lined_service *service, bool late)
{
	if (!list_is_empty(&service->clients) ||
	    !list_is_empty(&service->datagrams))
		return false;
	if (!service->ending) {
		if (is_finished(service, late))
			stop(service);
		return false;
	}
	lined_table_set_max(service->table, 0);
	service->ops->ended(service);
	return true;
}

static void drain_fired(struct lined_timer *timer)
{
	struct lined_service *service =
		lined_container_of(timer, struct lined_service, drain);
	uint64_t now_ms = lined_dispatcher_now_ms(service->worker->dispatcher);
	bool late = now_ms >= service->drain_end_ms;

	close_clients(service, late);
	close_datagrams(service, late || now_ms >= service->datagrams_end_ms);
	if (!end(service, late))
		lined_timer_start(timer, DRAIN_STEP_MS, 0);
}

void instance_drain(struct lined_service *service, uint32_t timeout_ms)
{
	struct lined_dispatcher *d = service->worker->dispatcher;

	if (service->draining)
		return;
	service->draining = true;
	worker_enter(service->worker, service);
	if (service->started && service->protocol->drain != NULL)
		service->protocol->drain(service);
	worker_leave(service->worker);
	service->drain_end_ms = lined_dispatcher_now_ms(d) + timeout_ms;
	service->datagrams_end_ms = lined_dispatcher_now_ms(d) + DATAGRAMS_MS;
	/* A turn at least goes by first: what has arrived is served in it. */
	lined_timer_start(&service->drain, 1, 0);
}

void instance_finish(struct lined_service *service)
{
	service->finishing = true;
	lined_timer_start(&service->drain, 0, 0);
}

/* ---- counters --------------------------------------------------------- */

void instance_count(struct lined_service *service, const char *name, uint64_t n)
{
	size_t i;

	for (i = 0; i < INSTANCE_COUNTERS_MAX; i++) {
		struct instance_counter *counter = &service->counters[i];

		if (counter->name == NULL)
			__atomic_store_n(&counter->name, name,
					 __ATOMIC_RELEASE);
		if (counter->name == name || strcmp(counter->name, name) == 0) {
			__atomic_store_n(&counter->value, counter->value + n,
					 __ATOMIC_RELAXED);
			return;
		}
	}
}
