/* SPDX-License-Identifier: MIT */
/*
 * Matches a line with a template: makes a POSIX extended regular expression of
 * the template, with a group for each name. If the template has no patterns,
 * and all its names have a value, which is the usual case, the line is compared
 * byte by byte instead.
 */
#include "config.h"

#include "linetest/match.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "linetest/bytes.h"

#ifdef REG_STARTEND
#define FLAG_STARTEND REG_STARTEND
#else
#define FLAG_STARTEND 0
#endif

#define WORD "[^ \t]+"

/* The expression of a template, and which of its groups are names. */
struct expression {
	struct bytes source;
	size_t groups; /* groups that were written so far */
	struct group {
		const char *name;
		size_t index;
	} * names;
	size_t name_count;
	bool has_nul;
	regex_t regex;
};

/* The first byte behind the bracket expression whose [ is at p. */
static const char *skip_bracket_expression(const char *p, const char *end)
{
	const char *close;
	char mark[3];

	p++;
	if (p < end && *p == '^')
		p++;
	if (p < end && *p == ']')
		p++;
	while (p < end && *p != ']') {
		if (*p == '[' && p + 1 < end && strchr(":.=", p[1]) != NULL) {
			mark[0] = p[1];
			mark[1] = ']';
			mark[2] = '\0';
			close = strstr(p + 2, mark);
			p = close != NULL && close < end ? close + 2 : end;
		} else {
			p++;
		}
	}
	return p < end ? p + 1 : end;
}

static size_t count_groups(const char *p, size_t len)
{
	const char *end = p + len;
	size_t groups = 0;

	while (p < end) {
		if (*p == '\\' && p + 1 < end) {
			p += 2;
		} else if (*p == '[') {
			p = skip_bracket_expression(p, end);
		} else {
			groups += *p == '(';
			p++;
		}
	}
	return groups;
}

/* ---- the size of an expression ----------------------------------------- */

/*
 * regcomp(3) writes repetitions out without a limit: x{1,200}{1,200}{1,200}
 * becomes eight million parts. regcomp(3) also recurses for each group.
 */
#define EXPANSION_MAX 5000
#define DEPTH_MAX     100

struct expansion {
	size_t sums[DEPTH_MAX + 1]; /* parts in each open group */
	size_t depth;
	size_t last; /* parts that a repetition would repeat */
};

static void expansion_add(struct expansion *expansion, size_t size)
{
	expansion->sums[expansion->depth] += size;
	expansion->last = size;
}

static void expansion_repeat(struct expansion *expansion, size_t times)
{
	if (times < 2)
		return;
	expansion->sums[expansion->depth] += expansion->last * (times - 1);
	expansion->last *= times;
}

static size_t expansion_number(const char **p, const char *end)
{
	size_t number = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++)
		if (number <= RE_DUP_MAX) /* regcomp(3) refuses larger
					   * numbers */
			number = number * 10 + (size_t)(**p - '0');
	return number;
}

/* p is behind a "{". Returns the first byte behind the repetition; p if there
 * is none. */
static const char *expansion_braces(struct expansion *expansion, const char *p,
				    const char *end)
{
	const char *at = p;
	size_t times = expansion_number(&at, end);

	if (at < end && *at == ',') {
		at++;
		if (at < end && *at == '}')
			times++; /* x{2,} becomes xxx* */
		else
			times = expansion_number(&at, end);
	}
	if (at == end || *at != '}')
		return p;
	expansion_repeat(expansion, times);
	return at + 1;
}

/* Whether the expression, written out, is small enough. */
static bool expansion_is_small(const char *p, size_t len)
{
	const char *end = p + len;
	const size_t most = len + EXPANSION_MAX;
	struct expansion expansion = {.depth = 0};

	while (p < end && expansion.sums[expansion.depth] <= most) {
		if (*p == '[') {
			p = skip_bracket_expression(p, end);
			expansion_add(&expansion, 1);
			continue;
		}
		switch (*p++) {
		case '\\':
			p += p < end;
			expansion_add(&expansion, 1);
			break;
		case '(':
			if (++expansion.depth > DEPTH_MAX)
				return false;
			expansion.sums[expansion.depth] = 0;
			expansion.last = 0;
			break;
		case ')':
			if (expansion.depth > 0) {
				size_t sum = expansion.sums[expansion.depth--];

				expansion_add(&expansion, sum + 1);
			}
			break;
		case '{':
			p = expansion_braces(&expansion, p, end);
			break;
		case '+': /* x+ becomes xx* */
			expansion_repeat(&expansion, 2);
			break;
		case '*':
		case '?':
			break;
		default:
			expansion_add(&expansion, 1);
			break;
		}
	}
	return p == end && expansion.sums[expansion.depth] <= most;
}

/* ---- expressions -------------------------------------------------------- */

static void expression_add_literal(struct expression *e, const char *text,
				   size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] == '\0')
			e->has_nul = true;
		else if (strchr("\\.[]{}()*+?|^$", text[i]) != NULL)
			bytes_add_byte(&e->source, '\\');
		bytes_add_byte(&e->source, text[i]);
	}
}

static void expression_add_name(struct expression *e,
				const struct template_part *part)
{
	const char *pattern = part->text != NULL ? part->text : WORD;

	bytes_add_format(&e->source, "(%s)", pattern);
	e->names =
		memory_resize(e->names, e->name_count + 1, sizeof(*e->names));
	e->names[e->name_count].name = part->name;
	e->names[e->name_count++].index = ++e->groups;
	e->groups += count_groups(pattern, strlen(pattern));
}

