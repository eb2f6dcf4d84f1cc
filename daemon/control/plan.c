/* SPDX-License-Identifier: MIT */
/*
 * Prints the plan of a reload, one record for each step. A plan opens nothing:
 * only the reload itself finds out that another process uses an address.
 */
#include "config.h"

#include "control/verbs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
		{CONF_CHANGE_WEB, "web", "web changes, for new clients"},
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
	const char *option =
		service->running != NULL
			? conf_restarting_option(service->running->conf, conf)
			: NULL;

	if (service->running == NULL)
		plan_step(response, "begin", conf->name, "service",
			  "begins, with protocol %s", conf->protocol);
	else if (!service->kept && service->changes & CONF_CHANGE_CLUSTER)
		plan_step(response, "restart", conf->name, "cluster",
			  "begins again, %s the cluster",
			  conf->cluster ? "in" : "outside");
	else if (!service->kept && option != NULL)
		plan_step(response, "restart", conf->name, "options",
			  "begins again: %s changes", option);
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
	const char *const *key;

	for (key = plan->restart_keys; *key != NULL; key++)
		plan_step(response, "ignore", "", *key,
			  "%s: a change needs a restart", *key);
	if (plan->cluster)
		plan_step(response, "change", "", "cluster", "%s",
			  !plan->conf->cluster.is_set ? "leaves the cluster"
			  : plan->server->conf->cluster.is_set
				  ? "connects to the cluster again"
				  : "joins the cluster");
	if (plan->log)
		plan_step(response, "change", "", "log", "log changes");
	if (plan->drain_timeout)
		plan_step(response, "change", "", "drain-timeout",
			  "drain-timeout changes");
	if (plan->memory)
		plan_step(response, "change", "", "memory", "memory changes");
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

/* ---- reading ------------------------------------------------------------ */

/* A request whose config is being read, or waits to be read. */
struct plan_read {
	struct list link; /* control.plans */
	struct control *control;
	struct request *request;
	bool full; /* asked by root or the daemon's user */
	bool running;
	struct conf_subprocess child;
};

static void plan_begin_next(struct control *control, bool full);

/* Frees the data of a finished request, and begins the next request. */
static void plan_free(struct plan_read *read)
{
	struct control *control = read->control;
	bool full = read->full;

	list_remove(&read->link);
	conf_subprocess_fini(&read->child);
	free(read);
	plan_begin_next(control, full);
}

static void plan_refuse(struct plan_read *read, const char *why)
{
	struct response response = {.oom = false};

	response_refuse(&response, "%s", why);
	request_finish(read->request, &response);
	plan_free(read);
}

static void plan_add_messages(struct response *response,
			      enum lined_log_level level,
			      const struct conf_messages *messages)
{
	size_t i;

	for (i = 0; i < messages->count; i++)
		response_message(response, level, messages->items[i].text);
}

static void plan_respond(struct plan_read *read)
{
	struct response response = {.oom = false};
	struct conf_errors errors;
	struct reload_plan *plan;
	size_t i;

	conf_errors_init(&errors);
	plan = read->control->ops->plan(read->control, &read->child, &errors);
	plan_add_messages(&response, LINED_LOG_ERR, &errors.errors);
	plan_add_messages(&response, LINED_LOG_WARNING, &errors.warnings);
	for (i = 0; i < errors.needs.count; i++) {
		response_record(&response, "need");
		response_text(&response, "path", errors.needs.items[i].text);
	}
	if (!read->full)
		response_message(
			&response, LINED_LOG_NOTICE,
			"not checked: files that the config names, and "
			"what only the protocols check; ask as root or "
			"as the user that lined runs as");
	if (plan != NULL)
		plan_print(&response, plan);
	else if (errors.needs.count > 0 && errors.errors.count == 0)
		response_refuse(&response, "the files that it includes are "
					   "missing: linectl sends them");
	else if (errors.errors.count > 0)
		response_refuse(&response, "a reload would refuse this config "
					   "and change nothing");
	else
		response_refuse(&response, "%s", strerror(ENOMEM));
	conf_errors_fini(&errors);
	reload_plan_free(plan);
	request_finish(read->request, &response);
	plan_free(read);
}

static void plan_child_done(struct conf_subprocess *child)
{
	plan_respond(lined_container_of(child, struct plan_read, child));
}

/* Makes an item of conf_env.files from the text of a LINED_REQUEST_PLAN; the
 * caller frees the item. NULL: no memory. */
static char *plan_make_item(const struct request *request, size_t *len)
{
	size_t room = strlen(request->argument) + 64 + request->text_len;
	char *item = malloc(room);

	if (item == NULL)
		return NULL;
	*len = (size_t)snprintf(item, room, "file %zu - %s\n",
				request->text_len, request->argument);
	memcpy(item + *len, request->text, request->text_len);
	*len += request->text_len;
	return item;
}

static void plan_begin(struct plan_read *read)
{
	const struct request *request = read->request;
	struct control *control = read->control;
	struct conf_source source;
	char *item = NULL;
	int result;

	control->ops->source(control, &source);
	source.path = request->argument;
	source.check_names = true;
	source.blind = !read->full;
	source.files = request->text;
	source.files_len = request->text_len;
	if (request->kind == LINED_REQUEST_PLAN) {
		item = plan_make_item(request, &source.files_len);
		source.files = item;
	}
	read->running = true;
	if (source.files == NULL) {
		plan_refuse(read, "out of memory");
		return;
	}
	result = conf_subprocess_start(&read->child, &source,
				       control->server->dispatcher,
				       plan_child_done);
	free(item);
	if (result < 0)
		plan_respond(read);
}

/* Starts to read the next config, if none of this kind is being read. At most
 * two are read at a time: one for root and the daemon's user, one for all other
 * users. So root does not wait for other users. */
static void plan_begin_next(struct control *control, bool full)
{
	struct plan_read *read, *first = NULL;

	list_for_each(read, &control->plans, link) {
		if (read->full != full)
			continue;
		if (read->running)
			return;
		if (first == NULL)
			first = read;
	}
	if (first != NULL && !control->server->stopping)
		plan_begin(first);
}

static bool plan_has_another(struct control *control, uid_t uid)
{
	const struct plan_read *read;

	list_for_each(read, &control->plans, link)
		if (!read->full && read->request->by.uid == uid)
			return true;
	return false;
}

void plan_run(struct control *control, struct request *request)
{
	struct response response = {.oom = false};
	struct plan_read *read;
	uid_t uid = request->by.uid;
	bool full = request->known && (uid == 0 || uid == geteuid());

	if (!request->known || (!full && plan_has_another(control, uid))) {
		response_refuse(&response, "%s",
				request->known
					? "another plan of this user is being "
					  "made: try again later"
					: "the user who asks is unknown");
		request_finish(request, &response);
		return;
	}
	read = calloc(1, sizeof(*read));
	if (read == NULL) {
		request_finish_no_memory(request);
		return;
	}
	read->control = control;
	read->request = request;
	read->full = full;
	list_append(&control->plans, &read->link);
	plan_begin_next(control, full);
}

void plan_end_all(struct control *control)
{
	while (!list_is_empty(&control->plans))
		plan_refuse(lined_container_of(control->plans.next,
					       struct plan_read, link),
			    "lined is stopping");
}
