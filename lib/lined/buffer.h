/* SPDX-License-Identifier: MIT */
/*
 * Reference-counted, immutable bytes: one line sent to 10,000 sockets is one
 * buffer and 10,000 references, lined_socket_send_shared().
 *
 * Thread: a buffer is used by one thread only, that of the dispatcher whose
 * sockets hold it; its counter is not atomic. Bytes that several threads send
 * need a counter of their own, and each thread wraps them with
 * lined_buffer_wrap().
 */
#ifndef LINED_BUFFER_H
#define LINED_BUFFER_H

#include <stddef.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

struct lined_buffer;

/*
 * Makes a buffer with a copy of the len bytes at data. The caller owns its one
 * reference. NULL with errno: ENOMEM, EOVERFLOW (over 1 GiB).
 */
LINED_API struct lined_buffer *lined_buffer_new(const void *data, size_t len);

/*
 * Makes a buffer of len bytes, which the caller writes at *data before anybody
 * else gets the buffer. data may be NULL. Errors as above.
 */
LINED_API struct lined_buffer *lined_buffer_alloc(size_t len, char **data);

/*
 * Makes a buffer of bytes that stay where they are and must not change until
 * release(arg) is called, when the last reference is dropped. release may be
 * NULL. Errors as above, and then release is not called.
 */
LINED_API struct lined_buffer *lined_buffer_wrap(const void *data, size_t len,
						 void (*release)(void *arg),
						 void *arg);

/* Adds a reference and returns the buffer; drops one, and with the last one the
 * buffer is freed. lined_buffer_unref(NULL) does nothing. */
LINED_API struct lined_buffer *lined_buffer_ref(struct lined_buffer *buffer);
LINED_API void lined_buffer_unref(struct lined_buffer *buffer);

/* The bytes, not NUL-terminated, which stay the buffer's, and their number. */
LINED_API const char *lined_buffer_data(const struct lined_buffer *buffer);
LINED_API size_t lined_buffer_len(const struct lined_buffer *buffer);

LINED_END_DECLS

#endif
