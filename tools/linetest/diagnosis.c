/* SPDX-License-Identifier: MIT */
/*
 * Writes the text of a failure. Escapes everything that was received; cuts long
 * text, and adds its whole length.
 */
#include "config.h"

#include "linetest/diagnosis.h"

#include <string.h>

#include "linetest/escape.h"

#define COLUMNS_MAX 300
#define LOG_MAX     40
#define INDENT      "      "

/* ---- one line ----------------------------------------------------------- */

/* The end of the last whole character in the first len bytes. */
static size_t cut_at_character(const char *text, size_t len)
{
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static void diagnosis_add_cut(struct bytes *out, const char *text)
{
	size_t len = strlen(text);

	if (len <= COLUMNS_MAX) {
		bytes_add(out, text, len);
		return;
	}
	bytes_add(out, text, cut_at_character(text, COLUMNS_MAX));
	bytes_add_format(out, "... (%zu in all)", escape_columns(text, len));
}

static void diagnosis_add_shown(struct bytes *out, const char *data, size_t len)
{
	struct bytes shown = {0};

	escape_text(&shown, data, len);
	diagnosis_add_cut(out, bytes_text(&shown));
	bytes_fini(&shown);
}

void diagnosis_head(struct bytes *out, const struct step *step,
		    const char *message)
{
	bytes_add_format(out, "%s:%u: %s\n", step->file, step->line, message);
}

void diagnosis_item(struct bytes *out, const char *label, const char *text)
{
	size_t len = strlen(label);

	bytes_add_format(out, "  %s:%*s", label, len < 9 ? (int)(9 - len) : 1,
			 "");
	diagnosis_add_cut(out, text);
	bytes_add_byte(out, '\n');
}

void diagnosis_bytes(struct bytes *out, const char *label, const char *data,
		     size_t len)
{
	struct bytes shown = {0};

	escape_text(&shown, data, len);
	diagnosis_item(out, label, bytes_text(&shown));
	bytes_fini(&shown);
}

void diagnosis_difference(struct bytes *out, const char *expected,
			  const char *data, size_t len)
{
	struct bytes shown = {0}, a = {0}, b = {0};
	const char *got;
	size_t same = 0, from = 0;

	escape_text(&shown, data, len);
	got = bytes_text(&shown);
	while (expected[same] != '\0' && expected[same] == got[same])
		same++;
	same = cut_at_character(expected, same);
	if (same > COLUMNS_MAX / 2) {
		from = cut_at_character(expected, same - COLUMNS_MAX / 4);
		bytes_add_text(&a, "...");
		bytes_add_text(&b, "...");
		same += 3;
	}
	bytes_add_text(&a, expected + from);
	bytes_add_text(&b, got + from);
	diagnosis_item(out, "expected", bytes_text(&a));
	diagnosis_item(out, "got", bytes_text(&b));
	bytes_add_format(out, "  %*s^\n",
			 (int)(10 + escape_columns(a.data, same - from)), "");
	bytes_fini(&shown);
	bytes_fini(&a);
	bytes_fini(&b);
}

/* ---- what a client sent and got ----------------------------------------- */

static void diagnosis_add_last(struct bytes *out, const struct bytes *rows,
			       size_t most)
{
	const char *at = bytes_text(rows), *p;
	size_t count = 0;

	for (p = at; (p = strchr(p, '\n')) != NULL; p++)
		count++;
	if (count > most)
		bytes_add_format(out, INDENT "(%zu lines before)\n",
				 count - most);
	for (; count > most; count--)
		at = strchr(at, '\n') + 1;
	bytes_add_text(out, at);
}

/* Adds a row for each line of data: the client's name, the sign of the
 * direction, and the line. The sign is doubled if the line has no end. Steps
 * have read the first `read` bytes; the rows of all others begin with "?". */
static void rows_add_lines(struct bytes *rows, const struct client *client,
			   const char *sign, const char *data, size_t len,
			   size_t read)
{
	size_t at = 0, size;

	while (at < len) {
		const char *begin = data + at;
		const char *lf = memchr(begin, '\n', len - at);

		size = lf != NULL ? (size_t)(lf - begin) : len - at;
		at += size + (lf != NULL);
		bytes_add_format(rows, "%s%s%s%s ",
				 at > read ? "    ? " : INDENT, client->name,
				 sign, lf == NULL ? sign : "");
		if (lf != NULL && size > 0 && begin[size - 1] == '\r')
			size--;
		diagnosis_add_shown(rows, begin, size);
		bytes_add_byte(rows, '\n');
	}
}

static void rows_add_event(struct bytes *rows, const struct client *client,
			   const struct client_event *event)
{
	size_t read = 0;

	switch (event->kind) {
	case CLIENT_SAID:
		rows_add_lines(rows, client, ">",
			       client->said.data + event->offset, event->len,
			       SIZE_MAX);
		break;
	case CLIENT_SAW:
		if (client->read > event->offset)
			read = client->read - event->offset;
		rows_add_lines(rows, client, "<",
			       client->seen.data + event->offset, event->len,
			       read);
		break;
	default:
		bytes_add_format(rows, INDENT "%s: %s\n", client->name,
				 event->note);
		break;
	}
}

void diagnosis_client(struct bytes *out, const struct client *client,
		      size_t most)
{
	struct bytes rows = {0};
	size_t i;

	for (i = 0; i < client->event_count; i++)
		rows_add_event(&rows, client, &client->events[i]);
	bytes_add_format(out, "  %s:%s\n", client->name,
			 rows.len == 0 ? " nothing yet" : "");
	diagnosis_add_last(out, &rows, most);
	bytes_fini(&rows);
}

/* ---- the daemon --------------------------------------------------------- */

void diagnosis_log(struct bytes *out, const struct daemon_process *process)
{
	struct bytes rows = {0};
	size_t i;

	for (i = 0; i < process->log_count; i++)
		bytes_add_format(&rows, INDENT "%s\n", process->log[i]);
	bytes_add_format(out, "  the daemon's log:%s\n",
			 rows.len == 0 ? " nothing" : "");
	diagnosis_add_last(out, &rows, LOG_MAX);
	bytes_fini(&rows);
}

void diagnosis_config(struct bytes *out, const char *config)
{
	unsigned line = 1;

	bytes_add_text(out, "  the config:\n");
	for (; *config != '\0'; line++) {
		size_t len = strcspn(config, "\n");

		bytes_add_format(out, "  %4u  %.*s\n", line, (int)len, config);
		config += len + (config[len] == '\n');
	}
}
