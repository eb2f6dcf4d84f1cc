/* SPDX-License-Identifier: MIT */
/*
 * The hall, see worker_fixture.h. Instances post their end to the main
 * dispatcher, as in a server.
 */
#include "config.h"

#include "worker_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/admission.h"
#include "net/penalty.h"
#include "serve/service_instance.h"
#include "support.h"
#include "threads/bus_batch.h"
#include "threads/registry_arbiter.h"

_Noreturn void must_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: must: %s\n", file, line, condition);
	abort();
}

/* ---- instances --------------------------------------------------------- */

/* The hall whose instances run. */
static struct hall *open_hall;

static void run_departures(struct worker_call *call)
{
	atomic_store(&lined_container_of(call, struct lined_service,
					 calls.departures)
			      ->departed,
		     0);
}

/* Nothing to do: drain_instance() closes all clients, even those with unread
 * lines. */
static void run_heard(struct worker_call *call)
{
}

static void run_finish(struct worker_call *call)
{
	instance_finish(
		lined_container_of(call, struct lined_service, calls.finish));
}

/* Lets each instance finish without waiting for the others. */
static void run_emptied(struct worker_call *call)
{
	struct lined_service *instance =
		lined_container_of(call, struct lined_service, calls.emptied);

	worker_post(instance->worker, &instance->calls.finish);
}

static void run_ended(struct worker_call *call)
{
	open_hall->ended++;
}

struct hall_call {
	struct batch_call call;
	struct lined_service *service;
	void (*run)(struct lined_service *service, void *arg);
	void *arg;
};

static void run_call(struct batch_call *call)
{
	struct hall_call *c = lined_container_of(call, struct hall_call, call);

	c->run(c->service, c->arg);
}

void hall_call(struct hall *hall, unsigned service, unsigned worker,
	       void (*run)(struct lined_service *service, void *arg), void *arg)
{
	struct worker_batch *batch = worker_batch_new();
	struct hall_call *call;

	must(batch != NULL);
	call = worker_batch_add(batch, &hall->workers[worker], sizeof(*call),
				run_call, NULL);
	must(call != NULL);
	call->service = hall->instances[service][worker];
	call->run = run;
	call->arg = arg;
	worker_batch_post(batch);
	must(worker_batch_wait(batch, 0));
	worker_batch_free(batch);
}

static void start_instance(struct lined_service *service, void *arg)
{
	must(instance_start(service) == 0);
}

static void drain_instance(struct lined_service *service, void *arg)
{
	instance_drain(service, 0);
}

void hall_end_instance(struct hall *hall, unsigned service, unsigned worker)
{
	unsigned before = hall->ended;

	hall_call(hall, service, worker, drain_instance, NULL);
	hall_wait_count(hall, &hall->ended, before + 1);
	instance_free(hall->instances[service][worker]);
	hall->instances[service][worker] = NULL;
}

/* ---- life --------------------------------------------------------------- */

static void open_service(struct hall *hall, unsigned s,
			 const struct lined_protocol *protocol, const void *arg)
{
	static const struct lined_framing framing = LINED_FRAMING_DEFAULT;
	unsigned w;

	hall->conf[s] = (struct conf_service){
		.name = s == 0 ? "a" : "b",
		.protocol = protocol->name,
		.module = protocol,
		.options = arg,
		.framing = framing,
		.bounds.sockets.send_queue = LINED_SEND_QUEUE_DEFAULT,
	};
	hall->registries[s] =
		registry_new(hall->workers, hall->count, 0, &registry_arbiter);
	ck_assert_ptr_nonnull(hall->registries[s]);
	for (w = 0; w < hall->count; w++) {
		hall->instances[s][w] =
			instance_new(&hall->conf[s], s + 1, &hall->workers[w],
				     hall->count, w == 0);
		ck_assert_ptr_nonnull(hall->instances[s][w]);
		hall->instances[s][w]->calls.departures.run = run_departures;
		hall->instances[s][w]->calls.heard.run = run_heard;
		hall->instances[s][w]->calls.finish.run = run_finish;
		hall->instances[s][w]->calls.emptied.run = run_emptied;
		hall->instances[s][w]->calls.ended.run = run_ended;
		hall->instances[s][w]->admission = hall->admission;
		hall->instances[s][w]->penalties = hall->penalties;
		registry_join(hall->registries[s], w,
			      &hall->instances[s][w]->registry,
			      hall->instances[s][w]);
	}
}

static void hall_open_memory(struct hall *hall)
{
	struct lined_dispatcher **dispatchers =
		calloc(hall->count, sizeof(struct lined_dispatcher *));
	unsigned w;

	ck_assert_ptr_nonnull(dispatchers);
	for (w = 0; w < hall->count; w++)
		dispatchers[w] = hall->workers[w].dispatcher;
	memory_init(&hall->memory, dispatchers, hall->count);
}

