/* SPDX-License-Identifier: MIT */
/*
 * Finds mistakes of a module's author when the module is loaded, before they
 * can crash lined while it serves clients. The checks do not protect against
 * hostile modules: a module's code runs with all rights of lined.
 */
#include "config.h"

#include "module/protocol_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lined/text.h>

#include "config/conf_value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OPTIONS_MAX      256
#define OPTIONS_SIZE_MAX ((size_t)1024 * 1024)
#define NAME_SHOWN       64
#define CLIENT_SIZE_MAX  1048576u

#define FLAGS      (LINED_ONE_WORKER | LINED_NO_REFLECTION | LINED_NO_IDLE_TIMEOUT)
#define TRANSPORTS (LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM)
#define FRAMING_KEYS                                                           \
	(LINED_FRAMING_TERMINATOR | LINED_FRAMING_LINE_LENGTH |                \
	 LINED_FRAMING_TOO_LONG | LINED_FRAMING_UNTERMINATED)

/* A buffer for the error text. */
struct check_error {
	char *text;
	size_t size;
};

static int check_refuse(const struct check_error *report, const char *format,
			...) __attribute__((format(printf, 2, 3)));

static int check_refuse(const struct check_error *report, const char *format,
			...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(report->text, report->size, format, arguments);
	va_end(arguments);
	return -1;
}

/* A name from the module, made printable. */
struct shown {
	char text[4 * NAME_SHOWN + 1];
};

static const char *check_shown(struct shown *shown, const char *name)
{
	lined_text_escape(shown->text, sizeof(shown->text), name,
			  strnlen(name, NAME_SHOWN));
	return shown->text;
}

int protocol_check_abi(const struct lined_protocol *protocol, char *error,
		       size_t size)
{
	const struct check_error report = {error, size};

	if (protocol->abi != LINED_ABI)
		return check_refuse(&report,
				    "built for ABI %" PRIu32
				    ", this lined has ABI %u",
				    protocol->abi, LINED_ABI);
	if (protocol->size < PROTOCOL_SIZE_MIN)
		return check_refuse(&report,
				    "its lined_protocol says a size of %" PRIu32
				    ", ABI %u has at least %zu",
				    protocol->size, LINED_ABI,
				    PROTOCOL_SIZE_MIN);
	return 0;
}

/* ---- options --------------------------------------------------------- */

/* Size and alignment of an option's C type in the module's struct. */
struct place {
	size_t size, align;
};

static const struct place places[] = {
	[LINED_OPTION_INTEGER] = {sizeof(int64_t), _Alignof(int64_t)},
	[LINED_OPTION_BOOLEAN] = {sizeof(bool), _Alignof(bool)},
	[LINED_OPTION_STRING] = {sizeof(char *), _Alignof(char *)},
	[LINED_OPTION_DURATION] = {sizeof(int64_t), _Alignof(int64_t)},
	[LINED_OPTION_SIZE] = {sizeof(int64_t), _Alignof(int64_t)},
	[LINED_OPTION_LIST] = {sizeof(struct lined_option_list),
			       _Alignof(struct lined_option_list)},
	[LINED_OPTION_SECTION] = {sizeof(struct lined_option_sections),
				  _Alignof(struct lined_option_sections)},
	[LINED_OPTION_CHOICE] = {sizeof(int), _Alignof(int)},
};

static bool check_is_key(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");

	return len > 0 && len <= NAME_SHOWN && name[len] == '\0';
}

static int check_choices(const struct lined_option *option,
			 const struct check_error *report)
{
	const char *const *word = option->choices;

	if (option->restarts && option->type != LINED_OPTION_CHOICE)
		return check_refuse(report,
				    "option %s: restarts, but not a choice",
				    option->name);
	if (option->type != LINED_OPTION_CHOICE) {
		if (word == NULL || option->type == LINED_OPTION_STRING)
			return 0;
		return check_refuse(
			report,
			"option %s: choices, but not a choice or a string",
			option->name);
	}
	if (word == NULL || *word == NULL)
		return check_refuse(report,
				    "option %s: a choice without choices",
				    option->name);
	if (option->fallback == NULL)
		return 0;
	for (; *word != NULL; word++)
		if (strcmp(*word, option->fallback) == 0)
			return 0;
	return check_refuse(report,
			    "option %s: its default is not one of its choices",
			    option->name);
}

/* Checks the default of an option: a bad default would be an error in each
 * config that does not set the key. */
static int check_default(const struct lined_option *option,
			 const struct check_error *report)
{
	const char *text = option->fallback;
	int64_t most =
		option->min == 0 && option->max == 0 ? INT64_MAX : option->max;
	enum conf_value_status status;
	int64_t number = 0;
	bool on;

	if (text == NULL)
		return 0;
	switch (option->type) {
	case LINED_OPTION_INTEGER:
		status = conf_value_integer(text, &number);
		break;
	case LINED_OPTION_DURATION:
		status = conf_value_duration(text, &number);
		break;
	case LINED_OPTION_SIZE:
		status = conf_value_size(text, &number);
		break;
	case LINED_OPTION_BOOLEAN:
		status = conf_value_boolean(text, &on);
		most = INT64_MAX;
		number = option->min;
		break;
	default:
		return 0;
	}
	if (status == CONF_VALUE_BAD)
		return check_refuse(report,
				    "option %s: its default \"%s\" is not a "
				    "value of its type",
				    option->name, text);
	if (status == CONF_VALUE_RANGE || number < option->min || number > most)
		return check_refuse(report,
				    "option %s: its default \"%s\" is out of "
				    "its range",
				    option->name, text);
	return 0;
}

