/* SPDX-License-Identifier: MIT */
/*
 * The listen addresses of a reload plan: opens new addresses, takes over or
 * closes addresses that are open.
 */
#include "config.h"

#include "serve/reload_listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/error_report.h"
#include "net/inet_socket.h"
#include "serve/reload_plan.h"
#include "serve/server.h"
#include "serve/service.h"
#include "serve/service_accept.h"

/* Collects the sockets that this plan closes: an overlapping address may be
 * opened beside them. Sockets from systemd are skipped, because systemd keeps
 * them open. -1: no memory. */
static int listen_find_closing(const struct reload_plan *plan,
			       struct closing_fds *closing)
{
	size_t i, k;

	for (i = 0; i < plan->address_count; i++) {
		const struct listener *listener = plan->addresses[i].listener;

		if (plan->addresses[i].next != NULL ||
		    listener->address.name != NULL)
			continue;
		for (k = 0; k < listener->count; k++)
			if (closing_fds_add(closing, listener->sockets[k].fd) <
			    0)
				return -1;
	}
	return 0;
}

static struct unix_path_mode listen_mode_of(const struct conf_service *conf)
{
	return (struct unix_path_mode){
		.mode = conf->socket_mode,
		.owner = conf->socket_owner,
		.group = conf->socket_group,
	};
}

/* Why the protocol cannot use the listener; NULL: it can. The type of an
 * inherited socket is not in the config: the open socket shows it. */
static const char *listen_misfit(const struct listener *listener,
				 const struct conf_service *conf)
{
	uint32_t transports = conf->module->transports != 0
				      ? conf->module->transports
				      : LINED_TRANSPORT_STREAM;

	if (listener_has_datagrams(listener) &&
	    (transports & LINED_TRANSPORT_DATAGRAM) == 0)
		return "the protocol does not speak over datagrams";
	if (listener_has_streams(listener) &&
	    (transports & LINED_TRANSPORT_STREAM) == 0)
		return "the protocol speaks over datagrams only";
	return NULL;
}

/* NULL: error says why. */
static struct listener *listen_open_listener(struct server *server,
					     const struct conf_service *conf,
					     const struct reload_listen *listen,
					     const struct closing_fds *closing,
					     char *error, size_t size)
{
	struct unix_path_mode mode = listen_mode_of(conf);
	bool take = listen->action == RELOAD_LISTEN_TAKE;
	struct listener *listener;
	struct listen_address kept;
	const char *text, *why;

	text = listen_texts_keep(&server->listen_texts, listen->address->text);
	if (text == NULL) {
		snprintf(error, size, "%s", strerror(ENOMEM));
		return NULL;
	}
	if (listen_address_parse(text, &kept, error, size) < 0)
		return NULL;
	listener = take ? listener_dup(listen->from, error, size)
			: listener_open(&kept, &mode, server->inherited,
					closing, error, size);
	why = listener != NULL ? listen_misfit(listener, conf) : NULL;
	if (why == NULL)
		return listener;
	snprintf(error, size, "%s", why);
	listener_close(listener, take);
	listener_free(listener);
	return NULL;
}

static int listen_open_one(struct server *server,
			   const struct conf_service *conf,
			   struct reload_listen *listen,
			   const struct closing_fds *closing, char *error,
			   size_t size)
{
	struct unix_path_mode mode = listen_mode_of(conf);

	if (listen->address->path != NULL &&
	    unix_path_check_mode(&mode, error, size) < 0)
		return -1;
	if (listen->action == RELOAD_LISTEN_KEEP)
		return 0;
	listen->opened = listen_open_listener(server, conf, listen, closing,
					      error, size);
	return listen->opened != NULL ? 0 : -1;
}

/* Opens all addresses of the plan; reports each that fails. */
static int listen_open_all(struct reload_plan *plan,
			   const struct closing_fds *closing,
			   struct report *report)
{
	char error[256];
	int result = 0;
	size_t i, k;

