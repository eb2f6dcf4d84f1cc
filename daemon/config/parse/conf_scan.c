/* SPDX-License-Identifier: MIT */
/* Follows the brackets of a config file and collects its names, in one pass. */
#include "config.h"

#include "config/parse/conf_scan.h"

#include <stdio.h>
#include <string.h>

#include "config/parse/conf_lexer.h"

/* An open section. */
struct scan_frame {
	struct conf_outline *outline;
	unsigned line;
	const char *title; /* as written; NULL: none */
	size_t title_len;
};

struct scanner {
	struct conf_lexer lexer;
	struct pool *pool;
	struct conf_scan *scan;
	struct scan_frame frames[CONF_DEPTH_MAX + 1]; /* [0]: the file */
	unsigned depth;
	unsigned sections;
};

static int scan_fail(struct scanner *s, unsigned line, const char *what)
{
	conf_lexer_fail(&s->lexer, line, "%s", what);
	return -1;
}

static int scan_oom(struct scanner *s)
{
	s->lexer.report->oom = true;
	return -1;
}

/* Reports "expected X after NAME, found Y", unless the token is an error, which
 * is already reported. */
static int scan_expected(struct scanner *s, const char *what, const char *name)
{
	const struct conf_lexer *lexer = &s->lexer;
	char found[CONF_QUOTED_MAX / 2];

	if (lexer->token == CONF_TOKEN_ERROR)
		return -1;
	if (lexer->token == CONF_TOKEN_END)
		snprintf(found, sizeof(found), "the end of the file");
	else
		snprintf(found, sizeof(found), "%s%.*s%s",
			 lexer->token == CONF_TOKEN_STRING ? "" : "\"",
			 (int)(lexer->len < 40 ? lexer->len : 40), lexer->start,
			 lexer->token == CONF_TOKEN_STRING ? "" : "\"");
	conf_lexer_fail(&s->lexer, lexer->token_line,
			"expected %s after \"%s\", found %s", what, name,
			found);
	return -1;
}

/* Whether the text may name a key or a section. libconfuse would read a | in a
 * name as a path separator. */
static bool scan_is_name(const char *text, size_t len)
{
	return len <= 64 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") >= len;
}

static const char *const shape_text[] = {
	[CONF_SHAPE_KEY] = "a key",
	[CONF_SHAPE_PLAIN] = "a section",
	[CONF_SHAPE_TITLED] = "a section with a title",
};

/* The entry of a name in the open section; NULL: an error was reported. */
static struct conf_outline *scan_outline(struct scanner *s, const char *name,
					 enum conf_shape shape, unsigned line)
{
	struct conf_outline *parent = s->frames[s->depth].outline;
	struct conf_outline **end = &parent->children;

	for (; *end != NULL; end = &(*end)->next) {
		if (strcmp((*end)->name, name) != 0)
			continue;
		if ((*end)->shape == shape)
			return *end;
		conf_lexer_fail(&s->lexer, line,
				"\"%s\" is %s here and %s in line %u", name,
				shape_text[shape], shape_text[(*end)->shape],
				(*end)->line);
		return NULL;
	}
	if (parent->count == CONF_NAMES_MAX) {
		scan_fail(s, line, "too many different names in one section");
		return NULL;
	}
	*end = pool_alloc(s->pool, sizeof(**end));
	if (*end == NULL) {
		scan_oom(s);
		return NULL;
	}
	parent->count++;
	(*end)->name = name;
	(*end)->shape = shape;
	(*end)->line = line;
	return *end;
}

static struct conf_mark *scan_mark(struct scanner *s, const char *name,
				   unsigned line)
{
	struct conf_mark *entry = &s->scan->marks[s->scan->mark_count++];

	entry->name = name;
	entry->line = line;
	return entry;
}

static int scan_section(struct scanner *s, const char *name, unsigned line,
			const char *title, size_t title_len)
{
	struct conf_outline *entry = scan_outline(
		s, name, title ? CONF_SHAPE_TITLED : CONF_SHAPE_PLAIN, line);

	if (entry == NULL)
		return -1;
	/* libconfuse would take this section for the whole file, and free the
	 * lexer with it. */
	if (strcmp(name, "root") == 0)
		return scan_fail(s, line, "unknown section \"root\"");
	if (s->depth == CONF_DEPTH_MAX)
		return scan_fail(s, line, "sections are nested too deeply");
	if (++s->sections > CONF_SECTIONS_MAX)
		return scan_fail(s, line, "too many sections in one file");
	scan_mark(s, name, line);
	s->depth++;
	s->frames[s->depth].outline = entry;
	s->frames[s->depth].line = line;
	s->frames[s->depth].title = title;
	s->frames[s->depth].title_len = title_len;
	return 0;
}

static bool scan_is_value(enum conf_token token)
{
	return token == CONF_TOKEN_WORD || token == CONF_TOKEN_STRING ||
	       token == CONF_TOKEN_VARIABLE;
}

/* Writes an empty value into an empty list, because libconfuse has no callback
 * for an empty list. */
static int scan_fill_empty(struct scanner *s)
{
	memcpy(s->lexer.out - 1, "''}", 3);
	s->lexer.out += 2;
	return 0;
}

/* Scans the rest of a list, after its {. */
static int scan_list(struct scanner *s, const char *name,
		     struct conf_mark *entry)
{
	struct conf_lexer *lexer = &s->lexer;
	unsigned opened = lexer->token_line;
	bool separated = true;

