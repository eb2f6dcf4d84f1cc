/* SPDX-License-Identifier: MIT */
/*
 * Functions for protocols: their service and its clients. A struct
 * lined_service is the instance of a service on one worker; a client is a
 * struct lined_socket. Thread: the instance's worker.
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
 * The module's options: the struct that the module declares, filled in from the
 * config, constant. Valid until reload() is called, which must call this
 * function again.
 */
LINED_API const void *
lined_service_options(const struct lined_service *service);

/* The protocol's data for this instance. If instance_size is not 0, the data
 * are that many zeroed bytes, aligned for any type. If it is 0, the data are
 * the pointer that the protocol has set, at first NULL. */
LINED_API void lined_service_set_data(struct lined_service *service,
				      void *data);
LINED_API void *lined_service_data(const struct lined_service *service);

/*
 * The instance's table, never NULL; emptied after stop(). Each call sets the
 * table's maximum size, so that a reload can change it.
 */
LINED_API struct lined_table *lined_service_table(struct lined_service *service,
						  size_t max_bytes);

/* The worker's dispatcher, for sockets that the protocol opens. */
LINED_API struct lined_dispatcher *
lined_service_dispatcher(const struct lined_service *service);

/* The worker's number, from 0, and the number of workers. */
LINED_API unsigned lined_service_worker(const struct lined_service *service);
LINED_API unsigned lined_service_workers(const struct lined_service *service);

/* True on one worker of the service. In a cluster it is true only on the
 * primary node; LINED_CLUSTER_PRIMARY reports a change. For things that must
 * exist only once, such as a connection to another server. */
LINED_API bool lined_service_is_primary(const struct lined_service *service);

/* The config's drain-timeout, for work that the protocol itself must end. */
LINED_API uint32_t lined_service_drain_ms(const struct lined_service *service);

/* The group for sockets that the protocol opens. Only the limits send-queue and
 * send-stall of the config apply to this group. At the ceiling of memory its
 * sockets may be closed like clients, with the reason SLOW. */
LINED_API struct lined_socket_group *
lined_service_group(const struct lined_service *service);

/* The framing in the service's config, e.g. for sockets that the protocol
 * opens. */
LINED_API const struct lined_framing *
lined_service_framing(const struct lined_service *service);

/*
 * Whether a connection (type SOCK_STREAM) or a datagram (SOCK_DGRAM) to this
 * address would reach the service itself: for protocols that connect to other
 * servers. Sockets passed by systemd are not considered.
 */
LINED_API bool lined_service_listens(const struct lined_service *service,
				     const struct sockaddr *address, int type);

/*
 * Initializes a timer on the worker's dispatcher, for lined_timer_start(). The
 * protocol must stop the timer in stop().
 */
LINED_API void lined_service_timer(struct lined_service *service,
				   struct lined_timer *timer,
				   void (*handler)(struct lined_timer *timer));

/* The severity of a log message; the values are those of syslog(3). */
enum lined_log_level {
	LINED_LOG_ERR = 3,
	LINED_LOG_WARNING = 4,
	LINED_LOG_NOTICE = 5,
	LINED_LOG_INFO = 6,
	LINED_LOG_DEBUG = 7,
};

/*
 * Logs "service NAME: MESSAGE", with a printf(3) format. Never blocks.
 * Unprintable bytes are escaped. If many messages have the same format within
 * seconds, further ones are suppressed and counted.
 */
LINED_API void lined_service_log(const struct lined_service *service,
				 enum lined_log_level level, const char *format,
				 ...) __attribute__((format(printf, 3, 4)));

/*
 * Adds n to the service's counter of this name, a string literal of [a-z_].
 * Counters are shown with the daemon's own. A service can have 32; further
 * names are ignored.
 */
LINED_API void lined_service_count(struct lined_service *service,
				   const char *name, uint64_t n);

/* ---- clients --------------------------------------------------------- */

/* The client's number, unique while the daemon runs. */
LINED_API uint64_t lined_client_id(const struct lined_socket *client);

/*
 * The peer's address: "192.0.2.1:5123", "[2001:db8::1]:5123" or "unix". For a
 * datagram socket: the sender of the datagram being read. Valid until the next
 * call on this thread.
 */
LINED_API const char *lined_client_peer(const struct lined_socket *client);

/* The listen address to which the client connected, as in the config. */
LINED_API const char *lined_client_listen(const struct lined_socket *client);

/* The instance that serves the client. */
LINED_API struct lined_service *
lined_client_service(const struct lined_socket *client);

/* The protocol's data of this client: client_size bytes, aligned for any type;
 * NULL if client_size is 0. */
LINED_API void *lined_client_data(struct lined_socket *client);

/*
 * Calls expired(client) once, after delay_ms. A client has one such timer.
 * Another call sets the timer anew, or stops it if expired is NULL. The timer
 * ends with the client. -1/ENOMEM: no timer is set.
 */
LINED_API int lined_client_timer(struct lined_socket *client, uint64_t delay_ms,
				 void (*expired)(struct lined_socket *client));

