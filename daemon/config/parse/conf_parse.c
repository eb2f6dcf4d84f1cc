/* SPDX-License-Identifier: MIT */
/*
 * The only file that uses libconfuse. libconfuse stops at the first key that is
 * not in its table. So the syntax check first finds all names in a text, and
 * libconfuse gets a table of exactly these names, in which each key is a list
 * of strings. During the parse, libconfuse calls the functions in the table
 * with the values.
 */
#include "config.h"

#include "config/parse/conf_parse.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/parse/conf_syntax.h"
#include "memory_pool.h"

/* No key of a file has this name: the syntax check refuses the colon. */
#define OPEN_NAME ":open"

struct parse {
	const struct conf_syntax *syntax;
	const struct conf_place *place;
	struct conf_tree_writer tree;
	struct conf_report *report;
	size_t next_mark; /* an index of syntax->marks */
	bool failed;
};

/* Static, because libconfuse's callbacks have no user argument. libconfuse's
 * lexer is global anyway, so only one parse can run in a process: see the
 * thread rule in conf.h. */
static struct parse *current;

static int parse_oom(struct parse *p)
{
	p->report->oom = true;
	p->failed = true;
	return -1;
}

static struct conf_place parse_place(const struct parse *p, int line)
{
	struct conf_place place = *p->place;

	place.line = line > 0 ? (unsigned)line : 0;
	return place;
}

static void parse_error(cfg_t *cfg, const char *format, va_list ap)
{
	struct conf_place place = parse_place(current, cfg->line);
	char text[512];

	vsnprintf(text, sizeof(text), format, ap);
	conf_error(current->report, &place, "%s", text);
	current->failed = true;
}

/* Takes the next mark. The syntax check and libconfuse must find the same names
 * in the same order: otherwise a value would get another key's line. */
static const struct conf_mark *parse_take_mark(struct parse *p,
					       const char *name, int line)
{
	const struct conf_mark *mark = &p->syntax->marks[p->next_mark];
	struct conf_place place = parse_place(p, line);

	if (p->next_mark < p->syntax->mark_count &&
	    strcmp(mark->name, name) == 0) {
		p->next_mark++;
		return mark;
	}
	conf_error(p->report, &place, "cannot make sense of \"%s\" here", name);
	p->failed = true;
	return NULL;
}

static int parse_add_value(struct parse *p, const char *text, int line)
{
	text = pool_strdup(p->tree.tree->pool, text);
	return conf_tree_add_value(&p->tree, text, parse_place(p, line)) < 0
		       ? parse_oom(p)
		       : 0;
}

/* Adds a value. Each assignment begins a new list in libconfuse, so the first
 * value of a list also adds a key. */
static int parse_value(cfg_t *cfg, cfg_opt_t *opt, const char *text,
		       void *result)
{
	const struct conf_mark *mark;
	struct parse *p = current;

	if (p->failed)
		return -1;
	*(const char **)result = text;
	if (opt->nvalues != 1)
		return parse_add_value(p, text, cfg->line);
	mark = parse_take_mark(p, opt->name, cfg->line);
	if (mark == NULL)
		return -1;
	if (conf_tree_add_key(&p->tree, mark->name,
			      parse_place(p, (int)mark->line)) < 0)
		return parse_oom(p);
	return mark->empty_list ? 0 : parse_add_value(p, text, cfg->line);
}

/*
 * Called when a section begins. libconfuse has no callback for the begin of a
 * section. But when a section begins, libconfuse sets the defaults of the
 * section's keys through their callbacks: OPEN_NAME is a key with a default for
 * this purpose. If this callback returned an error, libconfuse would call
 * abort(). So this callback only sets `failed`, and the next callback returns
 * -1.
 */
static int parse_open(cfg_t *cfg, cfg_opt_t *opt, const char *text,
		      void *result)
{
	struct parse *p = current;
	const struct conf_mark *mark;
	const char *title = NULL;

	*(const char **)result = text;
	if (p->failed)
		return 0;
	mark = parse_take_mark(p, cfg->name, cfg->line);
	if (mark == NULL)
		return 0;
	if (cfg->title != NULL)
		title = pool_strdup(p->tree.tree->pool, cfg->title);
	if ((cfg->title != NULL && title == NULL) ||
	    conf_tree_open(&p->tree, mark->name, title,
			   parse_place(p, (int)mark->line)) < 0)
		parse_oom(p);
	return 0;
}