	entry->empty_list = true;
	for (;;) {
		conf_lexer_next(lexer);
		if (lexer->token == CONF_TOKEN_END) {
			conf_lexer_fail(lexer, opened,
					"the list of \"%s\" is never closed",
					name);
			return -1;
		}
		if (conf_lexer_is(lexer, '}'))
			return entry->empty_list ? scan_fill_empty(s) : 0;
		if (separated && !scan_is_value(lexer->token))
			return scan_expected(s, "a value in the list", name);
		if (!separated && !conf_lexer_is(lexer, ','))
			return scan_expected(s, "\",\" or \"}\"", name);
		if (separated)
			entry->empty_list = false;
		separated = !separated;
	}
}

static int scan_assignment(struct scanner *s, const char *name, unsigned line)
{
	struct conf_mark *entry;

	if (scan_outline(s, name, CONF_SHAPE_KEY, line) == NULL)
		return -1;
	entry = scan_mark(s, name, line);
	conf_lexer_next(&s->lexer);
	if (conf_lexer_is(&s->lexer, '{'))
		return scan_list(s, name, entry);
	return scan_is_value(s->lexer.token) ? 0
					     : scan_expected(s, "a value", "=");
}

/* Scans the rest of a call, after the name and the "(". */
static int scan_call(struct scanner *s, const char *name, unsigned line)
{
	if (strcmp(name, "include") != 0)
		return scan_expected(s, "\"=\" or \"{\"", name);
	if (s->depth > 0)
		return scan_fail(s, line,
				 "include() stands outside of any section");
	if (!scan_is_value(conf_lexer_next(&s->lexer)))
		return scan_expected(s, "one pattern", "include(");
	conf_lexer_next(&s->lexer);
	return conf_lexer_is(&s->lexer, ')')
		       ? 0
		       : scan_expected(s, "\")\"", "include(\"...\"");
}

/* Scans the rest of a section, after its name and a token that may be the
 * title. */
static int scan_titled(struct scanner *s, const char *name, unsigned line)
{
	struct conf_lexer title = s->lexer;

	conf_lexer_next(&s->lexer);
	if (conf_lexer_is(&s->lexer, '{'))
		return scan_section(s, name, line, title.start, title.len);
	if (title.token == CONF_TOKEN_STRING)
		return scan_expected(s, "\"{\" and the section's keys", name);
	if (s->lexer.token != CONF_TOKEN_ERROR)
		s->lexer = title;
	return scan_expected(s, "\"=\" or \"{\"", name);
}

/* Scans an item: from a name to the end of its value, or into its section. */
static int scan_item(struct scanner *s)
{
	struct conf_lexer *lexer = &s->lexer;
	unsigned line = lexer->token_line;
	const char *name;

	name = pool_strndup(s->pool, lexer->start, lexer->len);
	if (name == NULL)
		return scan_oom(s);
	conf_lexer_next(lexer);
	if (conf_lexer_is(lexer, '('))
		return scan_call(s, name, line);
	if (s->depth == 0 && strcmp(name, "include") == 0)
		return scan_expected(s, "(\"PATTERN\")", name);
	if (conf_lexer_is(lexer, '='))
		return scan_assignment(s, name, line);
	if (conf_lexer_is(lexer, '{'))
		return scan_section(s, name, line, NULL, 0);
	if (scan_is_value(lexer->token))
		return scan_titled(s, name, line);
	return scan_expected(s, "\"=\" or \"{\"", name);
}

/* Reports every section that is still open at the end, outermost first. */
static int scan_end(struct scanner *s)
{
	unsigned i;

	for (i = 1; i <= s->depth; i++) {
		const struct scan_frame *frame = &s->frames[i];

		conf_lexer_fail(
			&s->lexer, frame->line,
			"section %s%s%.*s is never closed: its } is "
			"missing",
			frame->outline->name, frame->title ? " " : "",
			(int)(frame->title_len < 80 ? frame->title_len : 80),
			frame->title ? frame->title : "");
	}
	return s->depth > 0 ? -1 : 0;
}

static int scan_items(struct scanner *s)
{
	struct conf_lexer *lexer = &s->lexer;

	for (;;) {
		conf_lexer_next(lexer);
		if (lexer->token == CONF_TOKEN_END)
			return scan_end(s);
		if (conf_lexer_is(lexer, '}')) {
			if (s->depth == 0)
				return scan_fail(
					s, lexer->token_line,
					"} without a section to close");
			s->depth--;
		} else if (lexer->token != CONF_TOKEN_WORD ||
			   !scan_is_name(lexer->start, lexer->len)) {
			if (lexer->token != CONF_TOKEN_ERROR)
				conf_lexer_fail(lexer, lexer->token_line,
						"expected the name of a key or "
						"section, found %.*s",
						(int)(lexer->len < 40
							      ? lexer->len
							      : 40),
						lexer->start);
			return -1;
		} else if (scan_item(s) < 0) {
			return -1;
		}
	}
}

int conf_scan(const char *text, size_t len, const struct conf_place *place,
	      struct pool *pool, struct conf_report *report,
	      struct conf_scan *scan)
{
	struct scanner s = {.lexer = {.at = text,
				      .line = 1,
				      .file = place,
				      .report = report},
			    .pool = pool,
			    .scan = scan};
	size_t i, marks = 0;

	if (conf_lexer_check_text(text, len, place, report) < 0)
		return -1;
	for (i = 0; i < len; i++)
		marks += text[i] == '=' || text[i] == '{';
	memset(scan, 0, sizeof(*scan));
	scan->marks = pool_array(pool, marks, sizeof(*scan->marks));
	scan->text = pool_array(pool, len + 1, 2);
	if (scan->marks == NULL || scan->text == NULL)
		return scan_oom(&s);
	s.lexer.out = scan->text;
	s.frames[0].outline = &scan->root;
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
		s.lexer.at += 3;
	if (scan_items(&s) < 0)
		return -1;
	*s.lexer.out++ = '\n';
	scan->len = (size_t)(s.lexer.out - scan->text);
	return 0;
}
