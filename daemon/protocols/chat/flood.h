/* SPDX-License-Identifier: MIT */
/*
 * Decides what happens to a client that sends too many lines: it is slowed,
 * then muted, then closed. session.c acts on the verdict.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/rate.h>

/* How long a flooding client stays muted. */
#define CHAT_FLOOD_MUTE_MS 10000

enum chat_flood_verdict {
	CHAT_FLOOD_TAKE,
	CHAT_FLOOD_SLOW, /* take it, and tell the client to slow down */
	CHAT_FLOOD_MUTE, /* drop it, and tell the client that it is muted */
	CHAT_FLOOD_DROP, /* drop it; the client was told before */
	CHAT_FLOOD_CLOSE,
};

/* Zeroed memory: a client that has sent nothing. */
struct chat_flood {
	struct lined_rate lines;
	uint64_t muted_until_ms;
	uint32_t over; /* lines beyond the rate, or while muted, in a row */
	bool told;     /* that it must slow down */
};

/* Counts a line. rate is in lines a second (0: no limit); burst, at least 1, is
 * how many lines may arrive at once. The next line is to be read after
 * *wait_ms. */
enum chat_flood_verdict chat_flood_take(struct chat_flood *flood, uint32_t rate,
					uint32_t burst, uint64_t now_ms,
					uint64_t *wait_ms);
