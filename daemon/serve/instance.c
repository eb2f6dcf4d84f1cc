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
#include "log/log.h"
#include "serve/client_log.h"
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
	struct lined_service *instance = client_instance(sock);

	(void)len;
	if (instance->protocol->flags & LINED_NO_REFLECTION &&
	    is_reflection(sock, from)) {
		instance_count(instance, "reflections_refused", 1);
		log_debug("service %s: datagram from port %u dropped",
			  instance->name, (unsigned)lined_address_port(from));
		return false;
	}
	return instance->ops->admit(instance, from);
}

/* ---- life ------------------------------------------------------------- */

static void take_conf(struct lined_service *instance,
		      const struct conf_service *conf)
{
	instance->conf = conf;
	instance->group.limits = conf->limits;
	instance->own_group.limits = (struct lined_limits){
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
static int start_task(struct lined_service *instance)
{
	uint64_t now_ms = lined_dispatcher_now_ms(instance->worker->dispatcher);
	uint64_t task_us = (uint64_t)instance->protocol->task_ms * 1000;
	uint64_t left_us = task_us - clock_us(CLOCK_REALTIME) % task_us;
	uint64_t due_us = clock_us(CLOCK_MONOTONIC) + left_us;

	return lined_timer_start(&instance->task,
				 due_us / 1000 + TASK_LATE_MS - now_ms, 0);
}

static void task_fired(struct lined_timer *timer)
{
	struct lined_service *instance =
		lined_container_of(timer, struct lined_service, task);

	/* The slot of a timer that has just fired is free: it cannot fail. */
	start_task(instance);
	worker_enter(instance->worker, instance);
	instance->protocol->handle_task(instance);
	worker_leave(instance->worker);
}

/* The bus is overloaded: the clients, which cause it, are not read. */
static void instance_hold(struct bus_member *member, bool on)
{
	struct lined_service *instance =
		lined_container_of(member, struct lined_service, bus);
	void (*set)(struct lined_socket * sock, unsigned reason) =
		on ? socket_hold : socket_unhold;
	struct client *client;

	list_for_each(client, &instance->clients, link)
		set(client_socket(client), CLIENT_HOLD_BUS);
	list_for_each(client, &instance->datagrams, link)
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
	struct lined_service *instance = cache_line_calloc(sizeof(*instance));

	if (instance == NULL)
		return NULL;
	instance->name = strdup(conf->name);
	instance->table = lined_table_new(worker->dispatcher, 0);
	if (instance->name == NULL || instance->table == NULL) {
		lined_table_free(instance->table);
		free(instance->name);
		free(instance);
		return NULL;
	}
	instance->worker = worker;
	instance->main = main;
	instance->protocol = conf->module;
	instance->workers = workers;
	instance->primary = primary;
	instance->ops = ops;
	instance->owner = owner;
	instance->group.closed = client_closed;
	instance->group.admit = datagram_admitted;
	if (!conf->internal) {
		instance->group.tap = client_tap;
		instance->own_group.tap = client_opened_tap;
	}
	list_init(&instance->clients);
	list_init(&instance->datagrams);
	list_init(&instance->taps);
	bus_member_init(&instance->bus, worker, instance, id, instance_hold);
	lined_timer_init(&instance->task, worker->dispatcher, task_fired);
	lined_timer_init(&instance->drain, worker->dispatcher, drain_fired);
	take_conf(instance, conf);
	return instance;
}

void instance_free(struct lined_service *instance)
{
	if (instance == NULL)
		return;
	bus_member_fini(&instance->bus);
	registry_member_fini(&instance->registry);
	lined_table_free(instance->table);
	free(instance->name);
	free(instance);
}

static void leave(struct lined_service *instance)
{
	bus_member_leave(&instance->bus);
	registry_member_leave(&instance->registry);
}

int instance_start(struct lined_service *instance)
{
	const struct lined_protocol *protocol = instance->protocol;

	if (protocol->start != NULL) {
		int result;

		worker_enter(instance->worker, instance);
		result = protocol->start(instance);
		worker_leave(instance->worker);
		if (result < 0) {
			leave(instance);
			lined_table_set_max(instance->table, 0);
			return -1;
		}
	}
	instance->started = true;
	return protocol->handle_task != NULL ? start_task(instance) : 0;
}

void instance_reload(struct lined_service *instance,
		     const struct conf_service *conf)
{
	struct client *client;

	take_conf(instance, conf);
	list_for_each(client, &instance->clients, link)
		lined_socket_limits_changed(client_socket(client));
	if (instance->protocol->reload == NULL)
		return;
	worker_enter(instance->worker, instance);
	instance->protocol->reload(instance);
	worker_leave(instance->worker);
}

void instance_close_datagrams(struct lined_service *instance,
			      const char *listen)
{
	struct client *client, *next;

	list_for_each_safe(client, next, &instance->datagrams, link)
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

static void drain_client(struct lined_service *instance,
			 struct lined_socket *sock)
{
	if (instance->protocol->handle_drain == NULL || !instance->started) {
		lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
		return;
	}
	worker_enter(instance->worker, instance);
	instance->protocol->handle_drain(sock);
	worker_leave(instance->worker);
}

/* What it said may have been taken and not been answered yet. A question is
 * not waited for: it may be waiting for this drain. */
static bool is_answered(const struct lined_socket *sock)
{
	return lined_socket_is_quiet(sock) && !is_newcomer(sock) &&
	       !socket_is_held(sock, CLIENT_HOLD_CLAIM | CLIENT_HOLD_PASSWORD);
}

/* Every client once what it sent has been answered; all when time is up. */
static void close_clients(struct lined_service *instance, bool all)
{
	struct client *client, *next;

	list_for_each_safe(client, next, &instance->clients, link) {
		struct lined_socket *sock = client_socket(client);

		if (all)
			lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
		else if (!lined_socket_is_closed(sock) && is_answered(sock))
			drain_client(instance, sock);
	}
}

/* An address is left once what had come there is answered. */
static void close_datagrams(struct lined_service *instance, bool all)
{
	struct client *client, *next;

	list_for_each_safe(client, next, &instance->datagrams, link) {
		struct lined_socket *sock = client_socket(client);

		if (all || lined_socket_is_quiet(sock))
			lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
	}
}

/* Whether the protocol has nothing more to do: for clients, here and on other
 * workers, or with what it opened itself. */
static bool is_finished(struct lined_service *instance, bool late)
{
	const struct lined_protocol *protocol = instance->protocol;
	bool finished;

	if (!instance->emptied) {
		instance->emptied = true;
		instance->ops->emptied(instance);
	}
	if (!instance->finishing)
		return false;
	if (late || !instance->started || protocol->finish == NULL)
		return true;
	worker_enter(instance->worker, instance);
	finished = protocol->finish(instance);
	worker_leave(instance->worker);
	return finished;
}

static void stop(struct lined_service *instance)
{
	instance->ending = true;
	lined_timer_stop(&instance->task);
	worker_enter(instance->worker, instance);
	if (instance->started && instance->protocol->stop != NULL)
		instance->protocol->stop(instance);
	worker_leave(instance->worker);
	leave(instance);
}

/* True: it has ended. The protocol is stopped when the last client is gone;
 * the memory goes a step later, when the handle_close of what it closed itself
 * has come, too. */
static bool end(struct lined_service *instance, bool late)
{
	if (!list_is_empty(&instance->clients) ||
	    !list_is_empty(&instance->datagrams))
		return false;
	if (!instance->ending) {
		if (is_finished(instance, late))
			stop(instance);
		return false;
	}
	lined_table_set_max(instance->table, 0);
	instance->ops->ended(instance);
	return true;
}

static void drain_fired(struct lined_timer *timer)
{
	struct lined_service *instance =
		lined_container_of(timer, struct lined_service, drain);
	uint64_t now_ms = lined_dispatcher_now_ms(instance->worker->dispatcher);
	bool late = now_ms >= instance->drain_end_ms;

	close_clients(instance, late);
	close_datagrams(instance, late || now_ms >= instance->datagrams_end_ms);
	if (!end(instance, late))
		lined_timer_start(timer, DRAIN_STEP_MS, 0);
}

void instance_drain(struct lined_service *instance, uint32_t timeout_ms)
{
	struct lined_dispatcher *d = instance->worker->dispatcher;

	if (instance->draining)
		return;
	instance->draining = true;
	worker_enter(instance->worker, instance);
	if (instance->started && instance->protocol->drain != NULL)
		instance->protocol->drain(instance);
	worker_leave(instance->worker);
	instance->drain_end_ms = lined_dispatcher_now_ms(d) + timeout_ms;
	instance->datagrams_end_ms = lined_dispatcher_now_ms(d) + DATAGRAMS_MS;
	/* A turn at least goes by first: what has arrived is served in it. */
	lined_timer_start(&instance->drain, 1, 0);
}

void instance_finish(struct lined_service *instance)
{
	instance->finishing = true;
	lined_timer_start(&instance->drain, 0, 0);
}

/* ---- counters --------------------------------------------------------- */

void instance_count(struct lined_service *instance, const char *name,
		    uint64_t n)
{
	size_t i;

	for (i = 0; i < INSTANCE_COUNTERS_MAX; i++) {
		struct instance_counter *counter = &instance->counters[i];

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
