/* SPDX-License-Identifier: MIT */
/*
 * Sends the fuzzer's input as a datagram to an echo over UDP. Each line in the
 * datagram is echoed once, in order, and all in one datagram; without lines
 * there is no answer. A libFuzzer target only.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_priv.h"
#include "support.h"
#include "worker_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATAGRAM_MAX 8192

static struct lined_dispatcher *dispatcher;
static struct lined_socket *sock;
static struct lined_socket_group group;
static int peer;
static size_t heard;

static void readable(struct lined_socket *client, void *arg)
{
	struct lined_line line;
	enum lined_line_status status;

	(void)arg;
	while ((status = lined_socket_read_line(client, &line)) ==
		       LINED_LINE_READY ||
	       status == LINED_LINE_TOO_LONG) {
		if (status == LINED_LINE_TOO_LONG)
			continue;
		must(line.text[line.len] == '\0');
		heard += line.len + line.terminator_len;
		lined_socket_send_line(client, &line);
	}
}

static void open_socket(void)
{
	static const struct lined_socket_handlers handlers = {.handle_read =
								      readable};
	struct sockaddr_in in = support_loopback(0);
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (dispatcher != NULL)
		return;
	dispatcher = support_dispatcher();
	sock = support_socket(&handlers, NULL);
	group.limits.send_queue = LINED_SEND_QUEUE_DEFAULT;
	lined_socket_set_group(sock, &group);
	must(lined_socket_bind(sock, SOCK_DGRAM, (struct sockaddr *)&in,
			       sizeof(in)) == 0);
	must(lined_dispatcher_register_socket(dispatcher, sock) != NULL);
	must(lined_socket_local(sock, &address, &len) == 0);
	peer = socket(AF_INET, SOCK_DGRAM, 0);
	must(connect(peer, (struct sockaddr *)&address, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;
	static unsigned char answer[2 * DATAGRAM_MAX];
	size_t before;
	ssize_t n;

	if (size < 4 || size > DATAGRAM_MAX)
		return 0;
	open_socket();
	framing.terminator = data[0] % 4;
	framing.too_long = data[1] % 3;
	framing.byte = data[2];
	framing.line_length = 1 + data[3] * 16u;
	lined_socket_set_framing(sock, &framing);
	data += 4;
	size -= 4;
	heard = 0;
	must(send(peer, data, size, 0) == (ssize_t)size);
	must(lined_dispatcher_poll(dispatcher, 1000) >= 0);
	/* Lines beyond the budget of a turn are read in the next turn. */
	do {
		before = heard;
		must(lined_dispatcher_poll(dispatcher, 0) >= 0);
	} while (heard != before);
	n = recv(peer, answer, sizeof(answer), MSG_DONTWAIT);
	must(n < 0 ? heard == 0 || errno == EAGAIN : (size_t)n == heard);
	/* There must be no second answer. */
	must(recv(peer, answer, sizeof(answer), MSG_DONTWAIT) < 0);
	must(!lined_socket_is_closed(sock));
	return 0;
}
