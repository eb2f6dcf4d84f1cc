/* SPDX-License-Identifier: MIT */
/*
 * echo: sends every line back with its terminator (RFC 862), over TCP, UDP and
 * UNIX sockets. The protocol to read first.
 */
#include <lined/protocol.h>

static void echo_read(struct lined_socket *client, void *arg)
{
	struct lined_line line;

	(void)arg;
	while (lined_socket_read_line(client, &line) == LINED_LINE_READY)
		lined_socket_send_line(client, &line);
}

static const struct lined_socket_handlers echo_client = {
	.handle_read = echo_read,
};

static void echo_accept(struct lined_service *service,
			struct lined_socket *client)
{
	lined_socket_set_handlers(client, &echo_client, service);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "echo",
	.summary = "sends every line back (RFC 862)",
	.flags = LINED_NO_REFLECTION,
	.transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM,
	.handle_accept = echo_accept,
};
