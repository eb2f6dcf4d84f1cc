/* SPDX-License-Identifier: MIT */
/*
 * Reads one option: parses the value by its type, checks range and choices, and
 * stores the value.
 */
#include "config.h"

#include "config/conf_section.h"

#include <stdio.h>
#include <string.h>

#include "config/conf_value.h"

const char *conf_option_copy(const struct conf_section *section,
			     const char *text)
{
	const char *copy = pool_strdup(section->pool, text);

	return copy != NULL ? copy : text;
}

/* Reports a bad value of an option. Returns 1, the number of errors. */
static unsigned option_refuse(const struct conf_section *section,
			      const struct lined_option *option,
			      const struct conf_value *value, const char *why,
			      const char *more)
{
	char quoted[CONF_QUOTED_MAX];

	conf_error_in(section, &value->place, "%s: \"%s\" %s%s", option->name,
		      conf_quoted(value->text, quoted), why, more);
	return 1;
}

static int64_t option_largest(const struct lined_option *option)
{
	return option->min == 0 && option->max == 0 ? INT64_MAX : option->max;
}

/* For each type of option: why a value is refused. For numbers also two
 * functions: read a value, and write a value as text. */
static const struct {
	const char *refusal;
	enum conf_value_status (*read)(const char *text, int64_t *number);
	const char *(*text)(int64_t number, char buf[CONF_VALUE_TEXT_MAX]);
} forms[] = {
	[LINED_OPTION_INTEGER] = {"is not a whole number", conf_value_integer,
				  conf_value_integer_text},
	[LINED_OPTION_BOOLEAN] = {.refusal = "is not true or false"},
	[LINED_OPTION_DURATION] =
		{"is not a duration (a number and ms, s, m or h)",
		 conf_value_duration, conf_value_duration_text},
	[LINED_OPTION_SIZE] = {"is not a size (a number and k, M or G)",
			       conf_value_size, conf_value_size_text},
	[LINED_OPTION_CHOICE] = {.refusal = "is not one of its choices"},
};

static unsigned option_refuse_range(const struct conf_section *section,
				    const struct lined_option *option,
				    const struct conf_value *value)
{
	char range[3 * CONF_VALUE_TEXT_MAX];
	char min[CONF_VALUE_TEXT_MAX], max[CONF_VALUE_TEXT_MAX];

	forms[option->type].text(option->min, min);
	forms[option->type].text(option_largest(option), max);
	if (option_largest(option) == INT64_MAX)
		snprintf(range, sizeof(range), "(at least %s)", min);
	else
		snprintf(range, sizeof(range), "(%s to %s)", min, max);
	return option_refuse(section, option, value, "is out of range ", range);
}

static unsigned option_fill_number(const struct conf_section *section,
				   const struct lined_option *option,
				   const struct conf_value *value, int64_t *out)
{
	int64_t number;

	switch (forms[option->type].read(value->text, &number)) {
	case CONF_VALUE_BAD:
		return option_refuse(section, option, value,
				     forms[option->type].refusal, "");
	case CONF_VALUE_OK:
		if (number >= option->min && number <= option_largest(option))
			break;
		/* fall through */
	case CONF_VALUE_RANGE:
		return option_refuse_range(section, option, value);
	}
	if (conf_value_has_leading_zero(value->text))
		return option_refuse(section, option, value,
				     "has a leading zero: numbers are decimal",
				     "");
	*out = number;
	return 0;
}

static unsigned option_refuse_choice(const struct conf_section *section,
				     const struct lined_option *option,
				     const struct conf_value *value)
{
	char words[256] = "";
	size_t i, used = 0;

	for (i = 0; option->choices[i] != NULL && used < sizeof(words); i++)
		used += (size_t)snprintf(words + used, sizeof(words) - used,
					 "%s%s", i > 0 ? ", " : "",
					 option->choices[i]);
	return option_refuse(section, option, value, "is not one of ", words);
}

static unsigned option_fill_choice(const struct conf_section *section,
				   const struct lined_option *option,
				   const struct conf_value *value, int *out)
{
	int choice = conf_value_choice(value->text, option->choices);

	if (choice < 0)
		return option_refuse_choice(section, option, value);
	*out = choice;
	return 0;
}

static unsigned option_fill_text(const struct conf_section *section,
				 const struct lined_option *option,
				 const struct conf_value *value,
				 const char **out)
{
	if (option->choices != NULL &&
	    conf_value_choice(value->text, option->choices) < 0)
		return option_refuse_choice(section, option, value);
	*out = conf_option_copy(section, value->text);
	return 0;
}

static unsigned option_fill_list(const struct conf_section *section,
				 const struct lined_option *option,
				 const struct conf_key *key,
				 struct lined_option_list *out)
{
	const char **items =
		pool_array(section->pool, key->count, sizeof(*items));
	const struct conf_value *value;
	unsigned errors = 0;
	size_t i = 0;

	if (items == NULL)
		return 1;
	for (value = key->values; value != NULL; value = value->next)
		errors += option_fill_text(section, option, value, &items[i++]);
	out->count = key->count;
	out->items = items;
	return errors;
}

static unsigned option_fill_scalar(const struct conf_section *section,
				   const struct lined_option *option,
				   const struct conf_value *value, void *out)
{
	switch (option->type) {
	case LINED_OPTION_BOOLEAN:
		if (conf_value_boolean(value->text, out) != CONF_VALUE_OK)
			return option_refuse(section, option, value,
					     forms[option->type].refusal, "");
		return 0;
	case LINED_OPTION_STRING:
		return option_fill_text(section, option, value, out);
	case LINED_OPTION_CHOICE:
		return option_fill_choice(section, option, value, out);
	default:
		return option_fill_number(section, option, value, out);
	}
}

/* Stores the default. A default out of range is no error: it means "not set".
 */
unsigned conf_option_default(const struct conf_section *section,
			     const struct lined_option *option, void *out)
{
	static const struct conf_place nowhere = {"protocol", 0, 0};
	const char *text = option->fallback;
	bool good = true;

	switch (option->type) {
	case LINED_OPTION_STRING:
		*(const char **)out = text != NULL ? text : "";
		break;
	case LINED_OPTION_LIST:
		*(struct lined_option_list *)out =
			(struct lined_option_list){0, NULL};
		break;
	case LINED_OPTION_BOOLEAN:
		*(bool *)out = false;
		if (text != NULL)
			good = conf_value_boolean(text, out) == CONF_VALUE_OK;
		break;
	case LINED_OPTION_CHOICE:
		*(int *)out = -1;
		if (text != NULL)
			*(int *)out = conf_value_choice(text, option->choices);
		good = text == NULL || *(int *)out >= 0;
		break;
	default:
		*(int64_t *)out = 0;
		if (text != NULL)
			good = forms[option->type].read(text, out) ==
			       CONF_VALUE_OK;
	}
	if (good)
		return 0;
	conf_error_in(section, &nowhere, "%s: the built-in default \"%s\" %s",
		      option->name, text, forms[option->type].refusal);
	return 1;
}

unsigned conf_option_read(const struct conf_section *section,
			  const struct lined_option *option,
			  const struct conf_key *key, void *out)
{
	if (option->type == LINED_OPTION_LIST)
		return option_fill_list(section, option, key, out);
	if (key->count == 1)
		return option_fill_scalar(section, option, key->values, out);
	conf_error_in(section, &key->place,
		      "%s takes one value, not a list of %zu", option->name,
		      key->count);
	return 1;
}
