/*
 * myproto: greets a client by its name. Copy this directory, rename it after
 * your protocol, and change everything. lined-module(3) is the reference.
 */
#include <lined/protocol.h>

/* The options, as `myproto { ... }` in the config sets them. */
struct options {
	const char *greeting;
};

static const struct lined_option option_table[] = {
	{LINED_OPTION("greeting", STRING, struct options, greeting),
	 .fallback = "Hello"},
	{.name = NULL},
};

/* A line is not a string: it has a length, and may contain any byte. */
static void handle_line(struct lined_socket *client,
			const struct lined_line *line)
{
	const struct options *options =
		lined_service_options(lined_client_service(client));
	struct lined_word words[2];
	size_t count = lined_line_words(line, words, 2);

	if (count == 1 && lined_word_is(&words[0], "quit")) {
		lined_socket_printf(client, "bye\n");
		lined_socket_close_after_flush(client, LINED_CLOSE_LOCAL, 0);
	} else if (count == 2 && lined_word_is(&words[0], "iam")) {
		lined_socket_printf(client, "%s, %.*s!\n", options->greeting,
				    (int)words[1].len, words[1].text);
	} else {
		lined_socket_printf(client, "what? try: iam NAME, or quit\n");
	}
}

/* The one thing that a module exports. */
const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "myproto",
	.summary = "greets a client by its name",
	.handle_line = handle_line,
	.options = option_table,
	.options_size = sizeof(struct options),
	.framing =
		{
			.line_length = 256,
			.too_long = LINED_TOO_LONG_SKIP,
		},
};
