/* SPDX-License-Identifier: MIT */
/*
 * Parses a transcript: its files, and the statements that begin with a keyword.
 * Continues after an error, so that all errors are reported at once.
 */
#include "config.h"

#include "linetest/parser.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/word.h"

/* After this many errors the rest is not read. */
#define ERRORS_MAX 20

/* How deep files may include each other. */
#define DEPTH_MAX 16

/* ---- statements --------------------------------------------------------- */

static void parse_file(struct parser *parser, const char *path);

static void parse_include_file(struct parser *parser, char *name)
{
	const struct transcript_file *file;
	unsigned depth = 0;
	char *path;

	for (file = parser->file; file != NULL; file = file->parent)
		depth++;
	if (depth >= DEPTH_MAX) {
		parser_error(parser,
			     "include \"%s\": files within files, %u deep",
			     name, depth);
		return;
	}
	path = transcript_file_path(parser->file->path, name);
	parse_file(parser, path);
	free(path);
}

static void parse_workers(struct parser *parser, char *word)
{
	unsigned long workers;
	char *end;

	workers = strtoul(word, &end, 10);
	if (*word < '1' || *word > '9' || *end != '\0' || workers > 1024) {
		parser_error(parser, "workers \"%s\": a number from 1 to 1024",
			     word);
		return;
	}
	if (parser->daemon != PARSER_IDLE)
		parser_error(parser, "\"workers\" comes before the first "
				     "client");
	parser->transcript->workers = (unsigned)workers;
}

static void parse_transport(struct parser *parser, char *word)
{
	enum transport transport = transport_find(word, strlen(word));

	if (transport == TRANSPORTS) {
		parser_error(parser,
			     "transport \"%s\": unix, tcp, tcp6, udp, "
			     "udp6, tls, ws or wss",
			     word);
		return;
	}
	parser->transport = transport;
	parser->transport_given = true;
}

static void parse_terminator(struct parser *parser, char *word)
{
	if (!parser_line_end(word, &parser->end))
		parser_error(parser, "terminator \"%s\": lf or crlf", word);
}

static void parse_fragment(struct parser *parser, char *word)
{
	if (strcmp(word, "off") == 0)
		parser->transcript->is_whole = true;
	else
		parser_error(parser, "usage: fragment off");
}

static void parse_patience(struct parser *parser, char *word)
{
	parser_duration(parser, word, &parser->transcript->patience_ms);
}

static void parse_wait(struct parser *parser, char *word)
{
	uint32_t ms;

	if (parser_duration(parser, word, &ms)) {
		parser_start_once(parser);
		parser_add_step(parser, STEP_WAIT, STEP_NO_CLIENT)->ms = ms;
	}
}

static void parse_start(struct parser *parser, char *word)
{
	if (parser->daemon == PARSER_RUNNING)
		parser_error(parser, "the daemon was started above");
	parser->daemon = PARSER_IDLE;
	parser_start(parser);
}

static void parse_stop(struct parser *parser, char *word)
{
	if (parser->daemon != PARSER_RUNNING)
		parser_error(parser, "the daemon does not run here");
	parser_add_step(parser, STEP_STOP, STEP_NO_CLIENT);
	parser->daemon = PARSER_STOPPED;
}

/* `...` alone: a skip for each client that is connected at this line. */
static void parse_skip_all(struct parser *parser, char *word)
{
	size_t i;

	for (i = 0; i < parser->client_count; i++)
		if (parser->clients[i].state == PARSER_CONNECTED)
			parser_add_step(parser, STEP_SKIP, i);
}

static void parse_silence_all(struct parser *parser, char *at)
{
	parse_silence(parser, STEP_NO_CLIENT, at);
}

static const struct {
	const char *keyword;
	/* The argument, for the usage; "": none; NULL: parse() takes the rest
	 * of the row. */
	const char *word;
	void (*parse)(struct parser *parser, char *text);
} statements[] = {
	{"protocol", NULL, parse_protocol},
	{"config", NULL, parse_config},
	{"include", "FILE", parse_include_file},
	{"workers", "N", parse_workers},
	{"transport", "unix|tcp|tcp6|udp|udp6|tls|ws|wss", parse_transport},
	{"terminator", "lf|crlf", parse_terminator},
	{"fragment", "off", parse_fragment},
	{"patience", "DURATION", parse_patience},
	{"wait", "DURATION", parse_wait},
	{"start", "", parse_start},
	{"stop", "", parse_stop},
	{"reload", NULL, parse_reload},
	{"...", "", parse_skip_all},
	{"!", NULL, parse_silence_all},
};

/* Parses the statement in row. Modifies row: it is cut into words. */
static void parse_statement(struct parser *parser, char *row)
{
	char *at = row, *keyword = word_next(&at), *word;
	size_t i;

	for (i = 0; i < sizeof(statements) / sizeof(*statements); i++)
		if (strcmp(keyword, statements[i].keyword) == 0)
			break;
	if (i == sizeof(statements) / sizeof(*statements)) {
		parser_error(parser,
			     "\"%s\" is no statement (a client's line is "
			     "NAME> TEXT or NAME< TEXT)",
			     keyword);
	} else if (statements[i].word == NULL) {
		statements[i].parse(parser, at);
	} else {
		bool wants_word = *statements[i].word != '\0';

		word = word_next(&at);
		if ((word != NULL) == wants_word && word_next(&at) == NULL)
			statements[i].parse(parser, word);
		else
			parser_error(parser, "usage: %s%s%s", keyword,
				     wants_word ? " " : "", statements[i].word);
	}
}

