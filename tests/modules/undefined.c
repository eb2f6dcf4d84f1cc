/* SPDX-License-Identifier: MIT */
/*
 * A module that calls an undefined function, for test-module.
 */
#include <lined/protocol.h>

void lined_of_the_future(struct lined_socket *client);

static void answer(struct lined_socket *client, const struct lined_line *line)
{
	(void)line;
	lined_of_the_future(client);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "undefined",
	.handle_line = answer,
};
