/* SPDX-License-Identifier: MIT */
/*
 * Adds errors and steps to a transcript, for the statements in parser*.c.
 */
#include "config.h"

#include "linetest/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linetest/word.h"

void parser_error(struct parser *parser, const char *format, ...)
{
	char message[512];
	va_list args;

	parser->error_count++;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	bytes_add_format(parser->errors, "%s:%u: %s\n", parser->file->path,
			 parser->file->line, message);
}

struct step *parser_add_step(struct parser *parser, enum step_kind kind,
			     size_t client)
{
	struct transcript *transcript = parser->transcript;
	const struct transcript_file *file = parser->file;
	const char *row = file->row;
	struct step *step;

	transcript->steps =
		memory_resize(transcript->steps, transcript->step_count + 1,
			      sizeof(*transcript->steps));
	step = &transcript->steps[transcript->step_count++];
	memset(step, 0, sizeof(*step));
	step->kind = kind;
	step->client = client;
	step->address = SIZE_MAX;
	step->file = file->path;
	step->line = file->line;
	row += strspn(row, " \t");
	step->statement = memory_copy(row, strlen(row));
	return step;
}

struct parser_client *parser_client(struct parser *parser, size_t client)
{
	if (client >= parser->client_count) {
		parser->clients = memory_resize(parser->clients, client + 1,
						sizeof(*parser->clients));
		memset(parser->clients + parser->client_count, 0,
		       (client + 1 - parser->client_count) *
			       sizeof(*parser->clients));
		parser->client_count = client + 1;
	}
	return &parser->clients[client];
}

void parser_start(struct parser *parser)
{
	if (parser->daemon == PARSER_STOPPED) {
		parser_error(parser, "the daemon was stopped above; \"start\" "
				     "starts it again");
	} else if (parser->daemon == PARSER_IDLE) {
		if (!parser->has_config && parser->service_count == 0 &&
		    !parser->connects)
			parser_error(parser,
				     "no \"protocol\" or \"config\" above says "
				     "what the daemon is to serve (such as "
				     "\"protocol echo\")");
		parser_add_step(parser, STEP_START, STEP_NO_CLIENT);
	}
	parser->daemon = PARSER_RUNNING;
}

void parser_start_once(struct parser *parser)
{
	if (parser->daemon == PARSER_IDLE)
		parser_start(parser);
}

bool parser_template(struct parser *parser, struct template *template,
		     const char *text, bool is_pattern)
{
	char *error = NULL;

	if (template_read(template, text, strlen(text), is_pattern, &error) ==
	    0)
		return true;
	parser_error(parser, "%s", error);
	free(error);
	return false;
}

bool parser_duration(struct parser *parser, const char *text, uint32_t *ms)
{
	if (word_duration(text, ms))
		return true;
	parser_error(parser, "\"%s\" is no duration (such as 200ms, 2s, 1m)",
		     text);
	return false;
}

bool parser_line_end(const char *word, enum line_end *end)
{
	if (word != NULL && strcmp(word, "lf") == 0)
		*end = LINE_END_LF;
	else if (word != NULL && strcmp(word, "crlf") == 0)
		*end = LINE_END_CRLF;
	else
		return false;
	return true;
}
