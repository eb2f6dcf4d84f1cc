/* SPDX-License-Identifier: MIT */
/*
 * The bus carries messages between the workers of the daemon. A protocol that
 * sends to other clients only through the bus need not know on which worker
 * they are.
 *
 * A message is delivered once to each subscription of its topic, on every
 * worker. Messages that one worker publishes under one topic keep their order.
 * Thread: the service's worker.
 */
#ifndef LINED_BUS_H
#define LINED_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/buffer.h>
#include <lined/service.h>

LINED_BEGIN_DECLS

struct lined_subscription;

/* The longest topic, in bytes. Topics may contain any byte but NUL. */
#define LINED_TOPIC_MAX 255

/*
 * Publishes a message under a topic of this service. Takes a reference of its
 * own; the bytes must not change any more. No handler is called within this
 * call: subscriptions on this worker, too, get the message later in the turn or
 * in the next. -1 with errno, and no subscription gets it: EINVAL (the topic is
 * too long), ENOBUFS (a worker has too much to handle; this is counted),
 * ENOMEM.
 */
LINED_API int lined_bus_publish(struct lined_service *service,
				const char *topic,
				struct lined_buffer *message);

/* The same under a topic that all services of the daemon share. */
LINED_API int lined_bus_publish_shared(struct lined_service *service,
				       const char *shared,
				       struct lined_buffer *message);

/*
 * Calls handler for each message that is published under the topic from now on,
 * by any worker, and for none that was published before, however late it
 * arrives. The message belongs to this worker: it may be sent with
 * lined_socket_send_shared() and kept with lined_buffer_ref(). The handler may
 * publish, subscribe and unsubscribe. What is not unsubscribed ends with the
 * instance. NULL with errno: EINVAL (the topic is too long), ENOMEM, ESHUTDOWN
 * (after stop()).
 */
LINED_API struct lined_subscription *
lined_bus_subscribe(struct lined_service *service, const char *topic,
		    void (*handler)(void *arg, struct lined_buffer *message),
		    void *arg);
LINED_API struct lined_subscription *lined_bus_subscribe_shared(
	struct lined_service *service, const char *shared,
	void (*handler)(void *arg, struct lined_buffer *message), void *arg);

/*
 * Back-pressure: true while another worker has so much of this one's messages
 * to handle that the service's clients are not read here. A protocol should not
 * read sockets of its own either then.
 */
LINED_API bool lined_bus_is_lagging(const struct lined_service *service);

/* Ends the subscription: the handler is not called any more, not even for
 * messages on their way. May be called by the handler. NULL is fine. */
LINED_API void lined_bus_unsubscribe(struct lined_subscription *subscription);

/*
 * Sets a mark in the order of all messages: those published before this call,
 * by any worker, are before the mark, later ones are behind it. For protocols
 * in which one subscription serves many clients: a client that has joined at
 * the mark gets only the messages behind it.
 */
LINED_API uint64_t lined_bus_mark(struct lined_service *service);

/* Within a subscription's handler: whether its message was published before the
 * mark. */
LINED_API bool lined_bus_is_before(const struct lined_service *service,
				   uint64_t mark);

LINED_END_DECLS

#endif
