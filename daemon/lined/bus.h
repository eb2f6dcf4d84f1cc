/* SPDX-License-Identifier: MIT */
/*
 * The bus: what crosses between the workers of the daemon and, with another
 * backend, between machines. A protocol that sends only through
 * the bus need not know where its other clients are.
 *
 * For each publisher and topic the order is kept; every subscription of every
 * worker gets each message once. Thread: the service's worker.
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

/* Topics are at most this long, any bytes but NUL. */
#define LINED_TOPIC_MAX 255

/*
 * Publishes a message under a topic of this service; the bytes are not changed
 * afterwards, a reference is taken. Never calls a handler: subscribers of this
 * worker, too, are served later in the turn or in the next. -1 with errno:
 * EINVAL (topic), ENOBUFS (a worker lags too far behind: nothing was published
 * to anyone, counted), ENOMEM.
 */
LINED_API int lined_bus_publish(struct lined_service *service,
				const char *topic,
				struct lined_buffer *message);

/*
 * The same under a topic that all services share: `shared` names it for the
 * whole daemon. Same errors.
 */
LINED_API int lined_bus_publish_shared(struct lined_service *service,
				       const char *shared,
				       struct lined_buffer *message);

/*
 * Calls handler for each message published under the topic from now on, and
 * for none that a worker published before, however late it comes. The message
 * is this worker's: it may be sent with lined_socket_send_shared() and kept
 * with lined_buffer_ref(). The handler may publish, subscribe and unsubscribe.
 * NULL with errno: EINVAL (topic), ENOMEM, ESHUTDOWN (after stop).
 */
LINED_API struct lined_subscription *
lined_bus_subscribe(struct lined_service *service, const char *topic,
		    void (*handler)(void *arg, struct lined_buffer *message),
		    void *arg);
LINED_API struct lined_subscription *lined_bus_subscribe_shared(
	struct lined_service *service, const char *shared,
	void (*handler)(void *arg, struct lined_buffer *message), void *arg);

/*
 * True while a worker lags so far behind what this one publishes that the
 * clients of the service are not read here. Where a protocol reads a socket of
 * its own, it had better not read that either.
 */
LINED_API bool lined_bus_is_lagging(const struct lined_service *service);

/* The handler is not called any more, not even for what is on its way. Legal
 * in the handler. NULL is fine. */
LINED_API void lined_bus_unsubscribe(struct lined_subscription *subscription);

/*
 * A mark in what all workers publish: what was published before this call comes
 * before the mark, what is published after it behind the mark. For protocols
 * that hand a message on to several, who have not all been there as long.
 */
LINED_API uint64_t lined_bus_mark(struct lined_service *service);

/* Asked by a subscription's handler: whether the message that it was called
 * for was published before the mark. */
LINED_API bool lined_bus_is_before(const struct lined_service *service,
				   uint64_t mark);

LINED_END_DECLS

#endif
