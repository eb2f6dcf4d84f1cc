/* SPDX-License-Identifier: MIT */
/*
 * The parts of the transcript's grammar that have a file of their own.
 */
#pragma once

#include "linetest/parser.h"

/* ---- parse_client.c ----------------------------------------------------- */

/* `alice> hello` and the like; row is at the name, name_len long. */
void parse_client(struct parser *parser, char *row, size_t name_len);

/* `! 100ms`; for all clients if actor is STEP_NO_ACTOR. */
void parse_silence(struct parser *parser, size_t actor, char *text);

/* ---- parse_config.c ----------------------------------------------------- */

/* Statements about what the daemon serves; at is behind the keyword. */
void parse_protocol(struct parser *parser, char *at);
/* The same for a program, of linetest --exec. */
void parse_exec(struct parser *parser, const char *command);
void parse_config(struct parser *parser, char *at);
void parse_reload(struct parser *parser, char *at);

/* Reads the words behind `connect` into step->url or step->address. False and
 * an error. */
bool parse_destination(struct parser *parser, struct step *step, char *at);

/* Makes the script's config, once the whole transcript has been read. */
void parse_finish_config(struct parser *parser);
