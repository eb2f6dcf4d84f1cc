/* SPDX-License-Identifier: MIT */
/*
 * What the daemon is to serve: `protocol`, `config` and `reload`, the addresses
 * in them, and where a client goes. Puts the config together; reads nothing of
 * it but the placeholders, lined itself knows the rest.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/parse.h"
#include "linetest/text.h"

/* ---- blocks ------------------------------------------------------------- */

/*
 * The block that a statement may end with: behind a { at its end the lines up
 * to the }, or what stands in { } on the line itself. 1 and *block (to be
 * freed), 0 where there is none, -1 and an error. What stands before it is
 * left in at.
 */
static int read_block(struct parser *parser, char *at, char **block)
{
	char *open = strchr(at, '{'), *comment = strchr(at, '#');
	size_t len;

	*block = NULL;
	if (open == NULL || (comment != NULL && comment < open))
		return 0;
	*open++ = '\0';
	len = strlen(open);
	while (len > 0 && strchr(" \t", open[len - 1]) != NULL)
		len--;
	if (len > 0 && open[len - 1] == '}') {
		*block = memory_format("%.*s\n", (int)(len - 1), open);
		return 1;
	}
	if (len > 0 && open[strspn(open, " \t")] != '#') {
		parse_error(parser, "a block begins behind its { on the next "
				    "line, or ends with a } on the same");
		return -1;
	}
	*block = source_block(parser->source);
	if (*block != NULL)
		return 1;
	parse_error(parser, "the { is never closed: a line with } alone, "
			    "indented no deeper, is missing");
	/* All that is left of the file was meant to be in it. */
	while (source_next(parser->source))
		;
	return -1;
}

static bool may_configure(struct parser *parser)
{
	if (parser->daemon == PARSE_IDLE)
		return true;
	parse_error(parser, "what the daemon serves is said before the first "
			    "client; \"reload\" changes it");
	return false;
}

/* ---- protocol ----------------------------------------------------------- */

static struct parse_service *find_service(struct parser *parser,
					  const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < parser->service_count; i++)
		if (strlen(parser->services[i].name) == len &&
		    memcmp(parser->services[i].name, name, len) == 0)
			return &parser->services[i];
	return NULL;
}

static bool is_name(const char *text)
{
	return text != NULL && text_name(text, text + strlen(text)) > 0 &&
	       text[text_name(text, text + strlen(text))] == '\0';
}

static void add_service(struct parser *parser, const char *protocol,
			const char *name, char *block)
{
	struct parse_service *service;

	parser->services =
		memory_resize(parser->services, parser->service_count + 1,
			      sizeof(*parser->services));
	service = &parser->services[parser->service_count++];
	service->protocol = memory_copy(protocol, strlen(protocol));
	service->name = memory_copy(name, strlen(name));
	service->block = block != NULL ? block : memory_copy("", 0);
	service->transports = 0;
}

void parse_protocol(struct parser *parser, char *at)
{
	char *block, *protocol, *name;

	if (read_block(parser, at, &block) < 0)
		return;
	protocol = parse_word(&at);
	name = protocol != NULL ? parse_word(&at) : NULL;
	if (name == NULL)
		name = protocol;
	if (!is_name(protocol) || !is_name(name) || parse_word(&at) != NULL)
		parse_error(parser, "usage: protocol PROTOCOL [SERVICE] [{]");
	else if (parser->has_config)
		parse_error(parser, "\"config\" above says what is served");
	else if (find_service(parser, name, strlen(name)) != NULL)
		parse_error(parser, "there is a service %s already", name);
	else if (may_configure(parser)) {
		add_service(parser, protocol, name, block);
		return;
	}
	free(block);
}

/* ---- config ------------------------------------------------------------- */

/* The first placeholder at or behind text; NULL where there is none. */
static const char *next_placeholder(const char *text, unsigned *transport,
				    const char **name, size_t *name_len,
				    size_t *len)
{
	for (text = strchr(text, '{'); text != NULL;
	     text = strchr(text + 1, '{')) {
		*len = script_placeholder(text, transport, name, name_len);
		if (*len > 0)
			return text;
	}
	return NULL;
}

static void add_addresses(struct script *script, const char *text)
{
	unsigned transport;
	const char *name;
	size_t name_len, len;

	while ((text = next_placeholder(text, &transport, &name, &name_len,
					&len)) != NULL) {
		if (transport < TRANSPORTS)
			script_address(script, (enum transport)transport, name,
				       name_len);
		text += len;
	}
}

