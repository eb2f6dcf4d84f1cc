/* SPDX-License-Identifier: MIT */
/*
 * What a protocol may ask of its service and of its clients. A
 * struct lined_service is one service's instance on one worker; a client is
 * its struct lined_socket. Thread: the instance's worker.
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
 * The module's options, filled from the config: its own struct, constant.
 * Ask again after reload(): the old one is gone then.
 */
LINED_API const void *
lined_service_options(const struct lined_service *service);

/* The protocol's own pointer of this instance; NULL until it sets one. */
LINED_API void lined_service_set_data(struct lined_service *service,
				      void *data);
LINED_API void *lined_service_data(const struct lined_service *service);

/*
 * A table of the service's own, emptied after stop; never NULL. It may take
 * max_bytes from this call on, so that the option behind them can be reloaded.
 */
LINED_API struct lined_table *lined_service_table(struct lined_service *service,
						  size_t max_bytes);

/* The worker's dispatcher, for sockets that the protocol opens itself. */
LINED_API struct lined_dispatcher *
lined_service_dispatcher(const struct lined_service *service);

/* The worker's number, 0 and up, and how many there are. */
LINED_API unsigned lined_service_worker(const struct lined_service *service);
LINED_API unsigned lined_service_workers(const struct lined_service *service);

/* True on exactly one worker of the service: single things live there. */
LINED_API bool lined_service_is_primary(const struct lined_service *service);

/* Limits and counters for sockets that the protocol opens itself: the send
 * queue and stall of the config, no other limit. */
LINED_API struct lined_socket_group *
lined_service_group(const struct lined_service *service);

/* How the config has lines cut, for those sockets, too. */
LINED_API const struct lined_framing *
lined_service_framing(const struct lined_service *service);

/*
 * Prepares a timer on the worker's dispatcher; the protocol stops it in stop().
 * Units: milliseconds, lined_timer_start().
 */
LINED_API void lined_service_timer(struct lined_service *service,
				   struct lined_timer *timer,
				   void (*handler)(struct lined_timer *timer));

/* How loud a message is; the values of syslog(3). */
enum lined_log_level {
	LINED_LOG_ERR = 3,
	LINED_LOG_WARNING = 4,
	LINED_LOG_NOTICE = 5,
	LINED_LOG_INFO = 6,
	LINED_LOG_DEBUG = 7,
};

/*
 * Logs "service NAME: MESSAGE". Never blocks. Bytes that are not printable are
 * escaped. printf(3) format.
 */
LINED_API void lined_service_log(const struct lined_service *service,
				 enum lined_log_level level, const char *format,
				 ...) __attribute__((format(printf, 3, 4)));

/*
 * Adds n to the service's counter of this name (a literal, [a-z_]+): it is
 * shown with the daemon's own. At most 32 names a service.
 */
LINED_API void lined_service_count(struct lined_service *service,
				   const char *name, uint64_t n);

/* ---- clients --------------------------------------------------------- */

/* A number that no other client of this daemon has had or will have. */
LINED_API uint64_t lined_client_id(const struct lined_socket *client);

/*
 * The peer as text: "192.0.2.1:5123", "[2001:db8::1]:5123", "unix". Of a
 * datagram socket: the sender of the datagram being read. Valid until the next
 * call on this thread.
 */
LINED_API const char *lined_client_peer(const struct lined_socket *client);

/* The listen address it came by, as the config writes it. */
LINED_API const char *lined_client_listen(const struct lined_socket *client);

/* The instance it is a client of. */
LINED_API struct lined_service *
lined_client_service(const struct lined_socket *client);

/* The protocol's own client_size bytes of this client, aligned for any type;
 * NULL where it asked for none. */
LINED_API void *lined_client_data(struct lined_socket *client);

/*
 * For protocols with a handle_line: the next call, of handle_block where there
 * is one, brings exactly len bytes, whatever they are, as a line without a
 * terminator; then there are lines again. To be asked for in handle_accept,
 * handle_line and handle_block. A rest shorter than that at the end of the
 * stream follows the unterminated policy. No handlers of the protocol's own may
 * be set until it has come. -1 with errno: EINVAL (len is 0 or over
 * LINED_LINE_LENGTH_MAX, or this is a datagram socket, or one of a protocol
 * without handle_line), ENOMEM.
 */
LINED_API int lined_client_expect_block(struct lined_socket *client,
					size_t len);

/* Calls visit for each client of this instance; it may close any of them. */
LINED_API void
lined_service_each_client(struct lined_service *service,
			  void (*visit)(struct lined_socket *client, void *arg),
			  void *arg);
LINED_API size_t lined_service_clients(const struct lined_service *service);

/* ---- passwords ------------------------------------------------------- */

/*
 * Verifies what a client gave as a password against a hash of crypt(3), off
 * the loop. The answer comes later, once: verified(client, arg, good), never
 * within this call. Meanwhile the client is not read. A client that goes away
 * gets no answer. -1 with errno: EINVAL (the hash), ENOSYS (built without
 * crypt), ENOMEM, EAGAIN (no thread), and then no answer comes.
 */
LINED_API int lined_service_verify_password(
	struct lined_service *service, struct lined_socket *client,
	const char *password, const char *hash,
	void (*verified)(struct lined_socket *client, void *arg, bool good),
	void *arg);

/* For check(): whether passwords can be verified against this hash. -1 with
 * errno: EINVAL, ENOSYS. */
LINED_API int lined_password_check_hash(const char *hash);

/* Whether two secrets that are not hashed are the same, in a time that does not
 * tell where they differ. */
LINED_API bool lined_password_equal(const char *a, const char *b);

LINED_END_DECLS

#endif
