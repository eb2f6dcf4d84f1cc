/* SPDX-License-Identifier: MIT */
/*
 * Reads as much of Prometheus' text format as lined writes.
 */
#include "config.h"

#include "linectl_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "linectl_answer.h"
#include "linectl_json.h"
#include "linectl_show.h"

#define PATIENCE_MS 15000

/* A label's value, from behind its first quote: its escapes are also JSON's.
 * Behind its last one; NULL: it has none. */
static const char *write_label(FILE *out, const char *at)
{
	fputc('"', out);
	for (; *at != '"'; at++) {
		if (*at == '\0')
			return NULL;
		if (*at == '\\' && at[1] != '\0')
			fputc(*at++, out);
		fputc(*at, out);
	}
	fputc('"', out);
	return at + 1;
}

static const char *write_labels(FILE *out, const char *at)
{
	const char *before = "";

	while (*at != '}') {
		size_t len = strcspn(at, "=");

		if (strncmp(at + len, "=\"", 2) != 0)
			return NULL;
		fprintf(out, "%s\"%.*s\":", before, (int)len, at);
		at = write_label(out, at + len + 2);
		if (at == NULL)
			return NULL;
		before = ",";
		at += *at == ',';
	}
	return at + 1;
}

/* Infinities are numbers to Prometheus, and not to JSON. */
static bool is_number(const char *text)
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
	fprintf(out, "{\"name\":\"%.*s\",\"labels\":{", (int)len, line);
	if (*at == '{')
		at = write_labels(out, at + 1);
	if (at == NULL || *at != ' ' || !is_number(at + 1))
		return false;
	fprintf(out, "},\"value\":%s}", at + 1);
	return true;
}

/* NULL: the line is none. */
static char *sample_of(const char *line)
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

static void write_json(const struct answer *answer)
{
	size_t written = 0, i;
	char *sample;

	fputs("{\"metrics\":[", stdout);
	for (i = 0; i < answer->count; i++) {
		const char *line = record_text(&answer->records[i], "line");

		sample = sample_of(line);
		if (sample != NULL)
			printf("%s%s", written++ > 0 ? ",\n" : "", sample);
		free(sample);
	}
	fputs("]}\n", stdout);
}

enum linectl_status metrics_run(const struct command_call *call)
{
	struct answer answer;
	enum linectl_status status = LINECTL_DONE;

	answer_get(&answer, call->channel, "metrics\n", 8, PATIENCE_MS);
	if (answer.end != CHANNEL_OK) {
		if (call->json)
			json_error(stdout, answer.error);
		fprintf(stderr, "linectl: %s\n", answer.error);
		status = answer.end == CHANNEL_REFUSED ? LINECTL_REFUSED
						       : LINECTL_NO_DAEMON;
	} else if (call->json) {
		write_json(&answer);
	} else {
		show_metrics(&answer, "", stdout);
	}
	answer_fini(&answer);
	return status;
}
