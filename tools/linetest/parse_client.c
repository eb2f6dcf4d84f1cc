/* SPDX-License-Identifier: MIT */
/*
 * The lines of a transcript that begin with a client's name: what it says,
 * sees and does.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/match.h"
#include "linetest/parse.h"

/* ---- where it is connected ---------------------------------------------- */

static bool is_said(const struct step *step)
{
	return step->kind == STEP_SEND || step->kind == STEP_SEND_RAW;
}

/* Something that is seen by one who came for what was said last. */
static bool is_heard(struct parser *parser, const struct step *step)
{
	switch (step->kind) {
	case STEP_LINE:
	case STEP_RAW:
	case STEP_SKIP:
	case STEP_SILENCE:
		return step->actor != STEP_NO_ACTOR &&
		       parse_actor(parser, step->actor)->heard ==
			       parser->speeches;
	default:
		return false;
	}
}

/*
 * Who is named first by what it is to see is there to see it: what others say
 * right above is said when it has come, though it stands before its name.
 */
static void bring_forward(struct parser *parser, size_t actor)
{
	struct script *script = parser->script;
	struct step *steps = script->steps, step;
	size_t last = script->step_count - 1, i = last;

	while (i > 0 && is_heard(parser, &steps[i - 1]))
		i--;
	if (i == 0 || !is_said(&steps[i - 1]))
		return;
	step = steps[last];
	memmove(&steps[parser->speech + 1], &steps[parser->speech],
		(last - parser->speech) * sizeof(*steps));
	steps[parser->speech++] = step;
	parse_actor(parser, actor)->heard = parser->speeches;
}

/* It is connected from here on: by a step of its own at its first use. */
static bool use(struct parser *parser, size_t actor, bool to_hear)
{
	const struct parse_actor *known = parse_actor(parser, actor);
	const char *name = parser->script->actors[actor];
	struct step *step;
	char none[] = "";

	if (known->state == PARSE_CONNECTED)
		return true;
	if (known->listens) {
		parse_error(parser,
			    "%s has accepted nobody yet (\"%s: "
			    "accept\")",
			    name, name);
		return false;
	}
	if (known->state == PARSE_CLOSED) {
		parse_error(parser,
			    "%s was closed at line %u; \"%s: connect\" "
			    "connects it again",
			    name, known->closed_line, name);
		return false;
	}
	parse_start(parser);
	step = parse_step(parser, STEP_CONNECT, actor);
	parse_actor(parser, actor)->state = PARSE_CONNECTED;
	if (!parse_destination(parser, step, none))
		return false;
	if (to_hear)
		bring_forward(parser, actor);
	return true;
}

/* ---- what is said ------------------------------------------------------- */

static void check_known(struct parser *parser, const struct template *template)
{
	const char *name = template_unknown(template, &parser->known);

	if (name != NULL)
		parse_error(parser,
			    "nothing above gives {%s} a value (\\{%s} sends "
			    "it as it is)",
			    name, name);
}

static void parse_send(struct parser *parser, size_t actor, enum step_kind kind,
		       const char *text)
{
	const struct parse_actor *known;
	const struct script *script = parser->script;
	struct template template;
	struct step *step;
	bool goes_on = script->step_count > 0 &&
		       is_said(&script->steps[script->step_count - 1]);

	if (!parse_template(parser, &template, text, false))
		return;
	check_known(parser, &template);
	if (!use(parser, actor, false)) {
		template_fini(&template);
		return;
	}
	if (!goes_on) {
		parser->speech = script->step_count;
		parser->speeches++;
	}
	known = parse_actor(parser, actor);
	step = parse_step(parser, kind, actor);
	step->text = template;
	step->end = known->end_given ? known->end : parser->end;
}

/* ---- what is seen ------------------------------------------------------- */

static void learn(struct parser *parser, const struct template *template)
{
	size_t i;

	for (i = 0; i < template->count; i++)
		if (template->parts[i].name != NULL)
			values_set(&parser->known, template->parts[i].name, "",
				   0);
}

static void parse_expect(struct parser *parser, size_t actor,
			 enum step_kind kind, const char *text, bool is_pattern,
			 bool any_order)
{
	struct template template;
	struct step *step;
	char *error;

	if (!parse_template(parser, &template, text, is_pattern))
		return;
	error = kind != STEP_RAW ? match_check(&template) : NULL;
	if (error != NULL)
		parse_error(parser, "%s", error);
	free(error);
	if (kind == STEP_RAW) {
		check_known(parser, &template);
		if (template.count == 0)
			parse_error(parser, "no bytes: nothing to wait for");
	}
	if (actor != STEP_NO_ACTOR && !use(parser, actor, true)) {
		template_fini(&template);
		return;
	}
	learn(parser, &template);
	step = parse_step(parser, kind, actor);
	step->text = template;
	step->any_order = any_order;
}

