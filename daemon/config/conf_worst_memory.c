/* SPDX-License-Identifier: MIT */
/*
 * For each service, multiplies the limits and adds the most that the protocol
 * keeps, such as a history.
 */
#include "config.h"

#include "config/conf_worst_memory.h"

#include <inttypes.h>
#include <stdint.h>

#include "config/conf.h"
#include "memory_ceiling.h"

/* The most received bytes that wait to be handled, unless lines are longer. */
#define WORST_INPUT ((uint64_t)65536)

static const char *worst_memory_text(uint64_t bytes, char text[32])
{
	static const char units[] = {'k', 'M', 'G', 'T', 'P'};
	double value = (double)bytes / 1024;
	unsigned unit = 0;

	if (bytes == UINT64_MAX)
		return "any amount";
	for (; value >= 1024 && unit + 1 < sizeof(units); unit++)
		value /= 1024;
	snprintf(text, 32, value < 10 ? "%.1f%c" : "%.0f%c", value,
		 units[unit]);
	return text;
}

/* The most bytes of an upgrade request. */
#define WORST_WEB ((uint64_t)8192)

static uint64_t worst_memory_of_transport(const struct conf_service *service)
{
	uint64_t bytes = MEMORY_SOCKET + service->module->client_size;
	size_t i;

	if (service->tls_count > 0)
		bytes += MEMORY_TLS + MEMORY_TLS_RESTS;
	for (i = 0; i < service->listen_count; i++)
		if (listen_address_is_web(&service->listen[i]))
			return bytes + WORST_WEB;
	return bytes;
}

/* The send queue counts twice: with the shortest lines, bookkeeping takes as
 * much memory as the bytes of the lines. */
static uint64_t worst_memory_of_client(const struct conf_service *service)
{
	uint64_t line = service->framing.line_length;
	uint64_t queue = service->bounds.sockets.send_queue;
	size_t i;

	/* All clients may be in the same class. */
	for (i = 0; i < service->class_count; i++)
		if (service->class_limits[i].send_queue > queue)
			queue = service->class_limits[i].send_queue;
	return 2 * queue + (line > WORST_INPUT ? 2 * line : WORST_INPUT) +
	       worst_memory_of_transport(service);
}

/* The sum, or UINT64_MAX (unbounded) if it would overflow. */
static uint64_t worst_memory_sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* The most bytes that the protocol keeps, including the send queues of
 * connections that the protocol makes. */
static uint64_t worst_memory_kept_most(const struct conf_service *service,
				       unsigned workers)
{
	const struct lined_protocol *module = service->module;
	uint64_t kept = 0, connections = 0;

	if (module->keeps_most != NULL)
		kept = module->keeps_most(service->options,
					  service->framing.line_length,
					  conf_clients_max(service), workers);
	if (module->connects_most != NULL)
		connections = module->connects_most(service->options);
	return worst_memory_sum(
		kept,
		connections *
			(2 * (uint64_t)service->bounds.sockets.send_queue +
			 MEMORY_SOCKET));
}

void conf_worst_memory_print(const struct conf *conf, FILE *out)
{
	uint64_t sum = 0, ceiling = conf_memory(conf);
	unsigned workers = (unsigned)conf_workers(conf);
	char text[32], each[32], keeps[32];
	size_t i;

	for (i = 0; i < conf->service_count; i++) {
		const struct conf_service *service = &conf->services[i];
		uint64_t client = worst_memory_of_client(service);
		uint64_t clients = conf_clients_max(service);
		uint64_t kept = worst_memory_kept_most(service, workers);
		uint64_t all = worst_memory_sum(client * clients, kept);

		sum = worst_memory_sum(sum, all);
		fprintf(out,
			"memory: service %s: at worst %s: %" PRIu64
			" clients of %s each",
			service->name, worst_memory_text(all, text), clients,
			worst_memory_text(client, each));
		if (kept > 0)
			fprintf(out, ", %s kept by %s",
				worst_memory_text(kept, keeps),
				service->protocol);
		fputc('\n', out);
	}
	fprintf(out, "memory: all services: at worst %s; ",
		worst_memory_text(sum, text));
	if (ceiling > 0)
		fprintf(out, "the ceiling (memory) is %s\n",
			worst_memory_text(ceiling, text));
	else
		fprintf(out, "there is no ceiling (memory = 0)\n");
}
