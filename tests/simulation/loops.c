/* SPDX-License-Identifier: MIT */
/*
 * The poller of the simulation, and its replacement for threads. If a poller
 * would wait, it fails with ETIME instead: the turn does not take place, and is
 * tried again when there is an event or a timer is due.
 */
#include "config.h"

#include "loops.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <lined/dispatcher.h>

#include "net.h"
#include "poller.h"
#include "threads/worker.h"
#include "wakeup.h"
#include "world.h"

enum { LOOPS = 16, THREADS = 16, WATCHED = NET_FDS };

/* A thread for which others wait longer than this many steps hangs. */
#define WAIT_STEPS 100000

struct poller {
	bool used, running, in_turn, asleep;
	unsigned number;
	uint64_t due_ns; /* when it wakes up, if it is asleep */
	uint64_t rests;  /* it does not run before this step */
	struct lined_delegate *delegates[WATCHED];
	unsigned modes[WATCHED];
	unsigned count;
};

struct thread {
	bool used;
	struct worker *worker;
	struct poller *loop;
};

static struct poller loops[LOOPS];
static struct thread threads[THREADS];
static bool stalled;

void loops_stall(bool on)
{
	stalled = on;
}

void loops_begin(void)
{
	unsigned i;

	for (i = 0; i < LOOPS; i++)
		loops[i].used = loops[i].running = false;
	for (i = 0; i < THREADS; i++)
		threads[i].used = false;
	stalled = false;
}

unsigned loops_count(void)
{
	unsigned count = 0, i;

	for (i = 0; i < LOOPS; i++)
		count += loops[i].used;
	for (i = 0; i < THREADS; i++)
		count += threads[i].used;
	return count;
}

/* ---- the poller ---------------------------------------------------------- */

static struct poller *sim_poller_new(void)
{
	unsigned i;

	for (i = 0; loops[i].used; i++)
		must(i + 1 < LOOPS);
	loops[i] = (struct poller){.used = true, .number = i};
	return &loops[i];
}

static void sim_poller_free(struct poller *poller)
{
	must(poller->count == 0);
	poller->used = poller->running = false;
}

static int sim_poller_add(struct poller *poller,
			  struct lined_delegate *delegate, unsigned mode)
{
	unsigned i;

	for (i = 0; i < poller->count; i++)
		must(poller->delegates[i]->fd != delegate->fd);
	(void)net_fd_ready(delegate->fd); /* fails if it is not open */
	must(poller->count < WATCHED);
	delegate->slot = poller->count;
	poller->delegates[poller->count] = delegate;
	poller->modes[poller->count++] = mode;
	return 0;
}

static int sim_poller_change(struct poller *poller,
			     struct lined_delegate *delegate, unsigned mode)
{
	must(poller->delegates[delegate->slot] == delegate);
	poller->modes[delegate->slot] = mode;
	return 0;
}

static void sim_poller_remove(struct poller *poller,
			      struct lined_delegate *delegate)
{
	uint32_t slot = delegate->slot, last = --poller->count;

	must(poller->delegates[slot] == delegate);
	poller->delegates[slot] = poller->delegates[last];
	poller->modes[slot] = poller->modes[last];
	poller->delegates[slot]->slot = slot;
}

static unsigned poller_ready(const struct poller *poller, unsigned i)
{
	unsigned ready = net_fd_ready(poller->delegates[i]->fd);
	unsigned wanted = POLL_READY_ERROR | POLL_READY_HANGUP;

	if (poller->modes[i] & LINED_MODE_READ)
		wanted |= POLL_READY_READ;
	if (poller->modes[i] & LINED_MODE_WRITE)
		wanted |= POLL_READY_WRITE;
	return ready & wanted;
}

static bool poller_has_events(const struct poller *poller)
{
	unsigned i;

	for (i = 0; i < poller->count; i++)
		if (poller_ready(poller, i) != 0)
			return true;
	return false;
}

static int sim_poller_wait(struct poller *poller, struct poll_event *events,
			   int max, int timeout_ms)
{
	unsigned from = world_below(poller->count), i;
	int n = 0;

	poller->asleep = false;
	if (world_once_in(300)) {
		errno = EINTR;
		return -1;
	}
	if (world_once_in(4))
		max = (int)world_between(1, 3);
	for (i = 0; i < poller->count && n < max; i++) {
		unsigned at = (from + i) % poller->count;
		unsigned ready = poller_ready(poller, at);
		int to = (int)world_below((unsigned)n + 1);

		if (ready == 0)
			continue;
		/* Events come in any order. */
		events[n++] = events[to];
		events[to] = (struct poll_event){poller->delegates[at], ready};
	}
	if (n > 0 || timeout_ms == 0)
		return n;
	poller->asleep = true;
	poller->due_ns =
		timeout_ms < 0
			? UINT64_MAX
			: world_now_ns() + (uint64_t)timeout_ms * 1000000;
	errno = ETIME;
	return -1;
}

static const struct poller_ops sim_poller = {
	.name = "simulation",
	.new = sim_poller_new,
	.free = sim_poller_free,
	.add = sim_poller_add,
	.change = sim_poller_change,
	.remove = sim_poller_remove,
	.wait = sim_poller_wait,
};

const struct poller_ops *__wrap_poller_find(const char *name);

const struct poller_ops *__wrap_poller_find(const char *name)
{
	return &sim_poller;
}

/* ---- wakeups ------------------------------------------------------------- */

