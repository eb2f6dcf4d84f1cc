/* SPDX-License-Identifier: MIT */
/*
 * Accepts connections, admits or refuses each, chooses a worker and passes the
 * connection to the instance on this worker.
 */
#include "config.h"

#include "serve/service_accept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counter.h"
#include "log/log.h"
#include "memory_ceiling.h"
#include "net/admission.h"
#include "serve/client.h"
#include "serve/client_log.h"
#include "serve/client_penalty.h"
#include "serve/proxy_arrival.h"
#include "serve/service.h"
#include "system/peercred.h"
#include "system/spare_fds.h"

/* The most connections that a listening socket accepts in a turn. */
#define ACCEPTS_A_TURN 64

struct arrival_call {
	struct worker_call call;
	struct lined_service *instance;
	struct client_arrival arrival;
};

/* Undoes the counting of a connection that does not become a client. limits:
 * the limits of its class. */
static void accept_undo(struct admission *admission,
			const struct client_arrival *arrival,
			const struct admission_limits *limits)
{
	free(arrival->via);
	if (arrival->handshake)
		admission_end_handshake(admission, limits);
	if (arrival->entry != NULL) {
		admission_leave(admission, arrival->entry);
		admission_gone(admission, limits);
	}
}

static void accept_arrived(struct lined_service *instance,
			   const struct client_arrival *arrival)
{
	enum lined_close_reason reason = LINED_CLOSE_ERROR;

	if (!instance->draining && client_start(instance, arrival) == 0)
		return;
	if (instance->draining) {
		reason = LINED_CLOSE_SHUTDOWN;
		close(arrival->fd);
	} else {
		log_warning("service %s: client lost: %s", instance->name,
			    strerror(errno));
	}
	counter_add(&instance->group.counters.closed[reason], 1);
	accept_undo(instance->admission, arrival,
		    conf_class_admission(instance->conf, arrival->class));
	instance_client_gone(instance);
}

static void accept_run_arrival(struct worker_call *call)
{
	struct arrival_call *arrival =
		lined_container_of(call, struct arrival_call, call);

	accept_arrived(arrival->instance, &arrival->arrival);
	free(arrival);
}

/* The least loaded worker, or the primary worker of a protocol with
 * LINED_ONE_WORKER. The search begins with another worker each time: otherwise
 * the first worker would get all clients while loads are equal. */
static size_t accept_choose_worker(struct service *service)
{
	const struct worker *workers = service->env->workers;
	size_t count = service->instance_count, best, i;

	if (count == 1)
		return 0;
	if (service->conf->module->flags & LINED_ONE_WORKER)
		return worker_for_name(service->name, count);
	best = service->turn++ % count;
	for (i = 0; i < count; i++)
		if (workers[i].load < workers[best].load)
			best = i;
	return best;
}

void service_clients_left(struct service *service, struct worker *worker,
			  unsigned count)
{
	worker->load -= count;
	if (!service->conf->internal)
		service->env->clients -= count;
}

/* Passes a connection to the service's instance on that worker, which then owns
 * the descriptor. A WebSocket client may come before its admission: see struct
 * client_arrival. limits: the limits of the client's class. Without memory the
 * connection is closed. */
static void accept_place(struct service *service, size_t worker,
			 const struct client_arrival *arrival,
			 const struct admission_limits *limits)
{
	struct lined_service *instance = service->instances[worker];
	struct arrival_call *call;

	instance->worker->load++;
	if (!instance->worker->threaded) {
		accept_arrived(instance, arrival);
		return;
	}
	call = malloc(sizeof(*call));
	if (call == NULL) {
		log_warning("service %s: client lost: %s", service->name,
			    strerror(ENOMEM));
		close(arrival->fd);
		accept_undo(service->admission, arrival, limits);
		service_clients_left(service, instance->worker, 1);
		return;
	}
	call->call.run = accept_run_arrival;
	call->instance = instance;
	call->arrival = *arrival;
	worker_post(instance->worker, &call->call);
}

/* Tells a process on the control socket the reason in a JSON line, which
 * linectl reads (lined/control.h). The buffer of a new socket has room for the
 * line. */
static void accept_tell_refusal(const struct service *service, int fd,
				enum admission_verdict verdict)
{
	const struct conf_service *conf = service->conf;
	char why[128], line[256];
	int len;

