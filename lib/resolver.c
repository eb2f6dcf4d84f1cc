/* SPDX-License-Identifier: MIT */
/*
 * Looks up the addresses of names on threads of its own, because getaddrinfo(3)
 * blocks and cannot be interrupted. The first name starts the first thread. Up
 * to RESOLVER_THREADS threads run, so that lookups go on while the name server
 * of one name does not answer. The dispatcher and these threads share `struct
 * resolver`; the last of them frees it.
 */
#include "config.h"

#include "resolver.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lined/address.h>

#include "dispatcher_priv.h"
#include "fail.h"

/*
 * One name, for all lookups that wait for it. A query is first queued, then run
 * by a thread, then posted to the dispatcher. Only the dispatcher's thread uses
 * `lookups`, until the dispatcher is freed.
 */
struct resolver_query {
	struct lined_message message;
	struct list link; /* in resolver.queued or resolver.running; in neither
			     when answered */
	struct list lookups;
	bool queued;
	struct resolver *resolver;
	const struct resolver_lookup *functions;
	int error;
	struct addrinfo *result;
	char service[8];
	char host[];
};

struct lined_lookup {
	struct list link; /* query.lookups */
	struct resolver_query *query;
	void (*answered)(void *arg, int error,
			 const struct lined_address *addresses, size_t count);
	void *arg;
};

struct resolver {
	const struct resolver_lookup *functions;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	/* Under lock: */
	struct list queued, running;
	struct mailbox *mailbox; /* NULL: the dispatcher is freed */
	unsigned threads, idle, queued_count;
};

static const struct resolver_lookup system_functions = {
	.lookup = getaddrinfo,
	.free = freeaddrinfo,
};

static void resolver_query_free(struct resolver_query *query)
{
	struct lined_lookup *lookup, *next;

	list_for_each_safe(lookup, next, &query->lookups, link)
		free(lookup);
	if (query->result != NULL)
		query->functions->free(query->result);
	free(query);
}

static void resolver_destroy(struct resolver *resolver)
{
	struct resolver_query *query, *next;

	list_for_each_safe(query, next, &resolver->queued, link)
		resolver_query_free(query);
	pthread_cond_destroy(&resolver->asked);
	pthread_mutex_destroy(&resolver->lock);
	free(resolver);
}

static struct resolver *resolver_new(struct mailbox *mailbox)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL)
		return NULL;
	pthread_mutex_init(&resolver->lock, NULL);
	pthread_cond_init(&resolver->asked, NULL);
	list_init(&resolver->queued);
	list_init(&resolver->running);
	resolver->functions = &system_functions;
	resolver->mailbox = mailbox;
	return resolver;
}

struct resolver *dispatcher_resolver(struct lined_dispatcher *d)
{
	if (d->resolver == NULL)
		d->resolver = resolver_new(&d->mailbox);
	return d->resolver;
}

void resolver_free(struct resolver *resolver)
{
	unsigned threads;

	if (resolver == NULL)
		return;
	pthread_mutex_lock(&resolver->lock);
	resolver->mailbox = NULL;
	threads = resolver->threads;
	pthread_cond_broadcast(&resolver->asked);
	pthread_mutex_unlock(&resolver->lock);
	if (threads == 0)
		resolver_destroy(resolver);
}

void resolver_set_lookup(struct resolver *resolver,
			 const struct resolver_lookup *functions)
{
	resolver->functions = functions;
}

static int resolver_errno(int error)
{
	switch (error) {
	case 0:
		return 0;
	case EAI_MEMORY:
		return ENOMEM;
	case EAI_AGAIN:
		return EAGAIN;
	default:
		return EHOSTUNREACH;
	}
}

static size_t resolver_copy(struct lined_address addresses[LINED_LOOKUP_MAX],
			    const struct addrinfo *result)
{
	size_t count = 0;

	for (; result != NULL && count < LINED_LOOKUP_MAX;
	     result = result->ai_next) {
		if (result->ai_addrlen > sizeof(addresses[0].storage))
			continue;
		memset(&addresses[count], 0, sizeof(addresses[0]));
		memcpy(&addresses[count].storage, result->ai_addr,
		       result->ai_addrlen);
		addresses[count++].len = result->ai_addrlen;
	}
	return count;
}

/* Runs on the dispatcher's thread. answered() may cancel the lookups that
 * follow in the list. */
static void resolver_deliver(struct lined_message *message)
{
	struct resolver_query *query =
		lined_container_of(message, struct resolver_query, message);
	struct lined_address addresses[LINED_LOOKUP_MAX];
	size_t count = resolver_copy(addresses, query->result);
	int error = resolver_errno(query->error);

	if (error == 0 && count == 0)
		error = EADDRNOTAVAIL;
	while (!list_is_empty(&query->lookups)) {
		struct lined_lookup *lookup = list_entry(
			query->lookups.next, struct lined_lookup, link);

		list_remove(&lookup->link);
		lookup->answered(lookup->arg, error, addresses, count);
		free(lookup);
	}
	resolver_query_free(query);
}

static void resolver_forget(struct lined_message *message)
{
	resolver_query_free(
		lined_container_of(message, struct resolver_query, message));
}

/* ---- the threads ------------------------------------------------------ */

static void resolver_look_up(struct resolver_query *query)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *result = NULL;

	query->error = query->functions->lookup(query->host, query->service,
						&hints, &result);
	query->result = query->error == 0 ? result : NULL;
}

