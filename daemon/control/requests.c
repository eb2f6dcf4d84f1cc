/* SPDX-License-Identifier: MIT */
/*
 * The register of open questions, and who answers which.
 */
#include "config.h"

#include "control/requests.h"

#include <stdio.h>
#include <string.h>

#include "net/admission.h"
#include "log/log.h"
#include "serve/server.h"
#include "serve/service.h"

/* Of the list of names in a text: the longest of them and what is before it;
 * what is said of those that are left out. */
#define NAME_PLACE 66
#define MORE_PLACE 40

void control_init(struct control *control, struct server *server,
		  const struct control_ops *ops)
{
	control->server = server;
	control->ops = ops;
	list_init(&control->open);
	atomic_init(&control->last_request, 0);
	server->control = control;
}

void control_respond(struct request *request, struct response *response)
{
	list_remove(&request->open);
	request_respond(request, request->control->server->dispatcher, response,
			true);
}

/* Those that there are, as many as fit; how many do not is said behind them. */
static void list_names(struct control *control, char *names, size_t size)
{
	size_t len = 0, more = 0;
	struct service *service;

	names[0] = '\0';
	list_for_each(service, &control->server->services, link) {
		if (service->conf->internal)
			continue;
		if (len + NAME_PLACE + MORE_PLACE > size) {
			more++;
			continue;
		}
		len += (size_t)snprintf(names + len, size - len, "%s%s",
					len > 0 ? ", " : "", service->name);
	}
	if (more > 0)
		snprintf(names + len, size - len, ", ... and %zu more", more);
}

void control_no_service(struct control *control, const char *name,
			struct response *response)
{
	const struct conf_service *drained;
	char names[1024];
	size_t at = 0;

	while ((drained = survey_drained(control, &at)) != NULL)
		if (strcmp(drained->name, name) == 0) {
			response_refuse(response,
					"service \"%s\" was drained; the next "
					"reload begins it again",
					name);
			return;
		}
	list_names(control, names, sizeof(names));
	response_refuse(response, "there is no service \"%s\" (there %s%s)",
			name, names[0] != '\0' ? "are: " : "is none", names);
}

void control_messages(struct response *response,
		      const struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->errors.count; i++) {
		response_record(response, "message");
		response_text(response, "level", "err");
		response_text(response, "text", errors->errors.items[i].text);
	}
	for (i = 0; i < errors->warnings.count; i++) {
		response_record(response, "message");
		response_text(response, "level", "warning");
		response_text(response, "text", errors->warnings.items[i].text);
	}
}

/* ---- what is done ------------------------------------------------------- */

static void set_log_level(const char *text, struct response *response)
{
	int level = log_level_from_text(text);

	if (level < 0)
		response_refuse(
			response,
			"\"%s\" is no level (err, warning, notice, info, "
			"debug)",
			text);
	else
		log_set_level((enum lined_log_level)level);
}

/* ---- draining ----------------------------------------------------------- */

static struct service *find_service(struct list *services, const char *name)
{
	struct service *service;

	list_for_each(service, services, link)
		if (!service->conf->internal &&
		    strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

/* Answered when the service has ended. One that drains already is waited for,
 * too. */
static void drain(struct control *control, struct request *request)
{
	struct server *server = control->server;
	const char *name = request->argument;
	struct service *service = find_service(&server->services, name);
	struct response response = {.oom = false};

	if (service == NULL)
		service = find_service(&server->draining, name);
	if (service == NULL) {
		control_no_service(control, name, &response);
		control_respond(request, &response);
		return;
	}
	request->matter = service;
	if (!service->draining)
		server_drain(server, service);
}

static void service_gone(struct request *request, const struct service *service)
{
	struct response response = {.oom = false};

	response_record(&response, "drained");
	response_text(&response, "service", service->name);
	response_number(&response, "accepted",
			admission_admitted(service->admission));
	control_respond(request, &response);
}

void control_service_drains(struct control *control, struct service *service)
{
	struct request *request, *next;

	list_for_each_safe(request, next, &control->open, open)
		if (request->kind == LINED_REQUEST_TAP)
			tap_service_drains(control, request, service);
}

void control_service_ended(struct control *control, struct service *service)
{
	struct request *request, *next;

	list_for_each_safe(request, next, &control->open, open)
		if (request->kind == LINED_REQUEST_DRAIN &&
		    request->matter == service)
			service_gone(request, service);
}

/* ---- questions ---------------------------------------------------------- */

/* What is answered on the spot. */
static void answer_now(struct control *control, struct request *request,
		       struct response *response)
{
	const char *argument = request->argument;

	switch (request->kind) {
	case LINED_REQUEST_ALL:
	case LINED_REQUEST_STATUS:
		survey_daemon(control, response);
		if (request->kind == LINED_REQUEST_ALL)
			survey_services(control, "", response);
		break;
	case LINED_REQUEST_SERVICES:
		if (!survey_services(control, argument, response))
			control_no_service(control, argument, response);
		break;
	case LINED_REQUEST_WHY:
		ruling_give(control, argument, response);
		break;
	case LINED_REQUEST_PLAN:
		plan_make(control, request, response);
		break;
	case LINED_REQUEST_RELOAD:
		if (!control->ops->reload(control, response))
			response_refuse(response,
					"reload: refused, nothing was "
					"changed");
		break;
	case LINED_REQUEST_LOG:
		set_log_level(argument, response);
		break;
	default:
		response_refuse(response, "this request is not known here");
		break;
	}
}

void control_asked(struct control *control, struct request *request)
{
	struct response response = {.oom = false};

	list_append(&control->open, &request->open);
	switch (request->kind) {
	case LINED_REQUEST_CLIENTS:
	case LINED_REQUEST_KICK:
		census_take(control, request);
		break;
	case LINED_REQUEST_TAP:
		tap_begin(control, request);
		break;
	case LINED_REQUEST_DRAIN:
		drain(control, request);
		break;
	default:
		answer_now(control, request, &response);
		control_respond(request, &response);
		break;
	}
}

/* A drain goes on without whom it was begun by, and so does the rest. */
void control_stop(struct control *control, uint64_t id)
{
	struct request *request;

	list_for_each(request, &control->open, open) {
		if (request->id != id)
			continue;
		if (request->kind == LINED_REQUEST_TAP)
			tap_end(control, request);
		return;
	}
}
