/* SPDX-License-Identifier: MIT */
/*
 * Requests to the daemon as a whole, for protocols that show or change it, as
 * `control` and `metrics` do.
 *
 * A protocol sends a request in the name of a client. The daemon responds
 * later with records: lists of named values. linectl(1) says which values a
 * record has; more may be added to it. Thread: the client's.
 */
#ifndef LINED_CONTROL_H
#define LINED_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/socket.h>

LINED_BEGIN_DECLS

/* ---- rights --------------------------------------------------------- */

enum lined_right {
	LINED_RIGHT_NONE,
	LINED_RIGHT_LOOK,
	LINED_RIGHT_CHANGE, /* and look */
};

/*
 * The right of the process at the other end of a UNIX socket, by the user and
 * groups it had when it connected: root and the daemon's own user may change,
 * members of the service's socket-group may look. Every other client has
 * none.
 */
LINED_API enum lined_right
lined_client_right(const struct lined_socket *client);

/* "uid 1000, pid 4711", for log lines; "unknown" where the system does not say.
 * Valid until the next call on this thread. */
LINED_API const char *lined_client_identity(const struct lined_socket *client);

/* ---- responses ------------------------------------------------------ */

enum lined_value_type {
	LINED_VALUE_TEXT,   /* printable, and UTF-8 */
	LINED_VALUE_NUMBER, /* with its unit in its name: connected_ms */
	LINED_VALUE_FLAG,   /* number: 0 or 1 */
	LINED_VALUE_LIST,   /* number texts, at items */
};

/* The name consists of [a-z0-9_.-]. "GROUP.NAME" is a member of a group; the
 * members of a group follow each other. */
struct lined_value {
	const char *name;
	enum lined_value_type type;
	uint64_t number;
	const char *text;
	const char *const *items;
};

struct lined_record {
	const char *kind; /* [a-z]+ */
	size_t count;
	const struct lined_value *values;
};

/* Valid until the handler returns. */
struct lined_response {
	size_t count;
	const struct lined_record *records;
	bool last; /* no other response to this request follows */
	/* Why the request failed, in the last response; NULL: it did not. */
	const char *error;
};

/* ---- requests ------------------------------------------------------- */

/* In capitals: the argument. */
enum lined_request_kind {
	/* One `daemon`, and a `worker` for each thread. */
	LINED_REQUEST_STATUS,
	/* [SERVICE]: a `service` for it, or for each service. */
	LINED_REQUEST_SERVICES,
	/* The records of STATUS, then those of SERVICES. */
	LINED_REQUEST_ALL,
	/* [SERVICE]: a `client` for each of its clients, or for all. */
	LINED_REQUEST_CLIENTS,
	/* ADDRESS: a `ruling` of each service on a connection from there. */
	LINED_REQUEST_WHY,
	/* FILE: a `step` for each thing that a reload of it would do, and a
	 * `message` for each error and warning. `text` is the file's content;
	 * a file that it includes is read if the client's user may read it. */
	LINED_REQUEST_PLAN,
	/* SERVICE: a `line` for each line that a client of it sends from now
	 * on, and `lost` where some were left out. Ends with the service or
	 * with lined_control_stop(). */
	LINED_REQUEST_TAP,

	/* ID: closes the client. */
	LINED_REQUEST_KICK,
	/* SERVICE: closes its listeners and its clients within drain-timeout.
	 * The response comes when the service has ended. The next reload
	 * begins it again. */
	LINED_REQUEST_DRAIN,
	/* As SIGHUP: a `message` for each error and warning. */
	LINED_REQUEST_RELOAD,
	/* LEVEL: err ... debug, until the next reload. */
	LINED_REQUEST_LOG,
};

struct lined_request {
	enum lined_request_kind kind;
	const char *argument; /* "" where there is none */
	const char *text;     /* LINED_REQUEST_PLAN */
	size_t text_len;
};

/*
 * Sends a request, which is copied. handle_response() is called later, never
 * within this call, as often as there are records, and once more or at the
 * same time with `last`. Until then the client is not read, except during a
 * tap. A client that closes gets no response. The caller checks whether the
 * client may send this request. -1/ENOMEM: no response follows.
 */
LINED_API int lined_control_request(
	struct lined_socket *client, const struct lined_request *request,
	void (*handle_response)(struct lined_socket *client, void *arg,
				const struct lined_response *response),
	void *arg);

/* Ends the client's tap, if it has one; the last response follows. */
LINED_API void lined_control_stop(struct lined_socket *client);

LINED_END_DECLS

#endif
