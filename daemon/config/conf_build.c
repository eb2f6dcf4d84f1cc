/* SPDX-License-Identifier: MIT */
/*
 * Checks names, users and groups for the readers of sections.
 */
#include "config.h"

#include "config/conf_build.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#define NAME_LENGTH_MAX 64

struct conf_section conf_build_root(struct conf_build *build)
{
	return (struct conf_section){
		.build = build,
		.report = &build->report,
		.pool = build->conf->pool,
		.context = "",
		.node = &build->tree.root,
	};
}

/* The text of a key outside of sections; NULL: not set. */
static const char *build_top_text(struct conf_build *build, const char *name)
{
	const struct conf_section root = conf_build_root(build);
	const struct conf_key *key = conf_section_key(&root, name);

	return key != NULL && key->values != NULL ? key->values->text : NULL;
}

void conf_build_find_user(struct conf_build *build)
{
	if (conf_build_is_blind(build))
		return;
	build->user = build_top_text(build, "user");
	build->visit = privileges_visit_new(build->user,
					    build_top_text(build, "group"));
}

void conf_build_check_name(const struct conf_section *section)
{
	const struct conf_node *node = section->node;
	size_t len = strlen(node->title);

	if (len == 0 || len > NAME_LENGTH_MAX ||
	    strspn(node->title,
		   "abcdefghijklmnopqrstuvwxyz"
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != len)
		conf_error_in(section, &node->place,
			      "a %s's name is 1 to %d of A-Z a-z 0-9 _ . -",
			      node->name, NAME_LENGTH_MAX);
}

/* Only warns: the name may be known on the machine that will use the
 * configuration. */
static void build_warn_unknown(const struct conf_section *section,
			       const char *name, const char *text,
			       const char *what)
{
	char quoted[CONF_QUOTED_MAX];

	conf_warning_in(section, conf_section_place(section, name),
			"%s \"%s\": no such %s on this machine", name,
			conf_quoted(text, quoted), what);
}

void conf_build_check_user(const struct conf_section *section, const char *name,
			   const char *user)
{
	if (section->build->env->check_names && user != NULL &&
	    getpwnam(user) == NULL)
		build_warn_unknown(section, name, user, "user");
}

void conf_build_check_group(const struct conf_section *section,
			    const char *name, const char *group)
{
	if (section->build->env->check_names && group != NULL &&
	    getgrnam(group) == NULL)
		build_warn_unknown(section, name, group, "group");
}
