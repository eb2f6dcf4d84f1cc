/* SPDX-License-Identifier: MIT */
/*
 * What a reload of a config would do to the services that run now, a step a
 * line. Reads and compares; opens nothing, so that an address that is in use
 * elsewhere is found by the reload itself.
 */
#include "config.h"

#include "control/verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/reply.h"
#include "net/admission.h"
#include "serve/server.h"
#include "serve/service.h"

struct planner {
	struct control *control;
	struct server *server;
	struct response *response;
	const struct conf *after;
};

static void step(struct planner *planner, const char *action,
		 const char *service, const char *what, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void step(struct planner *planner, const char *action,
		 const char *service, const char *what, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	response_record(planner->response, "step");
	response_text(planner->response, "action", action);
	response_text(planner->response, "service", service);
	response_text(planner->response, "what", what);
	response_text(planner->response, "text", text);
}

/* ---- addresses --------------------------------------------------------- */

/* The service that has the address open now; NULL: none. */
static struct service *owner(struct planner *planner,
			     const struct listen_address *listen)
{
	struct service *service;

	list_for_each(service, &planner->server->services, link)
		if (service_find_listener(service, listen) != NULL)
			return service;
	return NULL;
}

static void plan_opening(struct planner *planner,
			 const struct conf_service *conf)
{
	size_t i;

	for (i = 0; i < conf->listen_count; i++) {
		const struct listen_address *listen = &conf->listen[i];
		const struct service *has = owner(planner, listen);

		if (listen_address_is_tls(listen))
			continue;
		if (has == NULL)
			step(planner, "open", conf->name, listen->text,
			     "opens %s", listen->text);
		else if (strcmp(has->name, conf->name) != 0)
			step(planner, "move", conf->name, listen->text,
			     "takes %s from service %s", listen->text,
			     has->name);
	}
}

static void plan_closing(struct planner *planner, const struct service *service)
{
	const struct listener *listener;

	list_for_each(listener, &service->listeners, link)
		if (listener->open &&
		    conf_find_listening(planner->after, &listener->address) ==
			    NULL)
			step(planner, "close", service->name, listener->text,
			     "closes %s", listener->text);
}

/* ---- services ---------------------------------------------------------- */

static const struct conf_service *find_after(const struct conf *after,
					     const struct service *service)
{
	const struct conf_service *list = after->services;
	size_t count = after->service_count, i;

	if (service->conf->internal) {
		list = after->internal;
		count = after->internal_count;
	}
	for (i = 0; i < count; i++)
		if (strcmp(list[i].name, service->name) == 0)
			return &list[i];
	return NULL;
}

static struct service *find_now(struct planner *planner,
				const struct conf_service *conf)
{
	struct service *service;

	list_for_each(service, &planner->server->services, link)
		if (find_after(planner->after, service) == conf)
			return service;
	return NULL;
}

static void plan_disconnecting(struct planner *planner,
			       const struct service *service)
{
	unsigned clients = admission_clients(service->admission);

	if (clients == 0)
		return;
	step(planner, "disconnect", service->name, "clients",
	     "disconnects %u client%s", clients, clients == 1 ? "" : "s");
	response_number(planner->response, "clients", clients);
}

static void plan_end(struct planner *planner, const struct service *service)
{
	step(planner, "end", service->name, "service", "ends");
	plan_closing(planner, service);
	plan_disconnecting(planner, service);
}

static void plan_changes(struct planner *planner, const struct service *service,
			 const struct conf_service *conf)
{
	static const struct {
		unsigned change;
		const char *what, *text;
	} changes[] = {
		{CONF_CHANGE_LIMITS, "limits",
		 "limits change, for clients already there too"},
		{CONF_CHANGE_FRAMING, "framing",
		 "framing changes, for new clients"},
		{CONF_CHANGE_ACCESS, "access",
		 "access changes, for new clients"},
		{CONF_CHANGE_TLS, "tls", "TLS changes, for new clients"},
		{CONF_CHANGE_OPTIONS, "options",
		 "the options of the protocol change"},
	};
	unsigned mask = conf_service_changes(service->conf, conf);
	size_t i;

	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (mask & changes[i].change)
			step(planner, "change", conf->name, changes[i].what,
			     "%s", changes[i].text);
	if (!conf_service_same_mode(service->conf, conf))
		step(planner, "change", conf->name, "socket-mode",
		     "mode or owner of its UNIX sockets change");
	plan_opening(planner, conf);
	plan_closing(planner, service);
}

static void plan_service(struct planner *planner,
			 const struct conf_service *conf)
{
	struct service *service = find_now(planner, conf);

	if (service == NULL) {
		step(planner, "begin", conf->name, "service",
		     "begins, with protocol %s", conf->protocol);
		plan_opening(planner, conf);
	} else if (service->conf->module != conf->module) {
		step(planner, "restart", conf->name, "protocol",
		     "begins anew, with protocol %s in place of %s",
		     conf->protocol, service->conf->protocol);
		plan_opening(planner, conf);
		plan_closing(planner, service);
		plan_disconnecting(planner, service);
	} else {
		plan_changes(planner, service, conf);
	}
}

/* ---- the rest ---------------------------------------------------------- */

static bool differ(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a != b;
	return strcmp(a, b) != 0;
}

static void plan_rest(struct planner *planner)
{
	struct control *control = planner->control;
	const struct conf *first = planner->server->start_conf;
	const struct conf *before = planner->server->conf;
	const struct conf *after = planner->after;

	if (first->workers != after->workers)
		step(planner, "ignore", "", "workers",
		     "workers: a change needs a restart");
	if (differ(first->user, after->user) ||
	    differ(first->group, after->group))
		step(planner, "ignore", "", "user",
		     "user: a change needs a restart");
	if (differ(first->module_dir, after->module_dir))
		step(planner, "ignore", "", "module-dir",
		     "module-dir: a change needs a restart");
	if (control->ops->log_changes(control, after))
		step(planner, "change", "", "log", "log changes");
	if (before->drain_timeout_ms != after->drain_timeout_ms)
		step(planner, "change", "", "drain-timeout",
		     "drain-timeout changes");
}

static void plan(struct planner *planner)
{
	struct service *service;
	size_t i;

	for (i = 0; i < conf_count_all(planner->after); i++)
		plan_service(planner, conf_service_at(planner->after, i));
	list_for_each(service, &planner->server->services, link)
		if (find_after(planner->after, service) == NULL)
			plan_end(planner, service);
	plan_rest(planner);
}

/* ---- the config -------------------------------------------------------- */

/*
 * What is in a file comes out in messages about it: an include is read for a
 * client only where it is for everybody, or for the client itself.
 */
static bool may_read(void *arg, int fd)
{
	const struct request *request = arg;
	const struct peercred *by = &request->by;
	struct stat st;

	if (!request->known || fstat(fd, &st) < 0)
		return false;
	if (by->uid == 0 || by->uid == geteuid())
		return true;
	if (by->uid == st.st_uid)
		return st.st_mode & S_IRUSR;
	if (by->gid == st.st_gid)
		return st.st_mode & S_IRGRP;
	return st.st_mode & S_IROTH;
}

void plan_run(struct control *control, struct request *request)
{
	struct response response = {.oom = false};
	struct planner planner = {.control = control,
				  .server = control->server,
				  .response = &response};
	struct conf_errors errors;
	struct conf *conf;

	conf_errors_init(&errors);
	conf = control->ops->load(control, request->argument, request->text,
				  request->text_len, may_read, request,
				  &errors);
	reply_messages(&response, &errors);
	if (conf != NULL) {
		planner.after = conf;
		plan(&planner);
	} else {
		response_refuse(&response, "a reload would refuse it, and "
					   "change nothing");
	}
	conf_errors_fini(&errors);
	conf_unref(conf);
	reply_last(control, request, &response);
}