/* at is behind "NAME<"; actor is STEP_NO_ACTOR for the log. */
static void parse_seen(struct parser *parser, size_t actor, const char *at)
{
	enum step_kind kind = actor == STEP_NO_ACTOR ? STEP_LOG : STEP_LINE;
	bool is_pattern = false, any_order = false;
	const char *begin = at;

	if (*at == '<' && kind == STEP_LINE) {
		kind = STEP_RAW;
		at++;
	}
	for (; kind != STEP_RAW; at++) {
		if (*at == '~' && !is_pattern)
			is_pattern = true;
		else if (*at == '*' && !any_order && kind == STEP_LINE)
			any_order = true;
		else
			break;
	}
	if (*at != ' ' && *at != '\0') {
		parse_error(parser, "a blank is missing before \"%s\"", at);
		return;
	}
	at += *at == ' ';
	if (kind == STEP_LINE && at == begin + 1 && strcmp(at, "...") == 0) {
		if (use(parser, actor, true))
			parse_step(parser, STEP_SKIP, actor);
		return;
	}
	parse_expect(parser, actor, kind, at, is_pattern, any_order);
}

void parse_silence(struct parser *parser, size_t actor, char *text)
{
	uint32_t ms = PARSE_SILENCE_MS;
	char *word = parse_word(&text);

	if (word != NULL && !parse_duration(parser, word, &ms))
		return;
	if (parse_word(&text) != NULL) {
		parse_error(parser, "usage: NAME! [DURATION]");
		return;
	}
	if (actor != STEP_NO_ACTOR && !use(parser, actor, true))
		return;
	if (actor == STEP_NO_ACTOR)
		parse_begin(parser);
	parse_step(parser, STEP_SILENCE, actor)->ms = ms;
}

/* ---- what is done ------------------------------------------------------- */

static bool is_busy(const struct parse_actor *known)
{
	return known->state == PARSE_CONNECTED && !known->ended;
}

/* A connection, where there was none or one that had ended. */
static void begin(struct parser *parser, size_t actor)
{
	struct parse_actor *known = parse_actor(parser, actor);

	known->state = PARSE_CONNECTED;
	known->ended = false;
}

static void act_connect(struct parser *parser, size_t actor, char *at)
{
	const char *name = parser->script->actors[actor];
	struct step *step;

	if (parse_actor(parser, actor)->listens)
		parse_error(parser, "%s listens, it does not connect", name);
	else if (is_busy(parse_actor(parser, actor)))
		parse_error(parser, "%s is connected already", name);
	parse_start(parser);
	step = parse_step(parser, STEP_CONNECT, actor);
	parse_destination(parser, step, at);
	begin(parser, actor);
}

/* Steps without words that need a connection; some are its end. */
static void act(struct parser *parser, size_t actor, enum step_kind kind,
		bool ends)
{
	struct parse_actor *known;

	if (!use(parser, actor, false))
		return;
	parse_step(parser, kind, actor);
	known = parse_actor(parser, actor);
	if (ends) {
		known->state = PARSE_CLOSED;
		known->closed_line = parser->source->line;
	}
}

static void act_close(struct parser *parser, size_t actor, char *at)
{
	(void)at;
	act(parser, actor, STEP_CLOSE, true);
}

static void act_half_close(struct parser *parser, size_t actor, char *at)
{
	(void)at;
	act(parser, actor, STEP_HALF_CLOSE, false);
}

static void act_reset(struct parser *parser, size_t actor, char *at)
{
	(void)at;
	act(parser, actor, STEP_RESET, true);
}

static void act_eof(struct parser *parser, size_t actor, char *at)
{
	(void)at;
	act(parser, actor, STEP_EOF, false);
	parse_actor(parser, actor)->ended = true;
}

static void act_gone(struct parser *parser, size_t actor, char *at)
{
	(void)at;
	act(parser, actor, STEP_GONE, false);
	parse_actor(parser, actor)->ended = true;
}

static void act_terminator(struct parser *parser, size_t actor, char *at)
{
	const char *word = parse_word(&at);
	struct parse_actor *known = parse_actor(parser, actor);

	if (word != NULL && strcmp(word, "lf") == 0)
		known->end = LINE_END_LF;
	else if (word != NULL && strcmp(word, "crlf") == 0)
		known->end = LINE_END_CRLF;
	else
		parse_error(parser, "usage: NAME: terminator lf|crlf");
	known->end_given = true;
}

