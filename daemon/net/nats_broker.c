/* SPDX-License-Identifier: MIT */
/*
 * Runs the broker nats-server, through libnats. One thread connects and writes
 * queued requests; libnats calls back on threads of its own.
 */
#include "config.h"

#include "net/nats_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory_pool.h"
#include "system/privileges.h"
#include "tls.h"

#define RETRY_MIN_MS  250
#define RETRY_MAX_MS  1000
#define FLUSH_MS      500
#define CLOSE_MS      1000
#define FRAME_DEFAULT ((size_t)1 << 20)
/* If one write takes longer than this, the server counts as stalled: further
 * frames are dropped, because otherwise clients would be delayed. */
#define STALL_MS 500

bool broker_available(void)
{
	return true;
}

/* ---- requests ----------------------------------------------------------- */

/* Writes a request to the link. True: written, or reported by BROKER_TROUBLE.
 * False: not written, and the link ends. */
static bool nats_write(struct nats_link *link,
		       const struct broker_request *request)
{
	struct nats_broker *broker = link->broker;
	char why[NATS_WHY];
	natsStatus s;

	atomic_store(&broker->writing_since, clock_monotonic_ms());
	s = request->kind == BROKER_SEND
		    ? natsConnection_Publish(link->nc, broker->subject,
					     request->data, (int)request->len)
		    : nats_bucket_write(link, request);
	atomic_store(&broker->writing_since, 0);
	if (s == NATS_OK)
		atomic_fetch_sub(&broker->lines, request->lines);
	if (s == NATS_OK || atomic_load(&link->closed))
		return s == NATS_OK;
	nats_explain(why, s, "write");
	if (s == NATS_MAX_PAYLOAD && request->kind == BROKER_SEND) {
		nats_emit_text(link, link->nc, BROKER_TROUBLE, why,
			       request->lines);
		return true;
	}
	nats_link_end(link, "%s", why);
	natsConnection_Close(link->nc);
	return false;
}

static void nats_free_request(struct nats_broker *broker,
			      struct broker_request *request)
{
	atomic_fetch_sub(&broker->backlog, request->len);
	free(request);
}

/* Called with the lock held. */
static struct broker_request *nats_take_requests(struct nats_broker *broker)
{
	struct broker_request *first = broker->first;

	broker->first = NULL;
	broker->last = &broker->first;
	return first;
}

/* Writes requests until the link or the broker closes. */
static void nats_serve(struct nats_link *link)
{
	struct nats_broker *broker = link->broker;
	struct broker_request *request, *next;
	bool closing = false;

	while (!closing && !atomic_load(&link->closed)) {
		pthread_mutex_lock(&broker->lock);
		while (broker->first == NULL && !broker->closing &&
		       !atomic_load(&link->closed))
			pthread_cond_wait(&broker->wanted, &broker->lock);
		closing = broker->closing;
		request = nats_take_requests(broker);
		pthread_mutex_unlock(&broker->lock);
		for (; request != NULL; request = next) {
			next = request->next;
			if (atomic_load(&link->closed) ||
			    !nats_write(link, request))
				link->unsent += request->lines;
			nats_free_request(broker, request);
		}
	}
	if (closing)
		natsConnection_FlushTimeout(link->nc, FLUSH_MS);
}

/* ---- the thread --------------------------------------------------------- */

static void nats_set_up(struct nats_link *link, bool up)
{
	struct nats_broker *broker = link->broker;
	struct broker_request *request, *next;

	pthread_mutex_lock(&broker->lock);
	broker->up = up;
	request = up ? NULL : nats_take_requests(broker);
	pthread_mutex_unlock(&broker->lock);
	for (; request != NULL; request = next) {
		next = request->next;
		link->unsent += request->lines;
		nats_free_request(broker, request);
	}
}

