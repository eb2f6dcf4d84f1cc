/* SPDX-License-Identifier: MIT */
/*
 * Where a run of a transcript takes place: a directory of its own, and an
 * address in it or on loopback for each place that the script knows.
 */
#ifndef LINETEST_PLACES_H
#define LINETEST_PLACES_H

#include "linetest/net_address.h"
#include "linetest/script.h"

struct places {
	const struct script *script;
	char *dir;                     /* 0700, absolute */
	struct net_address *addresses; /* as many as the script has places */
};

/* Makes the directory and finds addresses. -1 and a message, to be freed. */
int places_open(struct places *places, const struct script *script,
		char **error);

/* Removes the directory with all that is in it, unless it is to be kept. */
void places_close(struct places *places, bool keep);

/*
 * Writes a filled config into the directory: the path, to be freed, or NULL
 * and a message. The number of workers (0: the config has its own) goes before
 * the first line, so that the lines keep their numbers.
 */
char *places_write(const struct places *places, const char *config,
		   unsigned workers, char **error);

/* The config with the placeholders filled in; to be freed. */
char *places_fill(const struct places *places, const char *config);

#endif
