/* SPDX-License-Identifier: MIT */
/*
 * Requests to the daemon as a whole, for protocols such as `control` and
 * `metrics` that show or change it.
 *
 * A protocol sends a request for a client, and the daemon responds later with
 * records, which are lists of named values. linectl(1) documents the values of
 * each record; later versions may add values. Thread: the client's worker.
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
	LINED_RIGHT_CHANGE, /* includes LINED_RIGHT_LOOK */
};

/*
 * The right of the process at the other end of a UNIX socket, by its user and
 * groups when it connected: LINED_RIGHT_CHANGE for root and the daemon's own
 * user, LINED_RIGHT_LOOK for members of the service's socket-group. Every other
 * client has LINED_RIGHT_NONE, and so has every program that a protocol has
 * started (lined/program.h), although such a program runs as the daemon's user.
 * Call this as soon as the client has connected: when the client's process has
 * ended, another process may get its PID.
 */
LINED_API enum lined_right
lined_client_right(const struct lined_socket *client);

/* "uid 1000, pid 4711", for log messages; "unknown" if the system does not say.
 * Valid until the next call on this thread. */
LINED_API const char *lined_client_identity(const struct lined_socket *client);

/* ---- responses ------------------------------------------------------ */

enum lined_value_type {
	LINED_VALUE_TEXT,   /* text: printable UTF-8 */
	LINED_VALUE_NUMBER, /* number: the name ends in the unit, e.g. _ms */
	LINED_VALUE_FLAG,   /* number: 0 or 1 */
	LINED_VALUE_LIST,   /* items: texts; number: the number of items */
};

/* A name consists of [a-z0-9_.-]. "GROUP.NAME" is a member of a group; the
 * members of a group are adjacent. */
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
	/* In the last response: why the request has failed; NULL: it has
	 * succeeded. */
	const char *error;
};

/* ---- records of a protocol ------------------------------------------- */

/* The argument of struct lined_protocol.describe. */
struct lined_records;

/*
 * lined_records_add() begins a record of this kind (a string literal of
 * [a-z]+); its first value, "service", is the service's name. The following
 * values belong to the record. Names of values are string literals, too. Texts
 * are copied and made printable. The kinds and values of the shipped protocols
 * are in linectl(1).
 */
LINED_API void lined_records_add(struct lined_records *records,
				 const char *kind);
LINED_API void lined_records_text(struct lined_records *records,
				  const char *name, const char *text);
LINED_API void lined_records_number(struct lined_records *records,
				    const char *name, uint64_t number);

/* ---- requests ------------------------------------------------------- */

/* The kinds of request. Arguments are in capitals, records of the responses in
 * backquotes. */
enum lined_request_kind {
	/* A `daemon` record, and a `worker` record for each worker. */
	LINED_REQUEST_STATUS,
	/* [SERVICE]: a `service` record for this service, or for each service.
	 */
	LINED_REQUEST_SERVICES,
	/* All records of LINED_REQUEST_RECORDS, STATUS and SERVICES. */
	LINED_REQUEST_ALL,
	/* [SERVICE]: a `client` record for each client of the service, or of
	 * all services. */
	LINED_REQUEST_CLIENTS,
	/* ADDRESS: a `ruling` record for each service: whether it would accept
	 * a connection from this address. */
	LINED_REQUEST_WHY,
	/*
	 * FILE: a `step` record for each step of a reload with this file, and a
	 * `message` for each error and warning. `text` is the file's content. A
	 * `need` record has the path or pattern of an include: lined reads no
	 * file itself, so the client must send the file with
	 * LINED_REQUEST_PLAN_FILES.
	 */
	LINED_REQUEST_PLAN,
	/* SERVICE: a `line` record for each line that the service receives from
	 * now on, and a `lost` record where lines were dropped. The tap ends
	 * when the service drains, or by lined_control_stop(). */
	LINED_REQUEST_TAP,

	/* ID: closes the client. */
	LINED_REQUEST_KICK,
	/* SERVICE: closes the service's listeners, and its clients within
	 * drain-timeout. The response is sent when the service has ended. The
	 * next reload starts the service again. */
	LINED_REQUEST_DRAIN,
	/* Reloads, as SIGHUP does: a `message` record for each error and
	 * warning. */
	LINED_REQUEST_RELOAD,
	/* LEVEL: sets the log level, err to debug, until the next reload. */
	LINED_REQUEST_LOG,

	/*
	 * FILE: as LINED_REQUEST_PLAN; `text` has the file and its includes as
	 * items. Each item is one of these lines, followed by LENGTH bytes:
	 *
	 * - "file LENGTH ID PATH": the file's content. Paths with equal IDs
	 *   are one file.
	 * - "fail LENGTH - PATH": the reason why the file cannot be read.
	 * - "glob 0 - PATTERN": every file that matches has an item.
	 */
	LINED_REQUEST_PLAN_FILES,
	/* KIND: the records of this kind that protocols add in describe(). */
	LINED_REQUEST_RECORDS,
	/* ADDRESS: forgets the address's penalties; a `forgiven` record for
	 * each service that had one. */
	LINED_REQUEST_FORGIVE,
	/* A `cluster` record, and a `node` record for each other node; no
	 * record if this daemon is in no cluster. */
	LINED_REQUEST_CLUSTER,
};

struct lined_request {
	enum lined_request_kind kind;
	const char *argument; /* "": none */
	const char *text;     /* for LINED_REQUEST_PLAN and PLAN_FILES */
	size_t text_len;
};

/*
 * Sends a copy of the request. handle_response() is called later, never within
 * this call, once for each response; the final one has `last` set. Until the
 * last response the client is not read, except during a tap. If the client
 * closes, no response follows. The caller must check rights: the daemon does
 * not. -1/ENOMEM: no response follows.
 */
LINED_API int lined_control_request(
	struct lined_socket *client, const struct lined_request *request,
	void (*handle_response)(struct lined_socket *client, void *arg,
				const struct lined_response *response),
	void *arg);

/* Ends the client's taps; the last response to each tap follows. */
LINED_API void lined_control_stop(struct lined_socket *client);

LINED_END_DECLS

#endif
