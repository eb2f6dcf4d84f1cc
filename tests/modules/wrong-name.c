/* SPDX-License-Identifier: MIT */
/*
 * A module whose name differs from that of its file, for test-module.
 */
#include <lined/protocol.h>

static void answer(struct lined_socket *client, const struct lined_line *line)
{
	(void)client;
	(void)line;
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "x\x1b[31m",
	.handle_line = answer,
};
