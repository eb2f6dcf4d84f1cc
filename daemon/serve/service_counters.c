/* SPDX-License-Identifier: MIT */
/*
 * The counters of a service, summed over its instances, and the log line with
 * them. The workers write them; reading takes no lock.
 */
#include "config.h"

#include "serve/service.h"

#include <stddef.h>
#include <stdio.h>

#include "net/admission.h"
#include "log/log.h"

#define COUNTER_LINE_MAX 1024

struct counter_line {
	char text[COUNTER_LINE_MAX];
	size_t len;
};

static void counters_add(struct counter_line *to, const char *name, uint64_t n)
{
	int len;

	if (n == 0)
		return;
	len = snprintf(to->text + to->len, COUNTER_LINE_MAX - to->len,
		       ", %s %llu", name, (unsigned long long)n);
	if (len > 0 && to->len + (size_t)len < COUNTER_LINE_MAX)
		to->len += (size_t)len;
	else
		to->text[to->len] = '\0';
}

/* The sum over the instances of the counter at this offset. */
static uint64_t counters_sum(const struct service *service, size_t offset)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		const char *counters =
			(const char *)&service->instances[i]->group.counters;

		total += __atomic_load_n(
			(const uint64_t *)(const void *)(counters + offset),
			__ATOMIC_RELAXED);
	}
	return total;
}

#define SUM(service, member)                                                   \
	counters_sum(service, offsetof(struct lined_counters, member))

static void counters_add_protocol(struct counter_line *to,
				  const struct service *service)
{
	size_t i, k;

	for (i = 0; i < service->instance_count; i++)
		for (k = 0; k < INSTANCE_COUNTERS_MAX; k++) {
			const struct instance_counter *counter =
				&service->instances[i]->counters[k];
			const char *name = __atomic_load_n(&counter->name,
							   __ATOMIC_ACQUIRE);

			if (name != NULL)
				counters_add(to, name,
					     __atomic_load_n(&counter->value,
							     __ATOMIC_RELAXED));
		}
}

void service_log_counters(const struct service *service)
{
	struct counter_line to = {.len = 0};
	char name[64];
	int i;

	counters_add(&to, "datagrams in", SUM(service, datagrams_in));
	counters_add(&to, "datagrams dropped", SUM(service, datagrams_dropped));
	counters_add(&to, "too long", SUM(service, too_long));
	counters_add(&to, "bare LF", SUM(service, bare_lf));
	counters_add(&to, "unterminated", SUM(service, unterminated));
	counters_add(&to, "sends dropped", SUM(service, sends_dropped));
	counters_add(&to, "rate slowed", SUM(service, rate_slowed));
	for (i = ADMISSION_OK + 1; i < ADMISSION_VERDICTS; i++) {
		snprintf(name, sizeof(name), "refused by %s",
			 admission_verdict_text(i));
		counters_add(&to, name,
			     admission_refused(service->admission, i));
	}
	for (i = 0; i < LINED_CLOSE_REASONS; i++) {
		snprintf(name, sizeof(name), "closed %s",
			 lined_close_reason_text(i));
		counters_add(
			&to, name,
			counters_sum(service,
				     offsetof(struct lined_counters, closed) +
					     (size_t)i * sizeof(uint64_t)));
	}
	counters_add_protocol(&to, service);
	/* Asked for, once by each service: never suppressed as a repeat. */
	log_each(LINED_LOG_NOTICE,
		 "service %s: %u clients, lines in %llu, bytes in %llu, "
		 "bytes out %llu%s",
		 service->name, admission_clients(service->admission),
		 (unsigned long long)SUM(service, lines_in),
		 (unsigned long long)SUM(service, bytes_in),
		 (unsigned long long)SUM(service, bytes_out), to.text);
}

uint64_t service_lines(const struct service *service)
{
	return SUM(service, lines_in) + SUM(service, datagrams_in);
}
