/* SPDX-License-Identifier: MIT */
/*
 * A module built with a header that had fewer members, or more, than ours: its
 * size is SIZE. For test-module. Members behind a smaller size must not be
 * read.
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
