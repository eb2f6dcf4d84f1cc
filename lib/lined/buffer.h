/* SPDX-License-Identifier: MIT */
/*
 * Reference-counted, immutable bytes: a line that lined_socket_send_shared()
 * sends to 10,000 sockets is one buffer with 10,000 references.
 *
 * Thread: only the thread of the dispatcher whose sockets hold a buffer may use
 * it, because its counter is not atomic. To send the same bytes on several
 * threads, count their users yourself and call lined_buffer_wrap() on each
 * thread.
 */
#ifndef LINED_BUFFER_H
#define LINED_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

struct lined_buffer;

/*
 * Makes a buffer with a copy of the len bytes at data. The caller owns its one
 * reference. NULL with errno: ENOMEM, EOVERFLOW (over 1 GiB).
 */
LINED_API struct lined_buffer *lined_buffer_new(const void *data, size_t len);

/* Makes a buffer of len bytes. The caller writes them at *data before it sends
 * the buffer. data may be NULL. Errors as above. */
LINED_API struct lined_buffer *lined_buffer_alloc(size_t len, char **data);

/* Makes a buffer with a text as of printf(3), without a NUL. Errors as above,
 * and those of vsnprintf(3). */
LINED_API struct lined_buffer *lined_buffer_printf(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
LINED_API struct lined_buffer *lined_buffer_vprintf(const char *format,
						    va_list args)
	__attribute__((format(printf, 1, 0)));

/*
 * Makes a buffer around bytes of the caller, without a copy. The bytes must
 * stay valid and unchanged until release(arg) is called, when the last
 * reference is dropped. release may be NULL. Errors as above; release is not
 * called then.
 */
LINED_API struct lined_buffer *lined_buffer_wrap(const void *data, size_t len,
						 void (*release)(void *arg),
						 void *arg);

/*
 * lined_buffer_ref() adds a reference and returns the buffer.
 * lined_buffer_unref() drops a reference, and frees the buffer if it was the
 * last; NULL is allowed.
 */
LINED_API struct lined_buffer *lined_buffer_ref(struct lined_buffer *buffer);
LINED_API void lined_buffer_unref(struct lined_buffer *buffer);

/* The bytes and their number. The bytes belong to the buffer and are not
 * NUL-terminated. */
LINED_API const char *lined_buffer_data(const struct lined_buffer *buffer);
LINED_API size_t lined_buffer_len(const struct lined_buffer *buffer);

/* The number of lines in the bytes, by which a cluster counts the lines of a
 * message of the bus. Default: 1. To be set before the buffer is shared. */
LINED_API void lined_buffer_set_lines(struct lined_buffer *buffer,
				      unsigned lines);
LINED_API unsigned lined_buffer_lines(const struct lined_buffer *buffer);

LINED_END_DECLS

#endif
