/* SPDX-License-Identifier: MIT */
/*
 * Parses the statements `protocol`, `config` and `reload`, and what a client
 * connects to. Makes the config of the daemon. Of a config, looks only for
 * placeholders and for `workers`; lined itself checks the rest.
 */
#include "config.h"

#include "linetest/parser.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/word.h"

/* ---- blocks ------------------------------------------------------------- */

/*
 * Reads the block that a statement may end with: the lines between a { at its
 * end and the }, or the text in { } on the line itself. Returns 1 and *block
 * (to be freed); 0: there is no block; -1: an error was added. at keeps the
 * text before the block.
 */
static int parse_block(struct parser *parser, char *at, char **block)
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
		parser_error(parser, "a block begins behind its { on the next "
				     "line, or ends with a } on the same");
		return -1;
	}
	*block = transcript_file_block(parser->file);
	if (*block != NULL)
		return 1;
	parser_error(parser, "the { is never closed: a line with } alone, "
			     "indented no deeper, is missing");
	/* Skip the rest of the file: its lines would be read as statements,
	 * with an error for each. */
	while (transcript_file_next(parser->file))
		;
	return -1;
}

static bool check_not_started(struct parser *parser)
{
	if (parser->daemon == PARSER_IDLE)
		return true;
	parser_error(parser, "what the daemon serves is said before the first "
			     "client; \"reload\" changes it");
	return false;
}

/* ---- protocol ----------------------------------------------------------- */

static struct parser_service *parser_find_service(struct parser *parser,
						  const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < parser->service_count; i++)
		if (strlen(parser->services[i].name) == len &&
		    memcmp(parser->services[i].name, name, len) == 0)
			return &parser->services[i];
	return NULL;
}

static bool is_service_name(const char *text)
{
	return text != NULL && word_name_len(text, text + strlen(text)) > 0 &&
	       text[word_name_len(text, text + strlen(text))] == '\0';
}

static void parser_add_service(struct parser *parser, const char *protocol,
			       const char *name, char *block)
{
	struct parser_service *service;

	parser->services =
		memory_resize(parser->services, parser->service_count + 1,
			      sizeof(*parser->services));
	service = &parser->services[parser->service_count++];
	service->protocol = memory_copy(protocol, strlen(protocol));
	service->name = memory_copy(name, strlen(name));
	service->block = block != NULL ? block : memory_copy("", 0);
	service->transports = 0;
}

/* Adds a text in double quotes, escaped as in a config. */
static void add_quoted(struct bytes *to, const char *text)
{
	bytes_add(to, "\"", 1);
	for (; *text != '\0'; text++) {
		if (strchr("\"\\$", *text) != NULL)
			bytes_add(to, "\\", 1);
		if (*text == '\n')
			bytes_add(to, "\\n", 2);
		else
			bytes_add(to, text, 1);
	}
	bytes_add(to, "\"", 1);
}

void parse_exec(struct parser *parser, const char *command)
{
	struct bytes block = {0};
	char *directory = realpath(".", NULL);

	bytes_add_format(&block, "\texec {\n\t\tcommand = { \"sh\", \"-c\", ");
	add_quoted(&block, command);
	bytes_add_format(&block, " }\n\t\tdirectory = ");
	add_quoted(&block, directory != NULL ? directory : "/");
	bytes_add_format(&block, "\n\t}\n");
	free(directory);
	parser->is_exec = true;
	parser_add_service(parser, "exec", "exec", bytes_take(&block));
}

void parse_protocol(struct parser *parser, char *at)
{
	char *block, *protocol, *name;

	if (parse_block(parser, at, &block) < 0)
		return;
	protocol = word_next(&at);
	name = protocol != NULL ? word_next(&at) : NULL;
	if (name == NULL)
		name = protocol;
	if (!is_service_name(protocol) || !is_service_name(name) ||
	    word_next(&at) != NULL)
		parser_error(parser, "usage: protocol PROTOCOL [SERVICE] [{]");
	else if (parser->has_config)
		parser_error(parser, "\"config\" above says what is served");
	else if (parser->is_exec)
		parser_error(parser, "--exec says what is served");
	else if (parser_find_service(parser, name, strlen(name)) != NULL)
		parser_error(parser, "there is a service %s already", name);
	else if (check_not_started(parser)) {
		parser_add_service(parser, protocol, name, block);
		return;
	}
	free(block);
}

/* ---- config ------------------------------------------------------------- */

/* The text behind the first placeholder for an address; NULL: there is none. */
static const char *find_address(const char *text, struct placeholder *found)
{
	for (text = strchr(text, '{'); text != NULL;
	     text = strchr(text + 1, '{'))
		if (placeholder_read(found, text) &&
		    found->kind == PLACEHOLDER_ADDRESS)
			return text + found->len;
	return NULL;
}

