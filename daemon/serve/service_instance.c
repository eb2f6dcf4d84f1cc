/* SPDX-License-Identifier: MIT */
/*
 * Starts and reloads an instance, admits datagrams, runs the task and counts.
 * service_instance_drain.c ends it, client.c makes its clients.
 */
#include "config.h"

#include "serve/service_instance.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <lined/address.h>

#include "cache_line.h"
#include "clock.h"
#include "counter.h"
#include "log/log.h"
#include "serve/client_class.h"
#include "serve/client_log.h"
#include "socket_daemon.h"

/* Lower ports may belong to servers that answer every datagram: lined and the
 * server would answer each other for ever. See LINED_NO_REFLECTION. */
#define DATAGRAM_PORT_MIN 1024

/* Added to a task's timer: wall clock and timer clock drift apart, and after a
 * timer that fired early the task would run twice. */
#define TASK_LATE_MS 2

/* ---- the group's hooks ------------------------------------------------ */

/* True: the sender's port is below 1024, or the socket's own port. */
static bool instance_is_reflection(struct lined_socket *sock,
				   const struct sockaddr *from)
{
	uint16_t port = lined_address_port(from);

	return port < DATAGRAM_PORT_MIN ||
	       port == ntohs(client_of(sock)->peer.port);
}

static bool instance_admit_datagram(struct lined_socket *sock,
				    const struct sockaddr *from, socklen_t len)
{
	struct lined_service *instance = client_instance(sock);

	if (instance->protocol->flags & LINED_NO_REFLECTION &&
	    instance_is_reflection(sock, from)) {
		instance_count(instance, "reflections_refused", 1);
		log_debug("service %s: datagram from port %u dropped",
			  instance->name, (unsigned)lined_address_port(from));
		return false;
	}
	/* No lock: all datagram sockets of a service are on its primary worker,
	 * and a reload changes rules and limits there. */
	instance->line_refused = false;
	if (access_rules_allow(&instance->conf->access, from))
		return true;
	admission_refuse(instance->datagram_admission, ADMISSION_DENIED);
	client_log_refusal(instance->name, from,
			   admission_verdict_text(ADMISSION_DENIED));
	return false;
}

static bool instance_admit_line(struct lined_socket *sock,
				const struct sockaddr *from, socklen_t len)
{
	struct lined_service *instance = client_instance(sock);
	const struct conf_service *conf = instance->conf;
	enum admission_verdict verdict;

	if (conf->bounds.sockets.line_rate == 0 && conf->class_count == 0)
		return true;
	verdict = admission_datagram_line(
		instance->datagram_admission,
		conf_class_admission(conf, conf_class_of(conf, from)), from,
		lined_dispatcher_now_ms(instance->worker->dispatcher));
	if (verdict == ADMISSION_OK)
		return true;
	if (!instance->line_refused)
		client_log_refusal(instance->name, from,
				   verdict == ADMISSION_RATE
					   ? "line-rate"
					   : admission_verdict_text(verdict));
	instance->line_refused = true;
	return false;
}

/* ---- life ------------------------------------------------------------- */

static void instance_take_conf(struct lined_service *instance,
			       const struct conf_service *conf)
{
	instance->conf = conf;
	instance->group.limits = conf->bounds.sockets;
	instance->group.classes = conf->class_limits;
	instance->own_group.limits = (struct lined_limits){
		.send_stall_ms = conf->bounds.sockets.send_stall_ms,
		.send_queue = conf->bounds.sockets.send_queue,
	};
}

/* Arms the timer for the next multiple of task_ms of the wall clock. Timers
 * count from the dispatcher's clock, read when the turn began. */
static int instance_start_task(struct lined_service *instance)
{
	uint64_t now_ms = lined_dispatcher_now_ms(instance->worker->dispatcher);
	uint64_t task_us = (uint64_t)instance->protocol->task_ms * 1000;
	uint64_t left_us = task_us - clock_ns(CLOCK_REALTIME) / 1000 % task_us;
	uint64_t due_us = clock_ns(CLOCK_MONOTONIC) / 1000 + left_us;

	return lined_timer_start(&instance->task,
				 due_us / 1000 + TASK_LATE_MS - now_ms, 0);
}

static void instance_task_fired(struct lined_timer *timer)
{
	struct lined_service *instance =
		lined_container_of(timer, struct lined_service, task);

	/* Cannot fail: the heap has room for the timer that just fired. */
	instance_start_task(instance);
	worker_enter(instance->worker, instance);
	instance->protocol->handle_task(instance);
	worker_leave(instance->worker);
}

static void instance_give_up(struct memory_keeper *keeper, uint64_t bytes,
			     bool spare)
{
	struct lined_service *instance =
		lined_container_of(keeper, struct lined_service, keeper);

	worker_enter(instance->worker, instance);
	instance->protocol->give_up(instance, bytes, spare);
	worker_leave(instance->worker);
}

/* The bus member's hold(): this instance's clients are not read while other
 * workers are behind or the turn's messages are not delivered. */
