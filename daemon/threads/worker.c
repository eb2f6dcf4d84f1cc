/* SPDX-License-Identifier: MIT */
/*
 * Starts and stops workers, and carries calls between their threads and the
 * main thread.
 */
#include "config.h"

#include "threads/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "system/crash.h"
#include "log/log.h"

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	struct crash_stack stack;

	crash_thread_begin(&stack);
	while (!worker->stopping) {
		worker_turn(worker);
		if (lined_dispatcher_poll(worker->dispatcher, -1) < 0) {
			log_err("worker %u: poll: %s", worker->index,
				strerror(errno));
			break;
		}
	}
	crash_thread_end(&stack);
	return NULL;
}

/* The thread starts with all signals blocked: the main thread handles them.
 * crash_thread_begin() unblocks those of faults. */
static int worker_start_thread(struct worker *worker)
{
	sigset_t all, before;
	char name[16];
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, worker_run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		errno = error;
		return -1;
	}
	snprintf(name, sizeof(name), "lined/%u", worker->index % 10000);
	pthread_setname_np(worker->thread, name);
	return 0;
}

int worker_start(struct worker *worker, unsigned index, bool threaded,
		 struct lined_dispatcher *main_dispatcher)
{
	worker->index = index;
	worker->threaded = threaded;
	worker->thread = pthread_self();
	worker->stopping = false;
	worker->load = 0;
	if (!threaded) {
		worker->dispatcher = main_dispatcher;
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
	/* When the daemon ends, mailboxes are closed. A call that is cancelled
	 * then still runs: otherwise its memory would not be freed. */
	call->message.handler = worker_run_call;
	call->message.cancel = worker_run_call;
	lined_dispatcher_post(to, &call->message);
}

void worker_post(struct worker *worker, struct worker_call *call)
{
	worker_carry(worker->dispatcher, worker->threaded, call);
}

void worker_answer(struct worker *worker, struct lined_dispatcher *main,
		   struct worker_call *call)
{
	worker_carry(main, worker->threaded, call);
}

/* ---- waiting ---------------------------------------------------------- */

struct waiting_call {
	struct worker_call call;
	struct worker_call *inner;
	pthread_mutex_t lock;
	pthread_cond_t done_changed;
	bool done;
};

static void worker_run_waiting(struct worker_call *call)
{
	struct waiting_call *waiting =
		lined_container_of(call, struct waiting_call, call);

	waiting->inner->run(waiting->inner);
	pthread_mutex_lock(&waiting->lock);
	waiting->done = true;
	pthread_cond_signal(&waiting->done_changed);
	pthread_mutex_unlock(&waiting->lock);
}

static void waiting_call_init(struct waiting_call *waiting)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&waiting->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&waiting->done_changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static bool waiting_call_wait(struct waiting_call *waiting)
{
	struct timespec until;
	int error = 0;
	bool done;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	pthread_mutex_lock(&waiting->lock);
	while (!waiting->done && error == 0)
		error = pthread_cond_timedwait(&waiting->done_changed,
					       &waiting->lock, &until);
	done = waiting->done;
	pthread_mutex_unlock(&waiting->lock);
	return done;
}

void worker_post_wait(struct worker *worker, struct worker_call *call,
		      void (*meanwhile)(void *arg), void *arg)
{
	struct waiting_call waiting = {.call.run = worker_run_waiting,
				       .inner = call};

	if (!worker->threaded) {
		call->run(call);
		return;
	}
	waiting_call_init(&waiting);
	worker_post(worker, &waiting.call);
	while (!waiting_call_wait(&waiting))
		meanwhile(arg);
	pthread_cond_destroy(&waiting.done_changed);
	pthread_mutex_destroy(&waiting.lock);
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
