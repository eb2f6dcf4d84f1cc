/* SPDX-License-Identifier: MIT */
/*
 * A delegate for the suites: over one end of a pipe, counting what is called.
 */
#pragma once

#include <stdbool.h>

#include <lined/dispatcher.h>

/* `act` runs in each callback. */
struct watch {
	struct lined_delegate delegate;
	struct lined_dispatcher *dispatcher;
	int other_fd;
	unsigned reads, writes, errors, tasks;
	bool buffered;
	void (*act)(struct watch *watch);
	void *arg;
};

/* Tables to choose from: reading and writing, with what the name says. */
extern const struct lined_delegate_handlers watch_plain, watch_with_error,
	watch_with_task, watch_with_buffer;

/* For tables of a test's own. */
void watch_count_read(struct lined_delegate *delegate);
void watch_count_error(struct lined_delegate *delegate);
void watch_count_task(struct lined_delegate *delegate);

struct watch *watch_of(struct lined_delegate *delegate);

/* On one end of a pipe, which end the mode says. Not registered. */
struct watch *watch_new(struct lined_dispatcher *d, unsigned mode,
			const struct lined_delegate_handlers *handlers);
/* The same, registered. */
struct watch *watch_add(struct lined_dispatcher *d, unsigned mode,
			const struct lined_delegate_handlers *handlers);

/* Writes a byte, so that a reading watch is ready. */
void watch_fill(struct watch *watch);

/* Frees it and closes its descriptors; it is not registered any more. */
void watch_free(struct watch *watch);
/* The same for a registered watch. */
void watch_remove(struct watch *watch);
