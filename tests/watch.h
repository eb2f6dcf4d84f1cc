/* SPDX-License-Identifier: MIT */
/*
 * A delegate for the suites: one end of a pipe, with counts of its callbacks.
 */
#pragma once

#include <stdbool.h>

#include <lined/dispatcher.h>

/* A delegate that counts its callbacks. Each callback calls act(). */
struct watch {
	struct lined_delegate delegate;
	struct lined_dispatcher *dispatcher;
	int other_fd;
	unsigned reads, writes, errors, tasks;
	bool buffered;
	void (*act)(struct watch *watch);
	void *arg;
};

/* Tables of handlers: all have reading and writing, some also what their name
 * says. */
extern const struct lined_delegate_handlers watch_plain, watch_with_error,
	watch_with_task, watch_with_buffer;

/* Handlers for a test's own tables. */
void watch_count_read(struct lined_delegate *delegate);
void watch_count_error(struct lined_delegate *delegate);
void watch_count_task(struct lined_delegate *delegate);

struct watch *watch_of(struct lined_delegate *delegate);

/* Makes a watch for one end of a pipe; the mode decides which end. The watch is
 * not registered. */
struct watch *watch_new(struct lined_dispatcher *d, unsigned mode,
			const struct lined_delegate_handlers *handlers);
/* The same, registered. */
struct watch *watch_add(struct lined_dispatcher *d, unsigned mode,
			const struct lined_delegate_handlers *handlers);

/* Writes a byte, so that a reading watch is ready. */
void watch_fill(struct watch *watch);

/* Frees a watch and closes its descriptors. It must not be registered. */
void watch_free(struct watch *watch);
/* The same for a registered watch. */
void watch_remove(struct watch *watch);