static char *read_config_file(struct parser *parser, const char *name)
{
	char *path = source_path(parser->source->path, name);
	char *error = NULL, *text = NULL;
	struct source source;

	if (source_open(&source, path, &error) < 0) {
		parse_error(parser, "config: %s", error);
		free(error);
	} else {
		text = bytes_take(&source.text);
		source_close(&source);
	}
	free(path);
	return text;
}

/* Whether a config has a number of workers of its own. */
static bool sets_workers(const char *text)
{
	while (*text != '\0') {
		text += strspn(text, " \t");
		if (strncmp(text, "workers", 7) == 0 &&
		    text[7 + strspn(text + 7, " \t")] == '=')
			return true;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return false;
}

void parse_config(struct parser *parser, char *at)
{
	char *block, *name;
	int found = read_block(parser, at, &block);

	if (found < 0)
		return;
	name = parse_word(&at);
	if ((found == 0) == (name == NULL) || parse_word(&at) != NULL) {
		parse_error(parser, "usage: config FILE, or config {");
	} else if (parser->has_config || parser->service_count > 0) {
		parse_error(parser, "what is served was said above");
	} else if (may_configure(parser)) {
		if (found == 0)
			block = read_config_file(parser, name);
		if (block == NULL)
			return;
		parser->has_config = true;
		parser->script->config = block;
		parser->script->fixes_workers = sets_workers(block);
		add_addresses(parser->script, block);
		return;
	}
	free(block);
}

/* ---- reload ------------------------------------------------------------- */

/* A new block is kept in the step, with the service it is for, until all
 * services are known. */
void parse_reload(struct parser *parser, char *at)
{
	struct parse_service *service = NULL;
	struct step *step;
	char *block, *name;
	int found = read_block(parser, at, &block);

	if (found < 0)
		return;
	name = parse_word(&at);
	if (found == 1 && name != NULL && parser->service_count > 0)
		service = find_service(parser, name, strlen(name));
	if (name == NULL && parser->service_count > 0)
		service = parser->services;
	if (parser->daemon != PARSE_RUNNING) {
		parse_error(parser, "the daemon does not run here");
	} else if (parse_word(&at) != NULL || (name != NULL && found == 0)) {
		parse_error(parser, "usage: reload, or reload [SERVICE] {");
	} else if (service == NULL && (name != NULL || !parser->has_config)) {
		parse_error(parser, "there is no service \"%s\"",
			    name != NULL ? name : "");
	} else {
		step = parse_step(parser, STEP_RELOAD, STEP_NO_ACTOR);
		step->config = block;
		if (service != NULL)
			step->address = (size_t)(service - parser->services);
		else if (block != NULL)
			add_addresses(parser->script, block);
		return;
	}
	free(block);
}

/* ---- where a client goes ------------------------------------------------ */

/* The address that a config has for what was asked; a word left out is the
 * first that fits. */
static bool find_in_config(struct parser *parser, struct step *step,
			   int transport, const char *name)
{
	const struct script *script = parser->script;
	const char *first = name;
	size_t i, pass;

	/* Without a transport of its own the step goes by the default, and
	 * where the config has none such, by what there is. */
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < script->address_count; i++) {
			const struct script_address *address =
				&script->addresses[i];
			int wanted = transport;

			if (first == NULL)
				first = address->name;
			if (wanted < 0 && pass == 0 && parser->transport_given)
				wanted = (int)parser->transport;
			if (strcmp(address->name, first) != 0 ||
			    (wanted >= 0 && (int)address->transport != wanted))
				continue;
			step->address = i;
			return true;
		}
	}
	/* Who gave none knows of none. */
	parse_error(parser, "the config has no {%s%s%s} to connect to%s",
		    transport >= 0 ? transport_names[transport] : "unix",
		    name != NULL && *name != '\0' ? ":" : "",
		    name != NULL ? name : "",
		    script->address_count > 0
			    ? ""
			    : " (an address in it is \"{unix}\", \"{tcp}\" and "
			      "so on; \"NAME: connect ADDRESS\" goes to any)");
	return false;
}

static bool find_service_address(struct parser *parser, struct step *step,
				 int transport, const char *name)
{
	struct parse_service *service = NULL;

	if (transport < 0)
		transport = (int)parser->transport;
	if (name == NULL && parser->service_count > 0)
		service = parser->services;
	else if (name != NULL)
		service = find_service(parser, name, strlen(name));
	if (service == NULL) {
		/* Without any, parse_start() has said so. */
		if (name != NULL)
			parse_error(parser, "there is no service \"%s\"", name);
		return false;
	}
	service->transports |= 1u << transport;
	step->address =
		script_address(parser->script, (enum transport)transport,
			       service->name, strlen(service->name));
	return true;
}

