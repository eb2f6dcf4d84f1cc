/* SPDX-License-Identifier: MIT */
/* Follows the brackets of a config file and collects the names of keys and
 * sections, in one pass. */
#include "config.h"

#include "config/parse/conf_syntax.h"

#include <stdio.h>
#include <string.h>

#include "config/parse/conf_lexer.h"

/* An open section. */
struct syntax_frame {
	struct conf_outline *outline;
	unsigned line;
	const char *title; /* as written; NULL: none */
	size_t title_len;
};

struct syntax_check {
	struct conf_lexer lexer;
	struct pool *pool;
	struct conf_syntax *syntax;
	struct syntax_frame frames[CONF_DEPTH_MAX + 1]; /* [0]: the file */
	unsigned depth;
	unsigned sections;
};

static int syntax_fail(struct syntax_check *s, unsigned line, const char *what)
{
	conf_lexer_fail(&s->lexer, line, "%s", what);
	return -1;
}

/* Reports "expected X after NAME, found Y", unless the token is an error, which
 * is already reported. */
static int syntax_expected(struct syntax_check *s, const char *what,
			   const char *name)
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
static bool syntax_is_name(const char *text, size_t len)
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

/* Finds or adds the entry of a name in the open section. NULL: an error was
 * reported, or there is no memory. */
static struct conf_outline *syntax_outline(struct syntax_check *s,
					   const char *name,
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
		syntax_fail(s, line, "too many different names in one section");
		return NULL;
	}
	*end = pool_alloc(s->pool, sizeof(**end));
	if (*end == NULL)
		return NULL;
	parent->count++;
	(*end)->name = name;
	(*end)->shape = shape;
	(*end)->line = line;
	return *end;
}

static struct conf_mark *syntax_mark(struct syntax_check *s, const char *name,
				     unsigned line)
{
	struct conf_mark *entry = &s->syntax->marks[s->syntax->mark_count++];

	entry->name = name;
	entry->line = line;
	return entry;
}

static int syntax_section(struct syntax_check *s, const char *name,
			  unsigned line, const char *title, size_t title_len)
{
	struct conf_outline *entry = syntax_outline(
		s, name, title ? CONF_SHAPE_TITLED : CONF_SHAPE_PLAIN, line);

	if (entry == NULL)
		return -1;
	/* libconfuse would take a section of this name for the whole file, and
	 * would free the lexer when the section ends. */
	if (strcmp(name, "root") == 0)
		return syntax_fail(s, line, "unknown section \"root\"");
	if (s->depth == CONF_DEPTH_MAX)
		return syntax_fail(s, line, "sections are nested too deeply");
	if (++s->sections > CONF_SECTIONS_MAX)
		return syntax_fail(s, line, "too many sections in one file");
	syntax_mark(s, name, line);
	s->depth++;
	s->frames[s->depth].outline = entry;
	s->frames[s->depth].line = line;
	s->frames[s->depth].title = title;
	s->frames[s->depth].title_len = title_len;
	return 0;
}

static bool syntax_is_value(enum conf_token token)
{
	return token == CONF_TOKEN_WORD || token == CONF_TOKEN_STRING ||
	       token == CONF_TOKEN_VARIABLE;
}

/* Writes an empty value into an empty list, because libconfuse has no callback
 * for an empty list. */
static int syntax_fill_empty(struct syntax_check *s)
{
	memcpy(s->lexer.out - 1, "''}", 3);
	s->lexer.out += 2;
	return 0;
}

/* Scans a list from behind its { to its }. */
static int syntax_list(struct syntax_check *s, const char *name,
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
			return entry->empty_list ? syntax_fill_empty(s) : 0;
		if (separated && !syntax_is_value(lexer->token))
			return syntax_expected(s, "a value in the list", name);
		if (!separated && !conf_lexer_is(lexer, ','))
			return syntax_expected(s, "\",\" or \"}\"", name);
		if (separated)
			entry->empty_list = false;
		separated = !separated;
	}
}

static int syntax_assignment(struct syntax_check *s, const char *name,
			     unsigned line)
{
	struct conf_mark *entry;

	if (syntax_outline(s, name, CONF_SHAPE_KEY, line) == NULL)
		return -1;
	entry = syntax_mark(s, name, line);
	conf_lexer_next(&s->lexer);
	if (conf_lexer_is(&s->lexer, '{'))
		return syntax_list(s, name, entry);
	return syntax_is_value(s->lexer.token)
		       ? 0
		       : syntax_expected(s, "a value", "=");
}