static void parse_row(struct parser *parser)
{
	char *row = parser->file->row;
	size_t len;

	row += strspn(row, " \t");
	if (*row == '\0' || *row == '#')
		return;
	len = word_name_len(row, row + strlen(row));
	if (len > 0 && row[len] != '\0' && strchr("<>!:", row[len]) != NULL) {
		parse_client(parser, row, len);
		return;
	}
	/* Cut a copy into words: a step keeps the row as it is. */
	row = memory_copy(row, strlen(row));
	parse_statement(parser, row);
	free(row);
}

/* ---- files -------------------------------------------------------------- */

static void parse_file(struct parser *parser, const char *path)
{
	struct transcript *transcript = parser->transcript;
	struct transcript_file file;
	char *error = NULL;

	if (transcript_file_open(&file, path, &error) < 0) {
		if (parser->file != NULL)
			parser_error(parser, "include: %s", error);
		else
			bytes_add_format(parser->errors, "%s\n", error);
		parser->error_count++;
		free(error);
		return;
	}
	transcript->files =
		memory_resize(transcript->files, transcript->file_count + 1,
			      sizeof(*transcript->files));
	transcript->files[transcript->file_count] =
		memory_copy(path, strlen(path));
	file.path = transcript->files[transcript->file_count++];
	file.parent = parser->file;
	parser->file = &file;
	while (parser->error_count < ERRORS_MAX && transcript_file_next(&file))
		parse_row(parser);
	if (file.parent == NULL) {
		transcript->last_line = file.line;
		parse_finish_config(parser);
	}
	parser->file = (struct transcript_file *)file.parent;
	transcript_file_close(&file);
}

/* Whether the client's `...` ends at this step. */
static bool step_ends_skip(const struct step *step, size_t client)
{
	switch (step->kind) {
	case STEP_SILENCE:
		return step->client == client || step->client == STEP_NO_CLIENT;
	case STEP_LINE:
	case STEP_RAW:
	case STEP_SKIP:
	case STEP_EOF:
	case STEP_GONE:
	case STEP_CLOSE:
	case STEP_RESET:
		return step->client == client;
	default:
		return false;
	}
}

/* `...` skips up to a line or the end of the connection. Expected bytes or a
 * silence after `...` would have no known beginning. */
static void parser_check_skips(struct parser *parser)
{
	const struct transcript *transcript = parser->transcript;
	const struct step *skip, *end, *step;

	if (transcript->step_count == 0)
		return;
	end = transcript->steps + transcript->step_count;
	for (skip = transcript->steps; skip < end; skip++) {
		if (skip->kind != STEP_SKIP)
			continue;
		for (step = skip + 1; step < end; step++)
			if (step_ends_skip(step, skip->client))
				break;
		if (step == end ||
		    (step->kind != STEP_RAW && step->kind != STEP_SILENCE))
			continue;
		bytes_add_format(parser->errors,
				 "%s:%u: \"...\" passes over lines up to a "
				 "line or the end, not to what stands at line "
				 "%u\n",
				 skip->file, skip->line, step->line);
		parser->error_count++;
	}
}

static char *directory_of_file(const char *path)
{
	char *whole = realpath(path, NULL), *slash;

	if (whole == NULL)
		return memory_copy(".", 1);
	slash = strrchr(whole, '/');
	if (slash != NULL)
		slash[slash == whole] = '\0';
	return whole;
}

static void parser_fini(struct parser *parser)
{
	size_t i;

	for (i = 0; i < parser->service_count; i++) {
		free(parser->services[i].protocol);
		free(parser->services[i].name);
		free(parser->services[i].block);
	}
	free(parser->services);
	free(parser->clients);
	values_fini(&parser->known);
}

/* With --connect, linetest has not started the daemon. So it cannot stop or
 * reload the daemon, nor read its log. */
static void parser_check_steps(struct parser *parser)
{
	const struct transcript *transcript = parser->transcript;
	size_t i;

	for (i = 0; parser->connects && i < transcript->step_count; i++) {
		const struct step *step = &transcript->steps[i];

		if (step->kind != STEP_STOP && step->kind != STEP_RELOAD &&
		    step->kind != STEP_LOG)
			continue;
		bytes_add_format(parser->errors,
				 "%s:%u: not with --connect: this needs a "
				 "daemon that linetest has started\n",
				 step->file, step->line);
		parser->error_count++;
	}
}

struct transcript *transcript_read(const char *path, const char *command,
				   bool connects, enum transport over,
				   struct bytes *errors)
{
	struct transcript *transcript = memory_new(1, sizeof(*transcript));
	struct parser parser = {
		.transcript = transcript,
		.errors = errors,
		.connects = connects,
		.transport = over,
	};

	transcript->path = memory_copy(path, strlen(path));
	transcript->here = directory_of_file(path);
	if (command != NULL)
		parse_exec(&parser, command);
	parse_file(&parser, path);
	parser_check_skips(&parser);
	parser_check_steps(&parser);
	parser_fini(&parser);
	if (parser.error_count == 0)
		return transcript;
	transcript_free(transcript);
	return NULL;
}
