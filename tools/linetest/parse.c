/* SPDX-License-Identifier: MIT */
/*
 * Reads a transcript: files, includes, and the statements that are no
 * client's. Goes on after an error, so that all that a file holds are told at
 * once.
 */
#include "config.h"

#include "linetest/parse.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linetest/text.h"

void parse_error(struct parser *parser, const char *format, ...)
{
	char message[512];
	va_list args;

	parser->error_count++;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	bytes_add_format(parser->errors, "%s:%u: %s\n", parser->source->path,
			 parser->source->line, message);
}

struct step *parse_step(struct parser *parser, enum step_kind kind,
			size_t actor)
{
	struct script *script = parser->script;
	const struct source *source = parser->source;
	const char *row = source->row;
	struct step *step;

	script->steps = memory_resize(script->steps, script->step_count + 1,
				      sizeof(*script->steps));
	step = &script->steps[script->step_count++];
	memset(step, 0, sizeof(*step));
	step->kind = kind;
	step->actor = actor;
	step->address = SIZE_MAX;
	step->file = source->path;
	step->line = source->line;
	row += strspn(row, " \t");
	step->source = memory_copy(row, strlen(row));
	return step;
}

struct parse_actor *parse_actor(struct parser *parser, size_t actor)
{
	if (actor >= parser->actor_count) {
		parser->actors = memory_resize(parser->actors, actor + 1,
					       sizeof(*parser->actors));
		memset(parser->actors + parser->actor_count, 0,
		       (actor + 1 - parser->actor_count) *
			       sizeof(*parser->actors));
		parser->actor_count = actor + 1;
	}
	return &parser->actors[actor];
}

void parse_start(struct parser *parser)
{
	if (parser->daemon == PARSE_STOPPED) {
		parse_error(parser, "the daemon was stopped above; \"start\" "
				    "starts it again");
	} else if (parser->daemon == PARSE_IDLE) {
		if (!parser->has_config && parser->service_count == 0)
			parse_error(parser,
				    "no \"protocol\" or \"config\" above says "
				    "what the daemon is to serve (such as "
				    "\"protocol echo\")");
		parse_step(parser, STEP_START, STEP_NO_ACTOR);
	}
	parser->daemon = PARSE_RUNNING;
}

void parse_begin(struct parser *parser)
{
	if (parser->daemon == PARSE_IDLE)
		parse_start(parser);
}

bool parse_duration(struct parser *parser, const char *text, uint32_t *ms)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = {
		{"ms", 1},
		{"s", 1000},
		{"", 1000},
		{"m", 60 * 1000},
	};
	uint64_t value = 0;
	const char *p = text;
	size_t i;

	for (; *p >= '0' && *p <= '9' && value < UINT32_MAX; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	for (i = 0; p > text && i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(p, units[i].name) != 0)
			continue;
		value *= units[i].ms;
		if (value > 24 * 3600 * 1000)
			break;
		*ms = (uint32_t)value;
		return true;
	}
	parse_error(parser, "\"%s\" is no duration (such as 200ms, 2s, 1m)",
		    text);
	return false;
}

char *parse_word(char **at)
{
	char *word = *at + strspn(*at, " \t"), *end;

	if (*word == '\0' || *word == '#')
		return NULL;
	end = word + strcspn(word, " \t");
	*at = end;
	if (*end != '\0') {
		*end = '\0';
		*at = end + 1;
	}
	return word;
}

bool parse_template(struct parser *parser, struct template *template,
		    const char *text, bool is_pattern)
{
	char *error = NULL;

	if (template_read(template, text, strlen(text), is_pattern, &error) ==
	    0)
		return true;
	parse_error(parser, "%s", error);
	free(error);
	return false;
}

/* ---- statements --------------------------------------------------------- */

static void read_file(struct parser *parser, const char *path);

/* The only word that is left; NULL and an error. */
static char *only_word(struct parser *parser, char *at, const char *usage)
{
	char *word = parse_word(&at);

	if (word == NULL || parse_word(&at) != NULL) {
		parse_error(parser, "usage: %s", usage);
		return NULL;
	}
	return word;
}

