/* SPDX-License-Identifier: MIT */
/*
 * How what a client says is cut into writes. A protocol must not notice: the
 * same transcript passes under every cut.
 */
#ifndef LINETEST_CUT_H
#define LINETEST_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cut_mode {
	CUT_WHOLE,  /* each `>` a write */
	CUT_BYTES,  /* each byte a write */
	CUT_SPLIT,  /* CRLF for line ends, a cut between CR and LF */
	CUT_JOINED, /* consecutive `>` of a client one write */
	CUT_RANDOM, /* at random, across consecutive `>` too */
};

struct cut {
	enum cut_mode mode;
	uint64_t seed; /* CUT_RANDOM: what it was begun with */
	uint64_t state;
	unsigned rate; /* one cut in so many bytes */
};

void cut_init(struct cut *cut, enum cut_mode mode, uint64_t seed);

/* "whole", "1-byte writes", "random cuts, seed 7"; to be freed. */
char *cut_text(const struct cut *cut);

/* Whether what a client says may wait for what it says next. */
bool cut_joins(struct cut *cut);

/* How many of the len bytes (1 and up) go into the next write. */
size_t cut_next(struct cut *cut, const char *data, size_t len);

#endif
