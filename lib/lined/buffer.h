/* SPDX-License-Identifier: MIT */
/*
 * Reference-counted, immutable bytes: one line sent to 10,000 sockets is one
 * buffer and 10,000 references, lined_socket_send_shared().
 *
 * Thread: a buffer belongs to the thread of the dispatcher whose sockets hold
 * it; its counter is a plain integer. What crosses threads carries an atomic
 * counter of its own and is wrapped once a thread, lined_buffer_wrap().
 */
#ifndef LINED_BUFFER_H
#define LINED_BUFFER_H

#include <stddef.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

struct lined_buffer;

/*
 * A new buffer with one reference, which the caller owns, holding a copy of
 * the len bytes at data. NULL and errno (ENOMEM, EOVERFLOW over 1 GiB) on
 * failure.
 */
LINED_API struct lined_buffer *lined_buffer_new(const void *data, size_t len);

/*
 * The same with room for len bytes that the caller writes before it shares
 * the buffer: *data points to them.
 */
LINED_API struct lined_buffer *lined_buffer_alloc(size_t len, char **data);

/*
 * A buffer over bytes that live elsewhere. release(arg) is called when the
 * last reference goes; until then data must not change.
 */
LINED_API struct lined_buffer *lined_buffer_wrap(const void *data, size_t len,
						 void (*release)(void *arg),
						 void *arg);

/* One reference more, one less. Unref of NULL does nothing. */
LINED_API struct lined_buffer *lined_buffer_ref(struct lined_buffer *buffer);
LINED_API void lined_buffer_unref(struct lined_buffer *buffer);

/* The bytes (not NUL-terminated) and how many they are. */
LINED_API const char *lined_buffer_data(const struct lined_buffer *buffer);
LINED_API size_t lined_buffer_len(const struct lined_buffer *buffer);

LINED_END_DECLS

#endif