static void instance_hold(struct bus_member *member, bool on)
{
	struct lined_service *instance =
		lined_container_of(member, struct lined_service, bus);
	void (*set)(struct lined_socket * sock, unsigned reason) =
		on ? socket_hold : socket_unhold;
	size_t first = !on && instance->client_count > 0
			       ? instance->hold_first++ % instance->client_count
			       : 0;
	struct client *client;
	int round;

	/* Clients are served in the order of this loop until the next hold. The
	 * loop begins with another client each time: otherwise the last one
	 * could starve. */
	for (round = 0; round < 2; round++) {
		size_t i = 0;

		list_for_each(client, &instance->clients, link)
			if ((i++ < first) == (round > 0))
				set(client_socket(client), CLIENT_HOLD_BUS);
	}
	list_for_each(client, &instance->datagrams, link)
		set(client_socket(client), CLIENT_HOLD_BUS);
}

struct lined_service *instance_new(const struct conf_service *conf, uint64_t id,
				   struct worker *worker, unsigned workers,
				   bool primary)
{
	struct lined_service *instance = cache_line_calloc(sizeof(*instance));

	if (instance == NULL)
		return NULL;
	instance->name = strdup(conf->name);
	instance->table = lined_table_new(worker->dispatcher, 0);
	if (conf->module->instance_size > 0)
		instance->own_data =
			cache_line_calloc(conf->module->instance_size);
	if (instance->name == NULL || instance->table == NULL ||
	    (instance->own_data == NULL && conf->module->instance_size > 0)) {
		lined_table_free(instance->table);
		free(instance->own_data);
		free(instance->name);
		free(instance);
		return NULL;
	}
	instance->data = instance->own_data;
	instance->worker = worker;
	instance->protocol = conf->module;
	instance->workers = workers;
	instance->primary = primary;
	instance->group.leaving = client_leaving;
	instance->group.closed = client_closed;
	instance->group.admit = instance_admit_datagram;
	instance->group.admit_line = instance_admit_line;
	if (!conf->internal) {
		instance->group.tap = client_tap;
		instance->own_group.tap = client_opened_tap;
	}
	list_init(&instance->clients);
	list_init(&instance->handshakes);
	list_init(&instance->datagrams);
	list_init(&instance->places);
	list_init(&instance->taps);
	bus_member_init(&instance->bus, worker, instance, id, instance_hold);
	programs_init(&instance->programs, worker, instance);
	list_init(&instance->keeper.link);
	instance->keeper.give_up = instance_give_up;
	lined_timer_init(&instance->task, worker->dispatcher,
			 instance_task_fired);
	instance_take_conf(instance, conf);
	return instance;
}

void instance_free(struct lined_service *instance)
{
	if (instance == NULL)
		return;
	bus_member_fini(&instance->bus);
	registry_member_fini(&instance->registry);
	lined_table_free(instance->table);
	free(instance->own_data);
	tls_server_free(instance->tls);
	free(instance->name);
	free(instance);
}

void instance_leave(struct lined_service *instance)
{
	dispatcher_remove_keeper(&instance->keeper);
	bus_member_leave(&instance->bus);
	registry_member_leave(&instance->registry);
	programs_end(&instance->programs);
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
			instance_leave(instance);
			lined_table_set_max(instance->table, 0);
			return -1;
		}
	}
	instance->started = true;
	if (protocol->give_up != NULL)
		dispatcher_add_keeper(instance->worker->dispatcher,
				      &instance->keeper);
	return protocol->handle_task != NULL ? instance_start_task(instance)
					     : 0;
}

static void instance_change_limits(const struct list *clients, bool timeouts)
{
	struct client *client;

	list_for_each(client, clients, link) {
		lined_socket_limits_changed(client_socket(client));
		if (timeouts)
			client_set_user_timeout(client_socket(client));
	}
}

void instance_reload(struct lined_service *instance,
		     const struct conf_service *conf)
{
	const struct conf_service *before = instance->conf;
	bool limits = conf_service_changes(before, conf) & CONF_CHANGE_LIMITS;
	struct client *client;

	instance_take_conf(instance, conf);
	if (before->class_count > 0 || conf->class_count > 0)
		client_classes_changed(instance, before);
	instance_change_limits(&instance->clients, limits);
	instance_change_limits(&instance->handshakes, limits);
	/* Each datagram begins a new line: the new framing can apply at once.
	 */
	list_for_each(client, &instance->datagrams, link)
		lined_socket_set_framing(client_socket(client), &conf->framing);
	if (instance->protocol->reload == NULL)
		return;
	worker_enter(instance->worker, instance);
	instance->protocol->reload(instance);
	worker_leave(instance->worker);
}

static void instance_tell_cluster(struct lined_service *instance,
				  enum lined_cluster_event event)
{
	if (!instance->started || instance->ending ||
	    instance->protocol->handle_cluster == NULL)
		return;
	worker_enter(instance->worker, instance);
	instance->protocol->handle_cluster(instance, event);
	worker_leave(instance->worker);
}

void instance_set_cluster(struct lined_service *instance, bool primary,
			  bool whole)
{
	bool turned = instance->parted == whole;
	bool moved;

	/* A draining instance does not become primary. */
	primary = primary && !(instance->draining && instance->elsewhere);
	moved = instance->elsewhere == primary && instance->primary;
	instance->elsewhere = !primary;
	instance->parted = !whole;
	if (moved)
		instance_tell_cluster(instance, LINED_CLUSTER_PRIMARY);
	if (turned)
		instance_tell_cluster(instance, whole ? LINED_CLUSTER_WHOLE
						      : LINED_CLUSTER_PARTED);
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
			counter_add(&counter->value, n);
			return;
		}
	}
}