static int parse_close(cfg_t *cfg, cfg_opt_t *opt)
{
	(void)cfg, (void)opt;
	if (current->failed)
		return -1;
	conf_tree_close(&current->tree);
	return 0;
}

static int parse_include(cfg_t *cfg, cfg_opt_t *opt, int argc,
			 const char **argv)
{
	struct conf_tree *tree = current->tree.tree;
	struct conf_include *include;

	if (current->failed || argc != 1)
		return -1;
	include = pool_alloc(tree->pool, sizeof(*include));
	if (include == NULL)
		return parse_oom(current);
	include->pattern = pool_strdup(tree->pool, argv[0]);
	if (include->pattern == NULL)
		return parse_oom(current);
	include->place = parse_place(current, cfg->line);
	*tree->includes_end = include;
	tree->includes_end = &include->next;
	return 0;
}

/* Makes libconfuse's table of the names in one kind of section, and the tables
 * of the sections inside it. NULL: no memory. */
static cfg_opt_t *parse_make_table(const struct conf_outline *outline,
				   struct pool *pool)
{
	static char open_default[] = "{x}";
	const cfg_opt_t open =
		CFG_STR_LIST_CB(OPEN_NAME, open_default, CFGF_NONE, parse_open);
	const struct conf_outline *child;
	cfg_opt_t *table, *opt;

	/* One entry for each name, one for OPEN_NAME, and the zeroed last
	 * entry. */
	table = pool_array(pool, outline->count + 2u, sizeof(*table));
	if (table == NULL)
		return NULL;
	table[0] = open;
	opt = table + 1;
	for (child = outline->children; child != NULL; child = child->next) {
		opt->name = child->name;
		if (child->shape == CONF_SHAPE_KEY) {
			opt->type = CFGT_STR;
			opt->flags = CFGF_LIST;
			opt->parsecb = parse_value;
		} else {
			opt->type = CFGT_SEC;
			opt->flags = CFGF_MULTI;
			if (child->shape == CONF_SHAPE_TITLED)
				opt->flags |= CFGF_TITLE;
			opt->validcb = parse_close;
			opt->subopts = parse_make_table(child, pool);
			if (opt->subopts == NULL)
				return NULL;
		}
		opt++;
	}
	return table;
}

static int parse_run(struct parse *p, cfg_opt_t *table)
{
	cfg_t *cfg = cfg_init(table, CFGF_NONE);
	FILE *file = NULL;
	int status = -1;

	if (cfg == NULL)
		return parse_oom(p);
	cfg_set_error_function(cfg, parse_error);
	cfg->filename = strdup(p->place->file);
	if (cfg->filename != NULL)
		file = fmemopen(p->syntax->text, p->syntax->len, "r");
	if (file == NULL) {
		parse_oom(p);
	} else {
		status = cfg_parse_fp(cfg, file) == CFG_SUCCESS ? 0 : -1;
		fclose(file);
	}
	cfg_free(cfg);
	return status;
}

int conf_parse_text(const char *text, size_t len,
		    const struct conf_place *place, struct conf_tree *tree,
		    struct conf_report *report)
{
	static const cfg_opt_t include = CFG_FUNC("include", parse_include);
	struct conf_syntax syntax;
	struct parse p = {.syntax = &syntax, .place = place, .report = report};
	cfg_opt_t *table;
	int status;

	if (conf_syntax_check(text, len, place, tree->pool, report, &syntax) <
	    0)
		return -1;
	table = parse_make_table(&syntax.root, tree->pool);
	if (table == NULL)
		return parse_oom(&p);
	/* The top level is not a section and needs no OPEN_NAME: include()
	 * takes that place in the table. */
	table[0] = include;
	conf_tree_begin(&p.tree, tree);
	current = &p;
	status = parse_run(&p, table);
	current = NULL;
	if (status == 0 && p.next_mark == syntax.mark_count && !p.failed)
		return 0;
	if (!p.failed)
		conf_error(report, place, "libconfuse cannot read this file");
	return -1;
}