static bool wrong_destination(struct parser *parser)
{
	parse_error(parser, "usage: NAME: connect [unix|tcp|tcp6|udp|udp6] "
			    "[to SERVICE], or NAME: connect ADDRESS");
	return false;
}

bool parse_destination(struct parser *parser, struct step *step, char *at)
{
	char *word = parse_word(&at), *name = NULL;
	int transport = -1;
	unsigned i;

	if (word != NULL && strstr(word, "://") != NULL) {
		step->url = memory_copy(word, strlen(word));
		return parse_word(&at) == NULL || wrong_destination(parser);
	}
	for (i = 0; word != NULL && i < TRANSPORTS; i++)
		if (strcmp(word, transport_names[i]) == 0)
			transport = (int)i;
	if (transport >= 0)
		word = parse_word(&at);
	if (word != NULL) {
		name = parse_word(&at);
		if (strcmp(word, "to") != 0 || name == NULL ||
		    parse_word(&at) != NULL)
			return wrong_destination(parser);
	}
	return parser->has_config
		       ? find_in_config(parser, step, transport, name)
		       : find_service_address(parser, step, transport, name);
}

/* ---- when all has been read --------------------------------------------- */

/* Addresses that a block asks for are listened on, by the service of that name
 * or by the script. */
static void use_placeholders(struct parser *parser, const char *text)
{
	struct parse_service *service;
	unsigned transport;
	const char *name;
	size_t name_len, len, actor;

	while ((text = next_placeholder(text, &transport, &name, &name_len,
					&len)) != NULL) {
		text += len;
		if (transport >= TRANSPORTS)
			continue;
		script_address(parser->script, (enum transport)transport, name,
			       name_len);
		service = find_service(parser, name, name_len);
		actor = script_find_actor(parser->script, name, name_len);
		if (service != NULL)
			service->transports |= 1u << transport;
		else if (actor == SIZE_MAX ||
			 !parse_actor(parser, actor)->listens)
			parse_error(parser,
				    "{%s:%.*s}: there is no such service, and "
				    "no \"%.*s: listen\"",
				    transport_names[transport], (int)name_len,
				    name, (int)name_len, name);
	}
}

static char *make_config(const struct parser *parser)
{
	struct bytes text = {0};
	size_t i;
	unsigned j;

	for (i = 0; i < parser->service_count; i++) {
		const struct parse_service *service = &parser->services[i];
		const char *comma = "";

		bytes_add_format(&text, "service \"%s\" {\n", service->name);
		bytes_add_format(&text, "\tprotocol = \"%s\"\n\tlisten = { ",
				 service->protocol);
		for (j = 0; j < TRANSPORTS; j++) {
			if (!(service->transports & 1u << j))
				continue;
			bytes_add_format(&text, "%s\"{%s:%s}\"", comma,
					 transport_names[j], service->name);
			comma = ", ";
		}
		bytes_add_format(&text, " }\n%s}\n", service->block);
	}
	return bytes_take(&text);
}

void parse_finish_config(struct parser *parser)
{
	struct script *script = parser->script;
	struct step *step;
	size_t i;

	if (parser->has_config || parser->service_count == 0)
		return;
	for (i = 0; i < parser->service_count; i++)
		use_placeholders(parser, parser->services[i].block);
	for (step = script->steps; step < script->steps + script->step_count;
	     step++)
		if (step->kind == STEP_RELOAD && step->config != NULL)
			use_placeholders(parser, step->config);
	for (i = 0; i < parser->service_count; i++) {
		struct parse_service *service = &parser->services[i];

		if (service->transports == 0)
			service->transports = 1u << TRANSPORT_UNIX;
		for (unsigned j = 0; j < TRANSPORTS; j++)
			if (service->transports & 1u << j)
				script_address(script, (enum transport)j,
					       service->name,
					       strlen(service->name));
	}
	script->config = make_config(parser);
	for (step = script->steps; step < script->steps + script->step_count;
	     step++) {
		struct parse_service *service;

		if (step->kind != STEP_RELOAD || step->config == NULL)
			continue;
		service = &parser->services[step->address];
		free(service->block);
		service->block = step->config;
		step->config = make_config(parser);
	}
}
