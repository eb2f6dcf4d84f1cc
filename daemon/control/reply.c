/* SPDX-License-Identifier: MIT */
/*
 * What the verbs share.
 */
#include "config.h"

#include "control/reply.h"

#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "serve/server.h"
#include "serve/service.h"

/* In the list of service names: the longest name with its separator, and the
 * note on those that are left out. */
#define NAME_PLACE 66
#define MORE_PLACE 40

void reply_last(struct control *control, struct request *request,
		struct response *response)
{
	list_remove(&request->open);
	request_respond(request, control->port.dispatcher, response, true);
}

void reply_no_memory(struct control *control, struct request *request)
{
	struct response response = {.oom = true};

	reply_last(control, request, &response);
}

/* ---- services ----------------------------------------------------------- */

static struct service *reply_search(struct list *services, const char *name)
{
	struct service *service;

	list_for_each(service, services, link)
		if (!service->conf->internal &&
		    strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

struct service *reply_find_service(struct control *control, const char *name,
				   bool draining)
{
	struct server *server = control->server;

	return reply_search(draining ? &server->draining : &server->services,
			    name);
}

const struct conf_service *reply_next_drained(struct control *control,
					      size_t *at)
{
	const struct conf *conf = control->server->conf;

	while (*at < conf->service_count) {
		const struct conf_service *service = &conf->services[(*at)++];

		if (!service->internal &&
		    !reply_find_service(control, service->name, false) &&
		    !reply_find_service(control, service->name, true))
			return service;
	}
	return NULL;
}

/* As many names as fit, and how many do not. */
static void reply_list_names(struct control *control, char *names, size_t size)
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

void reply_no_service(struct control *control, const char *name,
		      struct response *response)
{
	const struct conf_service *drained;
	char names[1024];
	size_t at = 0;

	while ((drained = reply_next_drained(control, &at)) != NULL)
		if (strcmp(drained->name, name) == 0) {
			response_refuse(response,
					"service \"%s\" was drained; the next "
					"reload begins it again",
					name);
			return;
		}
	reply_list_names(control, names, sizeof(names));
	response_refuse(response, "there is no service \"%s\" (there %s%s)",
			name, names[0] != '\0' ? "are: " : "is none", names);
}

/* ---- messages ----------------------------------------------------------- */

void reply_message(struct response *response, enum lined_log_level level,
		   const char *text)
{
	response_record(response, "message");
	response_text(response, "level", log_level_text(level));
	response_text(response, "text", text);
}

void reply_messages(struct response *response, const struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->errors.count; i++)
		reply_message(response, LINED_LOG_ERR,
			      errors->errors.items[i].text);
	for (i = 0; i < errors->warnings.count; i++)
		reply_message(response, LINED_LOG_WARNING,
			      errors->warnings.items[i].text);
}
