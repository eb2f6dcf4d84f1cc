/* SPDX-License-Identifier: MIT */
/*
 * Starts and stops workers, and passes calls between their threads and the main
 * thread.
 */
#include "config.h"

#include "threads/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/log.h"
#include "system/crash.h"
#include "system/privileges.h"

/* How often a failed poll is retried, and the pause between two tries. */
#define POLL_TRIES   100
#define POLL_STEP_NS 10000000

bool worker_poll(struct worker *worker)
{
	const struct timespec pause = {0, POLL_STEP_NS};
	unsigned tries = 0;

	__atomic_store_n(&worker->turns, worker->turns + 1, __ATOMIC_RELAXED);
	while (lined_dispatcher_poll(worker->dispatcher, -1) < 0) {
		if (tries++ == 0)
			log_err("worker %u: poll: %s", worker->index,
				strerror(errno));
		if (tries == POLL_TRIES)
			return false;
		nanosleep(&pause, NULL);
	}
	if (tries > 0)
		log_notice("worker %u: poll: works again", worker->index);
	return true;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	struct crash_stack stack;
	char name[16];

	/* A thread must set its own name: for another thread the C library
	 * writes a file, which Landlock forbids. */
	snprintf(name, sizeof(name), "lined/%u", worker->index % 10000);
	pthread_setname_np(pthread_self(), name);
	crash_thread_begin(&stack);
	/* Workers open no listeners: only the main thread does. */
	if (privileges_give_up_ports() < 0)
		log_warning("worker %u: it keeps the right to open ports below "
			    "1024: capset: %s",
			    worker->index, strerror(errno));
	/* If polling keeps failing, abort: the clients of this worker would
	 * hang for ever, and a service manager restarts lined. */
	while (!worker->stopping)
		if (!worker_poll(worker)) {
			crash_doing("poll, which fails again and again");
			abort();
		}
	crash_thread_end(&stack);
	return NULL;
}

/* The thread starts with all signals blocked: signals are for the main thread.
 * crash_thread_begin() unblocks the signals of faults. */
static int worker_start_thread(struct worker *worker)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, worker_run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		errno = error;
		return -1;
	}
	return 0;
}

int worker_start(struct worker *worker, unsigned index, bool threaded,
		 struct lined_dispatcher *main)
{
	worker->index = index;
	worker->main = main;
	worker->threaded = threaded;
	worker->thread = pthread_self();
	worker->stopping = false;
	worker->load = 0;
	if (!threaded) {
		worker->dispatcher = main;
		return 0;
	}
	worker->dispatcher = lined_dispatcher_new();
	if (worker->dispatcher == NULL)
		return -1;
	lined_dispatcher_open_mailbox(worker->dispatcher);
	if (worker_start_thread(worker) < 0) {
		int error = errno;

		lined_dispatcher_free(worker->dispatcher);
		worker->dispatcher = NULL;
		errno = error;
		return -1;
	}
	return 0;
}

size_t worker_for_name(const char *name, size_t workers)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % workers;
}

static void worker_run_call(struct lined_message *message)
{
	struct worker_call *call =
		lined_container_of(message, struct worker_call, message);

	call->run(call);
}

static void worker_carry(struct lined_dispatcher *to, bool other_thread,
			 struct worker_call *call)
{
	if (!other_thread) {
		call->run(call);
		return;
	}
	/* Mailboxes close when the daemon ends. A cancelled call runs all the
	 * same: otherwise its memory would not be freed. */
	call->message.handler = worker_run_call;
	call->message.cancel = worker_run_call;
	lined_dispatcher_post(to, &call->message);
}

void worker_post(struct worker *worker, struct worker_call *call)
{
	worker_carry(worker->dispatcher, worker->threaded, call);
}

void worker_answer(struct worker *worker, struct worker_call *call)
{
	worker_carry(worker->main, worker->threaded, call);
}

/* ---- batches ---------------------------------------------------------- */

struct worker_batch {
	struct batch_call *first, **end;
	pthread_mutex_t lock;
	pthread_cond_t fewer;
	size_t left; /* posted calls that have not finished */
	bool held;   /* worker_batch_free() was not called */
};

