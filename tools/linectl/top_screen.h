/* SPDX-License-Identifier: MIT */
/*
 * Draws `linectl top` with ncurses: the workers, and below them the services or
 * the clients. top.c chooses the rows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "linectl/control_answer.h"
#include "linectl/top_samples.h"

struct screen {
	const struct samples *samples;
	/* The services that match the filter, sorted. */
	const struct sample **order;
	size_t order_count;
	enum sort_key sort;
	const char *filter;
	const struct answer *clients;
	const char *service; /* the service of the clients; "": all */
	bool shows_clients;

	size_t selected; /* the index of the selected row */
	size_t first;    /* the uppermost row; screen_draw() sets it */
	/* The last line: a question or a message; "": the keys. */
	const char *prompt;
};

/* Chooses colors, and the characters of graphs. Call it after initscr(). */
void screen_init(void);

/* Draws everything; changes only `selected` and `first`, to rows that exist. */
void screen_draw(struct screen *screen);
