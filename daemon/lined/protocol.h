/* SPDX-License-Identifier: MIT */
/*
 * A protocol module is a shared object that exports one constant named
 * lined_protocol. This header declares it.
 *
 * The daemon makes an instance of a service, `struct lined_service`, on each
 * worker, and calls the protocol for it only on that worker's thread. A module
 * must have no writable globals, and so needs no locks.
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
 * The version of this interface changes if
 * - a structure of a public header changes or grows, except struct
 *   lined_protocol, which has its size as a member and may grow at its end;
 * - a constant changes its value;
 * - a function is removed, or its arguments or its meaning change.
 * The version stays if functions, constants or members of struct lined_protocol
 * are added: older modules still work. A module that uses an addition needs a
 * lined that has it.
 */
#define LINED_ABI 2u

/* struct lined_protocol.flags */
enum lined_protocol_flag {
	/* One worker serves all clients of a service: for protocols whose
	 * clients share state in memory. */
	LINED_ONE_WORKER = 1,
	/*
	 * Datagrams from ports below 1024 and from the service's own port are
	 * dropped and counted: for protocols that answer every datagram. After
	 * a datagram with a forged sender, such a protocol and another server
	 * would answer each other for ever.
	 */
	LINED_NO_REFLECTION = 2,
	/* idle-timeout is 0 by default: for protocols whose clients may be
	 * silent for hours. */
	LINED_NO_IDLE_TIMEOUT = 4,
};

