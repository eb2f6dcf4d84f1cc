/* SPDX-License-Identifier: MIT */
/*
 * Parses the lines of a transcript that begin with a client's name: what it
 * sends, gets and does.
 */
#include "config.h"

#include "linetest/parser.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/match.h"
#include "linetest/word.h"

/* The default time of `!`. */
#define SILENCE_MS 100u

/* ---- connecting --------------------------------------------------------- */

static bool step_is_send(const struct step *step)
{
	return step->kind == STEP_SEND || step->kind == STEP_SEND_RAW;
}

/* Whether a step is an expectation of a client whose connect was moved to
 * before the latest sends. */
static bool step_is_heard(struct parser *parser, const struct step *step)
{
	switch (step->kind) {
	case STEP_LINE:
	case STEP_RAW:
	case STEP_SKIP:
	case STEP_SILENCE:
		return step->client != STEP_NO_CLIENT &&
		       parser_client(parser, step->client)->came_for ==
			       parser->sends_serial;
	default:
		return false;
	}
}

/*
 * Moves the last step, the connect of a client, to before the latest sends: the
 * client must be connected before other clients send the text that its first
 * line expects.
 */
static void connect_before_sends(struct parser *parser, size_t client)
{
	struct transcript *transcript = parser->transcript;
	struct step *steps = transcript->steps, step;
	size_t last = transcript->step_count - 1, i = last;

	while (i > 0 && step_is_heard(parser, &steps[i - 1]))
		i--;
	if (i == 0 || !step_is_send(&steps[i - 1]))
		return;
	step = steps[last];
	memmove(&steps[parser->sends + 1], &steps[parser->sends],
		(last - parser->sends) * sizeof(*steps));
	steps[parser->sends++] = step;
	parser_client(parser, client)->came_for = parser->sends_serial;
}

/* Connects a client at its first use. False: the client cannot be connected,
 * and an error was added. */
static bool connect_at_first(struct parser *parser, size_t client,
			     bool is_expecting)
{
	const struct parser_client *known = parser_client(parser, client);
	const char *name = parser->transcript->clients[client];
	struct step *step;
	char no_words[] = "";

	if (known->state == PARSER_CONNECTED)
		return true;
	if (known->listens) {
		parser_error(parser,
			     "%s has accepted nobody yet (\"%s: accept\")",
			     name, name);
		return false;
	}
	if (known->state == PARSER_CLOSED) {
		parser_error(parser,
			     "%s was closed at line %u; \"%s: connect\" "
			     "connects it again",
			     name, known->closed_line, name);
		return false;
	}
	parser_start(parser);
	step = parser_add_step(parser, STEP_CONNECT, client);
	parser_client(parser, client)->state = PARSER_CONNECTED;
	if (!parse_destination(parser, step, no_words))
		return false;
	if (is_expecting)
		connect_before_sends(parser, client);
	return true;
}

/* ---- what a client sends ------------------------------------------------ */

static void check_names_known(struct parser *parser,
			      const struct template *template)
{
	const char *name = template_unknown(template, &parser->known);

	if (name != NULL)
		parser_error(parser,
			     "nothing above gives {%s} a value (\\{%s} sends "
			     "it as it is)",
			     name, name);
}

/* Text begins one blank behind the sign. */
static bool parse_sign_end(struct parser *parser, const char **at)
{
	if (**at != ' ' && **at != '\0') {
		parser_error(parser, "a blank is missing before \"%s\"", *at);
		return false;
	}
	*at += **at == ' ';
	return true;
}

/* at is behind "NAME>". */
static void parse_send(struct parser *parser, size_t client, const char *at)
{
	const struct transcript *transcript = parser->transcript;
	enum step_kind kind = STEP_SEND;
	const struct parser_client *known;
	struct template template;
	struct step *step;
	bool follows_send =
		transcript->step_count > 0 &&
		step_is_send(&transcript->steps[transcript->step_count - 1]);

	if (*at == '>') {
		kind = STEP_SEND_RAW;
		at++;
	}
	if (!parse_sign_end(parser, &at) ||
	    !parser_template(parser, &template, at, false))
		return;
	check_names_known(parser, &template);
	if (!connect_at_first(parser, client, false)) {
		template_fini(&template);
		return;
	}
	if (!follows_send) {
		parser->sends = transcript->step_count;
		parser->sends_serial++;
	}
	known = parser_client(parser, client);
	step = parser_add_step(parser, kind, client);
	step->text = template;
	step->end = known->end_given ? known->end : parser->end;
}

