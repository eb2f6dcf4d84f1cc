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
	atomic_init(&control->questions, 0);
	server->control = control;
}

void control_answer(struct question *question, struct answer *answer)
{
	list_remove(&question->open);
	question_answer(question, question->control->server->dispatcher, answer,
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
			struct answer *answer)
{
	const struct conf_service *drained;
	char names[1024];
	size_t at = 0;

	while ((drained = survey_drained(control, &at)) != NULL)
		if (strcmp(drained->name, name) == 0) {
			answer_refuse(answer,
				      "service \"%s\" was drained; the next "
				      "reload begins it again",
				      name);
			return;
		}
	list_names(control, names, sizeof(names));
	answer_refuse(answer, "there is no service \"%s\" (there %s%s)", name,
		      names[0] != '\0' ? "are: " : "is none", names);
}

void control_messages(struct answer *answer, const struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->errors.count; i++) {
		answer_record(answer, "message");
		answer_text(answer, "level", "err");
		answer_text(answer, "text", errors->errors.items[i].text);
	}
	for (i = 0; i < errors->warnings.count; i++) {
		answer_record(answer, "message");
		answer_text(answer, "level", "warning");
		answer_text(answer, "text", errors->warnings.items[i].text);
	}
}

/* ---- what is done ------------------------------------------------------- */

static void set_log_level(const char *text, struct answer *answer)
{
	int level = log_level_from_text(text);

	if (level < 0)
		answer_refuse(answer,
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
static void drain(struct control *control, struct question *question)
{
	struct server *server = control->server;
	const char *name = question->argument;
	struct service *service = find_service(&server->services, name);
	struct answer answer = {.oom = false};

	if (service == NULL)
		service = find_service(&server->draining, name);
	if (service == NULL) {
		control_no_service(control, name, &answer);
		control_answer(question, &answer);
		return;
	}
	question->matter = service;
	if (!service->draining)
		server_drain(server, service);
}

static void service_gone(struct question *question,
			 const struct service *service)
{
	struct answer answer = {.oom = false};

	answer_record(&answer, "drained");
	answer_text(&answer, "service", service->name);
	answer_number(&answer, "accepted",
		      admission_admitted(service->admission));
	control_answer(question, &answer);
}

void control_service_drains(struct control *control, struct service *service)
{
	struct question *question, *next;

	list_for_each_safe(question, next, &control->open, open)
		if (question->kind == LINED_ASK_TAP)
			tap_service_drains(control, question, service);
}

void control_service_ended(struct control *control, struct service *service)
{
	struct question *question, *next;

	list_for_each_safe(question, next, &control->open, open)
		if (question->kind == LINED_DO_DRAIN &&
		    question->matter == service)
			service_gone(question, service);
}

/* ---- questions ---------------------------------------------------------- */

/* What is answered on the spot. */
static void answer_now(struct control *control, struct question *question,
		       struct answer *answer)
{
	const char *argument = question->argument;

	switch (question->kind) {
	case LINED_ASK_ALL:
	case LINED_ASK_STATUS:
		survey_daemon(control, answer);
		if (question->kind == LINED_ASK_ALL)
			survey_services(control, "", answer);
		break;
	case LINED_ASK_SERVICES:
		if (!survey_services(control, argument, answer))
			control_no_service(control, argument, answer);
		break;
	case LINED_ASK_WHY:
		ruling_give(control, argument, answer);
		break;
	case LINED_ASK_PLAN:
		plan_make(control, question, answer);
		break;
	case LINED_DO_RELOAD:
		if (!control->ops->reload(control, answer))
			answer_refuse(answer, "reload: refused, nothing was "
					      "changed");
		break;
	case LINED_DO_LOG:
		set_log_level(argument, answer);
		break;
	default:
		answer_refuse(answer, "this question is not known here");
		break;
	}
}

void control_asked(struct control *control, struct question *question)
{
	struct answer answer = {.oom = false};

	list_append(&control->open, &question->open);
	switch (question->kind) {
	case LINED_ASK_CLIENTS:
	case LINED_DO_KICK:
		census_take(control, question);
		break;
	case LINED_ASK_TAP:
		tap_begin(control, question);
		break;
	case LINED_DO_DRAIN:
		drain(control, question);
		break;
	default:
		answer_now(control, question, &answer);
		control_answer(question, &answer);
		break;
	}
}

/* A drain goes on without whom it was begun by, and so does the rest. */
void control_stop(struct control *control, uint64_t id)
{
	struct question *question;

	list_for_each(question, &control->open, open) {
		if (question->id != id)
			continue;
		if (question->kind == LINED_ASK_TAP)
			tap_end(control, question);
		return;
	}
}
