/* SPDX-License-Identifier: MIT */
/*
 * The watch of the suites, see watch.h.
 */
#include "config.h"

#include "watch.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

struct watch *watch_of(struct lined_delegate *delegate)
{
	return lined_container_of(delegate, struct watch, delegate);
}

static void act(struct watch *watch)
{
	if (watch->act != NULL)
		watch->act(watch);
}

void watch_count_read(struct lined_delegate *delegate)
{
	watch_of(delegate)->reads++;
	act(watch_of(delegate));
}

static void count_write(struct lined_delegate *delegate)
{
	watch_of(delegate)->writes++;
	act(watch_of(delegate));
}

void watch_count_error(struct lined_delegate *delegate)
{
	watch_of(delegate)->errors++;
	act(watch_of(delegate));
}

void watch_count_task(struct lined_delegate *delegate)
{
	watch_of(delegate)->tasks++;
	act(watch_of(delegate));
}

static bool is_buffered(struct lined_delegate *delegate)
{
	return watch_of(delegate)->buffered;
}

const struct lined_delegate_handlers watch_plain = {
	.handle_read = watch_count_read,
	.handle_write = count_write,
};

const struct lined_delegate_handlers watch_with_error = {
	.handle_read = watch_count_read,
	.handle_write = count_write,
	.handle_error = watch_count_error,
};

const struct lined_delegate_handlers watch_with_task = {
	.handle_read = watch_count_read,
	.handle_write = count_write,
	.task = watch_count_task,
};

const struct lined_delegate_handlers watch_with_buffer = {
	.handle_read = watch_count_read,
	.has_data_buffered = is_buffered,
};

struct watch *watch_new(struct lined_dispatcher *d, unsigned mode,
			const struct lined_delegate_handlers *handlers)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int fds[2];

	ck_assert_ptr_nonnull(watch);
	ck_assert_int_eq(pipe(fds), 0);
	watch->delegate.fd = mode & LINED_MODE_READ ? fds[0] : fds[1];
	watch->other_fd = mode & LINED_MODE_READ ? fds[1] : fds[0];
	watch->delegate.mode = (uint8_t)mode;
	watch->delegate.handlers = handlers;
	watch->dispatcher = d;
	return watch;
}

struct watch *watch_add(struct lined_dispatcher *d, unsigned mode,
			const struct lined_delegate_handlers *handlers)
{
	struct watch *watch = watch_new(d, mode, handlers);

	ck_assert_int_eq(lined_dispatcher_register(d, &watch->delegate), 0);
	return watch;
}

void watch_fill(struct watch *watch)
{
	ck_assert_int_eq(write(watch->other_fd, "x", 1), 1);
}

void watch_free(struct watch *watch)
{
	close(watch->delegate.fd);
	if (watch->other_fd >= 0)
		close(watch->other_fd);
	free(watch);
}

void watch_remove(struct watch *watch)
{
	ck_assert_int_eq(lined_dispatcher_unregister(watch->dispatcher,
						     &watch->delegate),
			 0);
	watch_free(watch);
}