static bool no_word(struct parser *parser, char *at, const char *usage)
{
	if (parse_word(&at) == NULL)
		return true;
	parse_error(parser, "usage: %s", usage);
	return false;
}

static void parse_include(struct parser *parser, char *at)
{
	char *name = only_word(parser, at, "include FILE"), *path;
	const struct source *source;
	unsigned depth = 0;

	if (name == NULL)
		return;
	for (source = parser->source; source != NULL; source = source->parent)
		depth++;
	if (depth >= PARSE_DEPTH_MAX) {
		parse_error(parser,
			    "include \"%s\": files within files, %u "
			    "deep",
			    name, depth);
		return;
	}
	path = source_path(parser->source->path, name);
	read_file(parser, path);
	free(path);
}

static void parse_workers(struct parser *parser, char *at)
{
	char *word = only_word(parser, at, "workers N"), *end;
	unsigned long workers;

	if (word == NULL)
		return;
	workers = strtoul(word, &end, 10);
	if (*word < '1' || *word > '9' || *end != '\0' || workers > 1024) {
		parse_error(parser, "workers \"%s\": a number from 1 to 1024",
			    word);
		return;
	}
	if (parser->daemon != PARSE_IDLE)
		parse_error(parser, "\"workers\" comes before the first "
				    "client");
	parser->script->workers = (unsigned)workers;
}

static void parse_transport(struct parser *parser, char *at)
{
	char *word = only_word(parser, at, "transport unix|tcp|tcp6|udp|udp6");
	unsigned i;

	if (word == NULL)
		return;
	for (i = 0; i < TRANSPORTS; i++) {
		if (strcmp(word, transport_names[i]) == 0) {
			parser->transport = (enum transport)i;
			parser->transport_given = true;
			return;
		}
	}
	parse_error(parser, "transport \"%s\": unix, tcp, tcp6, udp or udp6",
		    word);
}

static void parse_terminator(struct parser *parser, char *at)
{
	char *word = only_word(parser, at, "terminator lf|crlf");

	if (word == NULL)
		return;
	if (strcmp(word, "lf") == 0)
		parser->end = LINE_END_LF;
	else if (strcmp(word, "crlf") == 0)
		parser->end = LINE_END_CRLF;
	else
		parse_error(parser, "terminator \"%s\": lf or crlf", word);
}

static void parse_fragment(struct parser *parser, char *at)
{
	char *word = only_word(parser, at, "fragment off");

	if (word == NULL)
		return;
	if (strcmp(word, "off") == 0)
		parser->script->is_whole = true;
	else
		parse_error(parser, "usage: fragment off");
}

static void parse_patience(struct parser *parser, char *at)
{
	char *word = only_word(parser, at, "patience DURATION");

	if (word != NULL)
		parse_duration(parser, word, &parser->script->patience_ms);
}

static void parse_wait(struct parser *parser, char *at)
{
	char *word = only_word(parser, at, "wait DURATION");
	uint32_t ms;

	if (word != NULL && parse_duration(parser, word, &ms)) {
		parse_begin(parser);
		parse_step(parser, STEP_WAIT, STEP_NO_ACTOR)->ms = ms;
	}
}

static void parse_start_statement(struct parser *parser, char *at)
{
	if (!no_word(parser, at, "start"))
		return;
	if (parser->daemon == PARSE_RUNNING)
		parse_error(parser, "the daemon was started above");
	parser->daemon = PARSE_IDLE;
	parse_start(parser);
}

static void parse_stop(struct parser *parser, char *at)
{
	if (!no_word(parser, at, "stop"))
		return;
	if (parser->daemon != PARSE_RUNNING)
		parse_error(parser, "the daemon does not run here");
	parse_step(parser, STEP_STOP, STEP_NO_ACTOR);
	parser->daemon = PARSE_STOPPED;
}

