/* SPDX-License-Identifier: MIT */
/*
 * A transcript that was read: the services of the daemon, and the steps of
 * clients. The grammar is in linetest(1). A transcript is made by
 * transcript_read() and never changes: many runs play it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linetest/bytes.h"
#include "linetest/template.h"
#include "linetest/transport.h"

/* The end of the lines that `NAME>` sends. */
enum line_end {
	LINE_END_ANY, /* LF, or CRLF in a run that tries CRLF */
	LINE_END_LF,
	LINE_END_CRLF,
};

enum step_kind {
	/* Steps of a client. */
	STEP_CONNECT,
	STEP_SEND,     /* > a line */
	STEP_SEND_RAW, /* >> bytes */
	STEP_LINE,     /* < this line comes next */
	STEP_RAW,      /* << these bytes come next */
	STEP_SKIP,     /* < ... */
	STEP_SILENCE,  /* ! nothing comes, for a client or for all clients */
	STEP_EOF,      /* eof: the peer has ended the stream */
	STEP_GONE,     /* gone: the same, or the connection is broken */
	STEP_CLOSE,    /* close */
	STEP_HALF_CLOSE,
	STEP_RESET, /* close so that the peer sees an error */
	/* Steps of a server that the transcript plays. */
	STEP_LISTEN,
	STEP_ACCEPT,
	STEP_DEAF, /* stop listening */
	/* Steps of the daemon. */
	STEP_START,
	STEP_STOP,
	STEP_RELOAD,
	STEP_LOG, /* a line of the log, sooner or later */
	/* Other steps. */
	STEP_WAIT,
};

#define STEP_NO_CLIENT SIZE_MAX

struct step {
	enum step_kind kind;
	size_t client; /* an index, or STEP_NO_CLIENT */
	const char *file;
	unsigned line;
	char *statement; /* the statement as it was written */
	/* The text that is sent or expected. */
	struct template text;
	enum line_end end;
	/* STEP_LINE: if consecutive steps of one client have this flag, their
	 * lines may come in any order. */
	bool any_order;
	uint32_t ms; /* STEP_WAIT, STEP_SILENCE */
	/* STEP_CONNECT, STEP_LISTEN: where. A URL, or NULL and an
	 * index into the transcript's addresses. */
	char *url;
	size_t address;
	/* STEP_RELOAD: the new config; NULL: the config file stays as it is. */
	char *config;
};

/* The name of an address of the daemon, or of a server that the transcript
 * plays. Each run chooses an address for it. */
struct transcript_address {
	enum transport transport;
	char *name;
};

struct transcript {
	char *path;   /* the path of the transcript, as it was given */
	char *here;   /* its directory, absolute */
	char *config; /* has placeholders such as {tcp:NAME} */
	struct step *steps;
	size_t step_count;
	char **clients;
	size_t client_count;
	struct transcript_address *addresses;
	size_t address_count;
	unsigned workers;     /* 0: as the command line has it */
	bool fixes_workers;   /* the config has a number of its own */
	uint32_t patience_ms; /* 0: as the command line has it */
	bool is_whole;        /* writes are not to be cut */
	/* The paths of its files; steps point to these. */
	char **files;
	size_t file_count;
	unsigned last_line; /* the number of the last line of `path` */
};

/*
 * Reads a transcript and what it includes. The command, unless it is NULL, is
 * the program that is served, in place of a `protocol` statement. With
 * `connects`, the transcript is played against a running server, and needs no
 * such statement. `over` is the transport of clients for which the transcript
 * does not choose one. "-" is standard input. NULL if it has errors: each is
 * added to *errors as a line "FILE:LINE: MESSAGE\n".
 */
struct transcript *transcript_read(const char *path, const char *command,
				   bool connects, enum transport over,
				   struct bytes *errors);

/* NULL is fine. */
void transcript_free(struct transcript *transcript);

/* The index of a client or of an address, made if it does not exist. */
size_t transcript_client(struct transcript *transcript, const char *name,
			 size_t len);
size_t transcript_address(struct transcript *transcript,
			  enum transport transport, const char *name,
			  size_t len);

/* The same, but returns SIZE_MAX if it does not exist. */
size_t transcript_find_client(const struct transcript *transcript,
			      const char *name, size_t len);
size_t transcript_find_address(const struct transcript *transcript,
			       enum transport transport, const char *name,
			       size_t len);

/* A placeholder of a config: {unix}, {tcp:NAME}, {dir}, {here} and so on. */
struct placeholder {
	enum { PLACEHOLDER_ADDRESS, PLACEHOLDER_DIR, PLACEHOLDER_HERE } kind;
	enum transport transport;
	const char *name; /* not terminated */
	size_t name_len;
	size_t len; /* the length of the placeholder */
};

/* Whether the text begins with a placeholder. */
bool placeholder_read(struct placeholder *found, const char *text);
