/* SPDX-License-Identifier: MIT */
/*
 * Cuts the bytes of a client into writes. The same seed makes the same cuts on
 * every machine.
 */
#include "config.h"

#include "linetest/cut.h"

#include <inttypes.h>
#include <string.h>

#include "linetest/bytes.h"

/* The most bytes that CUT_BYTES writes one by one, the last ones of a text.
 * More would take too long. */
#define BYTES_MAX 4096

/* splitmix64, by Sebastiano Vigna: any seed is a good one. */
static uint64_t cut_random(struct cut *cut)
{
	uint64_t z = (cut->state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void cut_init(struct cut *cut, enum cut_mode mode, uint64_t seed)
{
	static const unsigned rates[] = {2, 5, 16, 64};

	cut->mode = mode;
	cut->seed = cut->state = seed;
	cut->rate = mode == CUT_RANDOM ? rates[cut_random(cut) % 4] : 0;
}

char *cut_text(const struct cut *cut)
{
	switch (cut->mode) {
	case CUT_BYTES:
		return memory_format("1-byte writes");
	case CUT_SPLIT:
		return memory_format("split CRLF");
	case CUT_JOINED:
		return memory_format("joined writes");
	case CUT_RANDOM:
		return memory_format("random cuts, seed %" PRIu64, cut->seed);
	default:
		return memory_format("whole");
	}
}

bool cut_joins(struct cut *cut)
{
	return cut->mode == CUT_JOINED ||
	       (cut->mode == CUT_RANDOM && cut_random(cut) % 2 == 0);
}

/* Cuts before and behind each LF, so also between CR and LF. */
static size_t cut_split_next(const char *data, size_t len)
{
	const char *lf = memchr(data, '\n', len);

	if (lf == NULL)
		return len;
	return lf > data ? (size_t)(lf - data) : 1;
}

size_t cut_next(struct cut *cut, const char *data, size_t len)
{
	size_t size = 1;

	switch (cut->mode) {
	case CUT_BYTES:
		return len > BYTES_MAX ? len - BYTES_MAX : 1;
	case CUT_SPLIT:
		return cut_split_next(data, len);
	case CUT_RANDOM:
		while (size < len && cut_random(cut) % cut->rate != 0)
			size++;
		return size;
	default:
		return len;
	}
}