static void act_listen(struct parser *parser, size_t actor, char *at)
{
	const char *name = parser->script->actors[actor];
	const char *word = parse_word(&at);
	enum transport transport = TRANSPORT_TCP;
	struct step *step;

	if (word != NULL && strcmp(word, "unix") == 0)
		transport = TRANSPORT_UNIX;
	else if (word != NULL && strcmp(word, "tcp6") == 0)
		transport = TRANSPORT_TCP6;
	else if (word != NULL && strcmp(word, "tcp") != 0)
		parse_error(parser, "usage: NAME: listen [tcp|tcp6|unix]");
	if (parse_actor(parser, actor)->listens)
		parse_error(parser, "%s listens already", name);
	else if (parse_actor(parser, actor)->state != PARSE_NEW)
		parse_error(parser, "%s is a client above", name);
	parse_actor(parser, actor)->listens = true;
	step = parse_step(parser, STEP_LISTEN, actor);
	step->address =
		script_address(parser->script, transport, name, strlen(name));
}

static bool must_listen(struct parser *parser, size_t actor)
{
	if (parse_actor(parser, actor)->listens)
		return true;
	parse_error(parser, "%s does not listen",
		    parser->script->actors[actor]);
	return false;
}

static void act_accept(struct parser *parser, size_t actor, char *at)
{
	(void)at;
	if (!must_listen(parser, actor))
		return;
	if (is_busy(parse_actor(parser, actor)))
		parse_error(parser, "%s has a connection; \"close\" ends it",
			    parser->script->actors[actor]);
	parse_start(parser);
	parse_step(parser, STEP_ACCEPT, actor);
	begin(parser, actor);
}

static void act_deaf(struct parser *parser, size_t actor, char *at)
{
	(void)at;
	if (!must_listen(parser, actor))
		return;
	parse_step(parser, STEP_DEAF, actor);
}

static const struct {
	const char *name;
	void (*act)(struct parser *parser, size_t actor, char *at);
	bool takes_words;
} actions[] = {
	{"connect", act_connect, true},
	{"close", act_close, false},
	{"half-close", act_half_close, false},
	{"reset", act_reset, false},
	{"eof", act_eof, false},
	{"gone", act_gone, false},
	{"terminator", act_terminator, true},
	{"listen", act_listen, true},
	{"accept", act_accept, false},
	{"deaf", act_deaf, false},
};

static void parse_action(struct parser *parser, size_t actor, char *at)
{
	char *word = parse_word(&at), *rest = at;
	size_t i;

	for (i = 0; word != NULL && i < sizeof(actions) / sizeof(*actions);
	     i++) {
		if (strcmp(word, actions[i].name) != 0)
			continue;
		if (!actions[i].takes_words && parse_word(&rest) != NULL)
			parse_error(parser, "usage: NAME: %s", word);
		else
			actions[i].act(parser, actor, at);
		return;
	}
	parse_error(parser,
		    "\"%s\" is nothing that a client does (connect, close, "
		    "half-close, reset, eof, gone, terminator; listen, "
		    "accept, deaf)",
		    word != NULL ? word : "");
}

/* ---- all of it ---------------------------------------------------------- */

static void parse_log(struct parser *parser, char *at)
{
	if (*at != '<') {
		parse_error(parser, "\"log\" is the daemon's log: it can be "
				    "read, log< or log<~");
		return;
	}
	parse_begin(parser);
	parse_seen(parser, STEP_NO_ACTOR, at + 1);
}

void parse_client(struct parser *parser, char *row, size_t name_len)
{
	char *at = row + name_len, *copy;
	enum step_kind kind = STEP_SEND;
	size_t actor;

	if (name_len == 3 && memcmp(row, "log", 3) == 0) {
		parse_log(parser, at);
		return;
	}
	actor = script_actor(parser->script, row, name_len);
	if (*at == '<') {
		parse_seen(parser, actor, at + 1);
	} else if (*at == '>') {
		at++;
		if (*at == '>') {
			kind = STEP_SEND_RAW;
			at++;
		}
		if (*at != ' ' && *at != '\0')
			parse_error(parser, "a blank is missing before \"%s\"",
				    at);
		else
			parse_send(parser, actor, kind, at + (*at == ' '));
	} else {
		copy = memory_copy(at + 1, strlen(at + 1));
		if (*at == '!')
			parse_silence(parser, actor, copy);
		else
			parse_action(parser, actor, copy);
		free(copy);
	}
}