/* Scans a call from behind its ( to its ). */
static int syntax_call(struct syntax_check *s, const char *name, unsigned line)
{
	if (strcmp(name, "include") != 0)
		return syntax_expected(s, "\"=\" or \"{\"", name);
	if (s->depth > 0)
		return syntax_fail(s, line,
				   "include() stands outside of any section");
	if (!syntax_is_value(conf_lexer_next(&s->lexer)))
		return syntax_expected(s, "one pattern", "include(");
	conf_lexer_next(&s->lexer);
	return conf_lexer_is(&s->lexer, ')')
		       ? 0
		       : syntax_expected(s, "\")\"", "include(\"...\"");
}

/* Scans a section with a title up to its {. The name and the token that may be
 * the title were read before. */
static int syntax_titled(struct syntax_check *s, const char *name,
			 unsigned line)
{
	struct conf_lexer title = s->lexer;

	conf_lexer_next(&s->lexer);
	if (conf_lexer_is(&s->lexer, '{'))
		return syntax_section(s, name, line, title.start, title.len);
	if (title.token == CONF_TOKEN_STRING)
		return syntax_expected(s, "\"{\" and the section's keys", name);
	if (s->lexer.token != CONF_TOKEN_ERROR)
		s->lexer = title;
	return syntax_expected(s, "\"=\" or \"{\"", name);
}

/* Scans an item from its name on: a key to the end of its value, a section up
 * to its {. */
static int syntax_item(struct syntax_check *s)
{
	struct conf_lexer *lexer = &s->lexer;
	unsigned line = lexer->token_line;
	const char *name;

	name = pool_strndup(s->pool, lexer->start, lexer->len);
	if (name == NULL)
		return -1;
	conf_lexer_next(lexer);
	if (conf_lexer_is(lexer, '('))
		return syntax_call(s, name, line);
	if (s->depth == 0 && strcmp(name, "include") == 0)
		return syntax_expected(s, "(\"PATTERN\")", name);
	if (conf_lexer_is(lexer, '='))
		return syntax_assignment(s, name, line);
	if (conf_lexer_is(lexer, '{'))
		return syntax_section(s, name, line, NULL, 0);
	if (syntax_is_value(lexer->token))
		return syntax_titled(s, name, line);
	return syntax_expected(s, "\"=\" or \"{\"", name);
}

/* Reports every section that is still open at the end, outermost first. */
static int syntax_end(struct syntax_check *s)
{
	unsigned i;

	for (i = 1; i <= s->depth; i++) {
		const struct syntax_frame *frame = &s->frames[i];

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

static int syntax_items(struct syntax_check *s)
{
	struct conf_lexer *lexer = &s->lexer;

	for (;;) {
		conf_lexer_next(lexer);
		if (lexer->token == CONF_TOKEN_END)
			return syntax_end(s);
		if (conf_lexer_is(lexer, '}')) {
			if (s->depth == 0)
				return syntax_fail(
					s, lexer->token_line,
					"} without a section to close");
			s->depth--;
		} else if (lexer->token != CONF_TOKEN_WORD ||
			   !syntax_is_name(lexer->start, lexer->len)) {
			if (lexer->token != CONF_TOKEN_ERROR)
				conf_lexer_fail(lexer, lexer->token_line,
						"expected the name of a key or "
						"section, found %.*s",
						(int)(lexer->len < 40
							      ? lexer->len
							      : 40),
						lexer->start);
			return -1;
		} else if (syntax_item(s) < 0) {
			return -1;
		}
	}
}

int conf_syntax_check(const char *text, size_t len,
		      const struct conf_place *place, struct pool *pool,
		      struct conf_report *report, struct conf_syntax *syntax)
{
	struct syntax_check s = {.lexer = {.at = text,
					   .line = 1,
					   .file = place,
					   .report = report},
				 .pool = pool,
				 .syntax = syntax};
	size_t i, marks = 0;

	if (conf_lexer_check_text(text, len, place, report) < 0)
		return -1;
	for (i = 0; i < len; i++)
		marks += text[i] == '=' || text[i] == '{';
	memset(syntax, 0, sizeof(*syntax));
	syntax->marks = pool_array(pool, marks, sizeof(*syntax->marks));
	syntax->text = pool_array(pool, len + 1, 2);
	if (syntax->marks == NULL || syntax->text == NULL)
		return -1;
	s.lexer.out = syntax->text;
	s.frames[0].outline = &syntax->root;
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
		s.lexer.at += 3;
	if (syntax_items(&s) < 0)
		return -1;
	*s.lexer.out++ = '\n';
	syntax->len = (size_t)(s.lexer.out - syntax->text);
	return 0;
}
