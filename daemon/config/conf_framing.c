/* SPDX-License-Identifier: MIT */
/*
 * The `framing` section of a service, above what its protocol wants and within
 * what its protocol lets be changed.
 */
#include "config.h"

#include "config/conf_build.h"

#include "config/conf_value.h"

struct framing {
	const char *terminator;
	int64_t line_length;
	const char *too_long;
	const char *unterminated;
};

/* In the order of the enums of lined/line.h. */
static const char *const terminators[] = {"any", "lf", "crlf", NULL};
static const char *const too_longs[] = {"close", "skip", "truncate", NULL};
static const char *const unterminateds[] = {"drop", "deliver", NULL};

static const struct lined_option framing_table[] = {
	{.name = "terminator",
	 .type = LINED_OPTION_STRING,
	 .offset = offsetof(struct framing, terminator),
	 .choices = terminators},
	{.name = "line-length",
	 .type = LINED_OPTION_SIZE,
	 .min = 1,
	 .max = LINED_LINE_LENGTH_MAX,
	 .offset = offsetof(struct framing, line_length)},
	{.name = "too-long",
	 .type = LINED_OPTION_STRING,
	 .offset = offsetof(struct framing, too_long),
	 .choices = too_longs},
	{.name = "unterminated",
	 .type = LINED_OPTION_STRING,
	 .offset = offsetof(struct framing, unterminated),
	 .choices = unterminateds},
	{.name = NULL},
};

/* The key behind each bit of enum lined_framing_key is its table entry. */
static void check_fixed(struct conf_build *build, const struct conf_node *node,
			const char *context, const struct conf_service *service)
{
	const struct conf_key *key;
	unsigned i;

	for (i = 0; framing_table[i].name != NULL; i++) {
		if ((service->module->framing_fixed & (1u << i)) == 0)
			continue;
		key = conf_options_key(node, framing_table[i].name);
		if (key != NULL)
			conf_error(&build->report, &key->place,
				   "%s: %s cannot be set: protocol %s fixes it",
				   context, framing_table[i].name,
				   service->protocol);
	}
}

/* What was not set, or was refused, stays as it is. */
static void store(const struct framing *read, struct lined_framing *framing)
{
	framing->line_length = (uint32_t)read->line_length;
	if (read->terminator != NULL)
		framing->terminator = (uint8_t)conf_value_choice(
			read->terminator, terminators);
	if (read->too_long != NULL)
		framing->too_long =
			(uint8_t)conf_value_choice(read->too_long, too_longs);
	if (read->unterminated != NULL)
		framing->unterminated = (uint8_t)conf_value_choice(
			read->unterminated, unterminateds);
}

void conf_framing_read(struct conf_build *build, struct conf_node *node,
		       const char *context, struct conf_service *service)
{
	static const struct lined_framing builtin = LINED_FRAMING_DEFAULT;
	struct conf_options options = conf_build_options(build, context);
	const struct lined_protocol *module = service->module;
	struct framing read = {NULL, 0, NULL, NULL};

	service->framing = builtin;
	if (module != NULL && module->framing.line_length != 0)
		service->framing = module->framing;
	if (node == NULL)
		return;
	read.line_length = service->framing.line_length;
	options.keep = true;
	conf_options_fill(&options, node, framing_table, &read);
	if (module != NULL)
		check_fixed(build, node, context, service);
	store(&read, &service->framing);
}
