/* SPDX-License-Identifier: MIT */
/*
 * Prints the plan of a reload, one record for each step. A plan opens nothing:
 * only the reload itself finds an address that is in use elsewhere.
 */
#include "config.h"

#include "control/verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/reply.h"
#include "net/admission.h"
#include "net/listener.h"
#include "serve/reload_plan.h"
#include "serve/server.h"
#include "serve/service.h"

static void plan_step(struct response *response, const char *action,
		      const char *service, const char *what, const char *format,
		      ...) __attribute__((format(printf, 5, 6)));

static void plan_step(struct response *response, const char *action,
		      const char *service, const char *what, const char *format,
		      ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	response_record(response, "step");
	response_text(response, "action", action);
	response_text(response, "service", service);
	response_text(response, "what", what);
	response_text(response, "text", text);
}

/* ---- services ----------------------------------------------------------- */

static void plan_print_listen(struct response *response,
			      const struct reload_service *service)
{
	const char *name = service->conf->name;
	size_t i;

	for (i = 0; i < service->conf->listen_count; i++) {
		const struct reload_listen *listen = &service->listen[i];
		const char *text = listen->address->text;

		if (listen->action == RELOAD_LISTEN_OPEN)
			plan_step(response, "open", name, text, "opens %s",
				  text);
		else if (listen->action == RELOAD_LISTEN_TAKE &&
			 listen->from->service != service->running)
			plan_step(response, "move", name, text,
				  "takes %s from service %s", text,
				  listen->from->service->name);
	}
}

static void plan_print_closing(struct response *response,
			       const struct reload_plan *plan,
			       const struct service *service)
{
	const struct listener *listener;

	list_for_each(listener, &service->listeners, link)
		if (listener->open &&
		    reload_plan_next_listen(plan, listener) == NULL)
			plan_step(response, "close", service->name,
				  listener->text, "closes %s", listener->text);
}

static void plan_print_disconnecting(struct response *response,
				     const struct service *service)
{
	unsigned clients = admission_clients(service->admission);

	if (clients == 0)
		return;
	plan_step(response, "disconnect", service->name, "clients",
		  "disconnects %u client%s", clients, clients == 1 ? "" : "s");
	response_number(response, "clients", clients);
}

static void plan_print_changes(struct response *response,
			       const struct reload_service *service)
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
	const char *name = service->conf->name;
	size_t i;

	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (service->changes & changes[i].change)
			plan_step(response, "change", name, changes[i].what,
				  "%s", changes[i].text);
	if (service->mode_changes)
		plan_step(response, "change", name, "socket-mode",
			  "mode or owner of the UNIX sockets changes");
}

static void plan_print_service(struct response *response,
			       const struct reload_plan *plan,
			       const struct reload_service *service)
{
	const struct conf_service *conf = service->conf;

	if (service->running == NULL)
		plan_step(response, "begin", conf->name, "service",
			  "begins, with protocol %s", conf->protocol);
	else if (!service->kept)
		plan_step(response, "restart", conf->name, "protocol",
			  "begins again, with protocol %s in place of %s",
			  conf->protocol, service->running->conf->protocol);
	else
		plan_print_changes(response, service);
	plan_print_listen(response, service);
	if (service->running != NULL)
		plan_print_closing(response, plan, service->running);
	if (service->running != NULL && !service->kept)
		plan_print_disconnecting(response, service->running);
}

static void plan_print_end(struct response *response,
			   const struct reload_plan *plan,
			   const struct service *service)
{
	plan_step(response, "end", service->name, "service", "ends");
	plan_print_closing(response, plan, service);
	plan_print_disconnecting(response, service);
}

/* ---- the whole ---------------------------------------------------------- */

static void plan_print_keys(struct response *response,
			    const struct reload_plan *plan)
{
	if (plan->workers)
		plan_step(response, "ignore", "", "workers",
			  "workers: a change needs a restart");
	if (plan->user)
		plan_step(response, "ignore", "", "user",
			  "user: a change needs a restart");
	if (plan->module_dir)
		plan_step(response, "ignore", "", "module-dir",
			  "module-dir: a change needs a restart");
	if (plan->pid_file)
		plan_step(response, "ignore", "", "pid-file",
			  "pid-file: a change needs a restart");
	if (plan->log)
		plan_step(response, "change", "", "log", "log changes");
	if (plan->drain_timeout)
		plan_step(response, "change", "", "drain-timeout",
			  "drain-timeout changes");
}

static void plan_print(struct response *response,
		       const struct reload_plan *plan)
{
	struct service *service;
	size_t i;

	for (i = 0; i < plan->count; i++)
		plan_print_service(response, plan, &plan->services[i]);
	list_for_each(service, &plan->server->services, link)
		if (reload_plan_next_service(plan, service) == NULL)
			plan_print_end(response, plan, service);
	plan_print_keys(response, plan);
}

/*
 * Error messages quote the included files. A file is included only if its mode
 * lets the client's user or group, or others, read it, or for root and the
 * daemon's user. Without this check a client could read files with the daemon's
 * rights.
 */
static bool plan_may_read(void *arg, int fd)
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
	const struct control_text text = {
		.path = request->argument,
		.text = request->text,
		.len = request->text_len,
		.may_read = plan_may_read,
		.may_read_arg = request,
	};
	struct response response = {.oom = false};
	struct conf_errors errors;
	struct reload_plan *plan;

	conf_errors_init(&errors);
	plan = control->ops->plan(control, &text, &errors);
	reply_messages(&response, &errors);
	conf_errors_fini(&errors);
	if (plan != NULL)
		plan_print(&response, plan);
	else
		response_refuse(&response, "a reload would refuse this config "
					   "and change nothing");
	reload_plan_free(plan);
	reply_last(control, request, &response);
}
