/* SPDX-License-Identifier: MIT */
/*
 * A deliberate fault, which linetest must find: this protocol takes the bytes
 * of each read for one line. With a client that writes one whole line at a
 * time, the fault does not show.
 */
#include <string.h>

#include <lined/protocol.h>

static void line_a_read_read(struct lined_socket *client, void *arg)
{
	struct lined_line data;
	size_t len;

	(void)arg;
	while (lined_socket_read(client, &data) == LINED_LINE_READY) {
		len = data.len;
		while (len > 0 && strchr("\r\n", data.text[len - 1]) != NULL)
			len--;
		lined_socket_send(client, "heard ", 6);
		lined_socket_send(client, data.text, len);
		lined_socket_send(client, "\n", 1);
	}
}

static const struct lined_socket_handlers line_a_read_client = {
	.handle_read = line_a_read_read,
};

static void line_a_read_accept(struct lined_service *service,
			       struct lined_socket *client)
{
	lined_socket_set_handlers(client, &line_a_read_client, service);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "line-a-read",
	.summary = "takes a read for a line",
	.handle_accept = line_a_read_accept,
};
