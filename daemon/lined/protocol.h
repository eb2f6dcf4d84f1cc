/* SPDX-License-Identifier: MIT */
/*
 * A protocol module: a shared object that exports one constant named
 * lined_protocol. This header is what such a module needs.
 *
 * A module has no writable globals. The daemon makes an instance of a service
 * on each worker, `struct lined_service`, and calls it only on that worker's
 * thread: a module needs no locks.
 */
#ifndef LINED_PROTOCOL_H
#define LINED_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/dispatcher.h>
#include <lined/line.h>
#include <lined/service.h>
#include <lined/socket.h>
#include <lined/table.h>
#include <lined/word.h>

LINED_BEGIN_DECLS

/*
 * The version of this interface. It changes when a structure of a public header
 * changes or grows (except struct lined_protocol, which has a member with its
 * size and may be extended at its end), when a constant changes its value, and
 * when a function is removed or changes its arguments or its meaning. It stays
 * when functions, constants or members of struct lined_protocol are added:
 * modules that were built before still work, and a module that uses an addition
 * needs a lined that has it.
 */
#define LINED_ABI 2u

/* struct lined_protocol.flags */
enum lined_protocol_flag {
	/* All clients of a service are served by one worker: for protocols that
	 * keep their state in memory. */
	LINED_ONE_WORKER = 1,
	/* Datagrams from ports below 1024 and from the service's own port are
	 * dropped and counted: for protocols that answer every datagram, and
	 * could be made to answer another server for ever. */
	LINED_NO_REFLECTION = 2,
	/* idle-timeout is 0 unless the config sets it: for protocols whose
	 * clients may be silent for hours. */
	LINED_NO_IDLE_TIMEOUT = 4,
};

/* struct lined_protocol.transports */
enum lined_transport {
	LINED_TRANSPORT_STREAM = 1,
	LINED_TRANSPORT_DATAGRAM = 2,
};

/* struct lined_protocol.framing_fixed: keys that a config may not set. */
enum lined_framing_key {
	LINED_FRAMING_TERMINATOR = 1,
	LINED_FRAMING_LINE_LENGTH = 2,
	LINED_FRAMING_TOO_LONG = 4,
	LINED_FRAMING_UNTERMINATED = 8,
};

/* How an option is written in the config and stored in the module's struct. */
enum lined_option_type {
	LINED_OPTION_END,
	LINED_OPTION_INTEGER,  /* int64_t */
	LINED_OPTION_BOOLEAN,  /* bool */
	LINED_OPTION_STRING,   /* const char *, never NULL */
	LINED_OPTION_DURATION, /* int64_t milliseconds; ms s m h, bare: s */
	LINED_OPTION_SIZE,     /* int64_t bytes; k M G */
	LINED_OPTION_LIST,     /* struct lined_option_list of strings */
	LINED_OPTION_SECTION,  /* struct lined_option_sections, titled */
	LINED_OPTION_CHOICE,   /* int or an enum: which of choices, from 0 */
};

struct lined_option_list {
	size_t count;
	const char *const *items;
};

/* items: `count` structs of the option's section_size each, whose first member
 * is `const char *title`. */
struct lined_option_sections {
	size_t count;
	const void *items;
};

/*
 * One option of a protocol. A table of them ends with a zeroed entry. The
 * defaults are written as they would be in the config; a list or a section is
 * empty by default. A choice that neither the config nor a default sets is -1.
 */
struct lined_option {
	const char *name;
	enum lined_option_type type;
	size_t offset;        /* where in the module's struct */
	const char *fallback; /* the default, as text; NULL: "", 0, false, -1 */
	int64_t min, max;     /* numbers; both 0: 0 to the type's largest */
	/* NULL-ended: the words of a choice, or those that a string is
	 * limited to. */
	const char *const *choices;
	const struct lined_option *section; /* of LINED_OPTION_SECTION */
	size_t section_size;
};

/*
 * What every entry has, the others behind it:
 *
 *	{LINED_OPTION("wait", DURATION, struct options, wait_ms), .max = 9000},
 *
 * A member that is not of the option's C type does not compile.
 */
