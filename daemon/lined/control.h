/* SPDX-License-Identifier: MIT */
/*
 * Looking at the whole daemon and changing it, for protocols that show or
 * steer it, as `control` and `metrics` do.
 *
 * A protocol asks in the name of a client; the daemon answers later, with
 * records: named values, the same for whoever shows them. What a record may
 * hold is in linectl(1); values may be added to it. Thread: the client's.
 */
#ifndef LINED_CONTROL_H
#define LINED_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/socket.h>

LINED_BEGIN_DECLS

/* ---- who may ----------------------------------------------------------- */

enum lined_right {
	LINED_RIGHT_NONE,
	LINED_RIGHT_LOOK,
	LINED_RIGHT_CHANGE, /* and look */
};

/*
 * What the process at the other end of a UNIX socket may do, by the user and
 * groups that the system says it had when it connected: root and the daemon's
 * own user may change, members of the service's socket-group may look. Other
 * clients have no right.
 */
LINED_API enum lined_right
lined_client_right(const struct lined_socket *client);

/* "uid 1000, pid 4711", for log lines; "unknown" where the system does not say.
 * Valid until the next call on this thread. */
LINED_API const char *lined_client_identity(const struct lined_socket *client);

/* ---- what is answered -------------------------------------------------- */

enum lined_value_type {
	LINED_VALUE_TEXT,   /* printable, and UTF-8 */
	LINED_VALUE_NUMBER, /* with its unit in its name: connected_ms */
	LINED_VALUE_FLAG,   /* number: 0 or 1 */
	LINED_VALUE_LIST,   /* number texts, at items */
};

/* A name is made of [a-z0-9_.-]; values whose names have the same beginning up
 * to a dot are of one kind, and stand together. */
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

/* Borrowed for the call. */
struct lined_answer {
	size_t count;
	const struct lined_record *records;
	/* Nothing follows this one. */
	bool last;
	/* With the last: what was asked could not be done, and why; NULL: it
	 * was. */
	const char *error;
};

/* ---- asking ------------------------------------------------------------ */

enum lined_question_kind {
	/* One `daemon`, and a `worker` for each of its threads. */
	LINED_ASK_STATUS,
	/* A `service` for each of them, or for the one that is named. */
	LINED_ASK_SERVICES,
	/* Both of the above. */
	LINED_ASK_ALL,
	/* A `client` for each, or for those of the service that is named. */
	LINED_ASK_CLIENTS,
	/* Address: a `ruling` of each service on a connection from there. */
	LINED_ASK_WHY,
	/* File: a `step` for each thing that a reload of it would do, and a
	 * `message` for each error and warning. `text` is what is in it; its
	 * includes are read where the client might read them itself. */
	LINED_ASK_PLAN,
	/* Service: a `line` for each that a client of it sends, from now on,
	 * and `lost` where some were passed over. It ends with the service, or
	 * with lined_control_stop(). */
	LINED_ASK_TAP,

	/* Id: closes the client. */
	LINED_DO_KICK,
	/* Service: closes its listeners and its clients, within drain-timeout;
	 * answered when it has ended. It begins again with the next reload. */
	LINED_DO_DRAIN,
	/* As SIGHUP: `message` for each error and warning. */
	LINED_DO_RELOAD,
	/* Level: err ... debug, until the next reload. */
	LINED_DO_LOG,
};

struct lined_question {
	enum lined_question_kind kind;
	const char *argument; /* "" where there is none */
	const char *text;     /* LINED_ASK_PLAN */
	size_t text_len;
};

/*
 * Asks: answered() is called later, never within this call, once with `last`
 * set and, before, as often as there is something to tell. The question is
 * copied. But for a tap the client is not read until the last answer. A client
 * that goes away gets no answer. Whether it may ask is the caller's to check.
 * -1/ENOMEM, and then no answer comes.
 */
LINED_API int
lined_control_ask(struct lined_socket *client,
		  const struct lined_question *question,
		  void (*answered)(struct lined_socket *client, void *arg,
				   const struct lined_answer *answer),
		  void *arg);

/* Ends the client's tap, where it has one: the last answer is on its way. */
LINED_API void lined_control_stop(struct lined_socket *client);

LINED_END_DECLS

#endif
