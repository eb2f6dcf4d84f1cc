/* SPDX-License-Identifier: MIT */
/*
 * Prints the page of `linectl metrics`. For --json it reads the part of
 * Prometheus' text format that lined writes.
 */
#include "config.h"

#include "linectl/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"
#include "linectl/control_answer.h"
#include "linectl/error.h"
#include "linectl/json.h"

#define PATIENCE_MS 15000

/* Writes the value of a label as JSON. `at` is after the opening quote. Returns
 * the place after the closing quote; NULL: there is no closing quote. */
static const char *sample_write_label(FILE *out, const char *at)
{
	char *value = memory_new(strlen(at) + 1, 1), *to = value;

	for (; *at != '"' && *at != '\0'; at++) {
		if (strncmp(at, "\\n", 2) == 0) {
			*to++ = '\n';
			at++;
			continue;
		}
		/* A backslash or a quote; there are no other escapes. */
		if (*at == '\\' && (at[1] == '\\' || at[1] == '"'))
			at++;
		*to++ = *at;
	}
	json_string(out, value, (size_t)(to - value));
	free(value);
	return *at == '"' ? at + 1 : NULL;
}

static const char *sample_write_labels(FILE *out, const char *at)
{
	const char *before = "";

	while (*at != '}') {
		size_t len = strcspn(at, "=");

		if (strncmp(at + len, "=\"", 2) != 0)
			return NULL;
		fputs(before, out);
		json_string(out, at, len);
		fputc(':', out);
		at = sample_write_label(out, at + len + 2);
		if (at == NULL)
			return NULL;
		before = ",";
		at += *at == ',';
	}
	return at + 1;
}

/* Prometheus also has infinities; JSON does not. */
static bool sample_is_number(const char *text)
{
	size_t len = strspn(text, "0123456789.e+-");

	return text[0] >= '0' && text[0] <= '9' && text[len] == '\0';
}

bool metrics_write_sample(FILE *out, const char *line)
{
	size_t len = strcspn(line, "{ ");
	const char *at = line + len;

	if (line[0] == '#' || len == 0 || *at == '\0')
		return false;
	fputs("{\"name\":", out);
	json_string(out, line, len);
	fputs(",\"labels\":{", out);
	if (*at == '{')
		at = sample_write_labels(out, at + 1);
	if (at == NULL || *at != ' ' || !sample_is_number(at + 1))
		return false;
	fprintf(out, "},\"value\":%s}", at + 1);
	return true;
}

/* A sample as a JSON object, to be freed; NULL: the line is no sample. */
static char *sample_read(const char *line)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool is_one = out != NULL && metrics_write_sample(out, line);

	if (out != NULL && fclose(out) == 0 && is_one)
		return text;
	free(text);
	return NULL;
}

static void metrics_write_json(const struct answer *answer)
{
	size_t written = 0, i;
	char *sample;

	fputs("{\"metrics\":[", stdout);
	for (i = 0; i < answer->count; i++) {
		const char *line = record_exact(&answer->records[i], "line");

		sample = sample_read(line);
		if (sample != NULL)
			printf("%s%s", written++ > 0 ? ",\n" : "", sample);
		free(sample);
	}
	fputs("]}\n", stdout);
}

static void metrics_write_text(const struct answer *answer)
{
	size_t i;

	for (i = 0; i < answer->count; i++)
		if (record_is(&answer->records[i], "text"))
			puts(record_text(&answer->records[i], "line"));
}

enum linectl_status metrics_run(const struct command_call *call)
{
	struct answer answer = {.count = 0};
	enum linectl_status status = LINECTL_DONE;

	control_socket_get(call->control, "metrics\n", 8, PATIENCE_MS, &answer);
	if (answer.end != ANSWER_OK)
		status = error_report(call->json, error_status(answer.end),
				      answer.error);
	else if (call->json)
		metrics_write_json(&answer);
	else
		metrics_write_text(&answer);
	answer_fini(&answer);
	return status;
}
