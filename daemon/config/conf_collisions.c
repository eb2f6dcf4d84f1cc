/* SPDX-License-Identifier: MIT */
/*
 * Records the addresses that all services listen on, and reports pairs of
 * addresses that cannot both be open.
 */
#include "config.h"

#include "config/conf_build.h"

#include <stdlib.h>
#include <string.h>

void conf_collisions_add(struct conf_build *build,
			 const struct listen_address *listen,
			 const struct conf_place *place, const char *owner)
{
	struct conf_use *use = pool_alloc(build->tree.pool, sizeof(*use));

	if (use == NULL)
		return;
	use->listen = listen;
	use->place = *place;
	use->owner = owner;
	use->order = build->use_count++;
	*build->uses_end = use;
	build->uses_end = &use->next;
}

static void collision_report(struct conf_build *build,
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
static int collision_compare_places(const struct listen_address *a,
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

static int collision_compare(const void *a, const void *b)
{
	const struct conf_use *x = *(struct conf_use *const *)a;
	const struct conf_use *y = *(struct conf_use *const *)b;
	int order = collision_compare_places(x->listen, y->listen);

	return order != 0 ? order
			  : (x->order > y->order) - (x->order < y->order);
}

/* Reports each address once at most, together with the first address that it
 * collides with. */
void conf_collisions_report(struct conf_build *build)
{
	const struct conf_use **uses, *use;
	size_t count = 0, first = 0, i, k;

	uses = pool_array(build->tree.pool, build->use_count, sizeof(*uses));
	if (uses == NULL)
		return;
	for (use = build->uses; use != NULL; use = use->next)
		uses[count++] = use;
	qsort(uses, count, sizeof(*uses), collision_compare);
	for (i = 0; i < count; i++) {
		if (collision_compare_places(uses[first]->listen,
					     uses[i]->listen) != 0)
			first = i;
		for (k = first; k < i; k++)
			if (listen_address_overlap(uses[i]->listen,
						   uses[k]->listen))
				break;
		if (k < i)
			collision_report(build, uses[i], uses[k]);
	}
}
