/* SPDX-License-Identifier: MIT */
/* Finds services by name for the verbs, and reports why there is no such
 * service. */
#include "config.h"

#include "control/service_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/verbs.h"
#include "serve/server.h"
#include "serve/service.h"

/* Bytes in a list of service names: the longest name with its separator, and
 * the words that say how many names are left out. */
#define NAME_PLACE 66
#define MORE_PLACE 40

struct service *service_search(struct control *control, const char *name)
{
	struct service *service = NULL;

	do
		service = server_next_service(control->server, service);
	while (service != NULL && strcmp(service->name, name) != 0);
	return service;
}

static int search_compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The sorted names of all services, open or draining. NULL: no memory. */
static const char **search_sort_names(struct server *server, size_t *count)
{
	struct service *service = NULL;
	const char **names;
	size_t at = 0;

	*count = 0;
	while ((service = server_next_service(server, service)) != NULL)
		(*count)++;
	names = calloc(*count + 1, sizeof(*names));
	if (names == NULL)
		return NULL;
	while ((service = server_next_service(server, service)) != NULL)
		names[at++] = service->name;
	qsort(names, at, sizeof(*names), search_compare_names);
	return names;
}

void service_search_drained(struct control *control, struct response *response,
			    void (*add)(struct response *response,
					const struct conf_service *drained))
{
	const struct conf *conf = control->server->conf;
	size_t count, i;
	const char **names = search_sort_names(control->server, &count);

	response->oom |= names == NULL;
	for (i = 0; names != NULL && i < conf->service_count; i++)
		if (bsearch(&conf->services[i].name, names, count,
			    sizeof(*names), search_compare_names) == NULL)
			add(response, &conf->services[i]);
	free(names);
}

/* Lists as many names as fit, then the number of names that are left out. */
static void search_list_names(struct control *control, char *names, size_t size)
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

void service_search_failed(struct control *control, const char *name,
			   struct response *response)
{
	char names[1024];

	if (conf_find_service(control->server->conf, name) != NULL &&
	    service_search(control, name) == NULL) {
		response_refuse(response,
				"service \"%s\" was drained; the next reload "
				"begins it again",
				name);
		return;
	}
	search_list_names(control, names, sizeof(names));
	response_refuse(response, "there is no service \"%s\" (there %s%s)",
			name, names[0] != '\0' ? "are: " : "is none", names);
}
