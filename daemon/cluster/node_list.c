/* SPDX-License-Identifier: MIT */
/*
 * The list of other nodes: adds, finds and removes nodes, and marks nodes as
 * missing or gone.
 */
#include "config.h"

#include "cluster/nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/broker_escape.h"

#define NODES_GONE_MAX 256

struct node *nodes_find(const struct nodes *nodes, uint64_t number)
{
	struct node *node;

	list_for_each(node, &nodes->list, link)
		if (node->number == number)
			return node;
	return NULL;
}

struct node *nodes_add(struct nodes *nodes, uint64_t number, uint64_t now_us)
{
	struct node *node = calloc(1, sizeof(*node));

	if (node == NULL)
		return NULL;
	node->number = number;
	node->heard_us = now_us;
	list_init(&node->waiting);
	snprintf(node->name, sizeof(node->name), "%016" PRIx64, number);
	list_append(&nodes->list, &node->link);
	nodes->count++;
	nodes->there++;
	return node;
}

void nodes_set_missing(struct nodes *nodes, struct node *node, bool missing)
{
	if (node->missing == missing)
		return;
	node->missing = missing;
	nodes->ops->changed(nodes);
}

void nodes_remove(struct nodes *nodes, struct node *node)
{
	nodes_set_missing(nodes, node, false);
	nodes->ops->gone(nodes, node);
	nodes->there -= !node->gone;
	nodes->count--;
	list_remove(&node->link);
	free(node);
}

void nodes_lose(struct nodes *nodes, struct node *node)
{
	struct node *first;

	node->stored = false;
	nodes->there -= !node->gone;
	node->gone = true;
	nodes_set_missing(nodes, node, false);
	if (nodes->count - nodes->there <= NODES_GONE_MAX)
		return;
	list_for_each(first, &nodes->list, link)
		if (first->gone)
			break;
	nodes_remove(nodes, first);
}

void nodes_await(struct nodes *nodes, struct node *node, uint64_t now_us)
{
	if (node->gone)
		return;
	node->gone = true;
	nodes->there--;
	node->heard_us = now_us;
	nodes_set_missing(nodes, node, true);
}

bool nodes_read_name(char name[NODE_NAME_MAX + 1], const char *text, size_t len)
{
	size_t i;

	if (len == 0 || len > NODE_NAME_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (!broker_escape_is_plain((unsigned char)text[i]) &&
		    text[i] != '.')
			return false;
		name[i] = text[i];
	}
	name[len] = '\0';
	return true;
}

bool nodes_is_alive(const struct nodes *nodes, uint64_t number)
{
	const struct node *node = nodes_find(nodes, number);

	return number == nodes->number || (node != NULL && !node->gone);
}

bool nodes_are_whole(const struct nodes *nodes)
{
	const struct node *node;

	list_for_each(node, &nodes->list, link)
		if (node->missing)
			return false;
	return nodes->state == NODES_JOINED;
}