static const struct {
	const char *name;
	void (*parse)(struct parser *parser, char *at);
} statements[] = {
	{"protocol", parse_protocol},   {"config", parse_config},
	{"include", parse_include},     {"workers", parse_workers},
	{"transport", parse_transport}, {"terminator", parse_terminator},
	{"fragment", parse_fragment},   {"patience", parse_patience},
	{"wait", parse_wait},           {"start", parse_start_statement},
	{"stop", parse_stop},           {"reload", parse_reload},
};

/* `...` alone: for every client that is connected here. */
static void parse_skip_all(struct parser *parser)
{
	size_t i;

	for (i = 0; i < parser->actor_count; i++)
		if (parser->actors[i].state == PARSE_CONNECTED)
			parse_step(parser, STEP_SKIP, i);
}

static void parse_row(struct parser *parser)
{
	char *row = parser->source->row, *word, *at;
	size_t len, i;

	row += strspn(row, " \t");
	if (*row == '\0' || *row == '#')
		return;
	len = text_name(row, row + strlen(row));
	if (len > 0 && row[len] != '\0' && strchr("<>!:", row[len]) != NULL) {
		parse_client(parser, row, len);
		return;
	}
	/* Statements are cut into words; the row is needed as it was. */
	at = row = memory_copy(row, strlen(row));
	word = parse_word(&at);
	if (strcmp(word, "...") == 0) {
		if (no_word(parser, at, "..."))
			parse_skip_all(parser);
	} else if (*word == '!' && (word[1] == '\0')) {
		parse_silence(parser, STEP_NO_ACTOR, at);
	} else {
		for (i = 0; i < sizeof(statements) / sizeof(*statements); i++)
			if (strcmp(word, statements[i].name) == 0)
				break;
		if (i < sizeof(statements) / sizeof(*statements))
			statements[i].parse(parser, at);
		else
			parse_error(parser,
				    "\"%s\" is no statement (a client's line "
				    "is NAME> TEXT or NAME< TEXT)",
				    word);
	}
	free(row);
}

/* ---- files -------------------------------------------------------------- */

static void read_file(struct parser *parser, const char *path)
{
	struct script *script = parser->script;
	struct source source;
	char *error = NULL;

	if (source_open(&source, path, &error) < 0) {
		if (parser->source != NULL)
			parse_error(parser, "include: %s", error);
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
	while (parser->error_count < PARSE_ERRORS_MAX && source_next(&source))
		parse_row(parser);
	if (source.parent == NULL) {
		script->last_line = source.line;
		parse_finish_config(parser);
	}
	parser->source = (struct source *)source.parent;
	source_close(&source);
}

/* What a client is to pass over must come to an end in a line. */
static void check_skips(struct parser *parser)
{
	const struct script *script = parser->script;
	size_t i, j;

	for (i = 0; i < script->step_count; i++) {
		const struct step *skip = &script->steps[i];

		if (skip->kind != STEP_SKIP)
			continue;
		for (j = i + 1; j < script->step_count; j++) {
			const struct step *step = &script->steps[j];

			if (step->kind == STEP_SILENCE &&
			    (step->actor == skip->actor ||
			     step->actor == STEP_NO_ACTOR))
				break;
			if (step->actor == skip->actor &&
			    step->kind >= STEP_LINE &&
			    step->kind <= STEP_RESET &&
			    step->kind != STEP_HALF_CLOSE)
				break;
		}
		if (j == script->step_count ||
		    (script->steps[j].kind != STEP_RAW &&
		     script->steps[j].kind != STEP_SILENCE))
			continue;
		bytes_add_format(parser->errors,
				 "%s:%u: \"...\" passes over lines up to a "
				 "line or the end, not to what stands at line "
				 "%u\n",
				 skip->file, skip->line, script->steps[j].line);
		parser->error_count++;
	}
}

static char *directory_of(const char *path)
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

struct script *script_read(const char *path, struct bytes *errors)
{
	struct script *script = memory_get(sizeof(*script));
	struct parser parser = {.script = script, .errors = errors};

	script->path = memory_copy(path, strlen(path));
	script->here = directory_of(path);
	read_file(&parser, path);
	check_skips(&parser);
	parser_fini(&parser);
	if (parser.error_count == 0)
		return script;
	script_free(script);
	return NULL;
}