static void add_addresses(struct transcript *transcript, const char *text)
{
	struct placeholder found;

	while ((text = find_address(text, &found)) != NULL)
		transcript_address(transcript, found.transport, found.name,
				   found.name_len);
}

static char *read_config_file(struct parser *parser, const char *name)
{
	char *path = transcript_file_path(parser->file->path, name);
	char *error = NULL, *text = NULL;
	struct transcript_file file;

	if (transcript_file_open(&file, path, &error) < 0) {
		parser_error(parser, "config: %s", error);
		free(error);
	} else {
		text = bytes_take(&file.text);
		transcript_file_close(&file);
	}
	free(path);
	return text;
}

/* Whether a config sets the number of workers. */
static bool config_sets_workers(const char *text)
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
	int found = parse_block(parser, at, &block);

	if (found < 0)
		return;
	name = word_next(&at);
	if ((found == 0) == (name == NULL) || word_next(&at) != NULL) {
		parser_error(parser, "usage: config FILE, or config {");
	} else if (parser->has_config || parser->service_count > 0) {
		parser_error(parser, "what is served was said above");
	} else if (check_not_started(parser)) {
		if (found == 0)
			block = read_config_file(parser, name);
		if (block == NULL)
			return;
		parser->has_config = true;
		parser->transcript->config = block;
		parser->transcript->fixes_workers = config_sets_workers(block);
		add_addresses(parser->transcript, block);
		return;
	}
	free(block);
}

/* ---- reload ------------------------------------------------------------- */

/* The step keeps the new block and the index of its service. When all services
 * are known, parse_finish_config() makes a config of both. After a `config`
 * statement, the block is the whole new config. */
void parse_reload(struct parser *parser, char *at)
{
	struct parser_service *service = NULL;
	struct step *step;
	char *block, *name;
	int found = parse_block(parser, at, &block);

	if (found < 0)
		return;
	name = word_next(&at);
	if (found == 1 && name != NULL && parser->service_count > 0)
		service = parser_find_service(parser, name, strlen(name));
	if (name == NULL && parser->service_count > 0)
		service = parser->services;
	if (parser->daemon != PARSER_RUNNING) {
		parser_error(parser, "the daemon does not run here");
	} else if (word_next(&at) != NULL || (name != NULL && found == 0)) {
		parser_error(parser, "usage: reload, or reload [SERVICE] {");
	} else if (service == NULL && (name != NULL || !parser->has_config)) {
		parser_error(parser, "there is no service \"%s\"",
			     name != NULL ? name : "");
	} else {
		step = parser_add_step(parser, STEP_RELOAD, STEP_NO_CLIENT);
		step->config = block;
		if (service != NULL)
			step->address = (size_t)(service - parser->services);
		else if (block != NULL)
			add_addresses(parser->transcript, block);
		return;
	}
	free(block);
}

/* ---- what a client connects to ------------------------------------------ */

/* Finds an address of a `config`. transport -1: the step names none; name NULL:
 * the name of the first address. */
static bool find_config_address(struct parser *parser, struct step *step,
				int transport, const char *name)
{
	const struct transcript *transcript = parser->transcript;
	const char *first = name;
	size_t i, pass;

	/* If the step names no transport, the `transport` statement decides in
	 * the first pass. If no address has that transport, the second pass
	 * takes any transport. */
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < transcript->address_count; i++) {
			const struct transcript_address *address =
				&transcript->addresses[i];
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
	/* The error explains placeholders if the config has none. */
	parser_error(
		parser, "the config has no {%s%s%s} to connect to%s",
		transport >= 0 ? transports[transport].name : "unix",
		name != NULL && *name != '\0' ? ":" : "",
		name != NULL ? name : "",
		transcript->address_count > 0
			? ""
			: " (an address in it is \"{unix}\", \"{tcp}\" and "
			  "so on; \"NAME: connect ADDRESS\" goes to any)");
	return false;
}

static bool find_service_address(struct parser *parser, struct step *step,
				 int transport, const char *name)
{
	struct parser_service *service = NULL;

	if (transport < 0)
		transport = (int)parser->transport;
	if (name == NULL && parser->service_count > 0)
		service = parser->services;
	else if (name != NULL)
		service = parser_find_service(parser, name, strlen(name));
	if (parser->connects) {
		step->address =
			transcript_address(parser->transcript, TRANSPORT_UNIX,
					   "server", strlen("server"));
		return true;
	}
	if (service == NULL) {
		/* If there is no service at all, parser_start() has reported
		 * it. */
		if (name != NULL)
			parser_error(parser, "there is no service \"%s\"",
				     name);
		return false;
	}
	service->transports |= 1u << transport;
	step->address = transcript_address(
		parser->transcript, (enum transport)transport, service->name,
		strlen(service->name));
	return true;
}