	for (i = 0; i < plan->count; i++) {
		const struct conf_service *conf = plan->services[i].conf;
		struct reload_listen *listen = plan->services[i].listen;

		for (k = 0; k < conf->listen_count; k++) {
			if (listen_open_one(plan->server, conf, &listen[k],
					    closing, error, sizeof(error)) == 0)
				continue;
			report_add(report, LINED_LOG_ERR,
				   "service %s: listen %s: %s", conf->name,
				   conf->listen[k].text, error);
			result = -1;
		}
	}
	return result;
}

int reload_listen_open(struct reload_plan *plan, struct report *report)
{
	struct closing_fds closing = {NULL, 0};
	int result = listen_find_closing(plan, &closing);

	if (result < 0)
		report_add(report, LINED_LOG_ERR, "config: %s",
			   strerror(ENOMEM));
	else
		result = listen_open_all(plan, &closing, report);
	closing_fds_fini(&closing);
	return result;
}

void reload_listen_undo(struct reload_plan *plan)
{
	size_t i, k;

	for (i = 0; i < plan->count; i++) {
		struct reload_service *service = &plan->services[i];

		for (k = 0; k < service->conf->listen_count; k++) {
			struct reload_listen *listen = &service->listen[k];

			if (listen->opened == NULL)
				continue;
			listener_close(listen->opened, listen->from != NULL);
			listener_free(listen->opened);
		}
	}
}

/* ---- carrying it out ---------------------------------------------------- */

void reload_listen_close(const struct reload_plan *plan,
			 struct service *service)
{
	struct listener *listener, *next;

	list_for_each_safe(listener, next, &service->listeners, link) {
		const struct reload_listen *listen;

		/* An earlier reload closed this listener, and its last event
		 * has come. */
		if (!listener->open) {
			list_remove(&listener->link);
			listener_free(listener);
			continue;
		}
		listen = reload_plan_next_listen(plan, listener);
		if (listen != NULL && listen->action == RELOAD_LISTEN_KEEP)
			continue;
		if (listen == NULL)
			service_accept_last(listener);
		listener_close(listener, listen != NULL);
		if (listen == NULL)
			log_each(LINED_LOG_NOTICE,
				 "service %s: stopped listening on %s",
				 service->name, listener->text);
	}
}

static void listen_set_modes(struct service *service,
			     const struct conf_service *conf,
			     struct report *report)
{
	struct unix_path_mode mode = listen_mode_of(conf);
	struct listener *listener;
	char error[256];

	mode.again = true;
	list_for_each(listener, &service->listeners, link)
		if (listener->open && listener_set_mode(listener, &mode, error,
							sizeof(error)) < 0)
			report_add(report, LINED_LOG_WARNING,
				   "service %s: listen %s: %s", service->name,
				   listener->text, error);
}

/* -1, reported: an address is not served. */
static int listen_start(struct reload_service *service,
			struct worker_batch *datagrams, struct report *report)
{
	const char *name = service->conf->name;
	char text[2 * LISTENER_TEXT_MAX];
	int result = 0;
	size_t i;

	for (i = 0; i < service->conf->listen_count; i++) {
		struct listener *opened = service->listen[i].opened;

		if (opened == NULL)
			continue;
		if (service_listen(service->service, opened, datagrams) == 0) {
			log_each(LINED_LOG_NOTICE,
				 "service %s: listening on %s%s", name,
				 listener_address_text(opened, text,
						       sizeof(text)),
				 service->listen[i].lost
					 ? " again: its path was removed or "
					   "replaced"
					 : "");
			continue;
		}
		report_add(report, LINED_LOG_ERR, "service %s: listen %s: %s",
			   name, opened->text, strerror(errno));
		/* Nobody accepts on this listener: close it, so that the next
		 * reload opens the address again. */
		listener_close(opened, false);
		result = -1;
	}
	return result;
}

int reload_listen_start(struct reload_plan *plan,
			struct worker_batch *datagrams, struct report *report)
{
	int result = 0;
	size_t i;

	for (i = 0; i < plan->count; i++) {
		if (listen_start(&plan->services[i], datagrams, report) < 0)
			result = -1;
		listen_set_modes(plan->services[i].service,
				 plan->services[i].conf, report);
	}
	return result;
}
