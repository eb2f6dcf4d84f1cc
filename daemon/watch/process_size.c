/* SPDX-License-Identifier: MIT */
/*
 * A timer reads the peak size of the process, which is logged when it has
 * doubled, and compares the resident memory with the allocated memory.
 */
#include "config.h"

#include "watch/process_size.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "counter.h"
#include "log/log.h"
#include "memory_ceiling.h"
#include "net/admission.h"
#include "serve/server.h"
#include "serve/service.h"
#include "system/malloc_trim.h"

/* Growth by less than this is not logged. */
#define MEMORY_LEAST_KIB ((uint64_t)64 * 1024)
#define MEMORY_SHOWN     4 /* services in a message */
/* Free memory is returned to the system only if there is more than this. */
#define MEMORY_TRIM_BYTES ((uint64_t)8 * 1024 * 1024)

static uint64_t process_peak_kib(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss
						   : 0;
}

/* Counts the lines that each service has received since the last report. */
static void process_count_lines(struct server *server)
{
	struct service *service;

	list_for_each(service, &server->services, link) {
		uint64_t lines = service_lines(service);

		service->busy = lines - service->lines_logged;
		service->lines_logged = lines;
	}
}

/* The busiest service not yet returned; NULL: no other service received a line.
 */
static struct service *process_take_busiest(struct server *server,
					    uint64_t *lines)
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

static void process_log(struct process_size *watch, uint64_t now_kib,
			uint64_t now_ms)
{
	char text[1024] = "";
	size_t len = 0, shown;
	struct service *service;
	uint64_t lines;

	process_count_lines(watch->server);
	for (shown = 0; shown < MEMORY_SHOWN; shown++) {
		service = process_take_busiest(watch->server, &lines);
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
		   (unsigned long long)((now_kib - watch->logged_kib) / 1024),
		   (unsigned long long)((now_ms - watch->logged_ms) / 1000),
		   text[0] != '\0' ? text : " nothing");
}

static uint64_t process_resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The resident memory minus the allocated memory; 0: unknown. */
static uint64_t process_spare_bytes(void)
{
	uint64_t resident = process_resident_bytes();
	uint64_t used = resident >= MEMORY_TRIM_BYTES ? malloc_used_bytes() : 0;

	return used > 0 && resident > used ? resident - used : 0;
}

/* Returns memory to the system after large clients, rooms or queues have gone.
 */
static void process_trim(struct process_size *watch)
{
	uint64_t spare = process_spare_bytes();

	if (spare > watch->spare_bytes + MEMORY_TRIM_BYTES) {
		malloc_trim_all();
		spare = process_spare_bytes();
		watch->spare_bytes = spare;
	}
	if (spare > 0 && spare < watch->spare_bytes)
		watch->spare_bytes = spare;
}

#define MEMORY_CEILING_LOG_MS 60000

static void process_log_ceiling(struct process_size *watch, uint64_t now_ms)
{
	struct memory_ceiling *memory = &watch->server->memory;
	uint64_t closed = counter_read(&memory->closed);
	uint64_t refused = server_memory_refused(watch->server);
	uint64_t given_up = counter_read(&memory->given_up);
	char text[64] = "";

	/* The count is lower after a service has ended. */
	if (refused < watch->refused)
		watch->refused = refused;
	if (memory_is_near(memory))
		memory_ask_all(memory);
	if ((closed <= watch->closed && refused <= watch->refused &&
	     given_up <= watch->given_up) ||
	    now_ms < watch->ceiling_due_ms)
		return;
	if (given_up > watch->given_up)
		snprintf(text, sizeof(text),
			 ", protocols gave up %.1f MiB of what they keep",
			 (double)(given_up - watch->given_up) / (1 << 20));
	log_each(LINED_LOG_WARNING,
		 "memory: clients hold %.1f MiB, the ceiling is %.1f MiB: "
		 "closed %llu with the longest queues, did not let in %llu%s",
		 (double)memory_held(memory) / (1 << 20),
		 (double)memory_limit(memory) / (1 << 20),
		 (unsigned long long)(closed - watch->closed),
		 (unsigned long long)(refused - watch->refused), text);
	watch->given_up = given_up;
	watch->closed = closed;
	watch->refused = refused;
	watch->ceiling_due_ms = now_ms + MEMORY_CEILING_LOG_MS;
}

static void process_size_fired(struct lined_timer *timer)
{
	struct process_size *watch =
		lined_container_of(timer, struct process_size, timer);
	uint64_t now_ms = lined_dispatcher_now_ms(watch->server->dispatcher);
	uint64_t now_kib = process_peak_kib();

	process_trim(watch);
	process_log_ceiling(watch, now_ms);
	if (now_kib < watch->logged_kib + MEMORY_LEAST_KIB ||
	    now_kib < 2 * watch->logged_kib)
		return;
	process_log(watch, now_kib, now_ms);
	watch->logged_kib = now_kib;
	watch->logged_ms = now_ms;
}

int process_size_start(struct process_size *watch, struct server *server)
{
	watch->server = server;
	watch->logged_kib = process_peak_kib();
	watch->logged_ms = lined_dispatcher_now_ms(server->dispatcher);
	watch->spare_bytes = process_spare_bytes();
	lined_timer_init(&watch->timer, server->dispatcher, process_size_fired);
	return lined_timer_start(&watch->timer, MEMORY_WATCH_MS,
				 MEMORY_WATCH_MS);
}

void process_size_stop(struct process_size *watch)
{
	lined_timer_stop(&watch->timer);
}
