/* SPDX-License-Identifier: MIT */
/* Finds services by name, and sends responses that several verbs share. */
#include "config.h"

#include "control/reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "serve/server.h"
#include "serve/service.h"

/* Bytes in the list of service names: for the longest name with its separator,
 * and for the number of names left out. */
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

	log_warning("control: a request is refused: %s", strerror(ENOMEM));
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

static int reply_compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The sorted names of all services, open or draining. NULL: no memory. */
static const char **reply_sort_names(struct server *server, size_t *count)
{
	struct list *const lists[] = {&server->services, &server->draining};
	const char **names;
	struct service *service;
	size_t at = 0, i;

	*count = 0;
	for (i = 0; i < 2; i++)
		list_for_each(service, lists[i], link)
			(*count)++;
	names = calloc(*count + 1, sizeof(*names));
	for (i = 0; names != NULL && i < 2; i++)
		list_for_each(service, lists[i], link)
			if (!service->conf->internal)
				names[at++] = service->name;
	*count = at;
	if (names != NULL)
		qsort(names, at, sizeof(*names), reply_compare_names);
	return names;
}

void reply_each_drained(struct control *control, struct response *response,
			void (*add)(struct response *response,
				    const struct conf_service *drained))
{
	const struct conf *conf = control->server->conf;
	size_t count, i;
	const char **names = reply_sort_names(control->server, &count);

	response->oom |= names == NULL;
	for (i = 0; names != NULL && i < conf->service_count; i++)
		if (bsearch(&conf->services[i].name, names, count,
			    sizeof(*names), reply_compare_names) == NULL)
			add(response, &conf->services[i]);
	free(names);
}

/* Lists as many names as fit, and how many are left out. */
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
	char names[1024];

	if (conf_find_service(control->server->conf, name) != NULL &&
	    reply_find_service(control, name, false) == NULL &&
	    reply_find_service(control, name, true) == NULL) {
		response_refuse(response,
				"service \"%s\" was drained; the next reload "
				"begins it again",
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
