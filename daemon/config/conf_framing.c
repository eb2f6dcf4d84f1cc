/* SPDX-License-Identifier: MIT */
/*
 * Reads the `framing` section of a service, which overrides the protocol's
 * defaults, except for keys that the protocol fixes.
 */
#include "config.h"

#include "config/conf_build.h"

#include <string.h>

struct framing {
	const char *terminator;
	int64_t line_length;
	int too_long;
	int unterminated;
};

/* Named values of `terminator`; any other single byte stands for itself. */
static const struct {
	const char *text;
	uint8_t terminator, byte;
} terminators[] = {
	{"any", LINED_TERMINATOR_ANY, 0},
	{"lf", LINED_TERMINATOR_LF, 0},
	{"crlf", LINED_TERMINATOR_CRLF, 0},
	{"cr", LINED_TERMINATOR_CR, 0},
	{"nul", LINED_TERMINATOR_BYTE, 0},
	{"syslog", LINED_TERMINATOR_SYSLOG, 0},
	{"\n", LINED_TERMINATOR_LF, 0},
	{"\r", LINED_TERMINATOR_CR, 0},
};

/* In the order of the enums of lined/line.h. */
static const char *const too_longs[] = {"close", "skip", "truncate", NULL};
static const char *const unterminateds[] = {"drop", "deliver", NULL};

static const struct lined_option framing_table[] = {
	{LINED_OPTION("terminator", STRING, struct framing, terminator)},
	{LINED_OPTION("line-length", SIZE, struct framing, line_length),
	 .min = 1, .max = LINED_LINE_LENGTH_MAX},
	{LINED_OPTION("too-long", CHOICE, struct framing, too_long),
	 .choices = too_longs},
	{LINED_OPTION("unterminated", CHOICE, struct framing, unterminated),
	 .choices = unterminateds},
	{.name = NULL},
};

/* The bits of enum lined_framing_key follow the order of the table. */
static void framing_check_fixed(const struct conf_section *section,
				const struct conf_service *service)
{
	const struct conf_key *key;
	unsigned i;

	for (i = 0; framing_table[i].name != NULL; i++) {
		if ((service->module->framing_fixed & (1u << i)) == 0)
			continue;
		key = conf_section_key(section, framing_table[i].name);
		if (key != NULL)
			conf_error_in(section, &key->place,
				      "%s cannot be set: protocol %s fixes it",
				      key->name, service->protocol);
	}
}

static void framing_read_terminator(const struct conf_section *section,
				    const char *text,
				    struct lined_framing *framing)
{
	char quoted[CONF_QUOTED_MAX];
	size_t i;

	for (i = 0; i < sizeof(terminators) / sizeof(terminators[0]); i++) {
		if (strcmp(text, terminators[i].text) != 0)
			continue;
		framing->terminator = terminators[i].terminator;
		framing->byte = terminators[i].byte;
		return;
	}
	if (strlen(text) == 1) {
		framing->terminator = LINED_TERMINATOR_BYTE;
		framing->byte = (uint8_t)text[0];
		return;
	}
	conf_error_in(section, conf_section_place(section, "terminator"),
		      "terminator \"%s\": any, lf, crlf, cr, nul, syslog or "
		      "one byte in quotes",
		      conf_quoted(text, quoted));
}

void conf_framing_read(const struct conf_section *section,
		       struct conf_service *service)
{
	static const struct lined_framing builtin = LINED_FRAMING_DEFAULT;
	const struct lined_protocol *module = service->module;
	struct lined_framing *framing = &service->framing;
	struct conf_section set = *section;
	struct framing read;

	*framing = builtin;
	if (module != NULL && module->framing.line_length != 0)
		*framing = module->framing;
	if (section->node == NULL)
		return;
	read = (struct framing){
		.terminator = NULL,
		.line_length = framing->line_length,
		.too_long = framing->too_long,
		.unterminated = framing->unterminated,
	};
	set.keep = true;
	conf_section_fill(&set, framing_table, &read);
	if (module != NULL)
		framing_check_fixed(section, service);
	if (read.terminator != NULL)
		framing_read_terminator(section, read.terminator, framing);
	framing->line_length = (uint32_t)read.line_length;
	framing->too_long = (uint8_t)read.too_long;
	framing->unterminated = (uint8_t)read.unterminated;
}
