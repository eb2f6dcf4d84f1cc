/*
 * myproto: greets whoever says who he is. Copy this directory, call it what
 * your protocol is called, and change everything. lined-module(3) is the
 * reference.
 */
#include <stdio.h>
#include <string.h>

#include <lined/protocol.h>

/* What `myproto { ... }` in the config fills in, and how. */
struct options {
	const char *greeting;
};

static const struct lined_option option_table[] = {
	{
		.name = "greeting",
		.type = LINED_OPTION_STRING,
		.fallback = "Hello",
		.offset = offsetof(struct options, greeting),
	},
	{.name = NULL},
};

static void say(struct lined_socket *client, const char *text)
{
	lined_socket_send(client, text, strlen(text));
}

/* A line is not a string: it has a length, and may hold any byte. */
static void handle_line(struct lined_socket *client,
			const struct lined_line *line)
{
	const struct options *options =
		lined_service_options(lined_client_service(client));
	char answer[512];

	if (strcmp(line->text, "quit") == 0) {
		say(client, "bye\n");
		lined_socket_close_after_flush(client, LINED_CLOSE_LOCAL, 0);
	} else if (strncmp(line->text, "iam ", 4) == 0 && line->len > 4) {
		snprintf(answer, sizeof(answer), "%s, %.200s!\n",
			 options->greeting, line->text + 4);
		say(client, answer);
	} else {
		say(client, "what? try: iam NAME, or quit\n");
	}
}

/* The one thing that a module exports. */
const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "myproto",
	.summary = "greets whoever says who he is",
	.handle_line = handle_line,
	.options = option_table,
	.options_size = sizeof(struct options),
	.framing =
		{
			.line_length = 256,
			.too_long = LINED_TOO_LONG_SKIP,
		},
};
