/* SPDX-License-Identifier: MIT */
/*
 * What a protocol can get from and do with its service and its clients. A
 * struct lined_service is the instance of a service on one worker; a client is
 * a struct lined_socket. Thread: the instance's worker.
 */
#ifndef LINED_SERVICE_H
#define LINED_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/dispatcher.h>
#include <lined/socket.h>
#include <lined/table.h>
#include <lined/timer.h>

LINED_BEGIN_DECLS

struct lined_service;

/* The service's name in the config. */
LINED_API const char *lined_service_name(const struct lined_service *service);

/*
 * The module's options: its own struct, filled from the config, constant. Valid
 * until reload() is called, which must get it anew.
 */
LINED_API const void *
lined_service_options(const struct lined_service *service);

/* The protocol's own pointer for this instance; NULL until it is set. */
LINED_API void lined_service_set_data(struct lined_service *service,
				      void *data);
LINED_API void *lined_service_data(const struct lined_service *service);

/*
 * The instance's table, never NULL; emptied after stop(). Each call sets how
 * many bytes it may take, so that an option can change it with a reload.
 */
LINED_API struct lined_table *lined_service_table(struct lined_service *service,
						  size_t max_bytes);

/* The worker's dispatcher, for sockets that the protocol opens itself. */
LINED_API struct lined_dispatcher *
lined_service_dispatcher(const struct lined_service *service);

/* The worker's number, 0 and up, and how many there are. */
LINED_API unsigned lined_service_worker(const struct lined_service *service);
LINED_API unsigned lined_service_workers(const struct lined_service *service);

/* True on exactly one worker of the service, for what must exist once. */
LINED_API bool lined_service_is_primary(const struct lined_service *service);

/* The group for sockets that the protocol opens itself. Of the config's limits
 * only the send queue and the send stall timeout apply to it. */
LINED_API struct lined_socket_group *
lined_service_group(const struct lined_service *service);

/* The framing of the service's config, for those sockets, too. */
LINED_API const struct lined_framing *
lined_service_framing(const struct lined_service *service);

/*
 * Initializes a timer on the worker's dispatcher, for lined_timer_start(). The
 * protocol must stop it in stop().
 */
LINED_API void lined_service_timer(struct lined_service *service,
				   struct lined_timer *timer,
				   void (*handler)(struct lined_timer *timer));

/* The severity of a message; the values of syslog(3). */
enum lined_log_level {
	LINED_LOG_ERR = 3,
	LINED_LOG_WARNING = 4,
	LINED_LOG_NOTICE = 5,
	LINED_LOG_INFO = 6,
	LINED_LOG_DEBUG = 7,
};

/*
 * Logs "service NAME: MESSAGE", with a printf(3) format. Never blocks. Bytes
 * that are not printable are escaped. Repeats of the same format are limited.
 */
LINED_API void lined_service_log(const struct lined_service *service,
				 enum lined_log_level level, const char *format,
				 ...) __attribute__((format(printf, 3, 4)));

/*
 * Adds n to the service's counter of this name, a string literal of [a-z_]. It
 * is shown with the daemon's own counters. A service has at most 32; further
 * names are ignored.
 */
LINED_API void lined_service_count(struct lined_service *service,
				   const char *name, uint64_t n);

/* ---- clients --------------------------------------------------------- */

/* The client's number, which this daemon never uses again. */
LINED_API uint64_t lined_client_id(const struct lined_socket *client);

/*
 * The peer's address: "192.0.2.1:5123", "[2001:db8::1]:5123" or "unix". For a
 * datagram socket, the sender of the datagram that is being read. Valid until
 * the next call on this thread.
 */
LINED_API const char *lined_client_peer(const struct lined_socket *client);

/* The listen address that it connected to, as written in the config. */
LINED_API const char *lined_client_listen(const struct lined_socket *client);

/* The instance that serves the client. */
LINED_API struct lined_service *
lined_client_service(const struct lined_socket *client);

/* The client_size bytes that the protocol has for this client, aligned for any
 * type; NULL if client_size is 0. */
LINED_API void *lined_client_data(struct lined_socket *client);

/*
 * Reads the next len bytes as a block, whatever they contain: it is passed to
 * handle_block, or to handle_line if there is no handle_block, as a line
 * without a terminator. Lines follow it again. To be called in handle_accept,
 * handle_line or handle_block of a protocol with a handle_line. If the stream
 * ends within the block, the framing's `unterminated` decides about the rest.
 * The protocol must not set handlers of its own until the block was read. -1
 * with errno: EINVAL (len is 0 or over LINED_LINE_LENGTH_MAX, the socket is a
 * datagram socket, or there is no handle_line), ENOMEM.
 */
LINED_API int lined_client_expect_block(struct lined_socket *client,
					size_t len);

/* Calls visit for each client of this instance. It may close any of them. */
LINED_API void
lined_service_each_client(struct lined_service *service,
			  void (*visit)(struct lined_socket *client, void *arg),
			  void *arg);
/* The number of clients of this instance. */
LINED_API size_t lined_service_clients(const struct lined_service *service);

/* ---- passwords ------------------------------------------------------- */

/*
 * Verifies a client's password against a hash of crypt(3), on another thread.
 * The answer comes once, after this call: verified(client, arg, good). The
 * client is not read until then; if it closes first, there is no answer. Both
 * strings are copied. -1 with errno, and no answer comes: EINVAL (not a hash
 * that the system knows), ENOSYS (built without crypt(3)), ENOMEM, EAGAIN (no
 * thread).
 */
LINED_API int lined_service_verify_password(
	struct lined_service *service, struct lined_socket *client,
	const char *password, const char *hash,
	void (*verified)(struct lined_socket *client, void *arg, bool good),
	void *arg);

/* For check(): 0 if passwords can be verified against this hash. -1 with errno:
 * EINVAL, ENOSYS. */
LINED_API int lined_password_check_hash(const char *hash);

/* Whether two secrets without a hash are equal. The time it takes does not
 * depend on where they differ. */
LINED_API bool lined_password_equal(const char *a, const char *b);

LINED_END_DECLS

#endif