struct worker_batch *worker_batch_new(void)
{
	struct worker_batch *batch = calloc(1, sizeof(*batch));
	pthread_condattr_t attributes;

	if (batch == NULL)
		return NULL;
	batch->end = &batch->first;
	batch->held = true;
	pthread_mutex_init(&batch->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&batch->fewer, &attributes);
	pthread_condattr_destroy(&attributes);
	return batch;
}

static void batch_destroy(struct worker_batch *batch)
{
	struct batch_call *call, *next;

	for (call = batch->first; call != NULL; call = next) {
		next = call->next;
		if (call->end != NULL)
			call->end(call);
		free(call);
	}
	pthread_cond_destroy(&batch->fewer);
	pthread_mutex_destroy(&batch->lock);
	free(batch);
}

static void batch_run_call(struct worker_call *posted)
{
	struct batch_call *call =
		lined_container_of(posted, struct batch_call, call);
	struct worker_batch *batch = call->batch;
	bool last;

	call->run(call);
	atomic_store(&call->done, true);
	pthread_mutex_lock(&batch->lock);
	last = --batch->left == 0 && !batch->held;
	pthread_cond_signal(&batch->fewer);
	pthread_mutex_unlock(&batch->lock);
	if (last)
		batch_destroy(batch);
}

void *worker_batch_add(struct worker_batch *batch, struct worker *worker,
		       size_t size, void (*run)(struct batch_call *call),
		       void (*end)(struct batch_call *call))
{
	struct batch_call *call = calloc(1, size);

	if (call == NULL)
		return NULL;
	call->call.run = batch_run_call;
	call->batch = batch;
	call->worker = worker;
	call->run = run;
	call->end = end;
	*batch->end = call;
	batch->end = &call->next;
	return call;
}

static void batch_post(struct worker_batch *batch, bool threaded)
{
	struct batch_call *call;

	for (call = batch->first; call != NULL; call = call->next)
		if (call->worker->threaded == threaded)
			worker_post(call->worker, &call->call);
}

void worker_batch_post(struct worker_batch *batch)
{
	struct batch_call *call;

	for (call = batch->first; call != NULL; call = call->next)
		batch->left++;
	/* Post to other threads first: they run their calls while this thread
	 * runs its own. */
	batch_post(batch, true);
	batch_post(batch, false);
}

bool worker_batch_wait(struct worker_batch *batch, uint32_t timeout_ms)
{
	struct timespec until;
	bool done;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	pthread_mutex_lock(&batch->lock);
	while (batch->left > 0) {
		if (timeout_ms == 0)
			pthread_cond_wait(&batch->fewer, &batch->lock);
		else if (pthread_cond_timedwait(&batch->fewer, &batch->lock,
						&until) != 0)
			break;
	}
	done = batch->left == 0;
	pthread_mutex_unlock(&batch->lock);
	return done;
}

struct batch_call *worker_batch_first(const struct worker_batch *batch)
{
	return batch->first;
}

void worker_batch_free(struct worker_batch *batch)
{
	bool last;

	if (batch == NULL)
		return;
	pthread_mutex_lock(&batch->lock);
	batch->held = false;
	last = batch->left == 0;
	pthread_mutex_unlock(&batch->lock);
	if (last)
		batch_destroy(batch);
}

/* ---- stopping --------------------------------------------------------- */

struct stop_call {
	struct worker_call call;
	struct worker *worker;
};

static void worker_run_stop(struct worker_call *call)
{
	struct stop_call *stop =
		lined_container_of(call, struct stop_call, call);

	stop->worker->stopping = true;
}

void worker_stop(struct worker *worker)
{
	struct stop_call stop = {.call.run = worker_run_stop, .worker = worker};

	if (!worker->threaded)
		return;
	worker_post(worker, &stop.call);
	pthread_join(worker->thread, NULL);
}

void worker_fini(struct worker *worker)
{
	if (!worker->threaded)
		return;
	lined_dispatcher_free(worker->dispatcher);
	worker->dispatcher = NULL;
}
