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
	uint16_t web_port; /* the port of the ws:// address of a lined */
	char dir[64];      /* the directory of the config; "": there is none */
	bool is_lined, is_logged;
};

noreturn void fail(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Reads the argument of an option. Fails unless it is a number from min to
 * max. */
unsigned option_number(const char *text, unsigned min, unsigned max);

/*
 * Starts the daemon `path` (NULL: LINED in the environment, else "lined") and
 * waits until it serves. LINED_MODULES, if set, is the module directory.
 */
void subject_start_lined(struct subject *subject, const char *path);
/* The same with a service of this protocol, and with these limits in
 * addition. */
void subject_start_service(struct subject *subject, const char *path,
			   unsigned workers, const char *protocol,
			   const char *limits);
/* Starts a relay on one worker, in a cluster on this nats-server. Returns when
 * the node has had time to join. */
void subject_start_node(struct subject *subject, const char *path,
			const char *nats);
/* Starts a daemon for subject_counter(), with its log in a file. */
void subject_start_counted(struct subject *subject, const char *path,
			   unsigned workers, const char *protocol);
/* Start a bare loop that sends its input back, or to all other clients. */
void subject_start_bare(struct subject *subject);
void subject_start_bare_hub(struct subject *subject);
/* False: redis is not installed. */
bool subject_start_redis(struct subject *subject);

/* Ends the server. Fails if lined does not exit with 0. */
void subject_stop(struct subject *subject);

/* The CPU time in nanoseconds of all threads of the server, also of ended
 * ones. */
uint64_t subject_cpu_ns(const struct subject *subject);
/* The resident memory (VmRSS) of the server in bytes. */
uint64_t subject_rss(const struct subject *subject);

/* Puts all threads of the server on one CPU, if the system allows it. */
void subject_pin(const struct subject *subject, int cpu);

/* The counter of this name, as lined logs it on SIGUSR1. */
uint64_t subject_counter(const struct subject *subject, const char *name);

/* Whether lined was built with a sanitizer, which takes memory of its own. */
bool subject_is_sanitized(const struct subject *subject);
unsigned subject_fds(const struct subject *subject);

/* Returns a blocking connection to the server, without Nagle's delay. */
int subject_connect(const struct subject *subject);
/* The same over a UNIX socket, for which the kernel buffers little. Only lined
 * has one. */
int subject_connect_unix(const struct subject *subject);

/* Raises the limit of descriptors to the hard limit, and returns it. */
unsigned long raise_descriptors(void);

uint64_t now_ns(void);

/* Sorts the values, and returns their median. */
double median(double *values, unsigned count);
