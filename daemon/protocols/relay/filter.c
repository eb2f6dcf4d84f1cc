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

static int filter_regcomp(regex_t *regex, const char *expression, int flags,
			  const char *text, char *error, size_t size)
{
	int code = regcomp(regex, expression, REG_EXTENDED | flags);
	char why[128];

	if (code == 0)
		return 0;
	regerror(code, regex, why, sizeof(why));
	snprintf(error, size, "\"%s\": %s", text, why);
	return -1;
}

/* Whether the expression is compiled unchanged. Back-references need this,
 * because another group would change the group numbers. An anchored expression
 * is searched at one place only, so its search is linear anyway. */
static bool filter_stays_unchanged(const char *expression)
{
	const char *at;

	for (at = expression; *at != '\0'; at++)
		if (at[0] == '\\' && at[1] >= '1' && at[1] <= '9')
			return true;
	return expression[0] == '^' && strchr(expression, '|') == NULL;
}

/*
 * Makes searches linear: the C library would try each place of a line as the
 * beginning of a match, in quadratic time. With an anchor and "any bytes"
 * before the expression there is only one place, and one pass. "." would not
 * match a NUL.
 */
static int filter_search_regcomp(regex_t *regex, const char *expression,
				 const char *text, char *error, size_t size)
{
	static const char form[] = "^([^a]|a)*(%s)";
	size_t room = sizeof(form) + strlen(expression);
	char *search;
	int result;

	if (filter_regcomp(regex, expression, REG_NOSUB, text, error, size) < 0)
		return -1;
	if (filter_stays_unchanged(expression))
		return 0;
	regfree(regex);
	search = malloc(room);
	if (search == NULL) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	snprintf(search, room, form, expression);
	result = filter_regcomp(regex, search, REG_NOSUB, text, error, size);
	free(search);
	return result;
}

static int filter_compile(struct filter_rule *rule, const char *text,
			  char *error, size_t size)
{
	const char *expression;

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
	return filter_search_regcomp(&rule->expression, expression, text, error,
				     size);
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
		/* With REG_STARTEND the length is given, and NUL bytes are
		 * data. */
		regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)len};

		if (regexec(&filter->rules[i].expression, text, 1, &range,
			    REG_STARTEND) == 0)
			return filter->rules[i].allow;
	}
	return true;
}

bool relay_filter_is_anchored_early(const char *expression)
{
	const char *at;

	for (at = expression; *at != '\0'; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '[' && at[1] != '\0' &&
			 strchr(at + 2, ']') != NULL)
			at = strchr(at + 2, ']');
		else if (*at == '$' && at[1] != '\0' && at[1] != ')' &&
			 at[1] != '|')
			return true;
	}
	return false;
}

/* ---- dedupe-without ------------------------------------------------------ */

struct relay_pattern {
	regex_t expression;
	char *text;
	size_t room;
};

struct relay_pattern *relay_pattern_new(const char *expression, char *error,
					size_t size)
{
	struct relay_pattern *pattern = calloc(1, sizeof(*pattern));

	if (pattern == NULL) {
		snprintf(error, size, "out of memory");
		return NULL;
	}
	if (filter_regcomp(&pattern->expression, expression, 0, expression,
			   error, size) == 0)
		return pattern;
	free(pattern);
	return NULL;
}

void relay_pattern_free(struct relay_pattern *pattern)
{
	if (pattern == NULL)
		return;
	regfree(&pattern->expression);
	free(pattern->text);
	free(pattern);
}

static bool pattern_reserve(struct relay_pattern *pattern, size_t room)
{
	char *text;

	if (room <= pattern->room)
		return true;
	text = realloc(pattern->text, room);
	if (text == NULL)
		return false;
	pattern->text = text;
	pattern->room = room;
	return true;
}

/* Without memory the text stays unchanged. */
void relay_pattern_leave_out(struct relay_pattern *pattern, const char **text,
			     size_t *len)
{
	size_t at = 0, kept = 0, n;
	regmatch_t match;

	while (at < *len) {
		match.rm_so = (regoff_t)at;
		match.rm_eo = (regoff_t)*len;
		if (regexec(&pattern->expression, *text, 1, &match,
			    REG_STARTEND | (at > 0 ? REG_NOTBOL : 0)) != 0)
			break;
		if (!pattern_reserve(pattern, *len))
			return;
		/* An empty match removes nothing: continue after it. */
		n = (size_t)match.rm_so - at + (match.rm_eo == match.rm_so);
		if (n > *len - at)
			n = *len - at;
		memcpy(pattern->text + kept, *text + at, n);
		kept += n;
		at = match.rm_eo == match.rm_so ? at + n : (size_t)match.rm_eo;
	}
	if (kept + (*len - at) == *len)
		return;
	memcpy(pattern->text + kept, *text + at, *len - at);
	*text = pattern->text;
	*len = kept + (*len - at);
}
