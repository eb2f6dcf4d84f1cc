/* SPDX-License-Identifier: MIT */
/*
 * Opens and closes the stream of a test.
 */
#include "config.h"

#include "stream_fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

struct stream stream;

void stream_open(const struct lined_framing *framing)
{
	stream_open_with(&recorder_handlers, &stream.recorder, &stream.group);
	stream.group.limits.send_queue = 64 * 1024;
	if (framing != NULL)
		lined_socket_set_framing(stream.sock, framing);
}

void stream_open_with(const struct lined_socket_handlers *handlers, void *arg,
		      struct lined_socket_group *group)
{
	memset(&stream, 0, sizeof(stream));
	stream.d = support_dispatcher();
	stream.sock = support_pair_in_group(stream.d, handlers, arg, group,
					    &stream.peer);
}

void stream_open_small(uint32_t send_queue)
{
	int size = 16384, fds[2];

	memset(&stream, 0, sizeof(stream));
	stream.d = support_dispatcher();
	stream.group.limits.send_queue = send_queue;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	stream.peer = fds[1];
	stream.sock = support_socket(&recorder_handlers, &stream.recorder);
	lined_socket_set_group(stream.sock, &stream.group);
	support_wrap(stream.d, stream.sock, fds[0]);
}

void stream_close(void)
{
	if (stream.d == NULL)
		return;
	lined_dispatcher_free(stream.d);
	if (stream.peer >= 0)
		close(stream.peer);
	recorder_fini(&stream.recorder);
	stream.d = NULL;
}

TCase *stream_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, NULL, stream_close);
	return tcase;
}

struct lined_framing framing_of(enum lined_terminator terminator,
				uint32_t limit, enum lined_too_long too_long,
				enum lined_unterminated unterminated)
{
	struct lined_framing f = LINED_FRAMING_DEFAULT;

	f.terminator = (uint8_t)terminator;
	f.line_length = limit;
	f.too_long = (uint8_t)too_long;
	f.unterminated = (uint8_t)unterminated;
	return f;
}

void reader_add(struct reader *reader, const char *text, size_t len)
{
	ck_assert_uint_lt(reader->len + len, sizeof(reader->log) - 1);
	memcpy(reader->log + reader->len, text, len);
	reader->len += len;
}
