/* SPDX-License-Identifier: MIT */
/*
 * Filters lines by POSIX extended expressions, with regcomp(3).
 */
#include "relay/filter.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct filter_rule {
	bool allow;
	regex_t expression;
};

struct relay_filter {
	size_t count;
	struct filter_rule rules[];
};

void relay_filter_free(struct relay_filter *filter)
{
	size_t i;

	if (filter == NULL)
		return;
	for (i = 0; i < filter->count; i++)
		regfree(&filter->rules[i].expression);
	free(filter);
}

static int filter_compile(struct filter_rule *rule, const char *text,
			  char *error, size_t size)
{
	const char *expression;
	char why[128];
	int code;

	if (strncmp(text, "allow ", 6) == 0) {
		rule->allow = true;
		expression = text + 6;
	} else if (strncmp(text, "deny ", 5) == 0) {
		rule->allow = false;
		expression = text + 5;
	} else {
		snprintf(error, size,
			 "\"%s\" begins with neither \"allow \" nor "
			 "\"deny \"",
			 text);
		return -1;
	}
	code = regcomp(&rule->expression, expression, REG_EXTENDED | REG_NOSUB);
	if (code == 0)
		return 0;
	regerror(code, &rule->expression, why, sizeof(why));
	snprintf(error, size, "\"%s\": %s", text, why);
	return -1;
}

struct relay_filter *relay_filter_new(const struct lined_option_list *rules,
				      char *error, size_t size)
{
	struct relay_filter *filter;
	size_t i;

	error[0] = '\0';
	if (rules->count == 0)
		return NULL;
	filter = calloc(1, sizeof(*filter) +
				   rules->count * sizeof(struct filter_rule));
	if (filter == NULL) {
		snprintf(error, size, "out of memory");
		return NULL;
	}
	for (i = 0; i < rules->count; i++) {
		if (filter_compile(&filter->rules[i], rules->items[i], error,
				   size) < 0) {
			relay_filter_free(filter);
			return NULL;
		}
		filter->count++;
	}
	return filter;
}

bool relay_filter_allows(const struct relay_filter *filter, const char *text,
			 size_t len)
{
	size_t i;

	if (filter == NULL)
		return true;
	for (i = 0; i < filter->count; i++) {
		/* REG_STARTEND takes a length: NUL bytes are data. */
		regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)len};

		if (regexec(&filter->rules[i].expression, text, 1, &range,
			    REG_STARTEND) == 0)
			return filter->rules[i].allow;
	}
	return true;
}
