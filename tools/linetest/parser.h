/* SPDX-License-Identifier: MIT */
/*
 * The state of parsing a transcript, and the functions that several files call.
 * The statements are in parser_client.c (lines of a client), parser_config.c
 * (what the daemon serves) and parser.c (all others). parser.c also reads the
 * files, and parser_build.c adds errors and steps. Everything that can be known
 * without playing the transcript is checked: which clients are connected, which
 * names have a value, that each block ends.
 */
#pragma once

#include "linetest/transcript.h"
#include "linetest/transcript_file.h"
#include "linetest/template.h"

/* A service that a `protocol` statement makes. */
struct parser_service {
	char *protocol, *name, *block;
	unsigned transports; /* 1 << enum transport */
};

struct parser_client {
	enum { PARSER_NEW, PARSER_CONNECTED, PARSER_CLOSED } state;
	unsigned closed_line;
	bool end_given;
	enum line_end end;
	bool ended;      /* the other side has ended the connection */
	bool listens;    /* it plays a server */
	size_t came_for; /* sends_serial of the sends before which its connect
			  * was moved; 0: it was not moved */
};

struct parser {
	struct transcript *transcript;
	struct bytes *errors;
	size_t error_count;
	struct transcript_file *file;
	struct parser_service *services;
	size_t service_count;
	bool has_config; /* a `config` statement was read */
	bool is_exec;    /* --exec, in place of `protocol` and `config` */
	bool connects;   /* --connect: `protocol` and `config` are not needed */
	bool transport_given;
	enum transport transport;
	enum line_end end;
	enum { PARSER_IDLE, PARSER_RUNNING, PARSER_STOPPED } daemon;
	struct parser_client *clients; /* an item for each client of the
					* transcript */
	size_t client_count;
	/* The latest sequence of sends, by one client or by several, without
	 * another step between them: the index of its first step, and the
	 * number of the sequence, from 1 on. */
	size_t sends, sends_serial;
	struct values known; /* names with a value; the values do not matter */
};

/* ---- parser_build.c ------------------------------------------------------ */

/* Adds an error at the current line. */
void parser_error(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds a step for the current line. Valid until the next step is added. */
struct step *parser_add_step(struct parser *parser, enum step_kind kind,
			     size_t client);

/* The state of a client. Valid until another client is added. */
struct parser_client *parser_client(struct parser *parser, size_t client);

/* Adds a step that starts the daemon, unless it runs. Adds an error if the
 * daemon was stopped. */
void parser_start(struct parser *parser);

/* The same, but does nothing if the daemon was stopped: for statements that may
 * follow `stop`. */
void parser_start_once(struct parser *parser);

/* Reads text into a template. False: an error was added. */
bool parser_template(struct parser *parser, struct template *template,
		     const char *text, bool is_pattern);

/* Reads "100ms", "2s", "1m" or bare seconds. False: an error was added. */
bool parser_duration(struct parser *parser, const char *text, uint32_t *ms);

/* Reads "lf" or "crlf"; word may be NULL. False: neither. */
bool parser_line_end(const char *word, enum line_end *end);

/* ---- parser_client.c ----------------------------------------------------- */

/* Parses a line such as `alice> hello`. row points to the name, which has
 * name_len bytes. */
void parse_client(struct parser *parser, char *row, size_t name_len);

/* `! 100ms`; for all clients if client is STEP_NO_CLIENT. */
void parse_silence(struct parser *parser, size_t client, char *text);

/* ---- parser_config.c ----------------------------------------------------- */

/* Statements about what the daemon serves; at is behind the keyword. */
void parse_protocol(struct parser *parser, char *at);
/* The same for the program of --exec. */
void parse_exec(struct parser *parser, const char *command);
void parse_config(struct parser *parser, char *at);
void parse_reload(struct parser *parser, char *at);

/* Reads the words behind `connect` into step->url or step->address. False: an
 * error was added. */
bool parse_destination(struct parser *parser, struct step *step, char *at);

/* Makes the config of the `protocol` statements or of --exec, and the configs
 * of reloads, once the whole transcript has been read. Does nothing if there
 * are no services to make a config of. */
void parse_finish_config(struct parser *parser);
