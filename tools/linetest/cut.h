/* SPDX-License-Identifier: MIT */
/*
 * How the bytes that a client sends are cut into writes. A transcript must pass
 * with every cut: a stream has no packets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cut_mode {
	CUT_WHOLE,  /* each `>` a write */
	CUT_BYTES,  /* each byte a write, except in long texts */
	CUT_SPLIT,  /* CRLF for line ends, a cut between CR and LF */
	CUT_JOINED, /* consecutive `>` of a client in one write */
	CUT_RANDOM, /* at random, across consecutive `>` too */
};

struct cut {
	enum cut_mode mode;
	uint64_t seed; /* CUT_RANDOM: the first state */
	uint64_t state;
	unsigned rate; /* bytes per cut, on average */
};

void cut_init(struct cut *cut, enum cut_mode mode, uint64_t seed);

/* "whole", "1-byte writes", "random cuts, seed 7"; to be freed. */
char *cut_text(const struct cut *cut);

/* Whether the next line of a client is to be in the same write. */
bool cut_joins(struct cut *cut);

/* How many of the bytes go into the next write; len must not be 0. */
size_t cut_next(struct cut *cut, const char *data, size_t len);
