/* SPDX-License-Identifier: MIT */
/*
 * A protocol module: a shared object that exports one constant named
 * lined_protocol. This header is what such a module needs.
 *
 * A module has no writable globals. The daemon makes an instance of a service
 * on each worker, `struct lined_service`; all calls for an instance come on
 * that worker's thread, so a module needs no locks.
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
 * The interface's version. It changes when a structure of a public header is
 * rearranged or grows (but struct lined_protocol, which says its size and may
 * be appended to), when a constant changes its value, and when a function goes,
 * takes something else or changes its meaning. It does not when functions,
 * constants or members of struct lined_protocol are added: a module that was
 * built before goes on, and one that uses what is new asks for a lined that
 * has it.
 */
#define LINED_ABI 3u

/* struct lined_protocol.flags */
enum lined_protocol_flag {
	/* All clients of a service are served by one worker: for protocols
	 * whose state lives in memory. */
	LINED_ONE_WORKER = 1,
	/* Datagrams from ports below 1024 and from the service's own address
	 * are dropped, counted, before the protocol sees them: for protocols
	 * that answer everything. */
	LINED_NO_REFLECTION = 2,
	/* idle-timeout is 0 unless the config sets it: for protocols whose
	 * clients may well be silent for hours. */
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
 * handle_line may have a handle_accept too, to greet.
 *
 * A datagram address of a service is one socket for all senders: it is given
 * to handle_accept once when the service starts, and lined_socket_send()
 * answers the sender of the datagram being read. It closes when a reload takes
 * the address away, and when the service drains, before finish() and stop().
 */
struct lined_protocol {
	uint32_t abi;        /* LINED_ABI */
	uint32_t size;       /* sizeof(struct lined_protocol) */
	const char *name;    /* [a-z0-9_-]+; the module is NAME.so */
	const char *summary; /* one line for people */
	uint32_t flags;      /* enum lined_protocol_flag */
	uint32_t transports; /* enum lined_transport; 0: stream */

	/* A client of the service has arrived. */
	void (*handle_accept)(struct lined_service *service,
			      struct lined_socket *client);
	/* A line of a client, or a block. Answer with lined_socket_send(). */
	void (*handle_line)(struct lined_socket *client,
			    const struct lined_line *line);
	/* A line over the limit; what is sent now still arrives. */
	void (*handle_too_long)(struct lined_socket *client);
	/* The client is gone: the last call about it. */
	void (*handle_close)(struct lined_socket *client,
			     enum lined_close_reason reason, int error);

	/* The options: a table, and the size of the struct that it fills. */
	const struct lined_option *options;
	size_t options_size;
	/* Refuses values (also under lined -t): -1, and a text that says which
	 * and why in error. */
	int (*check)(const void *options, char *error, size_t size);

	/* An instance begins, and ends. -1: it cannot, and has logged why and
	 * given back what it had; stop does not follow. The service begins on
	 * no worker then. */
	int (*start)(struct lined_service *service);
	void (*stop)(struct lined_service *service);
	/* The config was read again: lined_service_options() are new. */
	void (*reload)(struct lined_service *service);
	/* The service drains: say goodbye; the clients are closed next. */
	void (*drain)(struct lined_service *service);
	/*
	 * Called every task_ms of an instance: whenever the clock of the day is
	 * a multiple of it, so that 1000 is as each second begins. What was
	 * held up is called once, and not made up for.
	 */
	void (*handle_task)(struct lined_service *service);
	uint32_t task_ms;

	/* Keys of `framing` that the service's config may not set, and the
	 * values below what it sets; line_length 0: the daemon's defaults. */
	uint32_t framing_fixed;
	struct lined_framing framing;

	/* Bytes that the protocol has for each client, zeroed at first and
	 * freed after handle_close: lined_client_data(). */
	uint32_t client_size;

	/* The service drains, and the client has said nothing that was not
	 * read, waits for no claim and no password, and got all that was sent:
	 * close it, soon. Called again and again until it is closed, as it is
	 * after drain-timeout. NULL: it is closed at once. */
	void (*handle_drain)(struct lined_socket *client);
	/* No worker has a client of the service any more: end what the
	 * protocol opened itself. False: it has not ended yet; called again
	 * and again until true or drain-timeout, before stop(). */
	bool (*finish)(struct lined_service *service);

	/* What lined_client_expect_block() asked for, and the line that asked,
	 * so that nothing of it need be remembered; an empty one where
	 * handle_accept asked. Both are borrowed. May ask for another block,
	 * with which that line comes again. NULL: handle_line gets the block.
	 */
	void (*handle_block)(struct lined_socket *client,
			     const struct lined_line *line,
			     const struct lined_line *block);
};

/* What a module defines; the daemon looks the name up. */
extern LINED_API const struct lined_protocol lined_protocol;

LINED_END_DECLS

#endif
