/* SPDX-License-Identifier: MIT */
/*
 * The skip list. The heights are drawn by chance, so that nobody can choose
 * names that make it slow.
 */
#include "config.h"

#include "threads/name_set.h"

#include <string.h>

void names_init(struct names *names)
{
	memset(names, 0, sizeof(*names));
	names->random = 2463534242u;
}

static unsigned draw_height(struct names *names)
{
	uint32_t bits = names->random;
	unsigned height = 1;

	/* xorshift32 */
	bits ^= bits << 13;
	bits ^= bits >> 17;
	bits ^= bits << 5;
	names->random = bits;
	for (; height < NAMES_LEVELS && (bits & 3) == 0; bits >>= 2)
		height++;
	return height;
}

/* For each level the link that leads to the first name not before text. */
static void find_links(struct name *first[NAMES_LEVELS], const char *text,
		       struct name **links[NAMES_LEVELS])
{
	struct name **next = first;
	int level;

	for (level = NAMES_LEVELS - 1; level >= 0; level--) {
		while (next[level] != NULL &&
		       strcmp(next[level]->text, text) < 0)
			next = next[level]->next;
		links[level] = &next[level];
	}
}

void names_add(struct names *names, struct name *name, const char *text)
{
	struct name **links[NAMES_LEVELS];
	unsigned height = draw_height(names), level;

	memset(name->next, 0, sizeof(name->next));
	name->text = text;
	name->linked = true;
	find_links(names->first, text, links);
	for (level = 0; level < height; level++) {
		name->next[level] = *links[level];
		*links[level] = name;
	}
}

void names_remove(struct names *names, struct name *name)
{
	struct name **links[NAMES_LEVELS];
	unsigned level;

	find_links(names->first, name->text, links);
	for (level = 0; level < NAMES_LEVELS; level++)
		if (*links[level] == name)
			*links[level] = name->next[level];
	name->linked = false;
}

struct name *names_from(const struct names *names, const char *text)
{
	struct name *const *next = names->first;
	int level;

	for (level = NAMES_LEVELS - 1; level >= 0; level--)
		while (next[level] != NULL &&
		       strcmp(next[level]->text, text) < 0)
			next = next[level]->next;
	return next[0];
}

struct name *names_find(const struct names *names, const char *text)
{
	struct name *name = names_from(names, text);

	return name != NULL && strcmp(name->text, text) == 0 ? name : NULL;
}
