/* SPDX-License-Identifier: MIT */
/*
 * What `linectl top` draws, on the terminal that ncurses has opened: a screen
 * of services and workers, or one of clients. Decides nothing.
 */
#ifndef LINECTL_SCREEN_H
#define LINECTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "linectl/answer.h"
#include "linectl/samples.h"

struct screen {
	/* Services: those that fit the filter, in order. */
	const struct samples *samples;
	const struct service_sample **order;
	size_t order_count;
	enum sort_key sort;
	const char *filter;
	/* Clients: the records of an answer, while the list is shown. */
	const struct record **clients;
	size_t client_count;
	const char *service; /* whose; "": of all */
	bool shows_clients;

	size_t selected; /* a row of what is shown */
	size_t first;    /* the row at the top; screen_draw() sets it */
	/* The last line: what is asked of the user, or was told; "": keys. */
	const char *prompt;
};

/* Whether blocks of eighths can be drawn, or letters have to do. */
void screen_init(void);

void screen_draw(struct screen *screen);

#endif