/* ---- what a client gets ------------------------------------------------- */

static void add_known_names(struct parser *parser,
			    const struct template *template)
{
	size_t i;

	for (i = 0; i < template->count; i++)
		if (template->parts[i].name != NULL)
			values_set(&parser->known, template->parts[i].name, "",
				   0);
}

static void parse_expected(struct parser *parser, size_t client,
			   enum step_kind kind, const char *text,
			   bool is_pattern, bool any_order)
{
	struct template template;
	struct step *step;
	char *error;

	if (!parser_template(parser, &template, text, is_pattern))
		return;
	if (kind == STEP_RAW) {
		check_names_known(parser, &template);
		if (template.count == 0)
			parser_error(parser, "no bytes: nothing to wait for");
	} else if ((error = match_check(&template)) != NULL) {
		parser_error(parser, "%s", error);
		free(error);
	}
	if (client != STEP_NO_CLIENT &&
	    !connect_at_first(parser, client, true)) {
		template_fini(&template);
		return;
	}
	add_known_names(parser, &template);
	step = parser_add_step(parser, kind, client);
	step->text = template;
	step->any_order = any_order;
}

/* at is behind "NAME<"; client is STEP_NO_CLIENT for the log. */
static void parse_expect(struct parser *parser, size_t client, const char *at)
{
	enum step_kind kind = client == STEP_NO_CLIENT ? STEP_LOG : STEP_LINE;
	bool is_pattern = false, any_order = false;

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
	if (!parse_sign_end(parser, &at))
		return;
	if (kind != STEP_LINE || is_pattern || any_order ||
	    strcmp(at, "...") != 0)
		parse_expected(parser, client, kind, at, is_pattern, any_order);
	else if (connect_at_first(parser, client, true))
		parser_add_step(parser, STEP_SKIP, client);
}

void parse_silence(struct parser *parser, size_t client, char *text)
{
	uint32_t ms = SILENCE_MS;
	char *word = word_next(&text);

	if (word != NULL && !parser_duration(parser, word, &ms))
		return;
	if (word_next(&text) != NULL) {
		parser_error(parser, "usage: NAME! [DURATION]");
		return;
	}
	if (client == STEP_NO_CLIENT)
		parser_start_once(parser);
	else if (!connect_at_first(parser, client, true))
		return;
	parser_add_step(parser, STEP_SILENCE, client)->ms = ms;
}

/* ---- what a client does ------------------------------------------------- */

static bool client_is_connected(const struct parser_client *known)
{
	return known->state == PARSER_CONNECTED && !known->ended;
}

static void set_connected(struct parser *parser, size_t client)
{
	struct parser_client *known = parser_client(parser, client);

	known->state = PARSER_CONNECTED;
	known->ended = false;
}

static void parse_connect(struct parser *parser, size_t client, char *at)
{
	const struct parser_client *known = parser_client(parser, client);
	const char *name = parser->transcript->clients[client];

	if (known->listens)
		parser_error(parser, "%s listens, it does not connect", name);
	else if (client_is_connected(known))
		parser_error(parser, "%s is connected already", name);
	parser_start(parser);
	parse_destination(parser, parser_add_step(parser, STEP_CONNECT, client),
			  at);
	set_connected(parser, client);
}

static void parse_client_terminator(struct parser *parser, size_t client,
				    char *at)
{
	struct parser_client *known = parser_client(parser, client);

	if (!parser_line_end(word_next(&at), &known->end))
		parser_error(parser, "usage: NAME: terminator lf|crlf");
	known->end_given = true;
}

static void parse_listen(struct parser *parser, size_t client, char *at)
{
	struct parser_client *known = parser_client(parser, client);
	const char *name = parser->transcript->clients[client];
	const char *word = word_next(&at);
	enum transport transport = TRANSPORT_TCP;

	if (word != NULL)
		transport = transport_find(word, strlen(word));
	if (transport > TRANSPORT_TCP6) {
		parser_error(parser, "usage: NAME: listen [tcp|tcp6|unix]");
		return;
	}
	if (known->listens)
		parser_error(parser, "%s listens already", name);
	else if (known->state != PARSER_NEW)
		parser_error(parser, "%s is a client above", name);
	known->listens = true;
	parser_add_step(parser, STEP_LISTEN, client)->address =
		transcript_address(parser->transcript, transport, name,
				   strlen(name));
}

