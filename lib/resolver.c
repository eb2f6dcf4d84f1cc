/* SPDX-License-Identifier: MIT */
/*
 * The resolver thread. It shares `struct resolver` with its dispatcher; who
 * leaves last frees it, since getaddrinfo cannot be interrupted and nobody
 * shall wait for it.
 */
#include "config.h"

#include "resolver.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mailbox.h"

struct resolver {
	const struct resolver_lookup *lookup;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	/* Under lock. */
	struct resolver_request *first, **last;
	struct mailbox *mailbox; /* NULL: the dispatcher has gone */
	bool running;            /* the thread exists */
};

static const struct resolver_lookup system_lookup = {
	.lookup = getaddrinfo,
	.free = freeaddrinfo,
};

static void resolver_request_free(struct resolver_request *request)
{
	if (request->result != NULL)
		request->lookup->free(request->result);
	free(request);
}

static void resolver_destroy(struct resolver *resolver)
{
	struct resolver_request *request;

	while ((request = resolver->first) != NULL) {
		resolver->first = request->next;
		resolver_request_free(request);
	}
	pthread_cond_destroy(&resolver->asked);
	pthread_mutex_destroy(&resolver->lock);
	free(resolver);
}

struct resolver *resolver_new(struct mailbox *mailbox)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL)
		return NULL;
	pthread_mutex_init(&resolver->lock, NULL);
	pthread_cond_init(&resolver->asked, NULL);
	resolver->lookup = &system_lookup;
	resolver->last = &resolver->first;
	resolver->mailbox = mailbox;
	return resolver;
}

void resolver_free(struct resolver *resolver)
{
	bool running;

	if (resolver == NULL)
		return;
	pthread_mutex_lock(&resolver->lock);
	resolver->mailbox = NULL;
	running = resolver->running;
	pthread_cond_signal(&resolver->asked);
	pthread_mutex_unlock(&resolver->lock);
	if (!running)
		resolver_destroy(resolver);
}

void resolver_set_lookup(struct resolver *resolver,
			 const struct resolver_lookup *lookup)
{
	resolver->lookup = lookup;
}

/* On the dispatcher's thread. */
static void resolver_deliver(struct lined_message *message)
{
	struct resolver_request *request =
		lined_container_of(message, struct resolver_request, message);

	if (request->answered != NULL)
		request->answered(request->arg, request->error,
				  request->result);
	resolver_request_free(request);
}

static void resolver_forget_request(struct lined_message *message)
{
	resolver_request_free(
		lined_container_of(message, struct resolver_request, message));
}

static void resolver_look_up(struct resolver_request *request)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *result = NULL;

	request->error = request->lookup->lookup(
		request->host, request->service, &hints, &result);
	request->result = request->error == 0 ? result : NULL;
}

static void *resolver_run(void *arg)
{
	struct resolver *resolver = arg;
	struct resolver_request *request;

	pthread_mutex_lock(&resolver->lock);
	while (resolver->mailbox != NULL) {
		request = resolver->first;
		if (request == NULL) {
			pthread_cond_wait(&resolver->asked, &resolver->lock);
			continue;
		}
		resolver->first = request->next;
		if (resolver->first == NULL)
			resolver->last = &resolver->first;
		pthread_mutex_unlock(&resolver->lock);
		resolver_look_up(request);
		pthread_mutex_lock(&resolver->lock);
		if (resolver->mailbox == NULL) {
			resolver_request_free(request);
			break;
		}
		mailbox_post(resolver->mailbox, &request->message, true);
	}
	pthread_mutex_unlock(&resolver->lock);
	resolver_destroy(resolver);
	return NULL;
}

/* Signals are the program's main thread's. */
static int resolver_start_thread(struct resolver *resolver)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int error;

	error = pthread_attr_init(&attr);
	if (error != 0)
		return error;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attr, resolver_run, resolver);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return error;
}

struct resolver_request *resolver_ask(
	struct resolver *resolver, const char *host, uint16_t port,
	void (*answered)(void *arg, int error, const struct addrinfo *result),
	void *arg)
{
	size_t size = strlen(host) + 1;
	struct resolver_request *request;
	int error = 0;

	request = calloc(1, sizeof(*request) + size);
	if (request == NULL)
		return NULL;
	memcpy(request->host, host, size);
	snprintf(request->service, sizeof(request->service), "%u",
		 (unsigned)port);
	request->message.handler = resolver_deliver;
	request->message.cancel = resolver_forget_request;
	request->answered = answered;
	request->arg = arg;
	request->lookup = resolver->lookup;

	pthread_mutex_lock(&resolver->lock);
	if (!resolver->running) {
		error = resolver_start_thread(resolver);
		resolver->running = error == 0;
	}
	if (error == 0) {
		*resolver->last = request;
		resolver->last = &request->next;
		pthread_cond_signal(&resolver->asked);
	}
	pthread_mutex_unlock(&resolver->lock);
	if (error != 0) {
		free(request);
		errno = error;
		return NULL;
	}
	return request;
}

void resolver_cancel(struct resolver_request *request)
{
	request->answered = NULL;
}