/*
 * Penalizes the client's address, as lined does for a line that is too long:
 * from now on the service refuses connections from the address for the time of
 * `penalty`. Does not close the client. Has no effect if the config sets no
 * penalty, if the address is exempt or already has a penalty, or if the client
 * is a UNIX or datagram socket (the sender of a datagram may be forged).
 */
LINED_API void lined_client_penalize(struct lined_socket *client);

/*
 * Takes over the client's place in the limits `clients` and
 * `clients-per-address`: for a protocol whose work for a client may continue
 * after the client has closed. The place is counted until lined_place_return(),
 * which must be called before stop() returns. NULL/ENOMEM: the place is freed
 * with the client.
 */
struct lined_place;
LINED_API struct lined_place *
lined_client_take_place(struct lined_socket *client);
/* NULL is fine. */
LINED_API void lined_place_return(struct lined_place *place);

/*
 * Reads the next len bytes, whatever they contain, as a block, and passes the
 * block to handle_block (to handle_line if there is no handle_block) as a line
 * without a terminator. After the block, lines are read again. Call this in
 * handle_accept, handle_line or handle_block of a protocol with a handle_line.
 * If the stream ends within the block, the framing's `unterminated` decides
 * whether the incomplete block is passed. The protocol must not set its own
 * handlers until the block is read. -1 with errno: EINVAL (len is 0 or over
 * LINED_LINE_LENGTH_MAX, the socket is a datagram socket, or there is no
 * handle_line), ENOMEM.
 */
LINED_API int lined_client_expect_block(struct lined_socket *client,
					size_t len);

/* Calls visit for each client of this instance; visit may close any client. */
LINED_API void
lined_service_each_client(struct lined_service *service,
			  void (*visit)(struct lined_socket *client, void *arg),
			  void *arg);
/*
 * Sends a buffer, or a printf(3) text, to each client of this instance: with
 * several workers, only to clients of this worker. All clients share one
 * buffer. lined_service_printf(): -1 with an errno of lined_buffer_printf().
 */
LINED_API void lined_service_send(struct lined_service *service,
				  struct lined_buffer *buffer);
LINED_API int lined_service_printf(struct lined_service *service,
				   const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The number of clients of this instance. */
LINED_API size_t lined_service_clients(const struct lined_service *service);

/* ---- memory ---------------------------------------------------------- */

/*
 * Charges what the protocol keeps, such as a history, to the ceiling set by the
 * config's `memory`; negative bytes: memory was freed. What sockets and tables
 * keep is already charged.
 */
LINED_API void lined_service_charge(struct lined_service *service,
				    int64_t bytes);

/* lined_service_keep() takes a reference to a buffer, charges the buffer, and
 * returns it. A buffer is charged only once, no matter how often it is kept and
 * queued. lined_service_unkeep() drops the reference; NULL is fine. */
LINED_API struct lined_buffer *lined_service_keep(struct lined_service *service,
						  struct lined_buffer *buffer);
LINED_API void lined_service_unkeep(struct lined_service *service,
				    struct lined_buffer *buffer);

/*
 * Whether the protocol may keep `bytes` more. Protocols should not grow above
 * 3/4 of the ceiling: the rest is for the clients' queues. See give_up in
 * struct lined_protocol.
 */
LINED_API bool lined_service_may_keep(const struct lined_service *service,
				      uint64_t bytes);

/* ---- passwords ------------------------------------------------------- */

/*
 * Verifies a client's password against a hash of crypt(3), on another thread.
 * The answer is one later call, never within this one: verified(client, arg,
 * good). Until the answer the client is not read; if the client closes first,
 * there is no answer. If comparing fails, this is logged, and good is false.
 * Addresses take turns, and after a wrong password an address waits a second
 * for its next turn: a client that guesses delays no other address. Count wrong
 * passwords; after a few, call lined_client_penalize() and close the client.
 * Both strings are copied. After a failure no answer follows. -1 with errno:
 * EINVAL (the system does not support this hash), ENOSYS (built without
 * crypt(3)), ENOMEM, EAGAIN (the thread cannot be created).
 */
LINED_API int lined_service_verify_password(
	struct lined_service *service, struct lined_socket *client,
	const char *password, const char *hash,
	void (*verified)(struct lined_socket *client, void *arg, bool good),
	void *arg);

/* Whether passwords can be verified against this hash, for check(): 0, or -1
 * with errno EINVAL or ENOSYS. */
LINED_API int lined_password_check_hash(const char *hash);

/* Whether two unhashed secrets are equal. The duration does not depend on the
 * position of the first difference. */
LINED_API bool lined_password_equal(const char *a, const char *b);

/* ---- files ------------------------------------------------------------ */

/*
 * Opens a character device or a FIFO for reading and writing: non-blocking,
 * close-on-exec, never as the controlling terminal. Use this instead of
 * open(2), which fails with EACCES if the config's section `hardening` does not
 * permit writing. MT-safe. -1 with errno: ENODEV (another kind of file), or an
 * errno of open(2).
 */
LINED_API int lined_open_device(const char *path);

LINED_END_DECLS

#endif
