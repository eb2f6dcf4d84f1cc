/* SPDX-License-Identifier: MIT */
/*
 * The state of reading a transcript, shared by the files of the parser:
 * linetest_parse.c (files and statements), linetest_parse_client.c (lines of a
 * client) and linetest_parse_config.c (what the daemon is to serve). What can
 * be known without playing it is checked here: who is connected where, which
 * names have a value, that nothing is left open.
 */
#ifndef LINETEST_PARSE_H
#define LINETEST_PARSE_H

#include "linetest/values.h"
#include "linetest/script.h"
#include "linetest/source.h"

/* After so many errors the rest is not worth reading. */
#define PARSE_ERRORS_MAX 20

/* Files within files. */
#define PARSE_DEPTH_MAX 16

#define PARSE_SILENCE_MS 100u

/* A service that a `protocol` statement makes. */
struct parse_service {
	char *protocol, *name, *block;
	unsigned transports; /* 1 << enum transport */
};

struct parse_actor {
	enum { PARSE_NEW, PARSE_CONNECTED, PARSE_CLOSED } state;
	unsigned closed_line;
	bool end_given;
	enum line_end end;
	bool ended;   /* its connection, by the other side */
	bool listens; /* it plays a server */
	size_t heard; /* the speech it came for; 0: none */
};

struct parser {
	struct script *script;
	struct bytes *errors;
	size_t error_count;
	struct source *source;
	struct parse_service *services;
	size_t service_count;
	bool has_config; /* by a `config` statement */
	bool transport_given;
	enum transport transport;
	enum line_end end;
	enum { PARSE_IDLE, PARSE_RUNNING, PARSE_STOPPED } daemon;
	struct parse_actor *actors; /* as many as the script's */
	size_t actor_count;
	/* What was said last, by one or by several in turn: its first step, and
	 * how often somebody has begun to speak. */
	size_t speech, speeches;
	struct values known; /* the values do not matter */
};

/* Adds an error at the line that is read. */
void parse_error(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A step at the line that is read. Valid until the next. */
struct step *parse_step(struct parser *parser, enum step_kind kind,
			size_t actor);

/* What is known of an actor. Valid until a new one comes. */
struct parse_actor *parse_actor(struct parser *parser, size_t actor);

/* The daemon runs from here on; a step starts it where it does not yet. */
void parse_start(struct parser *parser);

/* The same where it never ran: it may have been stopped again. */
void parse_begin(struct parser *parser);

/* Reads text into a template, false where that was an error. */
bool parse_template(struct parser *parser, struct template *template,
		    const char *text, bool is_pattern);

/* "100ms", "2s", "1m", bare seconds; false and an error. */
bool parse_duration(struct parser *parser, const char *text, uint32_t *ms);

/* The next word of a statement, NULL at its end; *at is changed. A # begins a
 * comment. */
char *parse_word(char **at);

/* `alice> hello` and its kin; row is at the name, name_len long. */
void parse_client(struct parser *parser, char *row, size_t name_len);

/* `! 100ms` for everybody. */
void parse_silence(struct parser *parser, size_t actor, char *text);

/* The statements about what the daemon serves; at is behind the keyword. */
void parse_protocol(struct parser *parser, char *at);
void parse_config(struct parser *parser, char *at);
void parse_reload(struct parser *parser, char *at);

/* Where an actor connects to, from the words that are left; false: an error.
 * -> step->address or step->url. */
bool parse_destination(struct parser *parser, struct step *step, char *at);

/* Makes the config, when all has been read. */
void parse_finish_config(struct parser *parser);

#endif
