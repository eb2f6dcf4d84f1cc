/* SPDX-License-Identifier: MIT */
/*
 * Functions that the readers of sections share: for texts, users and groups in
 * keys, and for the addresses of all services, to find collisions.
 */
#include "config.h"

#include "config/conf_build.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

void conf_build_oom(struct conf_build *build)
{
	build->report.oom = true;
}

#define NAME_LENGTH_MAX 64

void conf_build_check_name(struct conf_build *build, const char *context,
			   const struct conf_node *node, const char *kind)
{
	size_t len = strlen(node->title);

	if (len == 0 || len > NAME_LENGTH_MAX ||
	    strspn(node->title,
		   "abcdefghijklmnopqrstuvwxyz"
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != len)
		conf_error_in(&build->report, context, &node->place,
			      "a %s's name is 1 to %d of A-Z a-z 0-9 _ . -",
			      kind, NAME_LENGTH_MAX);
}

struct conf_options conf_build_options(struct conf_build *build,
				       const char *context)
{
	struct conf_options options = {.report = &build->report,
				       .pool = build->conf->pool,
				       .context = context};

	return options;
}

const char *conf_build_text(struct conf_build *build, const char *context,
			    const struct conf_node *node, const char *name,
			    const char *text)
{
	const struct conf_key *key =
		node != NULL ? conf_options_key(node, name) : NULL;

	if (text != NULL && text[0] != '\0')
		return text;
	if (key != NULL && text != NULL)
		conf_error_in(&build->report, context, &key->place,
			      "%s is empty", name);
	return NULL;
}

/* Only warns: the name may be known on the machine that will use the
 * configuration. */
static void build_warn_unknown(struct conf_build *build, const char *context,
			       const struct conf_node *node, const char *name,
			       const char *text, const char *what)
{
	const struct conf_key *key = conf_options_key(node, name);
	char quoted[CONF_QUOTED_MAX];

	conf_warning_in(&build->report, context,
			key != NULL ? &key->place : &node->place,
			"%s \"%s\": no such %s on this machine", name,
			conf_quoted(text, quoted), what);
}

void conf_build_check_user(struct conf_build *build, const char *context,
			   const struct conf_node *node, const char *name,
			   const char *user)
{
	if (build->env->check_names && user != NULL && getpwnam(user) == NULL)
		build_warn_unknown(build, context, node, name, user, "user");
}

void conf_build_check_group(struct conf_build *build, const char *context,
			    const struct conf_node *node, const char *name,
			    const char *group)
{
	if (build->env->check_names && group != NULL && getgrnam(group) == NULL)
		build_warn_unknown(build, context, node, name, group, "group");
}

void conf_build_use(struct conf_build *build,
		    const struct listen_address *listen,
		    const struct conf_place *place, const char *owner)
{
	struct conf_use *use = pool_alloc(build->tree.pool, sizeof(*use));

	if (use == NULL) {
		conf_build_oom(build);
		return;
	}
	use->listen = listen;
	use->place = *place;
	use->owner = owner;
	use->order = build->use_count++;
	*build->uses_end = use;
	build->uses_end = &use->next;
}

static void build_report_collision(struct conf_build *build,
				   const struct conf_use *use,
				   const struct conf_use *first)
{
	const char *text = first->listen->text;
	bool same = strcmp(use->listen->text, text) == 0;

	conf_error(&build->report, &use->place,
		   "%s: listen %s: %s%salready used by %s at %s:%u", use->owner,
		   use->listen->text, same ? "" : text, same ? "" : " is ",
		   first->owner, first->place.file, first->place.line);
}

/* Sorts addresses with the same path, systemd name or port next to each other:
 * only such addresses can collide. */
static int build_compare_places(const struct listen_address *a,
				const struct listen_address *b)
{
	uint16_t port_of_a, port_of_b;

	if ((a->path != NULL) != (b->path != NULL))
		return a->path != NULL ? -1 : 1;
	if (a->path != NULL)
		return strcmp(a->path, b->path);
	if ((a->name != NULL) != (b->name != NULL))
		return a->name != NULL ? -1 : 1;
	if (a->name != NULL)
		return strcmp(a->name, b->name);
	port_of_a = lined_address_port(&a->endpoints[0].address.any);
	port_of_b = lined_address_port(&b->endpoints[0].address.any);
	return (port_of_a > port_of_b) - (port_of_a < port_of_b);
}

static int build_compare_uses(const void *a, const void *b)
{
	const struct conf_use *x = *(struct conf_use *const *)a;
	const struct conf_use *y = *(struct conf_use *const *)b;
	int order = build_compare_places(x->listen, y->listen);

	return order != 0 ? order
			  : (x->order > y->order) - (x->order < y->order);
}

/* Reports each address at most once, with the first address with which it
 * collides. */
void conf_build_check_uses(struct conf_build *build)
{
	const struct conf_use **uses, *use;
	size_t count = 0, first = 0, i, k;

	uses = pool_array(build->tree.pool, build->use_count, sizeof(*uses));
	if (uses == NULL) {
		conf_build_oom(build);
		return;
	}
	for (use = build->uses; use != NULL; use = use->next)
		uses[count++] = use;
	qsort(uses, count, sizeof(*uses), build_compare_uses);
	for (i = 0; i < count; i++) {
		if (build_compare_places(uses[first]->listen,
					 uses[i]->listen) != 0)
			first = i;
		for (k = first; k < i; k++)
			if (listen_address_overlap(uses[i]->listen,
						   uses[k]->listen))
				break;
		if (k < i)
			build_report_collision(build, uses[i], uses[k]);
	}
}
