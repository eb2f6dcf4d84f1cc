/* SPDX-License-Identifier: MIT */
/*
 * Reads a transcript: its files, and the statements that begin with a keyword.
 * Continues after an error, so that all errors are reported at once.
 */
#include "config.h"

#include "linetest/parse.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/text.h"

/* After so many errors the rest is not read. */
#define ERRORS_MAX 20

/* How deep files may include each other. */
#define DEPTH_MAX 16

/* ---- statements --------------------------------------------------------- */

static void parse_file(struct parser *parser, const char *path);

/* The only word of a statement; NULL and an error. */
static char *parse_only_word(struct parser *parser, char *at, const char *usage)
{
	char *word = parser_word(&at);

	if (word != NULL && parser_word(&at) == NULL)
		return word;
	parser_error(parser, "usage: %s", usage);
	return NULL;
}

static bool parse_no_word(struct parser *parser, char *at, const char *usage)
{
	if (parser_word(&at) == NULL)
		return true;
	parser_error(parser, "usage: %s", usage);
	return false;
}

static void parse_include_file(struct parser *parser, char *at)
{
	char *name = parse_only_word(parser, at, "include FILE"), *path;
	const struct source *source;
	unsigned depth = 0;

	if (name == NULL)
		return;
	for (source = parser->source; source != NULL; source = source->parent)
		depth++;
	if (depth >= DEPTH_MAX) {
		parser_error(parser,
			     "include \"%s\": files within files, %u deep",
			     name, depth);
		return;
	}
	path = source_path(parser->source->path, name);
	parse_file(parser, path);
	free(path);
}

static void parse_workers(struct parser *parser, char *at)
{
	char *word = parse_only_word(parser, at, "workers N"), *end;
	unsigned long workers;

	if (word == NULL)
		return;
	workers = strtoul(word, &end, 10);
	if (*word < '1' || *word > '9' || *end != '\0' || workers > 1024) {
		parser_error(parser, "workers \"%s\": a number from 1 to 1024",
			     word);
		return;
	}
	if (parser->daemon != PARSER_IDLE)
		parser_error(parser, "\"workers\" comes before the first "
				     "client");
	parser->script->workers = (unsigned)workers;
}

static void parse_transport(struct parser *parser, char *at)
{
	char *word = parse_only_word(
		parser, at, "transport unix|tcp|tcp6|udp|udp6|tls|ws|wss");
	enum transport transport;

	if (word == NULL)
		return;
	transport = transport_find(word, strlen(word));
	if (transport == TRANSPORTS) {
		parser_error(parser,
			     "transport \"%s\": unix, tcp, tcp6, udp, udp6 "
			     "or tls",
			     word);
		return;
	}
	parser->transport = transport;
	parser->transport_given = true;
}

static void parse_terminator(struct parser *parser, char *at)
{
	char *word = parse_only_word(parser, at, "terminator lf|crlf");

	if (word != NULL && !parser_line_end(word, &parser->end))
		parser_error(parser, "terminator \"%s\": lf or crlf", word);
}

static void parse_fragment(struct parser *parser, char *at)
{
	char *word = parse_only_word(parser, at, "fragment off");

	if (word == NULL)
		return;
	if (strcmp(word, "off") == 0)
		parser->script->is_whole = true;
	else
		parser_error(parser, "usage: fragment off");
}

static void parse_patience(struct parser *parser, char *at)
{
	char *word = parse_only_word(parser, at, "patience DURATION");

	if (word != NULL)
		parser_duration(parser, word, &parser->script->patience_ms);
}

static void parse_wait(struct parser *parser, char *at)
{
	char *word = parse_only_word(parser, at, "wait DURATION");
	uint32_t ms;

	if (word != NULL && parser_duration(parser, word, &ms)) {
		parser_start_once(parser);
		parser_add_step(parser, STEP_WAIT, STEP_NO_ACTOR)->ms = ms;
	}
}

static void parse_start(struct parser *parser, char *at)
{
	if (!parse_no_word(parser, at, "start"))
		return;
	if (parser->daemon == PARSER_RUNNING)
		parser_error(parser, "the daemon was started above");
	parser->daemon = PARSER_IDLE;
	parser_start(parser);
}

static void parse_stop(struct parser *parser, char *at)
{
	if (!parse_no_word(parser, at, "stop"))
		return;
	if (parser->daemon != PARSER_RUNNING)
		parser_error(parser, "the daemon does not run here");
	parser_add_step(parser, STEP_STOP, STEP_NO_ACTOR);
	parser->daemon = PARSER_STOPPED;
}

/* `...` alone: a skip for each client that is connected at this line. */
static void parse_skip_all(struct parser *parser, char *at)
{
	size_t i;

	if (!parse_no_word(parser, at, "..."))
		return;
	for (i = 0; i < parser->actor_count; i++)
		if (parser->actors[i].state == PARSER_CONNECTED)
			parser_add_step(parser, STEP_SKIP, i);
}

