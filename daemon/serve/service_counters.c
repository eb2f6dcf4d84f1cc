/* SPDX-License-Identifier: MIT */
/*
 * Sums the counters of a service over its instances, and logs them. The workers
 * write the counters, which are atomic and read without a lock.
 */
#include "config.h"

#include "serve/service.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "counter.h"
#include "log/log.h"
#include "net/admission.h"

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

uint64_t service_sum(const struct service *service, size_t offset)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		const char *instance = (const char *)service->instances[i];

		total += counter_read(
			(const uint64_t *)(const void *)(instance + offset));
	}
	return total;
}

#define OFFSET(member)       offsetof(struct lined_service, group.counters.member)
#define SUM(service, member) service_sum(service, OFFSET(member))
/* Includes connections that the protocol opened. */
#define SUM_BOTH(service, member)                                              \
	(SUM(service, member) +                                                \
	 service_sum(service, offsetof(struct lined_service,                   \
				       own_group.counters.member)))

/* Compares names: instances may have their counters in another order. */
size_t
service_protocol_counters(const struct service *service,
			  struct instance_counter sums[INSTANCE_COUNTERS_MAX])
{
	size_t count = 0, i, k, at;

	for (i = 0; i < service->instance_count; i++)
		for (k = 0; k < INSTANCE_COUNTERS_MAX; k++) {
			const struct instance_counter *counter =
				&service->instances[i]->counters[k];
			const char *name = __atomic_load_n(&counter->name,
							   __ATOMIC_ACQUIRE);

			if (name == NULL)
				break;
			for (at = 0; at < count; at++)
				if (strcmp(sums[at].name, name) == 0)
					break;
			if (at == INSTANCE_COUNTERS_MAX)
				continue;
			if (at == count)
				sums[count++] =
					(struct instance_counter){name, 0};
			sums[at].value += counter_read(&counter->value);
		}
	return count;
}

uint64_t service_refused(const struct service *service,
			 enum admission_verdict verdict)
{
	uint64_t count = admission_refused(service->admission, verdict);

	/* A datagram refused for its rate is counted as line-rate, not as a
	 * refusal. */
	if (verdict != ADMISSION_RATE)
		count +=
			admission_refused(service->datagram_admission, verdict);
	return count;
}

void service_log_counters(const struct service *service)
{
	struct instance_counter protocol[INSTANCE_COUNTERS_MAX];
	size_t count = service_protocol_counters(service, protocol), k;
	struct counter_line to = {.len = 0};
	char name[64];
	int i;

	counters_add(&to, "datagrams in", SUM(service, datagrams_in));
	counters_add(&to, "datagrams dropped", SUM(service, datagrams_dropped));
	counters_add(&to, "too long", SUM_BOTH(service, too_long));
	counters_add(&to, "truncated", SUM_BOTH(service, truncated));
	counters_add(&to, "bare LF", SUM_BOTH(service, bare_lf));
	counters_add(&to, "unterminated", SUM_BOTH(service, unterminated));
	counters_add(&to, "sends dropped", SUM(service, sends_dropped));
	counters_add(&to, "rate slowed", SUM(service, rate_slowed));
	for (i = ADMISSION_OK + 1; i < ADMISSION_VERDICTS; i++) {
		snprintf(name, sizeof(name), "refused by %s",
			 admission_verdict_text(i));
		counters_add(&to, name, service_refused(service, i));
	}
	counters_add(
		&to, "refused by line-rate",
		admission_refused(service->datagram_admission, ADMISSION_RATE));
	for (i = 0; i < LINED_CLOSE_REASONS; i++) {
		snprintf(name, sizeof(name), "closed %s",
			 lined_close_reason_text(i));
		counters_add(&to, name,
			     service_sum(service,
					 OFFSET(closed) +
						 (size_t)i * sizeof(uint64_t)));
	}
	for (k = 0; k < count; k++)
		counters_add(&to, protocol[k].name, protocol[k].value);
	/* log_each(): other services may have logged the same format; that is
	 * not a repeat. */
	log_each(LINED_LOG_NOTICE,
		 "service %s: %u clients, lines in %llu, bytes in %llu, "
		 "bytes out %llu%s",
		 service->name, admission_clients(service->admission),
		 (unsigned long long)SUM_BOTH(service, lines_in),
		 (unsigned long long)SUM(service, bytes_in),
		 (unsigned long long)SUM(service, bytes_out), to.text);
}

uint64_t service_lines(const struct service *service)
{
	return SUM(service, lines_in) + SUM(service, datagrams_in);
}
