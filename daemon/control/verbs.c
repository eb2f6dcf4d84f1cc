/* SPDX-License-Identifier: MIT */
/* Finds the verb for each request in a table, and keeps a list of the open
 * requests. */
#include "config.h"

#include "control/verbs.h"

#include "log/error_report.h"
#include "serve/server.h"

/* ---- verbs without a file of their own ---------------------------------- */

static void verbs_reload(struct control *control, struct request *request)
{
	struct response response = {.oom = false};

	if (!control->server->stopping) {
		control->ops->reload(control);
		return;
	}
	response_refuse(&response, "reload: refused, lined is stopping");
	request_finish(request, &response);
}

void verbs_reload_begins(struct control *control)
{
	struct request *request;

	list_for_each(request, &control->open, open)
		if (request->kind == LINED_REQUEST_RELOAD)
			request->subject = control;
}

static void verbs_respond_reload(struct request *request, bool done,
				 const struct report *report)
{
	struct response response = {.oom = false};
	size_t i;

	for (i = 0; i < report->count; i++)
		response_message(&response, report->messages[i].level,
				 report->messages[i].text);
	if (!done)
		response_refuse(&response,
				"reload: refused, nothing was changed");
	request_finish(request, &response);
}

void verbs_reloaded(struct control *control, bool done,
		    const struct report *report)
{
	struct request *request, *next;

	list_for_each_safe(request, next, &control->open, open)
		if (request->kind == LINED_REQUEST_RELOAD &&
		    request->subject != NULL)
			verbs_respond_reload(request, done, report);
}

static void verbs_set_log_level(struct control *control,
				struct request *request)
{
	struct response response = {.oom = false};
	int level = log_level_from_text(request->argument);

	if (level < 0)
		response_refuse(&response,
				"\"%s\" is no level (err, warning, notice, "
				"info, debug)",
				request->argument);
	else
		log_set_level((enum lined_log_level)level);
	request_finish(request, &response);
}

/* ---- the table ---------------------------------------------------------- */

static const struct verb {
	enum lined_request_kind kind;
	void (*run)(struct control *control, struct request *request);
} verbs[] = {
	{LINED_REQUEST_STATUS, status_run},
	{LINED_REQUEST_SERVICES, services_run},
	{LINED_REQUEST_ALL, all_run},
	{LINED_REQUEST_RECORDS, records_run},
	{LINED_REQUEST_CLUSTER, cluster_run},
	{LINED_REQUEST_CLIENTS, clients_run},
	{LINED_REQUEST_WHY, why_run},
	{LINED_REQUEST_PLAN, plan_run},
	{LINED_REQUEST_PLAN_FILES, plan_run},
	{LINED_REQUEST_TAP, tap_run},
	{LINED_REQUEST_KICK, kick_run},
	{LINED_REQUEST_DRAIN, drain_run},
	{LINED_REQUEST_RELOAD, verbs_reload},
	{LINED_REQUEST_LOG, verbs_set_log_level},
	{LINED_REQUEST_FORGIVE, forgive_run},
};

static void verbs_asked(struct request_port *port, struct request *request)
{
	struct control *control =
		lined_container_of(port, struct control, port);
	struct response response = {.oom = false};
	size_t i;

	list_append(&control->open, &request->open);
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].kind == request->kind) {
			verbs[i].run(control, request);
			return;
		}
	response_refuse(&response, "unknown request");
	request_finish(request, &response);
}

/* Ends a tap whose client has stopped it or closed. Other requests, such as a
 * drain, continue. */
static void verbs_stop(struct request_port *port, uint64_t id)
{
	struct control *control =
		lined_container_of(port, struct control, port);
	struct request *request;

	list_for_each(request, &control->open, open) {
		if (request->id != id)
			continue;
		if (request->kind == LINED_REQUEST_TAP)
			tap_end(request);
		return;
	}
}

void verbs_init(struct control *control, struct server *server,
		const struct control_ops *ops)
{
	control->port.asked = verbs_asked;
	control->port.stop = verbs_stop;
	control->port.dispatcher = server->dispatcher;
	atomic_init(&control->port.last_id, 0);
	control->server = server;
	control->ops = ops;
	list_init(&control->open);
	list_init(&control->plans);
	server->env.requests = &control->port;
}

/* ---- services that end -------------------------------------------------- */

void verbs_service_drains(struct control *control, struct service *service)
{
	struct request *request, *next;

	list_for_each_safe(request, next, &control->open, open)
		if (request->kind == LINED_REQUEST_TAP)
			tap_service_drains(request, service);
}

void verbs_service_ended(struct control *control, struct service *service)
{
	struct request *request, *next;

	list_for_each_safe(request, next, &control->open, open)
		if (request->kind == LINED_REQUEST_DRAIN)
			drain_service_ended(request, service);
}
