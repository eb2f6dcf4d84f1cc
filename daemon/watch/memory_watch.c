/* SPDX-License-Identifier: MIT */
/*
 * A timer that looks at the most memory the process has had, and a message
 * each time that has doubled.
 */
#include "config.h"

#include "watch/memory_watch.h"

#include <stdio.h>
#include <sys/resource.h>

#include "net/admission.h"
#include "log/log.h"
#include "serve/server.h"
#include "serve/service.h"

/* What is not worth a word. */
#define LEAST_KIB ((uint64_t)64 * 1024)
#define SHOWN     4

static uint64_t peak_kib(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss
						   : 0;
}

/* What each service has done since it was told the last time. */
static void measure(struct server *server)
{
	struct service *service;

	list_for_each(service, &server->services, link) {
		uint64_t lines = service_lines(service);

		service->busy = lines - service->lines_told;
		service->lines_told = lines;
	}
}

/* And is not so any more. NULL: none was. */
static struct service *take_busiest(struct server *server, uint64_t *lines)
{
	struct service *service, *found = NULL;

	list_for_each(service, &server->services, link)
		if (service->busy > (found != NULL ? found->busy : 0))
			found = service;
	if (found != NULL) {
		*lines = found->busy;
		found->busy = 0;
	}
	return found;
}

static void tell(struct growth *growth, uint64_t now_kib, uint64_t now_ms)
{
	char text[1024] = "";
	size_t len = 0, shown;
	struct service *service;
	uint64_t lines;

	measure(growth->server);
	for (shown = 0; shown < SHOWN; shown++) {
		service = take_busiest(growth->server, &lines);
		if (service == NULL)
			break;
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s protocol %s, service %s: %llu "
					"lines, %u clients now",
					shown > 0 ? ";" : "",
					service->conf->protocol, service->name,
					(unsigned long long)lines,
					admission_clients(service->admission));
		if (len >= sizeof(text))
			break;
	}
	log_notice("memory: %llu MiB, %llu MiB more than %llu s ago; since "
		   "then:%s",
		   (unsigned long long)(now_kib / 1024),
		   (unsigned long long)((now_kib - growth->told_kib) / 1024),
		   (unsigned long long)((now_ms - growth->told_ms) / 1000),
		   text[0] != '\0' ? text : " nothing");
}

static void look(struct lined_timer *timer)
{
	struct growth *growth = lined_container_of(timer, struct growth, timer);
	uint64_t now_ms = lined_dispatcher_now_ms(growth->server->dispatcher);
	uint64_t now_kib = peak_kib();

	if (now_kib < growth->told_kib + LEAST_KIB ||
	    now_kib < 2 * growth->told_kib)
		return;
	tell(growth, now_kib, now_ms);
	growth->told_kib = now_kib;
	growth->told_ms = now_ms;
}

int growth_start(struct growth *growth, struct server *server)
{
	growth->server = server;
	growth->told_kib = peak_kib();
	growth->told_ms = lined_dispatcher_now_ms(server->dispatcher);
	lined_timer_init(&growth->timer, server->dispatcher, look);
	return lined_timer_start(&growth->timer, GROWTH_LOOK_MS,
				 GROWTH_LOOK_MS);
}

void growth_stop(struct growth *growth)
{
	lined_timer_stop(&growth->timer);
}