static bool destination_error(struct parser *parser)
{
	parser_error(parser,
		     "usage: NAME: connect [unix|tcp|tcp6|udp|udp6|tls|ws|wss] "
		     "[to SERVICE], or NAME: connect ADDRESS");
	return false;
}

bool parse_destination(struct parser *parser, struct step *step, char *at)
{
	char *word = word_next(&at), *name = NULL;
	int transport = -1;

	if (word != NULL && strstr(word, "://") != NULL) {
		step->url = memory_copy(word, strlen(word));
		return word_next(&at) == NULL || destination_error(parser);
	}
	if (word != NULL && transport_find(word, strlen(word)) != TRANSPORTS) {
		transport = (int)transport_find(word, strlen(word));
		word = word_next(&at);
	}
	if (word != NULL) {
		name = word_next(&at);
		if (strcmp(word, "to") != 0 || name == NULL ||
		    word_next(&at) != NULL)
			return destination_error(parser);
	}
	return parser->has_config
		       ? find_config_address(parser, step, transport, name)
		       : find_service_address(parser, step, transport, name);
}

/* ---- the config of `protocol` statements -------------------------------- */

/* An address in a block must have a listener: the service of that name, or a
 * client that plays a server. */
static void listen_on_addresses(struct parser *parser, const char *text)
{
	struct transcript *transcript = parser->transcript;
	struct parser_service *service;
	struct placeholder found;
	size_t client;

	while ((text = find_address(text, &found)) != NULL) {
		transcript_address(transcript, found.transport, found.name,
				   found.name_len);
		service =
			parser_find_service(parser, found.name, found.name_len);
		client = transcript_find_client(transcript, found.name,
						found.name_len);
		if (service != NULL)
			service->transports |= 1u << found.transport;
		else if (client == SIZE_MAX ||
			 !parser_client(parser, client)->listens)
			parser_error(parser,
				     "{%s:%.*s}: there is no such service, and "
				     "no \"%.*s: listen\"",
				     transports[found.transport].name,
				     (int)found.name_len, found.name,
				     (int)found.name_len, found.name);
	}
}

static char *make_services_config(const struct parser *parser)
{
	const unsigned over_tls = 1u << TRANSPORT_TLS | 1u << TRANSPORT_WSS;
	struct bytes text = {0};
	bool tls = false;
	size_t i;
	unsigned j;

	for (i = 0; i < parser->service_count; i++) {
		const struct parser_service *service = &parser->services[i];
		const char *comma = "";

		bytes_add_format(&text, "service \"%s\" {\n", service->name);
		bytes_add_format(&text, "\tprotocol = \"%s\"\n\tlisten = { ",
				 service->protocol);
		for (j = 0; j < TRANSPORTS; j++) {
			if (!(service->transports & 1u << j))
				continue;
			bytes_add_format(&text, "%s\"{%s:%s}\"", comma,
					 transports[j].name, service->name);
			comma = ", ";
		}
		bytes_add_format(&text, " }\n%s%s}\n", service->block,
				 service->transports & over_tls
					 ? " tls = { \"linetest\" } "
					 : "");
		tls |= service->transports & over_tls;
	}
	if (tls)
		bytes_add_text(&text, "tls \"linetest\" {\n"
				      "\tcertificate = \"{dir}/tls.pem\"\n"
				      "\tkey = \"{dir}/tls.key\"\n}\n");
	return bytes_take(&text);
}

void parse_finish_config(struct parser *parser)
{
	struct transcript *transcript = parser->transcript;
	struct step *step;
	size_t i, k;

	if (parser->has_config || parser->service_count == 0)
		return;
	for (i = 0; i < parser->service_count; i++)
		listen_on_addresses(parser, parser->services[i].block);
	for (k = 0; k < transcript->step_count; k++) {
		step = &transcript->steps[k];
		if (step->config != NULL)
			listen_on_addresses(parser, step->config);
	}
	for (i = 0; i < parser->service_count; i++) {
		struct parser_service *service = &parser->services[i];

		if (service->transports == 0)
			service->transports = 1u << TRANSPORT_UNIX;
		for (unsigned j = 0; j < TRANSPORTS; j++)
			if (service->transports & 1u << j)
				transcript_address(
					transcript, (enum transport)j,
					service->name, strlen(service->name));
	}
	transcript->config = make_services_config(parser);
	for (k = 0; k < transcript->step_count; k++) {
		struct parser_service *service;

		step = &transcript->steps[k];
		if (step->config == NULL)
			continue;
		service = &parser->services[step->address];
		free(service->block);
		service->block = step->config;
		step->config = make_services_config(parser);
	}
}