/* Called with the lock held, and releases it during the lookup. */
static void resolver_answer_next(struct resolver *resolver)
{
	struct resolver_query *query =
		list_entry(resolver->queued.next, struct resolver_query, link);

	list_remove(&query->link);
	resolver->queued_count--;
	list_append(&resolver->running, &query->link);
	query->queued = false;
	pthread_mutex_unlock(&resolver->lock);
	resolver_look_up(query);
	pthread_mutex_lock(&resolver->lock);
	list_remove(&query->link);
	if (resolver->mailbox != NULL)
		mailbox_post(resolver->mailbox, &query->message, true);
	else
		resolver_query_free(query);
}

static void *resolver_run(void *arg)
{
	struct resolver *resolver = arg;
	bool last;

	pthread_mutex_lock(&resolver->lock);
	while (resolver->mailbox != NULL) {
		if (!list_is_empty(&resolver->queued)) {
			resolver_answer_next(resolver);
			continue;
		}
		resolver->idle++;
		pthread_cond_wait(&resolver->asked, &resolver->lock);
		resolver->idle--;
	}
	last = --resolver->threads == 0;
	pthread_mutex_unlock(&resolver->lock);
	if (last)
		resolver_destroy(resolver);
	return NULL;
}

/* Starts a thread in which all signals are blocked: other threads of the
 * process handle them. Returns 0 or an error number. */
static int resolver_start_thread(struct resolver *resolver)
{
	pthread_t thread;
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, resolver_run, resolver);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pthread_detach(thread);
	return error;
}

/* ---- asking ----------------------------------------------------------- */

static struct resolver_query *resolver_query_new(struct resolver *resolver,
						 const char *host,
						 const char *service)
{
	size_t size = strlen(host) + 1;
	struct resolver_query *query = calloc(1, sizeof(*query) + size);

	if (query == NULL)
		return NULL;
	memcpy(query->host, host, size);
	snprintf(query->service, sizeof(query->service), "%s", service);
	query->message.handler = resolver_deliver;
	query->message.cancel = resolver_forget;
	query->resolver = resolver;
	query->functions = resolver->functions;
	query->queued = true;
	list_init(&query->lookups);
	return query;
}

static struct resolver_query *
resolver_find(const struct list *queries, const char *host, const char *service)
{
	struct resolver_query *query;

	list_for_each(query, queries, link)
		if (strcmp(query->host, host) == 0 &&
		    strcmp(query->service, service) == 0)
			return query;
	return NULL;
}

/*
 * Called with the lock held. Returns the query that is running or queued for
 * the name. If there is none, queues a new query, and starts another thread if
 * all are busy and RESOLVER_THREADS allows it. NULL and errno.
 */
static struct resolver_query *
resolver_join(struct resolver *resolver, const char *host, const char *service)
{
	struct resolver_query *query;
	int error = 0;

	query = resolver_find(&resolver->running, host, service);
	if (query == NULL)
		query = resolver_find(&resolver->queued, host, service);
	if (query != NULL)
		return query;
	query = resolver_query_new(resolver, host, service);
	if (query == NULL)
		return NULL;
	/* Each queued name has woken one of the idle threads. */
	if (resolver->idle <= resolver->queued_count &&
	    resolver->threads < RESOLVER_THREADS) {
		error = resolver_start_thread(resolver);
		resolver->threads += error == 0;
	}
	/* If no thread could be started, one that runs already takes the query
	 * later. If none runs, the query fails. */
	if (resolver->threads == 0) {
		resolver_query_free(query);
		return fail_null(error);
	}
	list_append(&resolver->queued, &query->link);
	resolver->queued_count++;
	pthread_cond_signal(&resolver->asked);
	return query;
}

struct lined_lookup *lined_dispatcher_look_up(
	struct lined_dispatcher *d, const char *host, uint16_t port,
	void (*answered)(void *arg, int error,
			 const struct lined_address *addresses, size_t count),
	void *arg)
{
	struct resolver *resolver = dispatcher_resolver(d);
	struct lined_lookup *lookup = malloc(sizeof(*lookup));
	char service[8];

	if (lookup == NULL || resolver == NULL) {
		free(lookup);
		return NULL;
	}
	snprintf(service, sizeof(service), "%u", (unsigned)port);
	lookup->answered = answered;
	lookup->arg = arg;
	pthread_mutex_lock(&resolver->lock);
	lookup->query = resolver_join(resolver, host, service);
	pthread_mutex_unlock(&resolver->lock);
	if (lookup->query == NULL) {
		int error = errno;

		free(lookup);
		return fail_null(error);
	}
	list_append(&lookup->query->lookups, &lookup->link);
	return lookup;
}

void lined_lookup_cancel(struct lined_lookup *lookup)
{
	struct resolver_query *query;
	struct resolver *resolver;
	bool abandoned;

	if (lookup == NULL)
		return;
	query = lookup->query;
	resolver = query->resolver;
	list_remove(&lookup->link);
	free(lookup);
	if (!list_is_empty(&query->lookups))
		return;
	pthread_mutex_lock(&resolver->lock);
	abandoned = query->queued;
	if (abandoned) {
		list_remove(&query->link);
		resolver->queued_count--;
	}
	pthread_mutex_unlock(&resolver->lock);
	if (abandoned)
		resolver_query_free(query);
}
