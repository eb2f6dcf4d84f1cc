/* SPDX-License-Identifier: MIT */
/*
 * The state of reading a transcript, and functions for all statements: errors,
 * steps, words. The statements themselves are in parse.c (files, and those
 * without a client), parse_client.c and parse_config.c. Everything that can be
 * known without playing the transcript is checked while it is read: which
 * clients are connected, which names have a value, that each block ends.
 */
#pragma once

#include "linetest/script.h"
#include "linetest/source.h"
#include "linetest/template.h"

/* A service that a `protocol` statement makes. */
struct parser_service {
	char *protocol, *name, *block;
	unsigned transports; /* 1 << enum transport */
};

struct parser_actor {
	enum { PARSER_NEW, PARSER_CONNECTED, PARSER_CLOSED } state;
	unsigned closed_line;
	bool end_given;
	enum line_end end;
	bool ended;      /* the other side has ended the connection */
	bool listens;    /* it plays a server */
	size_t came_for; /* serial of the sends that its connect was moved
			  * before; 0: none */
};

struct parser {
	struct script *script;
	struct bytes *errors;
	size_t error_count;
	struct source *source;
	struct parser_service *services;
	size_t service_count;
	bool has_config; /* a `config` statement was read */
	bool is_exec;    /* --exec, in place of `protocol` and `config` */
	bool connects;   /* --connect: no such statement is needed */
	bool transport_given;
	enum transport transport;
	enum line_end end;
	enum { PARSER_IDLE, PARSER_RUNNING, PARSER_STOPPED } daemon;
	struct parser_actor *actors; /* as many as the script's */
	size_t actor_count;
	/* The last sends in a row, by one client or by several: the index of
	 * the first step, and a serial number. */
	size_t sends, sends_serial;
	struct values known; /* names with a value; the values do not matter */
};

/* Adds an error at the current line. */
void parser_error(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds a step of the current line. Valid until the next one is added. */
struct step *parser_add_step(struct parser *parser, enum step_kind kind,
			     size_t actor);

/* The state of an actor. Valid until another actor is added. */
struct parser_actor *parser_actor(struct parser *parser, size_t actor);

/* Adds a step that starts the daemon, unless it runs. An error if it was
 * stopped. */
void parser_start(struct parser *parser);

/* The same for a statement that may follow `stop`: no error. */
void parser_start_once(struct parser *parser);

/* Reads text into a template. False and an error. */
bool parser_template(struct parser *parser, struct template *template,
		     const char *text, bool is_pattern);

/* Reads "100ms", "2s", "1m" or bare seconds. False and an error. */
bool parser_duration(struct parser *parser, const char *text, uint32_t *ms);

/* Reads "lf" or "crlf"; word may be NULL. False: neither. */
bool parser_line_end(const char *word, enum line_end *end);

/* The next word of a statement, cut off in place; NULL at its end. *at moves
 * behind it. A # begins a comment. */
char *parser_word(char **at);