static void expression_add_part(struct expression *e,
				const struct template *template,
				const struct template_part *part,
				const struct values *values)
{
	const struct value *value = NULL;

	if (part->name == NULL && template->is_pattern) {
		e->has_nul |= memchr(part->text, '\0', part->len) != NULL;
		bytes_add(&e->source, part->text, part->len);
		e->groups += count_groups(part->text, part->len);
		return;
	}
	if (part->name == NULL) {
		expression_add_literal(e, part->text, part->len);
		return;
	}
	if (part->text == NULL)
		value = values_find(values, part->name);
	if (value != NULL)
		expression_add_literal(e, value->text, value->len);
	else
		expression_add_name(e, part);
}

static void expression_fini(struct expression *e)
{
	bytes_fini(&e->source);
	free(e->names);
}

/* Returns NULL, or a message. Call expression_fini() in both cases, and
 * regfree() only after NULL. */
static char *expression_init(struct expression *e,
			     const struct template *template,
			     const struct values *values)
{
	char message[256];
	size_t i;
	int code;

	memset(e, 0, sizeof(*e));
	for (i = 0; i < template->count; i++)
		expression_add_part(e, template, &template->parts[i], values);
	if (e->has_nul)
		return memory_format("a NUL byte cannot stand in a pattern, "
				     "nor beside a name");
	if (!expansion_is_small(bytes_text(&e->source), e->source.len))
		return memory_format("the pattern is too large: its "
				     "repetitions are more than %d parts when "
				     "written out, or more than %d groups are "
				     "nested",
				     EXPANSION_MAX, DEPTH_MAX);
	code = regcomp(&e->regex, bytes_text(&e->source), REG_EXTENDED);
	if (code == 0)
		return NULL;
	regerror(code, &e->regex, message, sizeof(message));
	return memory_format("%s", message);
}

char *match_check(const struct template *template)
{
	const struct values none = {0};
	struct expression e;
	char *error;

	if (!template->is_pattern && template_unknown(template, &none) == NULL)
		return NULL;
	error = expression_init(&e, template, &none);
	if (error == NULL)
		regfree(&e.regex);
	expression_fini(&e);
	return error;
}

/*
 * regexec(3) finds the leftmost match, and of several matches there the
 * longest. If the expression can match the whole line, regexec(3) finds the
 * whole line. A line with a NUL byte needs REG_STARTEND, which not every
 * library has.
 */
static bool regex_matches_all(const regex_t *regex, const char *line,
			      size_t len, regmatch_t *found, size_t groups)
{
	if (FLAG_STARTEND == 0 && memchr(line, '\0', len) != NULL)
		return false;
	found[0].rm_so = 0;
	found[0].rm_eo = (regoff_t)len;
	return regexec(regex, line, groups, found, FLAG_STARTEND) == 0 &&
	       found[0].rm_so == 0 && found[0].rm_eo == (regoff_t)len;
}

/* Whether the group of each name has matched, and all groups of one name have
 * matched the same bytes. */
static bool expression_is_consistent(const struct expression *e,
				     const char *line, const regmatch_t *found)
{
	size_t i, j;

	for (i = 0; i < e->name_count; i++) {
		const regmatch_t *a = &found[e->names[i].index];

		if (a->rm_so < 0)
			return false;
		for (j = 0; j < i; j++) {
			const regmatch_t *b = &found[e->names[j].index];

			if (strcmp(e->names[i].name, e->names[j].name) == 0 &&
			    (a->rm_eo - a->rm_so != b->rm_eo - b->rm_so ||
			     memcmp(line + a->rm_so, line + b->rm_so,
				    (size_t)(a->rm_eo - a->rm_so)) != 0))
				return false;
		}
	}
	return true;
}

static bool expression_match(const struct expression *e, struct values *values,
			     const char *line, size_t len)
{
	regmatch_t *found = memory_new(e->groups + 1, sizeof(*found));
	bool matched =
		regex_matches_all(&e->regex, line, len, found, e->groups + 1) &&
		expression_is_consistent(e, line, found);
	size_t i;

	for (i = 0; matched && i < e->name_count; i++) {
		const regmatch_t *group = &found[e->names[i].index];

		values_set(values, e->names[i].name, line + group->rm_so,
			   (size_t)(group->rm_eo - group->rm_so));
	}
	free(found);
	return matched;
}

static bool template_equals(const struct template *template,
			    const struct values *values, const char *line,
			    size_t len)
{
	struct bytes wanted = {0};
	bool same;

	template_expand(template, values, &wanted);
	same = wanted.len == len &&
	       (len == 0 || memcmp(wanted.data, line, len) == 0);
	bytes_fini(&wanted);
	return same;
}

bool match_line(const struct template *template, struct values *values,
		const char *line, size_t len)
{
	struct expression e;
	char *error;
	bool matched;

	if (!template->is_pattern && template_unknown(template, values) == NULL)
		return template_equals(template, values, line, len);
	error = expression_init(&e, template, values);
	matched = error == NULL && expression_match(&e, values, line, len);
	if (error == NULL)
		regfree(&e.regex);
	free(error);
	expression_fini(&e);
	return matched;
}
