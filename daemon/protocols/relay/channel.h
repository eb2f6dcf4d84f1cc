/* SPDX-License-Identifier: MIT */
/* The bus topics that a relay service uses. */
#pragma once

#include <lined/buffer.h>
#include <lined/bus.h>

struct relay;

/* Services with the same topic option share RELAY_FEED; each service has its
 * own RELAY_UP. */
enum relay_channel {
	RELAY_FEED, /* batches for every member */
	RELAY_UP,   /* batches for the upstream */
};

/* NULL: failed and logged. */
struct lined_subscription *relay_channel_subscribe(
	struct relay *relay, enum relay_channel channel,
	void (*handler)(void *arg, struct lined_buffer *message), void *arg);

/* -1 and errno, as lined_bus_publish(). */
int relay_channel_publish(struct relay *relay, enum relay_channel channel,
			  struct lined_buffer *message);
