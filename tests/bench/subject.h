/* SPDX-License-Identifier: MIT */
/*
 * A server that a benchmark measures: a `lined` with a private config on a free
 * port of 127.0.0.1, a bare epoll loop that sends its input back, or a
 * redis-server; and the numbers that /proc has about each. Errors end the
 * benchmark with a message.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

struct subject {
	const char *name;
	pid_t pid;
	uint16_t port;
	uint16_t web_port; /* of the ws:// address of a lined */
	char dir[64];      /* of the config; empty: none */
	bool is_lined, is_logged;
};

noreturn void fail(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* An option's argument; fails where it is none from min to max. */
unsigned option_number(const char *text, unsigned min, unsigned max);

/*
 * Starts the daemon `path` (NULL: LINED in the environment, else "lined") and
 * waits until it serves. LINED_MODULES is its module directory, where set.
 */
void subject_start_lined(struct subject *subject, const char *path);
/* The same with another service: its protocol, and further `limits`. */
void subject_start_service(struct subject *subject, const char *path,
			   unsigned workers, const char *protocol,
			   const char *limits);
/* A relay on one worker, in a cluster on this nats-server; returns when it had
 * time to join. */
void subject_start_node(struct subject *subject, const char *path,
			const char *nats);
/* The same for subject_counter(); its log is in a file. */
void subject_start_counted(struct subject *subject, const char *path,
			   unsigned workers, const char *protocol);
/* Sends everything back; or to everybody else. */
void subject_start_bare(struct subject *subject);
void subject_start_bare_hub(struct subject *subject);
/* False where it is not installed. */
bool subject_start_redis(struct subject *subject);

/* Ends it; fails where lined does not end with 0. */
void subject_stop(struct subject *subject);

/* CPU time of all its threads, ended ones too, in nanoseconds. */
uint64_t subject_cpu_ns(const struct subject *subject);
/* VmRSS in bytes. */
uint64_t subject_rss(const struct subject *subject);

/* Puts all its threads on one CPU, where that is allowed. */
void subject_pin(const struct subject *subject, int cpu);

/* The counter of this name, as lined logs it on SIGUSR1. */
uint64_t subject_counter(const struct subject *subject, const char *name);

/* Whether lined was built with a sanitizer, which takes memory of its own. */
bool subject_is_sanitized(const struct subject *subject);
unsigned subject_fds(const struct subject *subject);

/* A blocking connection to it, without Nagle's delay. */
int subject_connect(const struct subject *subject);
/* One by a UNIX socket, of which the kernel buffers little; lined's only. */
int subject_connect_unix(const struct subject *subject);

/* Raises the limit of descriptors to the hard one; what it is now. */
unsigned long raise_descriptors(void);

uint64_t now_ns(void);

/* Sorts the values; the middle one. */
double median(double *values, unsigned count);