/* Runs one connection to its end. False: connecting failed. */
static bool nats_run_link(struct nats_broker *broker)
{
	struct nats_link *link = nats_link_new(broker);
	struct broker_event *up;
	uint64_t buckets_id = 0;

	if (link == NULL)
		return false;
	if (!nats_link_connect(link) || !nats_buckets_make(link, &buckets_id)) {
		nats_emit_end(link, BROKER_REFUSED);
		nats_link_close(link);
		return false;
	}
	nats_set_up(link, true);
	up = broker_event_new(BROKER_UP, NULL, NULL, 0);
	if (up != NULL)
		up->number = buckets_id;
	nats_emit(link, link->nc, up);
	if (nats_link_subscribe(link) && nats_buckets_subscribe(link))
		nats_serve(link);
	nats_set_up(link, false);
	nats_emit_end(link, BROKER_DOWN);
	nats_link_close(link);
	return true;
}

/* Waits until *done, for `ms` milliseconds at most. Called with the lock held.
 */
static bool nats_wait(struct nats_broker *broker, pthread_cond_t *cond,
		      const bool *done, unsigned ms)
{
	struct timespec until = clock_timespec(clock_monotonic_ms() + ms);

	while (!*done &&
	       pthread_cond_timedwait(cond, &broker->lock, &until) == 0)
		;
	return *done;
}

/* False: the broker is closing. */
static bool nats_wait_retry(struct nats_broker *broker, unsigned ms)
{
	bool closing;

	pthread_mutex_lock(&broker->lock);
	closing = nats_wait(broker, &broker->wanted, &broker->closing, ms);
	pthread_mutex_unlock(&broker->lock);
	return !closing;
}

static void nats_broker_free(struct nats_broker *broker)
{
	pthread_mutex_destroy(&broker->event_lock);
	pthread_mutex_destroy(&broker->lock);
	pthread_cond_destroy(&broker->wanted);
	pthread_cond_destroy(&broker->over);
	pool_free(broker->pool);
	free(broker);
}

/* Held by the broker that uses libnats: nats_CloseAndWait() is global, and a
 * broker that does not end in time may still run when the next one starts. */
static pthread_mutex_t nats_turn = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint nats_left;

bool broker_is_left(void)
{
	return atomic_load(&nats_left) > 0;
}

static void *nats_run(void *arg)
{
	struct nats_broker *broker = arg;
	unsigned wait_ms = RETRY_MIN_MS;
	bool left;

	/* The thread names itself: naming another thread needs a file in /proc.
	 */
	pthread_setname_np(pthread_self(), "lined/nats");
	privileges_give_up_ports();
	pthread_mutex_lock(&nats_turn);
	while (nats_wait_retry(broker, 0)) {
		wait_ms = nats_run_link(broker) ? RETRY_MIN_MS : 2 * wait_ms;
		if (wait_ms > RETRY_MAX_MS)
			wait_ms = RETRY_MAX_MS;
		nats_wait_retry(broker, wait_ms);
	}
	nats_ReleaseThreadMemory();
	/* Stops the threads of libnats: no callback runs from here on. */
	nats_CloseAndWait(0);
	nats_links_free(broker);
	tls_keep_compressions();
	pthread_mutex_unlock(&nats_turn);
	pthread_mutex_lock(&broker->lock);
	left = broker->left;
	broker->ended = true;
	pthread_cond_signal(&broker->over);
	pthread_mutex_unlock(&broker->lock);
	if (left) {
		nats_broker_free(broker);
		atomic_fetch_sub(&nats_left, 1);
	}
	return NULL;
}

/* ---- the broker --------------------------------------------------------- */

/* The broker's thread blocks all signals except faults, because signals are for
 * the main thread. The threads that libnats starts from the broker's thread
 * inherit this. */
static int nats_start(struct nats_broker *broker)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	sigset_t none, before;
	size_t i;
	int error;

	sigfillset(&none);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&none, faults[i]);
	pthread_sigmask(SIG_SETMASK, &none, &before);
	error = pthread_create(&broker->thread, NULL, nats_run, broker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return error == 0 ? 0 : -1;
}

