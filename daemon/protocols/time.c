/* SPDX-License-Identifier: MIT */
/*
 * time: sends every client a line with the time every second, and discards the
 * input of clients. An example of a periodic task: each worker makes the line
 * once for all its clients.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lined/buffer.h>
#include <lined/protocol.h>

#define TEXT_MAX 256

struct time_options {
	const char *format;
	bool local;
};

/* The most bytes of a line's end. */
#define END_MAX 2

static const struct lined_option time_options[] = {
	{LINED_OPTION("format", STRING, struct time_options, format),
	 .fallback = "%Y-%m-%dT%H:%M:%SZ"},
	{LINED_OPTION("local", BOOLEAN, struct time_options, local)},
	{.name = NULL},
};

/* Writes the current time. 0: the text is empty or too long. */
static size_t time_write(char text[TEXT_MAX],
			 const struct time_options *options)
{
	struct timespec now;
	struct tm tm;

	/* time(2) may still return the second before, for a few ms. */
	clock_gettime(CLOCK_REALTIME, &now);
	if (options->local)
		localtime_r(&now.tv_sec, &tm);
	else
		gmtime_r(&now.tv_sec, &tm);
	return strftime(text, TEXT_MAX - END_MAX, options->format, &tm);
}

static int time_check(const void *values, char *error, size_t size)
{
	char text[TEXT_MAX];
	size_t len = time_write(text, values);

	if (len > 0 && memchr(text, '\n', len) == NULL)
		return 0;
	snprintf(error, size,
		 "format: it must give one line of 1 to %d bytes: strftime(3)",
		 TEXT_MAX - END_MAX - 1);
	return -1;
}

static void time_task(struct lined_service *service)
{
	char text[TEXT_MAX];
	size_t len = time_write(text, lined_service_options(service)), end_len;
	struct lined_buffer *line;
	const char *end;

	end_len =
		lined_framing_terminator(lined_service_framing(service), &end);
	memcpy(text + len, end, end_len);
	line = lined_buffer_new(text, len + end_len);
	/* Without memory, this second's line is skipped. */
	if (line == NULL)
		return;
	lined_service_send(service, line);
	lined_buffer_unref(line);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "time",
	.summary = "a line a second, with the time",
	.handle_task = time_task,
	.task_ms = 1000,
	.options = time_options,
	.options_size = sizeof(struct time_options),
	.check = time_check,
};
