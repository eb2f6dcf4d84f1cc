/* SPDX-License-Identifier: MIT */
/*
 * The input of linectl and of the protocol metrics: records, samples that
 * linectl turns into JSON, and HTTP requests line by line. A record that
 * linectl accepts must be the same when it is written and read again.
 *
 * Built by tests/fuzz/run with libFuzzer; with FUZZ_MAIN, a program of its own
 * that draws its inputs.
 */
#include "config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_request.h"
#include "linectl/answer_record.h"
#include "linectl/json.h"
#include "linectl/metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz-control: %s\n", what);
	abort();
}

static char *object_of(const struct record *record)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	must(out != NULL, "no memory");
	json_record(out, record);
	fclose(out);
	must(text[0] == '{' && text[len - 1] == '}', "no object");
	return text;
}

/* A record that is written and read again must be the same. */
static void check_record(const char *line, size_t len)
{
	struct record record, again;
	char *object, *text;
	size_t size, i;

	if (record_parse(&record, line, len) < 0)
		return;
	object = object_of(&record);
	size = strlen(record.kind) + strlen(object) + 16;
	text = malloc(size);
	must(text != NULL, "no memory");
	snprintf(text, size, "{\"kind\":\"%s\"%s%s", record.kind,
		 record.count > 0 ? "," : "", object + 1);
	must(record_parse(&again, text, strlen(text)) == 0,
	     "a record does not read back");
	must(strcmp(again.kind, record.kind) == 0 &&
		     again.count == record.count,
	     "a record reads back as another");
	for (i = 0; i < record.count; i++) {
		const struct value *a = &again.values[i];
		const struct value *b = &record.values[i];

		must(strcmp(a->name, b->name) == 0 && a->type == b->type &&
			     a->number == b->number &&
			     (a->type != VALUE_TEXT ||
			      strcmp(a->exact, b->exact) == 0),
		     "a value reads back as another");
	}
	free(object);
	free(text);
	record_text(&record, "name");
	record_sum(&record, "closed");
	record_fini(&record);
	record_fini(&again);
}

static void check_sample(const char *line)
{
	char *out_text = NULL;
	size_t out_len = 0;
	FILE *out = open_memstream(&out_text, &out_len);

	must(out != NULL, "no memory");
	metrics_write_sample(out, line);
	fclose(out);
	free(out_text);
}

static void check_request(const char *lines, size_t size)
{
	struct http_request request = {.begun = false};
	const char *end = lines + size;
	unsigned taken = 0;

	while (lines < end) {
		const char *stop = memchr(lines, '\n', (size_t)(end - lines));
		size_t len = (size_t)((stop != NULL ? stop : end) - lines);
		enum http_status status =
			http_request_line(&request, "/metrics", lines, len);

		must(++taken <= HTTP_HEADERS_MAX + 5, "endless headers");
		if (status != HTTP_MORE) {
			must(http_status_text(status)[0] != '\0', "no name");
			must(status != HTTP_OK || request.has_host ||
				     request.old,
			     "a page for nobody");
			return;
		}
		lines += len + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of exactly this length, so that a sanitizer finds a read past
	 * its end. */
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	must(text != NULL, "no memory");
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 3) {
	case 0:
		check_record(text, size - 1);
		break;
	case 1:
		check_sample(text);
		break;
	default:
		check_request(text, size - 1);
		break;
	}
	free(text);
	return 0;
}

#ifdef FUZZ_MAIN

static const char *const pieces[] = {
	"{\"kind\":\"client\"",
	"{\"kind\":\"service\"",
	",\"id\":",
	",\"name\":",
	"42",
	"\"echo\"",
	"\"\\\"",
	"\"\\u00e9\"",
	"[\"a\",\"b\"]",
	"[]",
	"true",
	"false",
	",\"closed\":{\"peer\":",
	",\"x\":1",
	":",
	"\"",
	"\\u",
	"\\",
	"[",
	",",
	"}",
	"}}",
	"GET ",
	"HEAD ",
	"/metrics",
	" HTTP/1.1",
	"\n",
	"\n\n",
	"Host: x",
	"Connection: close",
	": ",
	"lined_x",
	"{",
	"a=\"b\"",
	"}",
	" 1",
	"99999999999999999999",
};

/* Usage: [RUNS [SEED]] */
int main(int argc, char **argv)
{
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 50000, i;
	uint8_t data[1024];

	srand(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1);
	for (i = 0; i < runs; i++) {
		size_t len = 1, count = (size_t)rand() % 24;

		data[0] = (uint8_t)i;
		while (count-- > 0 && len < sizeof(data) - 64) {
			const char *piece =
				pieces[(size_t)rand() %
				       (sizeof(pieces) / sizeof(pieces[0]))];

			if (rand() % 12 == 0) {
				data[len++] = (uint8_t)rand();
				continue;
			}
			memcpy(data + len, piece, strlen(piece));
			len += strlen(piece);
		}
		LLVMFuzzerTestOneInput(data, len);
	}
	printf("fuzz-control: %lu inputs\n", runs);
	return EXIT_SUCCESS;
}

#endif
