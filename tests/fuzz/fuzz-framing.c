/* SPDX-License-Identifier: MIT */
/*
 * Gives the fuzzer's input to the framer: the first bytes choose the framing
 * and the cuts, the rest is the stream. Sanitizers check the memory; the fuzzer
 * checks that the cuts do not change the lines. A libFuzzer target; built with
 * FUZZ_MAIN, a program of its own that draws inputs or takes files.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHARED_SIZE 4096
#define HEAD        8

static char shared[SHARED_SIZE + 1];

struct digest {
	uint64_t hash;
	uint64_t lines, too_long, bare_lf, dropped;
};

static void mix(struct digest *digest, const void *data, size_t len)
{
	const unsigned char *at = data;

	for (; len > 0; at++, len--)
		digest->hash = (digest->hash ^ *at) * 1099511628211u;
}

static void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz-framing: %s\n", what);
	abort();
}

static void take(struct digest *digest, const struct lined_framing *framing,
		 const struct lined_line *line)
{
	require(line->text[line->len] == '\0', "no NUL behind a line");
	require(line->len <= framing->line_length, "a line over the limit");
	require(line->unterminated == (line->terminator_len == 0),
		"unterminated, with a terminator");
	digest->lines++;
	mix(digest, &line->len, sizeof(line->len));
	mix(digest, line->text, line->len);
	mix(digest, line->terminator, line->terminator_len);
	mix(digest, &line->truncated, sizeof(line->truncated));
}

/* Counts a line that is too long. False: the framing closes the stream. */
static bool too_long(struct digest *digest, const struct lined_framing *framing)
{
	digest->too_long++;
	mix(digest, "!", 1);
	return framing->too_long != LINED_TOO_LONG_CLOSE;
}

static bool take_all(struct framer *framer, struct input_buffer *in,
		     struct digest *digest)
{
	struct lined_line line;

	for (;;) {
		switch (framer_next(framer, in, &line, &digest->bare_lf)) {
		case FRAMER_READY:
			take(digest, &framer->framing, &line);
			break;
		case FRAMER_TOO_LONG:
			if (!too_long(digest, &framer->framing))
				return false;
			break;
		case FRAMER_NEED_MORE:
			return true;
		}
	}
}

static void finish(struct framer *framer, struct input_buffer *in,
		   struct digest *digest)
{
	const struct lined_framing *framing = &framer->framing;
	bool deliver = framing->unterminated == LINED_UNTERMINATED_DELIVER;
	struct lined_line line;

	if (in->data == NULL)
		return;
	switch (framer_end(framer, in, &line, deliver, &digest->dropped)) {
	case FRAMER_READY:
		take(digest, framing, &line);
		break;
	case FRAMER_TOO_LONG:
		too_long(digest, framing);
		break;
	case FRAMER_NEED_MORE:
		break;
	}
}

/* Frames the stream in pieces of at most `piece` bytes, whose lengths depend on
 * `salt`. */
static struct digest split(const struct lined_framing *framing,
			   const uint8_t *data, size_t size, size_t piece,
			   uint32_t salt)
{
	struct digest digest = {.hash = 14695981039346656037u};
	struct framer framer;
	struct input_buffer in;
	bool more = true;

	memset(&framer, 0, sizeof(framer));
	memset(&in, 0, sizeof(in));
	framer_set(&framer, framing);
	while (more && size > 0) {
		size_t room, n;
		char *to = input_reserve(&in, shared, SHARED_SIZE, &room);

		require(to != NULL && room > 0, "no room to read into");
		salt = salt * 1664525u + 1013904223u;
		n = 1 + (salt >> 16) % piece;
		n = n < size ? n : size;
		n = n < room ? n : room;
		memcpy(to, data, n);
		input_received(&in, n);
		data += n;
		size -= n;
		more = take_all(&framer, &in, &digest);
		require(!more || input_len(&in) <=
					 (size_t)framing->line_length + 1,
			"more is kept than the limit");
		require(input_settle(&in, shared) == 0, "out of memory");
		memset(to, '#',
		       n < SHARED_SIZE && to >= shared &&
				       to < shared + SHARED_SIZE
			       ? n
			       : 0);
	}
	if (more)
		finish(&framer, &in, &digest);
	input_clear(&in, shared);
	return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lined_framing framing;
	struct digest whole, cut;
	uint32_t salt;
	size_t piece;

	if (size < HEAD)
		return 0;
	framing.terminator = data[0] % 4;
	framing.too_long = data[1] % 3;
	framing.unterminated = data[2] % 2;
	framing.byte = data[3];
	/* Mostly small limits, so that lines are both shorter and longer than
	 * the shared buffer: a longer line needs memory of its own. */
	framing.line_length = 1u + data[4] + (data[5] & 1 ? 300u : 0u);
	piece = 1u + data[6];
	memcpy(&salt, data + 4, sizeof(salt));
	data += HEAD;
	size -= HEAD;
	whole = split(&framing, data, size, SHARED_SIZE, 1);
	cut = split(&framing, data, size, piece, salt);
	require(whole.hash == cut.hash && whole.lines == cut.lines &&
			whole.too_long == cut.too_long &&
			whole.dropped == cut.dropped,
		"the cuts changed the lines");
	require(framing.too_long == LINED_TOO_LONG_CLOSE ||
			whole.bare_lf == cut.bare_lf,
		"the cuts changed the count of bare LFs");
	return 0;
}

#ifdef FUZZ_MAIN

static int run_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t len;

	if (file == NULL) {
		perror(path);
		return EXIT_FAILURE;
	}
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, len);
	return EXIT_SUCCESS;
}

static void draw(uint64_t *seed, uint8_t *data, size_t len)
{
	static const char bytes[] = "\r\n\r\n\0ab";

	for (size_t i = 0; i < len; i++) {
		*seed ^= *seed << 13;
		*seed ^= *seed >> 7;
		*seed ^= *seed << 17;
		if (i >= HEAD && (*seed >> 60) < 10)
			data[i] = (uint8_t)
				bytes[(*seed >> 32) % (sizeof(bytes) - 1)];
		else
			data[i] = (uint8_t)(*seed >> 40);
	}
}

/* Usage: [RUNS [SEED]] or FILE...: draws so many inputs, or reads the files. */
int main(int argc, char **argv)
{
	static uint8_t data[16384];
	char *end = NULL;
	unsigned long runs = argc > 1 ? strtoul(argv[1], &end, 10) : 20000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	if (argc > 1 && *end != '\0') {
		for (int i = 1; i < argc; i++)
			if (run_file(argv[i]) != EXIT_SUCCESS)
				return EXIT_FAILURE;
		return EXIT_SUCCESS;
	}
	seed = seed != 0 ? seed : 1;
	for (unsigned long i = 0; i < runs; i++) {
		size_t len = HEAD + (size_t)(i % 16 == 0 ? i % 16000 : i % 300);

		draw(&seed, data, len);
		LLVMFuzzerTestOneInput(data, len);
	}
	printf("fuzz-framing: %lu inputs\n", runs);
	return EXIT_SUCCESS;
}

#endif
