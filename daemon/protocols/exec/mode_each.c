/* SPDX-License-Identifier: MIT */
/*
 * Mode each: a program for each client, like inetd. The client's lines are the
 * program's standard input; what the program writes to standard output goes to
 * the client. The client is not read while the program takes no more input; the
 * program is not read while the client takes no more output.
 */
#include "exec/exec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <lined/address.h>
#include <lined/tls.h>

#define VARIABLE_MAX 512

/* ---- the environment ---------------------------------------------------- */

struct variables {
	char texts[8][VARIABLE_MAX];
	const char *list[9];
	size_t count;
};

static void variables_add(struct variables *v, const char *name,
			  const char *value)
{
	snprintf(v->texts[v->count], VARIABLE_MAX, "%s=%s", name, value);
	v->list[v->count] = v->texts[v->count];
	v->count++;
}

/* Sets lined's own variables, and those of tcpserver(1). */
static void variables_fill(struct variables *v,
			   const struct exec_client *client)
{
	const char *peer = lined_client_peer(client->sock);
	struct lined_address address;
	struct lined_tls tls;
	char text[LINED_ADDRESS_TEXT_MAX];

	memset(v, 0, sizeof(*v));
	snprintf(text, sizeof(text), "%" PRIu64, lined_client_id(client->sock));
	variables_add(v, "LINED_ID", text);
	variables_add(v, "LINED_SERVICE",
		      lined_service_name(lined_client_service(client->sock)));
	variables_add(v, "LINED_PEER", peer);
	variables_add(v, "LINED_LISTEN", lined_client_listen(client->sock));
	if (lined_client_tls(client->sock, &tls) && tls.name[0] != '\0')
		variables_add(v, "LINED_NAME", tls.name);
	if (lined_address_parse(&address, peer) < 0)
		return;
	variables_add(
		v, "TCPREMOTEIP",
		lined_address_format_host(&address.any, text, sizeof(text)));
	snprintf(text, sizeof(text), "%u",
		 (unsigned)lined_address_port(&address.any));
	variables_add(v, "TCPREMOTEPORT", text);
}

/* ---- from the client to the program ------------------------------------- */

static void each_client_readable(struct lined_socket *sock, void *arg)
{
	struct exec_client *client = arg;
	enum lined_line_status status;
	struct lined_line line;

	do {
		struct exec_program *program = client->program;

		if (program != NULL && program->input != NULL &&
		    !program->ending && !exec_program_has_room(program)) {
			lined_socket_pause(sock);
			lined_socket_want_write(program->input, true);
			return;
		}
		status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_READY && program != NULL) {
			struct iovec piece = {(void *)(uintptr_t)line.text,
					      line.len};

			exec_program_ask(program, &piece, 1);
		}
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	if (status == LINED_LINE_CLOSED && client->program != NULL)
		exec_program_end_input(client->program);
}

static void each_program_writable(struct exec_program *program)
{
	struct exec_client *client = program->owner;

	lined_socket_want_write(program->input, false);
	if (client != NULL)
		lined_socket_resume(client->sock);
}

/* ---- from the program to the client ------------------------------------- */

/* Whether the client's lines end with LF, like the program's. If they do, bytes
 * are passed on unchanged: even a prompt without a line end arrives. */
static bool each_passes_bytes(const struct lined_framing *framing)
{
	const char *end;

	return lined_framing_terminator(framing, &end) == 1 && *end == '\n';
}

static void each_tell(struct exec_client *client, const char *text, size_t len,
		      const struct lined_framing *framing)
{
	struct lined_line line = {.text = text, .len = len};

	if (!each_passes_bytes(framing))
		line.terminator_len =
			lined_framing_terminator(framing, &line.terminator);
	/* The client must not get a stream with a gap. */
	if (lined_socket_send_line(client->sock, &line) < 0 && errno == ENOMEM)
		lined_socket_close_for(client->sock, LINED_CLOSE_ERROR, ENOMEM);
}

static void each_program_readable(struct exec_program *program)
{
	struct exec_client *client = program->owner;
	const struct lined_framing *framing =
		lined_service_framing(program->service);
	enum lined_line_status status;
	struct lined_line data;

	do {
		if (client != NULL && !lined_socket_is_closed(client->sock) &&
		    !lined_socket_is_writeable(client->sock)) {
			lined_socket_pause(program->output);
			lined_socket_want_write(client->sock, true);
			return;
		}
		status = each_passes_bytes(framing)
				 ? lined_socket_read(program->output, &data)
				 : lined_socket_read_line(program->output,
							  &data);
		if (status == LINED_LINE_READY && client != NULL)
			each_tell(client, data.text, data.len, framing);
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
}

static void each_client_writable(struct lined_socket *sock, void *arg)
{
	struct exec_client *client = arg;

	lined_socket_want_write(sock, false);
	if (client->program != NULL && client->program->output != NULL)
		lined_socket_resume(client->program->output);
}

/* ---- ends --------------------------------------------------------------- */

static void each_program_ended(struct exec_program *program, const char *how)
{
	struct exec *exec = lined_service_data(program->service);
	struct exec_client *client = program->owner;

	exec->programs--;
	lined_service_count(exec->service, "programs_ended", 1);
	lined_service_log(exec->service, LINED_LOG_DEBUG, "program: %s", how);
	if (client == NULL)
		return;
	client->program = NULL;
	lined_socket_resume(client->sock);
	lined_socket_close_after_flush(client->sock, LINED_CLOSE_LOCAL, 0);
}

static const struct exec_program_handlers each_program_handlers = {
	.readable = each_program_readable,
	.writable = each_program_writable,
	.ended = each_program_ended,
};

/* The client has closed: ends the program's input, and sends signals if the
 * program does not end. What the program still writes is read and dropped. */
static void each_client_closed(struct lined_socket *sock, void *arg,
			       enum lined_close_reason reason, int error)
{
	struct exec_client *client = arg;
	struct exec_program *program = client->program;

	if (program == NULL)
		return;
	program->owner = NULL;
	if (program->output != NULL)
		lined_socket_resume(program->output);
	exec_program_end(program, program->kill_after_ms);
}

static const struct lined_socket_handlers each_client_handlers = {
	.handle_read = each_client_readable,
	.handle_write = each_client_writable,
	.handle_close = each_client_closed,
};

void exec_each_accept(struct exec *exec, struct exec_client *client)
{
	struct variables variables;

	if (exec->programs >= exec_options_programs(exec->options)) {
		lined_program_refuse(client->sock);
		return;
	}
	variables_fill(&variables, client);
	client->program = exec_program_start(
		exec->service, exec->options, variables.list, false,
		&each_program_handlers, client, &exec->all);
	if (client->program == NULL) {
		lined_service_log(exec->service, LINED_LOG_ERR, "%s: %s",
				  exec->options->command.items[0],
				  strerror(errno));
		lined_service_count(exec->service, "programs_failed", 1);
		lined_socket_close_for(client->sock, LINED_CLOSE_ERROR, errno);
		return;
	}
	exec->programs++;
	lined_socket_set_handlers(client->sock, &each_client_handlers, client);
}

void exec_each_drain(struct exec_client *client)
{
	if (client->program != NULL)
		exec_program_end_input(client->program);
	else
		lined_socket_close_for(client->sock, LINED_CLOSE_SHUTDOWN, 0);
}
