/* SPDX-License-Identifier: MIT */
/*
 * A module that was built with a header with fewer or more members than ours:
 * its size is SIZE. For test-module. The loader must not read members beyond a
 * smaller size.
 */
#include <stddef.h>

#include <lined/protocol.h>

static void answer(struct lined_socket *client, const struct lined_line *line)
{
	(void)client;
	(void)line;
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = SIZE,
	.name = "sized",
	.handle_line = answer,
	.task_ms = 99,
};