static bool check_listens(struct parser *parser, size_t client)
{
	if (parser_client(parser, client)->listens)
		return true;
	parser_error(parser, "%s does not listen",
		     parser->transcript->clients[client]);
	return false;
}

static void parse_accept(struct parser *parser, size_t client, char *at)
{
	if (!check_listens(parser, client))
		return;
	if (client_is_connected(parser_client(parser, client)))
		parser_error(parser, "%s has a connection; \"close\" ends it",
			     parser->transcript->clients[client]);
	parser_start(parser);
	parser_add_step(parser, STEP_ACCEPT, client);
	set_connected(parser, client);
}

static void parse_deaf(struct parser *parser, size_t client, char *at)
{
	if (check_listens(parser, client))
		parser_add_step(parser, STEP_DEAF, client);
}

struct action {
	const char *name;
	bool takes_words;
	void (*parse)(struct parser *parser, size_t client, char *at);
	/* If parse is NULL, the action is a step of this kind. It needs a
	 * connection, and may end one of its sides: */
	enum step_kind kind;
	bool closes; /* the client's side */
	bool ends;   /* the other side */
};

static const struct action actions[] = {
	{"connect", true, .parse = parse_connect},
	{"close", false, .kind = STEP_CLOSE, .closes = true},
	{"half-close", false, .kind = STEP_HALF_CLOSE},
	{"reset", false, .kind = STEP_RESET, .closes = true},
	{"eof", false, .kind = STEP_EOF, .ends = true},
	{"gone", false, .kind = STEP_GONE, .ends = true},
	{"terminator", true, .parse = parse_client_terminator},
	{"listen", true, .parse = parse_listen},
	{"accept", false, .parse = parse_accept},
	{"deaf", false, .parse = parse_deaf},
};

static const struct action *action_find(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (word != NULL && strcmp(word, actions[i].name) == 0)
			return &actions[i];
	return NULL;
}

static void parse_simple_action(struct parser *parser, size_t client,
				const struct action *action)
{
	struct parser_client *known;
	bool connected = connect_at_first(parser, client, false);

	known = parser_client(parser, client);
	known->ended |= action->ends;
	if (!connected)
		return;
	parser_add_step(parser, action->kind, client);
	if (action->closes) {
		known->state = PARSER_CLOSED;
		known->closed_line = parser->file->line;
	}
}

/* `at` is the text behind "NAME:"; it is cut into words. */
static void parse_action(struct parser *parser, size_t client, char *at)
{
	char *word = word_next(&at), *rest = at;
	const struct action *action = action_find(word);

	if (action == NULL)
		parser_error(parser,
			     "\"%s\" is no action of a client (connect, "
			     "close, half-close, reset, eof, gone, terminator; "
			     "listen, accept, deaf)",
			     word != NULL ? word : "");
	else if (!action->takes_words && word_next(&rest) != NULL)
		parser_error(parser, "usage: NAME: %s", word);
	else if (action->parse != NULL)
		action->parse(parser, client, at);
	else
		parse_simple_action(parser, client, action);
}

/* ---- all lines of a client ---------------------------------------------- */

static void parse_log(struct parser *parser, const char *at)
{
	if (*at != '<') {
		parser_error(parser, "\"log\" is the daemon's log: it can be "
				     "read, log< or log<~");
		return;
	}
	parser_start_once(parser);
	parse_expect(parser, STEP_NO_CLIENT, at + 1);
}

void parse_client(struct parser *parser, char *row, size_t name_len)
{
	const char *at = row + name_len;
	char *words;
	size_t client;

	if (name_len == 3 && memcmp(row, "log", 3) == 0) {
		parse_log(parser, at);
		return;
	}
	client = transcript_client(parser->transcript, row, name_len);
	if (*at == '<') {
		parse_expect(parser, client, at + 1);
	} else if (*at == '>') {
		parse_send(parser, client, at + 1);
	} else {
		/* Cut a copy into words: a step keeps the row as it is. */
		words = memory_copy(at + 1, strlen(at + 1));
		if (*at == '!')
			parse_silence(parser, client, words);
		else
			parse_action(parser, client, words);
		free(words);
	}
}