#ifndef __cplusplus
#define LINED_OPTION(NAME, TYPE, STRUCT, MEMBER)                               \
	.name = NAME, .type = LINED_OPTION_##TYPE,                             \
	.offset = offsetof(STRUCT, MEMBER) +                                   \
		  _Generic(((STRUCT *)0)->MEMBER, LINED_STORED_##TYPE : 0)
/* Without negative constants an enum is unsigned. */
#define LINED_STORED_CHOICE int : 0, unsigned
#else
#define LINED_OPTION(NAME, TYPE, STRUCT, MEMBER)                               \
	.name = NAME, .type = LINED_OPTION_##TYPE,                             \
	.offset =                                                              \
		offsetof(STRUCT, MEMBER) +                                     \
		lined_option_stored<LINED_STORED_##TYPE,                       \
				    decltype(((STRUCT *)0)->MEMBER)>::matches
#define LINED_STORED_CHOICE lined_option_choice
extern "C++" {
template <typename Stored, typename Member> struct lined_option_stored;
template <typename Stored> struct lined_option_stored<Stored, Stored> {
	enum { matches = 0 };
};
struct lined_option_choice;
template <typename Member>
struct lined_option_stored<lined_option_choice, Member> {
	static_assert(Member(1) && sizeof(Member) == sizeof(int),
		      "a choice is stored in an int or an enum");
	enum { matches = 0 };
};
}
#endif

#define LINED_STORED_INTEGER  int64_t
#define LINED_STORED_BOOLEAN  bool
#define LINED_STORED_STRING   const char *
#define LINED_STORED_DURATION int64_t
#define LINED_STORED_SIZE     int64_t
#define LINED_STORED_LIST     struct lined_option_list
#define LINED_STORED_SECTION  struct lined_option_sections

/*
 * What a module exports. Every callback may be NULL, but not handle_accept,
 * handle_line and handle_task at once.
 *
 * There are two ways to read clients. The short one: the daemon runs the loop
 * and calls handle_line, handle_too_long and handle_close below. The full one:
 * handle_accept sets the client's handlers with lined_socket_set_handlers(),
 * and handle_read loops over lined_socket_read_line(). A protocol with a
 * handle_line may have a handle_accept, too, for a greeting.
 *
 * A datagram address of a service is one socket for all senders. It is passed
 * to handle_accept when the service starts to listen on it, and
 * lined_socket_send() answers the sender of the datagram that is being read. It
 * is closed when a reload removes the address, and when the service drains,
 * before finish() and stop().
 */
struct lined_protocol {
	uint32_t abi;        /* LINED_ABI */
	uint32_t size;       /* sizeof(struct lined_protocol) */
	const char *name;    /* [a-z0-9_-]+; the module is NAME.so */
	const char *summary; /* one line for people */
	uint32_t flags;      /* enum lined_protocol_flag */
	uint32_t transports; /* enum lined_transport; 0: stream */

	/* A client has connected. */
	void (*handle_accept)(struct lined_service *service,
			      struct lined_socket *client);
	/* A line of a client, or a block without handle_block. It is answered
	 * by lined_socket_send(). */
	void (*handle_line)(struct lined_socket *client,
			    const struct lined_line *line);
	/* A line was longer than line-length. What is sent now still arrives
	 * if the client is closed for it. */
	void (*handle_too_long)(struct lined_socket *client);
	/* The client was closed: the last call about it. */
	void (*handle_close)(struct lined_socket *client,
			     enum lined_close_reason reason, int error);

	/* The options: a table, and the size of the struct that it fills. */
	const struct lined_option *options;
	size_t options_size;
	/* Checks the values, also for lined -t. -1: the config is refused;
	 * error is the reason, with the name of the option. */
	int (*check)(const void *options, char *error, size_t size);

	/* An instance starts, and stops. start() returns -1 if it cannot; it
	 * has logged the reason and freed what it had, and stop() is not
	 * called. The service is then started on no worker. */
	int (*start)(struct lined_service *service);
	void (*stop)(struct lined_service *service);
	/* The config was read again, and lined_service_options() returns new
	 * ones. */
	void (*reload)(struct lined_service *service);
	/* The service begins to drain, before its clients are closed: the time
	 * for a last message to them. */
	void (*drain)(struct lined_service *service);
	/*
	 * Called on each instance whenever the wall clock is a multiple of
	 * task_ms; with 1000, as each second begins. Calls that were missed,
	 * while something else took too long, are not made up for.
	 */
	void (*handle_task)(struct lined_service *service);
	uint32_t task_ms;

	/* Keys of `framing` that the config of a service may not set, and the
	 * defaults for the others; line_length 0: the daemon's defaults. */
	uint32_t framing_fixed;
	struct lined_framing framing;

	/* Bytes that the protocol has for each client, lined_client_data():
	 * zeroed before handle_accept and freed after handle_close. */
	uint32_t client_size;

	/* The service drains, and the client is idle: all its input was read,
	 * all output was sent, and it waits for no claim and no password.
	 * Closes it, now or soon; called repeatedly until it is closed, which
	 * the daemon does after drain-timeout. NULL: the daemon closes it. */
	void (*handle_drain)(struct lined_socket *client);
	/* The service drains, and no worker has a client of it any more: ends
	 * what the protocol has opened itself. False: not ended yet; called
	 * repeatedly until it is true or drain-timeout is over, before stop().
	 */
	bool (*finish)(struct lined_service *service);

	/* The block that lined_client_expect_block() has asked for, with the
	 * line whose handle_line called it, so that the protocol need not keep
	 * that line; it is empty if handle_accept called it. Both are borrowed.
	 * May ask for another block, with which the line is passed again. NULL:
	 * handle_line gets the block. */
	void (*handle_block)(struct lined_socket *client,
			     const struct lined_line *line,
			     const struct lined_line *block);
};

/* A module defines this constant; the daemon looks it up by its name. */
extern LINED_API const struct lined_protocol lined_protocol;

LINED_END_DECLS

#endif
