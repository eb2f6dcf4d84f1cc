/* SPDX-License-Identifier: MIT */
/*
 * Follows the brackets of a config file and notes its names: one pass, before
 * libconfuse makes the one that counts. Interprets neither names nor values.
 */
#include "config.h"

#include "config/conf_scan.h"

#include <stdio.h>
#include <string.h>

#include "config/conf_lexer.h"

/* A section that is open. */
struct frame {
	struct conf_outline *outline;
	unsigned line;
	const char *title; /* as written; NULL: none */
	size_t title_len;
};

struct scanner {
	struct conf_lexer lexer;
	struct pool *pool;
	struct conf_scan *scan;
	struct frame frames[CONF_DEPTH_MAX + 1]; /* [0] is the file */
	unsigned depth;
	unsigned sections;
};

static int fail_at(struct scanner *s, unsigned line, const char *what)
{
	conf_lexer_fail(&s->lexer, line, "%s", what);
	return -1;
}

static int fail_memory(struct scanner *s)
{
	s->lexer.report->oom = true;
	return -1;
}

/* "expected X after NAME, found Y"; a token that is an error has said so. */
static int fail_expected(struct scanner *s, const char *what, const char *name)
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

/*
 * What may name a key or section. libconfuse itself reads a | in a name as a
 * path.
 */
static bool is_name(const char *text, size_t len)
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

/* The entry of a name in the section that is open; NULL: reported. */
static struct conf_outline *outline(struct scanner *s, const char *name,
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
		fail_at(s, line, "too many different names in one section");
		return NULL;
	}
	*end = pool_alloc(s->pool, sizeof(**end));
	if (*end == NULL) {
		fail_memory(s);
		return NULL;
	}
	parent->count++;
	(*end)->name = name;
	(*end)->shape = shape;
	(*end)->line = line;
	return *end;
}

static struct conf_mark *mark(struct scanner *s, const char *name,
			      unsigned line)
{
	struct conf_mark *entry = &s->scan->marks[s->scan->mark_count++];

	entry->name = name;
	entry->line = line;
	return entry;
}

static int open_section(struct scanner *s, const char *name, unsigned line,
			const char *title, size_t title_len)
{
	struct conf_outline *entry = outline(
		s, name, title ? CONF_SHAPE_TITLED : CONF_SHAPE_PLAIN, line);

	if (entry == NULL)
		return -1;
	/* libconfuse takes a section of this name for the whole file when it
	 * frees one, and its lexer with it. */
	if (strcmp(name, "root") == 0)
		return fail_at(s, line, "unknown section \"root\"");
	if (s->depth == CONF_DEPTH_MAX)
		return fail_at(s, line, "sections are nested too deeply");
	if (++s->sections > CONF_SECTIONS_MAX)
		return fail_at(s, line, "too many sections in one file");
	mark(s, name, line);
	s->depth++;
	s->frames[s->depth].outline = entry;
	s->frames[s->depth].line = line;
	s->frames[s->depth].title = title;
	s->frames[s->depth].title_len = title_len;
	return 0;
}

static bool is_value(enum conf_token token)
{
	return token == CONF_TOKEN_WORD || token == CONF_TOKEN_STRING ||
	       token == CONF_TOKEN_VARIABLE;
}

/* libconfuse calls nobody back for an empty list: put something in. */
static int fill_empty(struct scanner *s)
{
	memcpy(s->lexer.out - 1, "''}", 3);
	s->lexer.out += 2;
	return 0;
}

/* Behind the { of a list, to its }. */
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
			return entry->empty_list ? fill_empty(s) : 0;
		if (separated && !is_value(lexer->token))
			return fail_expected(s, "a value in the list", name);
		if (!separated && !conf_lexer_is(lexer, ','))
			return fail_expected(s, "\",\" or \"}\"", name);
		if (separated)
			entry->empty_list = false;
		separated = !separated;
	}
}

static int scan_assignment(struct scanner *s, const char *name, unsigned line)
{
	struct conf_mark *entry;

	if (outline(s, name, CONF_SHAPE_KEY, line) == NULL)
		return -1;
	entry = mark(s, name, line);
	conf_lexer_next(&s->lexer);
	if (conf_lexer_is(&s->lexer, '{'))
		return scan_list(s, name, entry);
	return is_value(s->lexer.token) ? 0 : fail_expected(s, "a value", "=");
}

/* Behind name and (. */
static int scan_call(struct scanner *s, const char *name, unsigned line)
{
	if (strcmp(name, "include") != 0)
		return fail_expected(s, "\"=\" or \"{\"", name);
	if (s->depth > 0)
		return fail_at(s, line,
			       "include() stands outside of any section");
	if (!is_value(conf_lexer_next(&s->lexer)))
		return fail_expected(s, "one pattern", "include(");
	conf_lexer_next(&s->lexer);
	return conf_lexer_is(&s->lexer, ')')
		       ? 0
		       : fail_expected(s, "\")\"", "include(\"...\"");
}

/* Behind name and what may be its title. */
static int scan_titled(struct scanner *s, const char *name, unsigned line)
{
	struct conf_lexer title = s->lexer;

	conf_lexer_next(&s->lexer);
	if (conf_lexer_is(&s->lexer, '{'))
		return open_section(s, name, line, title.start, title.len);
	if (title.token == CONF_TOKEN_STRING)
		return fail_expected(s, "\"{\" and the section's keys", name);
	if (s->lexer.token != CONF_TOKEN_ERROR)
		s->lexer = title;
	return fail_expected(s, "\"=\" or \"{\"", name);
}

/* From a name to the end of its value, or into its section. */
static int scan_item(struct scanner *s)
{
	struct conf_lexer *lexer = &s->lexer;
	unsigned line = lexer->token_line;
	const char *name;

	name = pool_strndup(s->pool, lexer->start, lexer->len);
	if (name == NULL)
		return fail_memory(s);
	conf_lexer_next(lexer);
	if (conf_lexer_is(lexer, '('))
		return scan_call(s, name, line);
	if (s->depth == 0 && strcmp(name, "include") == 0)
		return fail_expected(s, "(\"PATTERN\")", name);
	if (conf_lexer_is(lexer, '='))
		return scan_assignment(s, name, line);
	if (conf_lexer_is(lexer, '{'))
		return open_section(s, name, line, NULL, 0);
	if (is_value(lexer->token))
		return scan_titled(s, name, line);
	return fail_expected(s, "\"=\" or \"{\"", name);
}

/* Every section that is still open at the end, the outermost first. */
static int scan_end(struct scanner *s)
{
	unsigned i;

	for (i = 1; i <= s->depth; i++) {
		const struct frame *frame = &s->frames[i];

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
				return fail_at(s, lexer->token_line,
					       "} without a section to close");
			s->depth--;
		} else if (lexer->token != CONF_TOKEN_WORD ||
			   !is_name(lexer->start, lexer->len)) {
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
		return fail_memory(&s);
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
