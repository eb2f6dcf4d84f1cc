/* SPDX-License-Identifier: MIT */
/*
 * Mode upstream: decides which of the configured addresses feeds the service.
 * Runs on the primary worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lined_records;
struct relay;
struct relay_upstreams;

/* Starts on the primary worker of a service in mode upstream; otherwise it does
 * nothing. -1: failed, and logged. */
int relay_upstreams_start(struct relay *relay);
void relay_upstreams_stop(struct relay *relay);

/* The mode, the addresses or the times may have changed. */
void relay_upstreams_reload(struct relay *relay);

/* To be called when no client is left: closes the connection after the queued
 * lines are sent. True: it is closed, or there is none. */
bool relay_upstreams_finish(struct relay *relay);

/* Memory is short: drops the oldest lines that wait, about so many bytes. */
void relay_upstreams_give_up(struct relay *relay, uint64_t bytes);

/* Adds a record for each upstream. */
void relay_upstreams_describe(const struct relay *relay,
			      struct lined_records *records);