static void *nats_open(const struct broker_settings *settings,
		       uint32_t lease_ms,
		       void (*event)(void *arg, struct broker_event *event),
		       void *arg)
{
	static const char *const buckets[] = {
		[BROKER_NAMES] = "names", [BROKER_NODES] = "nodes"};
	struct nats_broker *broker = calloc(1, sizeof(*broker));
	pthread_condattr_t attr;
	size_t i;

	if (broker == NULL)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&broker->event_lock, NULL);
	pthread_mutex_init(&broker->lock, NULL);
	pthread_cond_init(&broker->wanted, &attr);
	pthread_cond_init(&broker->over, &attr);
	pthread_condattr_destroy(&attr);
	broker->pool = pool_new();
	if (broker->pool != NULL)
		broker->settings = broker_settings_copy(settings, broker->pool);
	broker->lease_ms = lease_ms;
	broker->event = event;
	broker->arg = arg;
	broker->last = &broker->first;
	list_init(&broker->links);
	atomic_init(&broker->frame_max, FRAME_DEFAULT - NATS_FRAME_SPARE);
	snprintf(broker->subject, sizeof(broker->subject), "%s.frames",
		 settings->prefix);
	for (i = 0; i < BROKER_BUCKETS; i++) {
		snprintf(broker->buckets[i], sizeof(broker->buckets[i]),
			 "%s_%s", settings->prefix, buckets[i]);
		snprintf(broker->streams[i], sizeof(broker->streams[i]),
			 "KV_%s", broker->buckets[i]);
	}
	if (broker->settings != NULL && nats_start(broker) == 0)
		return broker;
	nats_broker_free(broker);
	return NULL;
}

static uint64_t nats_close(void *arg)
{
	struct nats_broker *broker = arg;
	pthread_t thread = broker->thread;
	uint64_t unwritten;
	bool ended;

	pthread_mutex_lock(&broker->event_lock);
	broker->silent = true;
	pthread_mutex_unlock(&broker->event_lock);
	pthread_mutex_lock(&broker->lock);
	broker->closing = true;
	pthread_cond_signal(&broker->wanted);
	ended = nats_wait(broker, &broker->over, &broker->ended, CLOSE_MS);
	/* If the thread has not ended, it is connecting and cannot be
	 * interrupted: then the thread frees the broker when it ends. */
	broker->left = !ended;
	if (!ended)
		atomic_fetch_add(&nats_left, 1);
	unwritten = atomic_load(&broker->lines);
	pthread_mutex_unlock(&broker->lock);
	if (!ended) {
		pthread_detach(thread);
		return unwritten;
	}
	pthread_join(thread, NULL);
	nats_broker_free(broker);
	return unwritten;
}

/* Whether to drop a request: the link is down, or is stalled (frames), or has
 * another `connection` (entries). Called with the lock held. */
static bool nats_drops(const struct nats_broker *broker,
		       const struct broker_request *request)
{
	uint64_t since = atomic_load(&broker->writing_since);

	if (!broker->up)
		return true;
	return request->kind == BROKER_SEND
		       ? since != 0 && clock_monotonic_ms() > since + STALL_MS
		       : request->connection != broker->connections;
}

static bool nats_send(void *arg, struct broker_request *request)
{
	struct nats_broker *broker = arg;
	bool taken, wake = false;

	request->next = NULL;
	pthread_mutex_lock(&broker->lock);
	taken = !nats_drops(broker, request);
	if (taken) {
		wake = broker->first == NULL;
		atomic_fetch_add(&broker->backlog, request->len);
		atomic_fetch_add(&broker->lines, request->lines);
		*broker->last = request;
		broker->last = &request->next;
	}
	pthread_mutex_unlock(&broker->lock);
	/* Signal after unlocking: otherwise the thread would wake and wait for
	 * the lock. */
	if (wake)
		pthread_cond_signal(&broker->wanted);
	if (!taken)
		free(request);
	return taken;
}

static size_t nats_backlog(const void *arg)
{
	const struct nats_broker *broker = arg;
	uint64_t since = atomic_load(&broker->writing_since);

	if (since != 0 && clock_monotonic_ms() > since + STALL_MS)
		return 0;
	return atomic_load(&broker->backlog);
}

static size_t nats_frame_max(const void *arg)
{
	const struct nats_broker *broker = arg;

	return atomic_load(&broker->frame_max);
}

const struct broker_ops broker_nats = {
	.open = nats_open,
	.close = nats_close,
	.send = nats_send,
	.backlog = nats_backlog,
	.frame_max = nats_frame_max,
};
