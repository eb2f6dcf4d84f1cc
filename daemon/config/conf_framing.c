/* SPDX-License-Identifier: MIT */
/*
 * The `framing` section of a service. It overrides the protocol's defaults,
 * except for the keys that the protocol fixes.
 */
#include "config.h"

#include "config/conf_build.h"

struct framing {
	int terminator;
	int64_t line_length;
	int too_long;
	int unterminated;
};

/* In the order of the enums of lined/line.h. */
static const char *const terminators[] = {"any", "lf", "crlf", NULL};
static const char *const too_longs[] = {"close", "skip", "truncate", NULL};
static const char *const unterminateds[] = {"drop", "deliver", NULL};

static const struct lined_option framing_table[] = {
	{LINED_OPTION("terminator", CHOICE, struct framing, terminator),
	 .choices = terminators},
	{LINED_OPTION("line-length", SIZE, struct framing, line_length),
	 .min = 1, .max = LINED_LINE_LENGTH_MAX},
	{LINED_OPTION("too-long", CHOICE, struct framing, too_long),
	 .choices = too_longs},
	{LINED_OPTION("unterminated", CHOICE, struct framing, unterminated),
	 .choices = unterminateds},
	{.name = NULL},
};

/* The bits of enum lined_framing_key are in the order of the table. */
static void framing_check_fixed(struct conf_build *build,
				const struct conf_node *node,
				const char *context,
				const struct conf_service *service)
{
	const struct conf_key *key;
	unsigned i;

	for (i = 0; framing_table[i].name != NULL; i++) {
		if ((service->module->framing_fixed & (1u << i)) == 0)
			continue;
		key = conf_options_key(node, framing_table[i].name);
		if (key != NULL)
			conf_error_in(&build->report, context, &key->place,
				      "%s cannot be set: protocol %s fixes it",
				      framing_table[i].name, service->protocol);
	}
}

void conf_framing_read(struct conf_build *build, struct conf_node *node,
		       const char *context, struct conf_service *service)
{
	static const struct lined_framing builtin = LINED_FRAMING_DEFAULT;
	struct conf_options options = conf_build_options(build, context);
	const struct lined_protocol *module = service->module;
	struct lined_framing *framing = &service->framing;
	struct framing read;

	*framing = builtin;
	if (module != NULL && module->framing.line_length != 0)
		*framing = module->framing;
	if (node == NULL)
		return;
	read = (struct framing){
		.terminator = framing->terminator,
		.line_length = framing->line_length,
		.too_long = framing->too_long,
		.unterminated = framing->unterminated,
	};
	options.keep = true;
	conf_options_fill(&options, node, framing_table, &read);
	if (module != NULL)
		framing_check_fixed(build, node, context, service);
	framing->terminator = (uint8_t)read.terminator;
	framing->line_length = (uint32_t)read.line_length;
	framing->too_long = (uint8_t)read.too_long;
	framing->unterminated = (uint8_t)read.unterminated;
}