/* Changes of the cluster, for handle_cluster. */
enum lined_cluster_event {
	/* Some nodes do not hear each other: lines may be lost. */
	LINED_CLUSTER_PARTED,
	/* All nodes hear each other again. */
	LINED_CLUSTER_WHOLE,
	/* lined_service_is_primary() has changed for this instance. */
	LINED_CLUSTER_PRIMARY,
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

/* The type of an option in the config, and its C type in the module's struct.
 */
enum lined_option_type {
	LINED_OPTION_END,
	LINED_OPTION_INTEGER,  /* int64_t */
	LINED_OPTION_BOOLEAN,  /* bool */
	LINED_OPTION_STRING,   /* const char *, never NULL */
	LINED_OPTION_DURATION, /* int64_t ms; 500ms, 10s, 5m, 1h; 10 is 10s */
	LINED_OPTION_SIZE,     /* int64_t bytes; 10k, 10M, 10G */
	LINED_OPTION_LIST,     /* struct lined_option_list of strings */
	LINED_OPTION_SECTION,  /* struct lined_option_sections, titled */
	LINED_OPTION_CHOICE,   /* int or enum: the index in choices */
};

struct lined_option_list {
	size_t count;
	const char *const *items;
};

/* items: an array of `count` structs of section_size bytes, each with `const
 * char *title` as its first member. */
struct lined_option_sections {
	size_t count;
	const void *items;
};

/*
 * One option of a protocol. A table of options ends with a zeroed entry.
 * Defaults are texts as in the config; lists and sections are empty by default.
 * A choice that is not set and has no default is -1.
 */
struct lined_option {
	const char *name;
	enum lined_option_type type;
	size_t offset;        /* offset in the module's struct */
	const char *fallback; /* the default; NULL: "", 0, false, -1 */
	int64_t min, max;     /* for numbers; both 0: from 0, no maximum */
	/* NULL-terminated: the words of a choice, or the only values allowed
	 * for a string. */
	const char *const *choices;
	const struct lined_option *section; /* for LINED_OPTION_SECTION */
	size_t section_size;
	/* Only for a choice: a reload that changes the option drains the
	 * service and starts it again, as a change of the protocol does. */
	bool restarts;
};

/*
 * Sets the members that every entry needs; others may follow:
 *
 * 	{LINED_OPTION("wait", DURATION, struct options, wait_ms), .max = 9000},
 *
 * Compiles only if the struct's member has the option's C type.
 */
#ifndef __cplusplus
#define LINED_OPTION(NAME, TYPE, STRUCT, MEMBER)                               \
	.name = NAME, .type = LINED_OPTION_##TYPE,                             \
	.offset = offsetof(STRUCT, MEMBER) +                                   \
		  _Generic(((STRUCT *)0)->MEMBER, LINED_STORED_##TYPE : 0)
/* An enum without negative constants has an unsigned type. */
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

/* ---- checking options --------------------------------------------------- */

/* The argument of check_options(). */
struct lined_check;
struct lined_records;

/* Whether the config sets this option of the protocol's section. */
LINED_API bool lined_check_is_set(const struct lined_check *check,
				  const char *option);

/* Whether the service listens on this address, see lined_service_listens(). */
LINED_API bool lined_check_listens(const struct lined_check *check,
				   const struct sockaddr *address, int type);

/*
 * Reports a fault with a printf(3) format, as "FILE:LINE: service "NAME":
 * PROTOCOL: OPTION: MESSAGE". FILE:LINE is the place of the option. If the
 * option is not set, it is the place of the protocol's section, or of the
 * service if there is no such section. An error refuses the config; a warning
 * does not. Any number of faults may be reported.
 */
LINED_API void lined_check_error(struct lined_check *check, const char *option,
				 const char *format, ...)
	__attribute__((format(printf, 3, 4)));
LINED_API void lined_check_warning(struct lined_check *check,
				   const char *option, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The constant that a module exports. Every callback may be NULL, but at least
 * one of handle_accept, handle_line and handle_task must be set.
 *
 * There are two ways to read clients. The simple way: the daemon runs the loop
 * and calls handle_line, handle_too_long and handle_close below. The general
 * way: handle_accept sets handlers with lined_socket_set_handlers(), and their
 * handle_read calls lined_socket_read_line() in a loop. A protocol with a
 * handle_line may also have a handle_accept, for a greeting.
 *
 * A datagram address of a service is one socket for all senders, passed to
 * handle_accept when the service starts listening. lined_socket_send() answers
 * the sender of the datagram being read. The socket is closed when a reload
 * removes the address, and when the service drains, before finish() and stop().
 */
struct lined_protocol {
	uint32_t abi;        /* LINED_ABI */
	uint32_t size;       /* sizeof(struct lined_protocol) */
	const char *name;    /* [a-z0-9_-]+; the module is NAME.so */
	const char *summary; /* one line of text */
	uint32_t flags;      /* enum lined_protocol_flag */
	uint32_t transports; /* enum lined_transport; 0: stream */

	/* A client has connected. */
	void (*handle_accept)(struct lined_service *service,
			      struct lined_socket *client);
	/* A line from a client; also a block, if there is no handle_block.
	 * lined_socket_send() answers it. */
	void (*handle_line)(struct lined_socket *client,
			    const struct lined_line *line);
	/* A line was longer than line-length. If `too-long` closes the client,
	 * output sent in this call is flushed first. */
	void (*handle_too_long)(struct lined_socket *client);
	/* The client has closed; no call for this client follows. */
	void (*handle_close)(struct lined_socket *client,
			     enum lined_close_reason reason, int error);

	/* The table of options, and the size of the module's struct. */
	const struct lined_option *options;
	size_t options_size;
	/* Checks the values of the options, also in lined -t. -1: the config is
	 * refused; error must name the option and the reason. */
	int (*check)(const void *options, char *error, size_t size);

	/*
	 * Called when an instance starts and when it stops. If start() fails,
	 * it logs the reason, frees what it has allocated and returns -1;
	 * stop() is not called for this instance. Instances already started on
	 * other workers are stopped.
	 */
	int (*start)(struct lined_service *service);
	void (*stop)(struct lined_service *service);
	/* The config was read again: lined_service_options() returns the new
	 * options. */
	void (*reload)(struct lined_service *service);
	/* The service starts draining. Clients are closed later, so this is the
	 * place to send them a last message. */
	void (*drain)(struct lined_service *service);
	/*
	 * Called for each instance whenever the wall clock is a multiple of
	 * task_ms: with 1000, at the beginning of each second. A call that is
	 * missed because the worker is busy is not repeated.
	 */
	void (*handle_task)(struct lined_service *service);
	uint32_t task_ms;

	/* framing_fixed: the keys of `framing` that a config must not set.
	 * framing: the values of these keys and the defaults of the others. If
	 * framing.line_length is 0, the daemon's defaults are used. */
	uint32_t framing_fixed;
	struct lined_framing framing;

	/* The size of each client's lined_client_data(): zeroed before
	 * handle_accept, freed after handle_close. */
	uint32_t client_size;

	/*
	 * Called when the service drains, all workers have handled the input
	 * that clients sent before the drain, and this client is idle: all its
	 * input is handled, all output is sent, and no claim or password is
	 * being decided. Must close the client, now or later; called repeatedly
	 * until the client is closed. The daemon closes the client after
	 * drain-timeout. NULL: the daemon closes an idle client at once.
	 */
	void (*handle_drain)(struct lined_socket *client);
	/*
	 * Called when the service drains and no worker has a client of the
	 * service any more. Closes the sockets that the protocol has opened.
	 * False: not finished. Called repeatedly until it returns true or
	 * drain-timeout is over, before stop().
	 */
	bool (*finish)(struct lined_service *service);

	/*
	 * The block that lined_client_expect_block() asked for. `line` is a
	 * copy of the line that handle_line was handling at that time; empty if
	 * handle_accept asked. Both are borrowed. If handle_block asks for
	 * another block, the next call has the same line. NULL: handle_line
	 * gets the block.
	 */
	void (*handle_block)(struct lined_socket *client,
			     const struct lined_line *line,
			     const struct lined_line *block);

	/* Checks the values of the options, also in lined -t, and reports every
	 * fault. Called after `check`, which can report only one. */
	void (*check_options)(struct lined_check *check, const void *options);

	/* The size of each instance's lined_service_data(): zeroed before
	 * start(), freed after stop(). */
	uint32_t instance_size;

	/* For protocols with handle_line: a client has exceeded idle-timeout,
	 * first-line-timeout or line-timeout and is closed after this call.
	 * Output sent in this call is flushed first. */
	void (*handle_timeout)(struct lined_socket *client);

	/* Whether a service with these options must listen on an address. NULL:
	 * every service must. */
	bool (*needs_listen)(const void *options);

	/* Adds records about this instance, when an operator or the metrics
	 * protocol asks for them: see lined_records_add() in
	 * lined/control.h. */
	void (*describe)(struct lined_service *service,
			 struct lined_records *records);

	/* For a service with `cluster = true`. */
	void (*handle_cluster)(struct lined_service *service,
			       enum lined_cluster_event event);

	/*
	 * Memory is short: clients and protocols use more than 3/4 of the
	 * config's `memory`. Frees about `bytes` of what this instance keeps,
	 * oldest first, and counts what is lost. If `spare` is true, frees only
	 * what no client waits for, such as a history. If `spare` is false,
	 * protocols alone keep too much, because the ceiling was lowered: frees
	 * anything. Clients are closed only at the ceiling itself.
	 * Called at the end of a turn.
	 */
	void (*give_up)(struct lined_service *service, uint64_t bytes,
			bool spare);
	/* The most bytes that a service with these options keeps on all
	 * workers, for lined -t. UINT64_MAX: no limit. */
	uint64_t (*keeps_most)(const void *options, size_t line_length,
			       uint64_t clients, unsigned workers);

	/* The most connections to other servers on which a service with these
	 * options sends, counted over all workers, for lined -t. Each may queue
	 * up to the service's send-queue. */
	uint32_t (*connects_most)(const void *options);
};

/* Defined by the module; the daemon finds it by this name. */
extern LINED_API const struct lined_protocol lined_protocol;

LINED_END_DECLS

#endif