void hall_open(struct hall *hall, unsigned workers,
	       const struct lined_protocol *protocol, const void *arg)
{
	unsigned s, w;

	memset(hall, 0, sizeof(*hall));
	open_hall = hall;
	hall->count = workers;
	hall->main = support_dispatcher();
	for (w = 0; w < workers; w++)
		ck_assert_int_eq(worker_start(&hall->workers[w], w, workers > 1,
					      hall->main),
				 0);
	hall_open_memory(hall);
	hall->admission = admission_new(&(struct admission_limits){0});
	hall->penalties = penalties_new();
	ck_assert_ptr_nonnull(hall->admission);
	ck_assert_ptr_nonnull(hall->penalties);
	hall->bus = bus_new(hall->workers, workers);
	ck_assert_ptr_nonnull(hall->bus);
	if (workers > 1) {
		hall->bus_batches = bus_batches_new(hall->workers, workers);
		ck_assert_ptr_nonnull(hall->bus_batches);
	}
	lined_dispatcher_open_mailbox(hall->main);
	for (s = 0; s < HALL_SERVICES; s++)
		open_service(hall, s, protocol, arg);
	for (s = 0; s < HALL_SERVICES; s++)
		for (w = 0; w < workers; w++)
			hall_call(hall, s, w, start_instance, NULL);
}

void hall_close(struct hall *hall)
{
	struct bus_counters counters;
	unsigned s, w, before = hall->ended, left = 0;

	for (s = 0; s < HALL_SERVICES; s++)
		for (w = 0; w < hall->count; w++)
			if (hall->instances[s][w] != NULL) {
				hall_call(hall, s, w, drain_instance, NULL);
				left++;
			}
	hall_wait_count(hall, &hall->ended, before + left);
	for (s = 0; s < HALL_SERVICES; s++) {
		for (w = 0; w < hall->count; w++)
			instance_free(hall->instances[s][w]);
		registry_unref(hall->registries[s]);
	}
	for (w = 0; w < hall->count; w++)
		worker_stop(&hall->workers[w]);
	bus_count(hall->bus, &counters);
	hall->posts = counters.posts;
	memory_fini(&hall->memory);
	for (w = 0; w < hall->count; w++)
		worker_fini(&hall->workers[w]);
	bus_free(hall->bus);
	admission_free(hall->admission);
	penalties_free(hall->penalties);
	bus_batches_free(hall->bus_batches);
	lined_dispatcher_free(hall->main);
}

/* ---- clients ------------------------------------------------------------ */

struct arrival {
	struct client_arrival client;
	int result;
};

static void run_arrival(struct lined_service *service, void *arg)
{
	struct arrival *arrival = arg;

	arrival->result = client_start(service, &arrival->client);
}

int hall_client(struct hall *hall, unsigned service, unsigned worker)
{
	struct arrival arrival = {.client.listen = "test"};
	int fds[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	arrival.client.fd = fds[0];
	arrival.client.id = ++hall->clients;
	arrival.client.address.ss_family = AF_UNIX;
	hall_call(hall, service, worker, run_arrival, &arrival);
	ck_assert_int_eq(arrival.result, 0);
	return fds[1];
}

/* ---- waiting ------------------------------------------------------------ */

void hall_wait(struct hall *hall, bool (*done)(void *arg), void *arg)
{
	uint64_t end_ms = support_now_ms() + 2 * SUPPORT_WATCHDOG_MS;

	while (!done(arg)) {
		ck_assert_msg(support_now_ms() < end_ms, "waited too long");
		ck_assert_int_ge(lined_dispatcher_poll(hall->main, 1), 0);
	}
}

struct counted {
	const unsigned *counter;
	unsigned n;
};

static bool is_counted(void *arg)
{
	const struct counted *counted = arg;

	return __atomic_load_n(counted->counter, __ATOMIC_ACQUIRE) >=
	       counted->n;
}

void hall_wait_count(struct hall *hall, const unsigned *counter, unsigned n)
{
	struct counted counted = {counter, n};

	hall_wait(hall, is_counted, &counted);
}

struct held {
	const struct memory_ceiling *memory;
	uint64_t least, most;
};

static bool is_held(void *arg)
{
	const struct held *held = arg;
	uint64_t bytes = memory_held(held->memory);

	return bytes >= held->least && bytes <= held->most;
}

void hall_wait_held(struct hall *hall, uint64_t least, uint64_t most)
{
	struct held held = {&hall->memory, least, most};

	hall_wait(hall, is_held, &held);
}

void hall_count(unsigned *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELEASE);
}

static void run_stop(struct worker_call *call)
{
	struct hall_stop *stop =
		lined_container_of(call, struct hall_stop, call);
	char byte;

	if (stop->run != NULL)
		stop->run(stop->service, stop->arg);
	hall_count(&stop->stopped);
	must(read(stop->fds[0], &byte, 1) == 1);
	hall_count(&stop->stopped);
}

static void stop_worker(struct hall *hall, unsigned worker,
			struct hall_stop *stop)
{
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stop->fds),
		0);
	stop->call.run = run_stop;
	worker_post(&hall->workers[worker], &stop->call);
	hall_wait_count(hall, &stop->stopped, 1);
}

void hall_stop(struct hall *hall, unsigned worker, struct hall_stop *stop)
{
	*stop = (struct hall_stop){.run = NULL};
	stop_worker(hall, worker, stop);
}

void hall_stop_behind(struct hall *hall, unsigned service, unsigned worker,
		      void (*run)(struct lined_service *service, void *arg),
		      void *arg, struct hall_stop *stop)
{
	*stop = (struct hall_stop){
		.service = hall->instances[service][worker],
		.run = run,
		.arg = arg,
	};
	stop_worker(hall, worker, stop);
}

void hall_let_go(struct hall *hall, struct hall_stop *stop)
{
	support_puts(stop->fds[1], "x");
	hall_wait_count(hall, &stop->stopped, 2);
	close(stop->fds[0]);
	close(stop->fds[1]);
}
