/* SPDX-License-Identifier: MIT */
/*
 * Reads what programs of mode shared write. A line to all clients is one shared
 * buffer. Lines that are not in the table of lined.conf(5) are logged, counted
 * and dropped.
 */
#include "exec/program_output.h"

#include <errno.h>
#include <string.h>

#include "exec/program_slot.h"

#define SAID_MAX 120 /* the most bytes of a bad line in the log */

static void output_tell(struct exec_client *client, const char *text,
			size_t len)
{
	struct lined_line line = {.text = text, .len = len};

	line.terminator_len = lined_framing_terminator(
		lined_socket_framing(client->sock), &line.terminator);
	if (lined_socket_send_line(client->sock, &line) < 0 && errno == ENOMEM)
		lined_service_count(client->slot->exec->service, "lines_lost",
				    1);
	client->told_ms = exec_now_ms(client->slot->exec);
}

static struct exec_client *output_find_client(struct exec *exec, uint64_t id)
{
	const struct lined_table_entry *entry = lined_table_find(
		lined_service_table(exec->service, SIZE_MAX), &id, sizeof(id));

	return entry != NULL ? (struct exec_client *)(uintptr_t)entry->tag
			     : NULL;
}

/* A line to all clients of a slot, encoded once. */
struct output_broadcast {
	const struct exec_slot *slot;
	uint64_t but; /* a client that does not get the line; 0: none */
	struct lined_buffer *buffer;
};

static void output_visit(struct lined_socket *sock, void *arg)
{
	const struct output_broadcast *b = arg;
	struct exec_client *client = lined_client_data(sock);

	if (client->slot != b->slot || !client->announced ||
	    lined_client_id(sock) == b->but)
		return;
	if (lined_socket_send_shared(sock, b->buffer, 0,
				     lined_buffer_len(b->buffer)) < 0 &&
	    errno == ENOMEM)
		lined_service_count(b->slot->exec->service, "lines_lost", 1);
	client->told_ms = exec_now_ms(client->slot->exec);
}

static void output_broadcast(const struct exec_slot *slot, uint64_t but,
			     const char *text, size_t len)
{
	struct output_broadcast b = {.slot = slot, .but = but};
	const char *end;
	size_t end_len = lined_framing_terminator(
		lined_service_framing(slot->exec->service), &end);
	char *data;

	b.buffer = lined_buffer_alloc(len + end_len, &data);
	if (b.buffer == NULL) {
		lined_service_count(slot->exec->service, "lines_lost", 1);
		return;
	}
	memcpy(data, text, len);
	memcpy(data + len, end, end_len);
	lined_service_each_client(slot->exec->service, output_visit, &b);
	lined_buffer_unref(b.buffer);
}

/* Takes a number of up to 19 digits. False: there is no digit. */
static bool output_take_id(const char **at, const char *end, uint64_t *id)
{
	const char *begin = *at;

	*id = 0;
	while (*at < end && **at >= '0' && **at <= '9' && *at - begin < 19)
		*id = *id * 10 + (uint64_t)(*(*at)++ - '0');
	return *at > begin;
}

/* Takes "ID TEXT" or "ID,ID TEXT". False: the line has another form. */
static bool output_take_answer(struct exec_slot *slot, const char *text,
			       const char *end)
{
	const char *at = text, *blank = memchr(text, ' ', (size_t)(end - text));
	struct exec_client *client;
	uint64_t id;

	if (blank == NULL)
		return false;
	do {
		if (!output_take_id(&at, blank, &id) ||
		    (at < blank && *at != ','))
			return false;
	} while (at++ < blank);
	for (at = text; at < blank; at++) {
		output_take_id(&at, blank, &id);
		client = output_find_client(slot->exec, id);
		if (client != NULL)
			output_tell(client, blank + 1,
				    (size_t)(end - blank - 1));
		else
			lined_service_count(slot->exec->service,
					    "lines_to_gone", 1);
	}
	return true;
}

/* Takes "* TEXT" or "*-ID TEXT". */
static bool output_take_broadcast(const struct exec_slot *slot, const char *at,
				  const char *end)
{
	uint64_t but = 0;

	at++;
	if (at < end && *at == '-') {
		at++;
		if (!output_take_id(&at, end, &but))
			return false;
	}
	if (at == end || *at != ' ')
		return false;
	output_broadcast(slot, but, at + 1, (size_t)(end - at - 1));
	return true;
}

/* Takes "-ID". */
static bool output_take_close(const struct exec_slot *slot, const char *at,
			      const char *end)
{
	struct exec_client *client;
	uint64_t id;

	at++;
	if (!output_take_id(&at, end, &id) || at != end)
		return false;
	client = output_find_client(slot->exec, id);
	if (client != NULL)
		lined_socket_close_after_flush(client->sock, LINED_CLOSE_LOCAL,
					       0);
	return true;
}

static void output_take_bad(const struct exec_slot *slot, const char *why,
			    const struct lined_line *line)
{
	lined_service_count(slot->exec->service, "program_lines_bad", 1);
	lined_service_log(slot->exec->service, LINED_LOG_WARNING,
			  "program says %s: %.*s%s (%zu bytes)", why,
			  (int)(line->len < SAID_MAX ? line->len : SAID_MAX),
			  line->text, line->len > SAID_MAX ? "..." : "",
			  line->len);
}

static void output_take_line(struct exec_slot *slot,
			     const struct lined_line *line)
{
	const char *end = line->text + line->len;
	bool good;

	if (line->len > 0 && line->text[0] == '*')
		good = output_take_broadcast(slot, line->text, end);
	else if (line->len > 0 && line->text[0] == '-')
		good = output_take_close(slot, line->text, end);
	else
		good = output_take_answer(slot, line->text, end);
	if (!good)
		output_take_bad(slot, "something that is no line to a client",
				line);
}

/* Applies line-length to the text, without the ids before it. True: the text
 * fits, or was cut. */
static bool output_check_length(const struct exec_slot *slot,
				struct exec_program *program,
				struct lined_line *line)
{
	const struct lined_framing *framing =
		lined_service_framing(slot->exec->service);
	const char *blank = memchr(line->text, ' ', line->len);
	size_t head = blank != NULL ? (size_t)(blank - line->text) + 1 : 0;

	if (line->len - head <= framing->line_length)
		return true;
	lined_service_count(slot->exec->service, "program_lines_too_long", 1);
	output_take_bad(slot, "a line that is too long", line);
	if (framing->too_long == LINED_TOO_LONG_CLOSE)
		exec_program_end(program, program->kill_after_ms);
	line->len = head + framing->line_length;
	return framing->too_long == LINED_TOO_LONG_TRUNCATE;
}

void exec_output_read(struct exec_program *program)
{
	struct exec_slot *slot = program->owner;
	enum lined_line_status status;
	struct lined_line line;

	do {
		status = lined_socket_read_line(program->output, &line);
		if (status == LINED_LINE_READY) {
			if (output_check_length(slot, program, &line))
				output_take_line(slot, &line);
		} else if (status == LINED_LINE_TOO_LONG) {
			lined_service_count(slot->exec->service,
					    "program_lines_too_long", 1);
			lined_service_log(slot->exec->service,
					  LINED_LOG_WARNING,
					  "program says a line that is too "
					  "long");
		}
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	exec_shared_look_soon(slot->exec);
}
