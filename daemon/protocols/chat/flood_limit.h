/* SPDX-License-Identifier: MIT */
/*
 * Decides what to do with a client that sends too many lines: slow it, then
 * mute it, then close it. client_session.c acts on the verdict.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/rate.h>

/* How long a flooding client stays muted. */
#define CHAT_FLOOD_MUTE_MS 10000

enum chat_flood_verdict {
	CHAT_FLOOD_TAKE,
	CHAT_FLOOD_SLOW, /* take the line, tell the client to slow down */
	CHAT_FLOOD_MUTE, /* drop the line, tell the client that it is muted */
	CHAT_FLOOD_DROP, /* drop the line silently */
	CHAT_FLOOD_CLOSE,
};

/* A zeroed struct: the client has sent nothing. */
struct chat_flood {
	struct lined_rate lines;
	uint64_t muted_until_ms;
	uint32_t over; /* lines over the rate, or while muted */
	bool told;     /* was told to slow down */
};

/* Counts a line. rate is in lines a second (0: no limit); burst, at least 1, is
 * how many lines may arrive at once. The next line should be read after
 * wait_ms. */
enum chat_flood_verdict chat_flood_take(struct chat_flood *flood, uint32_t rate,
					uint32_t burst, uint64_t now_ms,
					uint64_t *wait_ms);
