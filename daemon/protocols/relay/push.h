/* SPDX-License-Identifier: MIT */
/*
 * The option push: the feed goes out to the configured targets. Runs on the
 * primary worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct relay;

/* Starts if there are targets. -1: failed, and logged. */
int relay_push_start(struct relay *relay);
void relay_push_stop(struct relay *relay);
void relay_push_reload(struct relay *relay);

/* To be called when no client is left: true when the targets got all lines that
 * were on their way. */
bool relay_push_finish(struct relay *relay);

/* Memory is short: drops the oldest lines that wait, about `bytes`. */
void relay_push_give_up(struct relay *relay, uint64_t bytes);