/* Checks an option. `first` is the lowest allowed offset. */
static int check_option(const struct lined_option *option, size_t first,
			size_t struct_size, const struct check_error *report)
{
	const struct place *place;
	struct shown shown;

	if (option->name == NULL)
		return check_refuse(report, "an option has no name");
	if (!check_is_key(option->name))
		return check_refuse(report, "option \"%s\": not a key",
				    check_shown(&shown, option->name));
	if ((size_t)option->type >= COUNT(places))
		return check_refuse(report, "option %s: unknown type %d",
				    option->name, (int)option->type);
	place = &places[option->type];
	if (option->offset < first || option->offset > struct_size ||
	    struct_size - option->offset < place->size ||
	    option->offset % place->align != 0)
		return check_refuse(
			report,
			"option %s: no place for it at offset %zu of %zu",
			option->name, option->offset, struct_size);
	if (option->min > option->max)
		return check_refuse(report,
				    "option %s: its min is over its max",
				    option->name);
	return check_choices(option, report) < 0
		       ? -1
		       : check_default(option, report);
}

/* The number of options before LINED_OPTION_END, at most OPTIONS_MAX. */
static size_t check_count_options(const struct lined_option *options)
{
	size_t count = 0;

	while (count < OPTIONS_MAX && options[count].type != LINED_OPTION_END)
		count++;
	return count;
}

static bool check_is_double(const struct lined_option *options, size_t at)
{
	size_t i;

	for (i = 0; i < at; i++)
		if (strcmp(options[i].name, options[at].name) == 0)
			return true;
	return false;
}

static int check_option_table(const struct lined_option *options, size_t first,
			      size_t struct_size, bool is_section,
			      const struct check_error *report)
{
	size_t count = check_count_options(options), i;
	const struct lined_option *option;

	if (count == OPTIONS_MAX)
		return check_refuse(report, "its table of options has no end");
	for (i = 0; i < count; i++) {
		option = &options[i];
		if (check_option(option, first, struct_size, report) < 0)
			return -1;
		if (check_is_double(options, i))
			return check_refuse(report, "option %s: there are two",
					    option->name);
		if (option->type != LINED_OPTION_SECTION)
			continue;
		if (is_section)
			return check_refuse(
				report, "option %s: a section within a section",
				option->name);
		if (option->section == NULL ||
		    option->section_size < sizeof(const char *) ||
		    option->section_size > OPTIONS_SIZE_MAX)
			return check_refuse(report,
					    "option %s: a section of no struct",
					    option->name);
		/* The struct of a section begins with the title. */
		if (check_option_table(option->section, sizeof(const char *),
				       option->section_size, true, report) < 0)
			return -1;
	}
	return 0;
}

/* ---- other members --------------------------------------------------- */

static int check_framing(const struct lined_protocol *protocol,
			 const struct check_error *report)
{
	const struct lined_framing *framing = &protocol->framing;

	if ((protocol->framing_fixed & ~(uint32_t)FRAMING_KEYS) != 0)
		return check_refuse(report,
				    "unknown bits in framing_fixed: 0x%" PRIx32,
				    protocol->framing_fixed);
	/* If line_length is 0, the daemon's defaults apply, and the other
	 * members are not read. */
	if (framing->line_length == 0)
		return 0;
	if (framing->line_length > LINED_LINE_LENGTH_MAX)
		return check_refuse(report, "framing: line_length is over %u",
				    LINED_LINE_LENGTH_MAX);
	if (framing->terminator > LINED_TERMINATOR_SYSLOG ||
	    framing->too_long > LINED_TOO_LONG_TRUNCATE ||
	    framing->unterminated > LINED_UNTERMINATED_DELIVER)
		return check_refuse(report, "framing: an unknown value");
	return 0;
}

int protocol_check(const struct lined_protocol *protocol, const char *name,
		   char *error, size_t size)
{
	const struct check_error report = {error, size};
	struct shown shown;

	if (protocol->name == NULL)
		return check_refuse(&report, "it has no name");
	if (strcmp(protocol->name, name) != 0)
		return check_refuse(&report, "it claims to be \"%s\"",
				    check_shown(&shown, protocol->name));
	if (protocol->handle_accept == NULL && protocol->handle_line == NULL &&
	    protocol->handle_task == NULL)
		return check_refuse(&report, "it has none of handle_accept, "
					     "handle_line and handle_task");
	if (protocol->handle_task != NULL && protocol->task_ms == 0)
		return check_refuse(&report,
				    "it has a handle_task, but no task_ms");
	/* A flag of a newer lined must not be ignored silently. */
	if ((protocol->flags & ~(uint32_t)FLAGS) != 0)
		return check_refuse(&report,
				    "unknown bits in flags: 0x%" PRIx32,
				    protocol->flags);
	if ((protocol->transports & ~(uint32_t)TRANSPORTS) != 0)
		return check_refuse(&report,
				    "unknown bits in transports: 0x%" PRIx32,
				    protocol->transports);
	if (protocol->options_size > OPTIONS_SIZE_MAX)
		return check_refuse(&report, "its options_size is over %zu",
				    OPTIONS_SIZE_MAX);
	if (protocol->client_size > CLIENT_SIZE_MAX)
		return check_refuse(&report, "its client_size is over %u",
				    CLIENT_SIZE_MAX);
	if (protocol->instance_size > CLIENT_SIZE_MAX)
		return check_refuse(&report, "its instance_size is over %u",
				    CLIENT_SIZE_MAX);
	if (check_framing(protocol, &report) < 0)
		return -1;
	if (protocol->options == NULL)
		return 0;
	if (protocol->options_size == 0 &&
	    protocol->options->type != LINED_OPTION_END)
		return check_refuse(&report,
				    "it has options, but no options_size");
	return check_option_table(protocol->options, 0, protocol->options_size,
				  false, &report);
}
