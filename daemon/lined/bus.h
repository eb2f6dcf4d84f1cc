/* SPDX-License-Identifier: MIT */
/*
 * The bus carries messages between the workers of the daemon. A protocol that
 * sends to other clients only through the bus need not know on which worker
 * they are.
 *
 * Each subscription of a topic, on every worker, gets each message under that
 * topic once. Messages of one worker under one topic keep their order. Thread:
 * the service's worker.
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
 * Publishes a message under a topic of this service. Takes a reference to the
 * buffer, whose bytes must not change any more. No handler is called within
 * this call: even subscriptions on this worker get the message later, in this
 * turn or the next. After a failure no subscription gets the message. -1 with
 * errno: EINVAL (the topic is too long), ENOBUFS (too many messages wait on a
 * worker or for other nodes; the daemon counts this), ENOMEM.
 */
LINED_API int lined_bus_publish(struct lined_service *service,
				const char *topic,
				struct lined_buffer *message);

/* As lined_bus_publish(), under a topic that all services of the daemon share.
 */
LINED_API int lined_bus_publish_shared(struct lined_service *service,
				       const char *shared,
				       struct lined_buffer *message);

/*
 * Calls handler for each message that any worker publishes under the topic from
 * now on; never for a message published before this call, even if it arrives
 * after the call. The handler may send the message with
 * lined_socket_send_shared() and keep it with lined_buffer_ref(). The handler
 * may publish, subscribe and unsubscribe. The subscription ends with
 * lined_bus_unsubscribe() or with the instance. NULL with errno: EINVAL (the
 * topic is too long), ENOMEM, ESHUTDOWN (after stop()).
 */
LINED_API struct lined_subscription *
lined_bus_subscribe(struct lined_service *service, const char *topic,
		    void (*handler)(void *arg, struct lined_buffer *message),
		    void *arg);
LINED_API struct lined_subscription *lined_bus_subscribe_shared(
	struct lined_service *service, const char *shared,
	void (*handler)(void *arg, struct lined_buffer *message), void *arg);

/*
 * From now on sends each message published under a topic of this service to the
 * client, unchanged. This ends with lined_client_unsubscribe(), or when the
 * client closes. -1 with errno: EEXIST (the client has this topic already),
 * EINVAL (the topic is too long), ENOMEM, ESHUTDOWN (the client has closed).
 */
LINED_API int lined_client_subscribe(struct lined_socket *client,
				     const char *topic);
/* -1/ENOENT: the client does not have this topic. */
LINED_API int lined_client_unsubscribe(struct lined_socket *client,
				       const char *topic);

/*
 * Back-pressure: true while this instance's clients are not read because too
 * many messages wait on another worker or for other nodes. The protocol should
 * then not read its own sockets either.
 */
LINED_API bool lined_bus_is_lagging(const struct lined_service *service);

/* Ends the subscription: the handler is not called any more, not even for
 * messages already published. The handler itself may call this. NULL is
 * fine. */
LINED_API void lined_bus_unsubscribe(struct lined_subscription *subscription);

/*
 * Sets a mark in the order of all messages: messages that any worker has
 * published so far are before the mark, later ones after it. A protocol in
 * which one subscription serves many clients sets a mark when a client joins,
 * and sends that client only the messages after the mark.
 */
LINED_API uint64_t lined_bus_mark(struct lined_service *service);

/* Whether the current message was published before the mark. Call this in a
 * subscription's handler; elsewhere it returns false. */
LINED_API bool lined_bus_is_before(const struct lined_service *service,
				   uint64_t mark);

/* Whether the current message was published on another node of the cluster.
 * Call this in a subscription's handler; elsewhere it returns false. */
LINED_API bool lined_bus_is_elsewhere(const struct lined_service *service);

/* ---- shared memory ------------------------------------------------------- */

/*
 * Shared memory has a name and a lock. All services of the daemon share it. It
 * is for decisions that all workers make together, such as "was this line seen
 * before".
 */
struct lined_shared;

/*
 * Returns the memory of this name; the first call allocates `size` zeroed
 * bytes. The name should begin with the protocol's name. NULL with errno:
 * ENOMEM, EINVAL (the memory exists with another size).
 */
LINED_API struct lined_shared *lined_shared_get(struct lined_service *service,
						const char *name, size_t size);

/* Call this once for each lined_shared_get(). The last call frees the memory,
 * after fini(data) if fini is not NULL; no lock is held in fini(). */
LINED_API void lined_shared_put(struct lined_shared *shared,
				void (*fini)(void *data));

/*
 * Waits until no other worker has the lock, locks, and returns the bytes. Other
 * workers may be waiting: hold the lock only for a few steps in memory, and
 * call no function of lined before unlocking.
 */
LINED_API void *lined_shared_lock(struct lined_shared *shared);
LINED_API void lined_shared_unlock(struct lined_shared *shared);

LINED_END_DECLS

#endif
