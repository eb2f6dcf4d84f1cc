/* SPDX-License-Identifier: MIT */
/*
 * A protocol that blocks for ever: "sleep" blocks in a system call, "spin" in a
 * loop. "crash" crashes. Any other line is echoed.
 */
#include <string.h>
#include <unistd.h>

#include <lined/protocol.h>

static void block_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	volatile int forever = 1, *volatile nowhere = NULL;

	while (strcmp(line->text, "sleep") == 0)
		pause();
	while (strcmp(line->text, "spin") == 0 && forever)
		;
	if (strcmp(line->text, "crash") == 0)
		*nowhere = forever;
	lined_socket_send_line(client, line);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "block",
	.summary = "stands still or falls when told to",
	.handle_line = block_line,
};
