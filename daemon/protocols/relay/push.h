/* SPDX-License-Identifier: MIT */
/*
 * The option push: sends the feed to the configured targets. Runs on the
 * primary worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct relay;

/* Starts if there are targets. -1: failed and logged. */
int relay_push_start(struct relay *relay);
void relay_push_stop(struct relay *relay);
void relay_push_reload(struct relay *relay);

/* Call this when no client is left, repeatedly until it returns true. Closes
 * each connection when no line waits for it. True: all connections are closed.
 */
bool relay_push_finish(struct relay *relay);

/* Drops about `bytes` of the oldest waiting lines, because memory is short. */
void relay_push_give_up(struct relay *relay, uint64_t bytes);
