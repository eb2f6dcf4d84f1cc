/* SPDX-License-Identifier: MIT */
/*
 * Multiplies the limits of each service. What protocols keep besides, such as a
 * history, has limits of its own in their sections.
 */
#include "config.h"

#include "watch/memory_worst.h"

#include <inttypes.h>
#include <stdint.h>

#include "config/conf.h"
#include "system/cgroup.h"

/* The input of one read that was not served yet. */
#define WORST_INPUT ((uint64_t)65536)

static const char *memory_text(uint64_t bytes, char text[32])
{
	static const char units[] = {'k', 'M', 'G', 'T', 'P'};
	double value = (double)bytes / 1024;
	unsigned unit = 0;

	for (; value >= 1024 && unit + 1 < sizeof(units); unit++)
		value /= 1024;
	snprintf(text, 32, value < 10 ? "%.1f%c" : "%.0f%c", value,
		 units[unit]);
	return text;
}

/* The queue is counted twice: the shortest lines take as much again. */
static uint64_t memory_of_client(const struct conf_service *service)
{
	uint64_t line = service->framing.line_length;
	uint64_t queue = service->limits.send_queue;
	size_t i;

	/* The clients of any class may be the most. */
	for (i = 0; i < service->class_count; i++)
		if (service->class_limits[i].send_queue > queue)
			queue = service->class_limits[i].send_queue;
	return 2 * queue + (line > WORST_INPUT ? 2 * line : WORST_INPUT);
}

void memory_worst_print(const struct conf *conf, FILE *out)
{
	uint64_t sum = 0, ceiling = cgroup_memory_available() / 4;
	char text[32], each[32];
	size_t i;

	if (conf->memory >= 0)
		ceiling = (uint64_t)conf->memory;
	for (i = 0; i < conf->service_count; i++) {
		const struct conf_service *service = &conf->services[i];
		uint64_t client = memory_of_client(service);
		uint64_t clients = conf_clients_max(service);

		sum += client * clients;
		fprintf(out,
			"memory: service %s: at worst %s: %" PRIu64
			" clients of %s each\n",
			service->name, memory_text(client * clients, text),
			clients, memory_text(client, each));
	}
	fprintf(out, "memory: all services: at worst %s; ",
		memory_text(sum, text));
	if (ceiling > 0)
		fprintf(out, "the ceiling (memory) is %s\n",
			memory_text(ceiling, text));
	else
		fprintf(out, "there is no ceiling (memory = 0)\n");
}