int __wrap_wakeup_open(struct wakeup *wakeup);
void __wrap_wakeup_close(struct wakeup *wakeup);
void __wrap_wakeup_signal(struct wakeup *wakeup);
void __wrap_wakeup_clear(struct wakeup *wakeup);

int __wrap_wakeup_open(struct wakeup *wakeup)
{
	wakeup->read_fd = wakeup->write_fd = net_wakeup_open();
	return 0;
}

void __wrap_wakeup_close(struct wakeup *wakeup)
{
	close(wakeup->read_fd);
}

void __wrap_wakeup_signal(struct wakeup *wakeup)
{
	net_wakeup_set(wakeup->write_fd, true);
}

void __wrap_wakeup_clear(struct wakeup *wakeup)
{
	net_wakeup_set(wakeup->read_fd, false);
}

/* ---- turns --------------------------------------------------------------- */

/* The first delegate is always that of the wakeup. */
static struct lined_dispatcher *loop_dispatcher(const struct poller *loop)
{
	return loop->delegates[0]->dispatcher;
}

static struct poller *loop_of(const struct lined_dispatcher *d)
{
	unsigned i;

	for (i = 0; i < LOOPS; i++)
		if (loops[i].used && loop_dispatcher(&loops[i]) == d)
			return &loops[i];
	violated("a dispatcher without a loop");
}

void loops_add_main(struct lined_dispatcher *d)
{
	loop_of(d)->running = true;
}

void loops_remove_main(struct lined_dispatcher *d)
{
	loop_of(d)->running = false;
}

static bool loop_would_run(const struct poller *loop)
{
	return loop->running && !loop->in_turn &&
	       loop->rests <= world_steps() &&
	       (!loop->asleep || loop->due_ns <= world_now_ns() ||
		poller_has_events(loop));
}

/* False: the dispatcher would wait. */
static bool loop_turn(struct poller *loop)
{
	int result;

	loop->in_turn = true;
	result = lined_dispatcher_poll(loop_dispatcher(loop), -1);
	loop->in_turn = false;
	must(result >= 0 || errno == ETIME);
	/* Nothing is registered. A real daemon would now wait for signals. */
	if (result == 0) {
		loop->asleep = true;
		loop->due_ns = UINT64_MAX;
	}
	return result > 0;
}

void loops_main_calls(struct lined_dispatcher *d, bool begin)
{
	struct poller *loop = loop_of(d);

	loop->in_turn = begin;
	loop->asleep = false;
	/* Ends the turn in which the calls were made. */
	if (!begin)
		loop_turn(loop);
}

void loops_rest(void)
{
	struct poller *loop = &loops[world_below(LOOPS)];

	if (loop->running)
		loop->rests = world_steps() + world_below(300);
}

void loops_wake(void)
{
	unsigned i;

	for (i = 0; i < LOOPS; i++)
		loops[i].rests = 0;
}

bool loops_step(void)
{
	unsigned from = world_below(LOOPS), i;

	for (i = 0; i < LOOPS; i++) {
		struct poller *loop = &loops[(from + i) % LOOPS];

		if (loop_would_run(loop) && loop_turn(loop))
			return true;
	}
	return false;
}

uint64_t loops_due_ns(void)
{
	uint64_t due_ns = UINT64_MAX;
	unsigned i;

	for (i = 0; i < LOOPS; i++)
		if (loops[i].running && loops[i].asleep && !loops[i].in_turn &&
		    loops[i].due_ns < due_ns)
			due_ns = loops[i].due_ns;
	return due_ns;
}

/* ---- threads ------------------------------------------------------------- */

/* Runs turns of other threads while a thread waits. The network stands still,
 * because the waiting thread is within one call. */
static void threads_run(void)
{
	uint64_t due_ns;

	loops_wake();
	if (loops_step()) {
		world_pass(world_below(20000));
		return;
	}
	due_ns = loops_due_ns();
	must(due_ns != UINT64_MAX);
	if (due_ns > world_now_ns())
		world_pass(due_ns - world_now_ns());
}

#pragma GCC visibility push(default)

int pthread_create(pthread_t *id, const pthread_attr_t *attributes,
		   void *(*run)(void *arg), void *arg)
{
	unsigned i;

	/* The configs of the simulation start no threads but workers. */
	(void)attributes, (void)run;
	for (i = 0; threads[i].used; i++)
		must(i + 1 < THREADS);
	threads[i].used = true;
	threads[i].worker = arg;
	threads[i].loop = loop_of(threads[i].worker->dispatcher);
	threads[i].loop->running = true;
	*id = (pthread_t)(uintptr_t)&threads[i];
	return 0;
}

int pthread_setname_np(pthread_t id, const char *name)
{
	(void)id, (void)name;
	return 0;
}

int pthread_join(pthread_t id, void **result)
{
	struct thread *thread = (struct thread *)(uintptr_t)id;
	unsigned steps;

	for (steps = 0; !thread->worker->stopping; steps++) {
		must(steps < WAIT_STEPS);
		threads_run();
	}
	thread->loop->running = false;
	thread->used = false;
	return 0;
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	pthread_mutex_unlock(mutex);
	threads_run();
	pthread_mutex_lock(mutex);
	return 0;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
			   const struct timespec *until)
{
	uint64_t until_ns = (uint64_t)until->tv_sec * WORLD_SECOND_NS +
			    (uint64_t)until->tv_nsec;

	if (stalled && world_now_ns() < until_ns)
		world_pass(until_ns - world_now_ns());
	if (world_now_ns() >= until_ns)
		return ETIMEDOUT;
	return pthread_cond_wait(cond, mutex);
}

#pragma GCC visibility pop