static void parse_silence_all(struct parser *parser, char *at)
{
	parse_silence(parser, STEP_NO_ACTOR, at);
}

static const struct {
	const char *keyword;
	void (*parse)(struct parser *parser, char *at);
} statements[] = {
	{"protocol", parse_protocol},
	{"config", parse_config},
	{"include", parse_include_file},
	{"workers", parse_workers},
	{"transport", parse_transport},
	{"terminator", parse_terminator},
	{"fragment", parse_fragment},
	{"patience", parse_patience},
	{"wait", parse_wait},
	{"start", parse_start},
	{"stop", parse_stop},
	{"reload", parse_reload},
	{"...", parse_skip_all},
	{"!", parse_silence_all},
};

/* row is cut into words. */
static void parse_statement(struct parser *parser, char *row)
{
	char *at = row, *word = parser_word(&at);
	size_t i;

	for (i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
		if (strcmp(word, statements[i].keyword) == 0) {
			statements[i].parse(parser, at);
			return;
		}
	}
	parser_error(parser,
		     "\"%s\" is no statement (a client's line is NAME> TEXT or "
		     "NAME< TEXT)",
		     word);
}

static void parse_row(struct parser *parser)
{
	char *row = parser->source->row;
	size_t len;

	row += strspn(row, " \t");
	if (*row == '\0' || *row == '#')
		return;
	len = text_name(row, row + strlen(row));
	if (len > 0 && row[len] != '\0' && strchr("<>!:", row[len]) != NULL) {
		parse_client(parser, row, len);
		return;
	}
	/* A step keeps the row as it was written. */
	row = memory_copy(row, strlen(row));
	parse_statement(parser, row);
	free(row);
}

/* ---- files -------------------------------------------------------------- */

static void parse_file(struct parser *parser, const char *path)
{
	struct script *script = parser->script;
	struct source source;
	char *error = NULL;

	if (source_open(&source, path, &error) < 0) {
		if (parser->source != NULL)
			parser_error(parser, "include: %s", error);
		else
			bytes_add_format(parser->errors, "%s\n", error);
		parser->error_count++;
		free(error);
		return;
	}
	script->files = memory_resize(script->files, script->file_count + 1,
				      sizeof(*script->files));
	script->files[script->file_count] = memory_copy(path, strlen(path));
	source.path = script->files[script->file_count++];
	source.parent = parser->source;
	parser->source = &source;
	while (parser->error_count < ERRORS_MAX && source_next(&source))
		parse_row(parser);
	if (source.parent == NULL) {
		script->last_line = source.line;
		parse_finish_config(parser);
	}
	parser->source = (struct source *)source.parent;
	source_close(&source);
}

/* Whether the actor's `...` ends at this step. */
static bool step_ends_skip(const struct step *step, size_t actor)
{
	switch (step->kind) {
	case STEP_SILENCE:
		return step->actor == actor || step->actor == STEP_NO_ACTOR;
	case STEP_LINE:
	case STEP_RAW:
	case STEP_SKIP:
	case STEP_EOF:
	case STEP_GONE:
	case STEP_CLOSE:
	case STEP_RESET:
		return step->actor == actor;
	default:
		return false;
	}
}

/* `...` skips up to a line or the end of the connection. After it, neither the
 * start of expected bytes nor that of a silence would be known. */
static void parser_check_skips(struct parser *parser)
{
	const struct script *script = parser->script;
	const struct step *skip, *end, *step;

	if (script->step_count == 0)
		return;
	end = script->steps + script->step_count;
	for (skip = script->steps; skip < end; skip++) {
		if (skip->kind != STEP_SKIP)
			continue;
		for (step = skip + 1; step < end; step++)
			if (step_ends_skip(step, skip->actor))
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
	free(parser->actors);
	values_fini(&parser->known);
}

/* With --connect, linetest starts no daemon: it cannot stop it or read its
 * log. */
static void parser_check_steps(struct parser *parser)
{
	const struct script *script = parser->script;
	size_t i;

	for (i = 0; parser->connects && i < script->step_count; i++) {
		const struct step *step = &script->steps[i];

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

struct script *script_read(const char *path, const char *command, bool connects,
			   enum transport over, struct bytes *errors)
{
	struct script *script = memory_new(1, sizeof(*script));
	struct parser parser = {
		.script = script,
		.errors = errors,
		.connects = connects,
		.transport = over,
	};

	script->path = memory_copy(path, strlen(path));
	script->here = directory_of_file(path);
	if (command != NULL)
		parse_exec(&parser, command);
	parse_file(&parser, path);
	parser_check_skips(&parser);
	parser_check_steps(&parser);
	parser_fini(&parser);
	if (parser.error_count == 0)
		return script;
	script_free(script);
	return NULL;
}