	if (verdict == ADMISSION_MEMORY)
		snprintf(why, sizeof(why), "there is no memory left");
	else if (verdict == ADMISSION_USER)
		snprintf(why, sizeof(why), "this user has %u already",
			 conf->bounds.admission.clients_per_user);
	else
		snprintf(why, sizeof(why),
			 "there are %u already, and %u places are kept for "
			 "root and the user that lined runs as",
			 admission_clients(service->admission),
			 conf->bounds.admission.clients_kept);
	len = snprintf(line, sizeof(line),
		       "{\"kind\":\"error\",\"error\":\"too many "
		       "connections to the control socket: %s\"}\n",
		       why);
	(void)!send(fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void accept_refuse(struct service *service,
			  const struct client_arrival *arrival,
			  enum admission_verdict verdict)
{
	client_log_refusal(service->name,
			   (const struct sockaddr *)&arrival->address,
			   admission_verdict_text(verdict));
	if (service->conf->bounds.admission.clients_per_user > 0)
		accept_tell_refusal(service, arrival->fd, verdict);
	free(arrival->via);
	close(arrival->fd);
}

static enum admission_verdict
accept_admit(struct service *service, struct client_arrival *arrival,
	     const struct admission_limits *limits)
{
	const struct sockaddr *address =
		(const struct sockaddr *)&arrival->address;
	uint64_t now_ms = lined_dispatcher_now_ms(service->env->dispatcher);
	enum admission_verdict verdict;
	struct peercred peer;

	if (service->conf->bounds.admission.clients_per_user > 0 &&
	    peercred_get(arrival->fd, &peer) == 0)
		return admission_enter_user(service->admission, peer.uid,
					    peer.uid == 0 ||
						    peer.uid == geteuid(),
					    now_ms, &arrival->entry);
	if (!access_rules_allow(&service->conf->access, address))
		verdict = ADMISSION_DENIED;
	else if (penalties_hold(
			 service->penalties,
			 &conf_class_bounds(service->conf, arrival->class)
				  ->penalty,
			 address, now_ms, NULL))
		verdict = ADMISSION_PENALTY;
	else if (!service->conf->internal &&
		 memory_is_near(service->env->memory))
		verdict = ADMISSION_MEMORY;
	else
		verdict = ADMISSION_OK;
	if (verdict != ADMISSION_OK)
		admission_refuse(service->admission, verdict);
	else
		verdict = admission_enter(service->admission, limits, address,
					  now_ms, &arrival->entry);
	if (verdict == ADMISSION_RATE)
		client_penalize_address(service->penalties, service->conf,
					arrival->class, address, now_ms,
					admission_verdict_text(ADMISSION_RATE));
	return verdict;
}

enum admission_verdict service_admit(struct service *service,
				     const struct sockaddr *address,
				     struct admission_entry **entry,
				     uint8_t *class)
{
	struct client_arrival arrival = {
		.fd = -1, .class = conf_class_of(service->conf, address)};
	enum admission_verdict verdict;

	memcpy(&arrival.address, address, sizeof(arrival.address));
	verdict = accept_admit(
		service, &arrival,
		conf_class_admission(service->conf, arrival.class));
	*entry = arrival.entry;
	*class = arrival.class;
	if (verdict != ADMISSION_OK)
		client_log_refusal(service->name, address,
				   admission_verdict_text(verdict));
	return verdict;
}

/* Admits or refuses the client, and passes an admitted client to a worker. If a
 * header field of the request may have the client's address, the worker gets
 * the client first, and asks for admission later. */
static void accept_client(struct service *service,
			  struct client_arrival *arrival,
			  const struct admission_limits *limits)
{
	enum admission_verdict verdict = ADMISSION_OK;

	if (!arrival->forwarded)
		verdict = accept_admit(service, arrival, limits);
	/* A WebSocket client gets an HTTP response when the service is full. */
	if ((verdict == ADMISSION_CLIENTS || verdict == ADMISSION_MEMORY) &&
	    arrival->web) {
		client_log_refusal(service->name,
				   (struct sockaddr *)&arrival->address,
				   admission_verdict_text(verdict));
		arrival->refused = true;
	} else if (verdict != ADMISSION_OK) {
		if (arrival->handshake)
			admission_end_handshake(service->admission, limits);
		accept_refuse(service, arrival, verdict);
		return;
	}
	if (!service->conf->internal)
		service->env->clients++;
	arrival->id = service_next_client_id(service);
	accept_place(service, accept_choose_worker(service), arrival, limits);
}

static void accept_refuse_handshake(struct service *service,
				    const struct client_arrival *arrival)
{
	service->tls_refused += arrival->tls;
	accept_refuse(service, arrival, ADMISSION_HANDSHAKES);
}

/* The connection has no PROXY header, or the header was read. */
static void accept_begin(struct service *service,
			 struct client_arrival *arrival)
{
	const struct admission_limits *limits =
		conf_class_admission(service->conf, arrival->class);

	if (arrival->handshake &&
	    !admission_begin_handshake(service->admission, limits))
		accept_refuse_handshake(service, arrival);
	else
		accept_client(service, arrival, limits);
}

/* The PROXY header was read, or is missing: the wait for the header, counted as
 * a handshake, ends. A TLS or HTTP handshake may follow. */
static void accept_proxied(struct service *service,
			   struct client_arrival *arrival)
{
	admission_end_handshake(service->admission, NULL);
	if (!arrival->forwarded)
		arrival->class = conf_class_of(
			service->conf, (struct sockaddr *)&arrival->address);
	accept_begin(service, arrival);
}

static void accept_arrival(struct service *service,
			   struct client_arrival *arrival)
{
	const struct sockaddr *address =
		(const struct sockaddr *)&arrival->address;

	arrival->class = 0;
	if (!conf_is_proxy(service->conf, address)) {
		arrival->class = conf_class_of(service->conf, address);
		accept_begin(service, arrival);
	} else if (admission_begin_handshake(service->admission, NULL)) {
		proxy_arrival_start(service, arrival, accept_proxied);
	} else {
		accept_refuse_handshake(service, arrival);
	}
}

/* Logs once when accepting begins to fail, and once when it works again. The
 * listener retries by itself. */
static void accept_log_error(struct listener *listener, int error)
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

/* Accepts a connection. First takes back the spare descriptors that were lent;
 * the control socket borrows a spare descriptor when no other descriptor is
 * left. */
static int accept_take(const struct service *service, struct lined_socket *sock,
		       struct client_arrival *arrival, socklen_t *len)
{
	int fd;

	spare_fds_take_back();
	fd = lined_socket_accept_fd(sock, &arrival->address, len);
	if (fd >= 0 || service->conf->bounds.admission.clients_kept == 0 ||
	    (errno != EMFILE && errno != ENFILE) || !spare_fds_lend())
		return fd;
	return lined_socket_accept_fd(sock, &arrival->address, len);
}

/* Accepts some connections. True: more may be queued. */
static bool accept_some(struct listener *listener, struct lined_socket *sock)
{
	struct service *service = listener->service;
	bool tls = listen_address_is_tls(&listener->address);
	bool web = listen_address_is_web(&listener->address);
	struct client_arrival arrival = {
		.listen = listener->text,
		.handshake = tls || web,
		.tls = tls,
		.web = web,
	};
	socklen_t len;
	int i;

	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		arrival.fd = accept_take(service, sock, &arrival, &len);
		if (arrival.fd < 0)
			break;
		if (len == 0)
			arrival.address.ss_family = AF_UNIX;
		arrival.refused = false;
		arrival.entry = NULL;
		accept_arrival(service, &arrival);
	}
	accept_log_error(listener, arrival.fd < 0 ? errno : 0);
	return arrival.fd >= 0;
}

static void accept_ready(struct lined_socket *sock, void *arg)
{
	accept_some(arg, sock);
}

void service_accept_last(struct listener *listener)
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

static void accept_listener_closed(struct lined_socket *sock, void *arg,
				   enum lined_close_reason reason, int error)
{
	struct listener *listener = arg;

	if (reason != LINED_CLOSE_ERROR)
		return;
	log_err("service %s: listen %s: lost: %s", listener->service->name,
		listener->text, strerror(error));
	listener_lost(listener, sock);
}

const struct lined_socket_handlers service_accept_handlers = {
	.handle_accept = accept_ready,
	.handle_close = accept_listener_closed,
};
