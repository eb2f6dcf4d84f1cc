/* SPDX-License-Identifier: MIT */
/*
 * mail: accepts mail as SMTP does, and discards it. An example for authors of
 * modules: it has DATA, and a time limit for each client that ends with an
 * answer. mail.py is the same in Twisted.
 */
#include <lined/protocol.h>

#include <string.h>
#include <strings.h>

struct options {
	int64_t command_ms, data_ms;
};

struct session {
	bool has_sender, in_data;
	unsigned recipients;
	size_t bytes;
};

static void expired(struct lined_socket *client)
{
	lined_socket_printf(client, "421 timeout\r\n");
	lined_socket_close_after_flush(client, LINED_CLOSE_TIMEOUT, 0);
}

/* The client has this long for its next command, or the next line of DATA. */
static void set_timer(struct lined_socket *client)
{
	const struct options *options =
		lined_service_options(lined_client_service(client));
	const struct session *session = lined_client_data(client);
	int64_t ms = session->in_data ? options->data_ms : options->command_ms;

	lined_client_timer(client, (uint64_t)ms, expired);
}

static void reply(struct lined_socket *client, const char *text)
{
	lined_socket_printf(client, "%s\r\n", text);
}

static void mail_data(struct lined_socket *client, struct session *session,
		      const struct lined_line *line)
{
	if (line->len != 1 || line->text[0] != '.') {
		session->bytes += line->len - (line->len && *line->text == '.');
		return;
	}
	lined_service_count(lined_client_service(client), "mails", 1);
	lined_socket_printf(client, "250 %zu bytes for %u\r\n", session->bytes,
			    session->recipients);
	memset(session, 0, sizeof(*session));
}

static bool begins(const char *text, const char *prefix)
{
	return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static const char *mail_command(struct session *session, const char *text)
{
	if (begins(text, "MAIL FROM:")) {
		if (session->has_sender)
			return "503 one sender only";
		session->has_sender = true;
		return "250 sender ok";
	}
	if (begins(text, "RCPT TO:")) {
		if (!session->has_sender)
			return "503 MAIL first";
		session->recipients++;
		return "250 recipient ok";
	}
	if (begins(text, "DATA")) {
		if (session->recipients == 0)
			return "503 RCPT first";
		session->in_data = true;
		return "354 end with a dot";
	}
	if (begins(text, "RSET"))
		memset(session, 0, sizeof(*session));
	else if (!begins(text, "HELO ") && !begins(text, "EHLO ") &&
		 !begins(text, "NOOP"))
		return "500 unknown command";
	return "250 ok";
}

static void mail_greet(struct lined_service *service,
		       struct lined_socket *client)
{
	(void)service;
	reply(client, "220 mail");
	set_timer(client);
}

static void mail_line(struct lined_socket *client,
		      const struct lined_line *line)
{
	struct session *session = lined_client_data(client);

	if (session->in_data) {
		mail_data(client, session, line);
	} else if (strcasecmp(line->text, "QUIT") == 0) {
		reply(client, "221 bye");
		lined_socket_close_after_flush(client, LINED_CLOSE_LOCAL, 0);
	} else {
		reply(client, mail_command(session, line->text));
	}
	set_timer(client);
}

static const struct lined_option options[] = {
	{LINED_OPTION("command-timeout", DURATION, struct options, command_ms),
	 .fallback = "5m"},
	{LINED_OPTION("data-timeout", DURATION, struct options, data_ms),
	 .fallback = "3m"},
	{.name = NULL},
};

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "mail",
	.summary = "takes mail as SMTP does, and forgets it",
	.handle_accept = mail_greet,
	.handle_line = mail_line,
	.handle_timeout = expired,
	.options = options,
	.options_size = sizeof(struct options),
	.client_size = sizeof(struct session),
};
