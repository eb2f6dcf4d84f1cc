/* SPDX-License-Identifier: MIT */
/*
 * The world of a simulation: everything that would differ from run to run, in
 * place of the system. All decisions come from one seed, so that a seed replays
 * exactly.
 *
 * Real, unchanged: lib/ (dispatcher, sockets, framing, transports), daemon/
 * (server, workers, bus, registry, cluster, admission, config), the modules
 * echo, chat and relay, loaded as lined loads them.
 *
 * Simulated, by functions of the same names in this program, which the linker
 * prefers to those of libc, and by a few functions that it wraps:
 *	the clock, random bytes		world.c
 *	sockets				net.c, syscalls.c
 *	the poller, wakeups, threads	loops.c
 *	clients, upstreams		peer.c and what stands on it
 *	nats-server and libnats		nats.c, nats_server.c, bucket.c
 *	the log				trace.c: into the trace
 *
 * One step (run.c) is a turn of one dispatcher, a packet that arrives, an act
 * of a peer, an event of the broker, time that passes, a reload. Locks are real
 * and never contended: there is one thread. A wait on a condition runs turns of
 * other dispatchers.
 *
 * Several machines (machine.c) are several servers in this process; they share
 * the network and the clock. The machines are a cluster: the broker (nats.c)
 * connects them, and the seed cuts and heals its links. account.c checks the
 * lines and names between them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_SECOND_NS 1000000000ull

/* Begins a world. Everything in the previous world must have ended. */
void world_begin(uint64_t seed);

/* Random numbers: any number; one below n; one of a range, both ends included;
 * true in one of n cases. */
uint64_t world_random(void);
unsigned world_below(unsigned n);
unsigned world_between(unsigned low, unsigned high);
bool world_once_in(unsigned n);
/* True with this probability in percent. */
bool world_percent(unsigned percent);

/* The clock, which only world_pass() moves. */
uint64_t world_now_ns(void);
void world_pass(uint64_t ns);

/* The number of steps so far. All events within a step have the same number. */
uint64_t world_steps(void);
void world_count_step(void);

/* ---- trace.c ----------------------------------------------------------- */

/* Begins the trace of a seed. shown: print each line at once. */
void trace_begin(uint64_t seed, bool shown);

/* Adds a line. Only the last lines are kept, and printed when an invariant is
 * violated. */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A hash of all lines so far: two runs with the same hash were equal. */
uint64_t trace_hash(void);

/* Ends the program: an invariant is violated. Prints the text, the seed and the
 * last events. */
_Noreturn void violated(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#define must(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			violated("%s:%d: %s", __FILE__, __LINE__, #condition); \
	} while (0)
