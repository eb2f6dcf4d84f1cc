/* SPDX-License-Identifier: MIT */
/*
 * Reads the fuzzer's input as a config file. Sanitizers check the memory, and
 * an alarm the time. The fuzzer checks that a load returns a config, or
 * messages with their place, and that a bad file does not spoil a good file
 * after it. A libFuzzer target; built with FUZZ_MAIN, a program of its own that
 * mutates files.
 */
#include "config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "conf_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good[] =
	"# always good\nservice \"s\" { protocol = \"relay\" listen = {\n"
	"\"unix:///s\" } relay { room \"a\" { size = 1k } } }\n";

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz-conf: %s\n", what);
	abort();
}

/* Makes a file with these bytes. The returned path is valid until *fd is
 * closed. */
static const char *file_of(const void *data, size_t size, int *fd)
{
	static char path[64];

	*fd = memfd_create("fuzz-conf", MFD_CLOEXEC);
	require(*fd >= 0, "no file");
	require(write(*fd, data, size) == (ssize_t)size, "no room");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	return path;
}

static bool has_place(const char *text)
{
	const char *colon = strstr(text, ": ");

	return colon != NULL && colon != text && colon[2] != '\0';
}

static bool load(const void *data, size_t size)
{
	struct conf_errors errors;
	struct conf *conf;
	size_t i;
	int fd;

	conf_errors_init(&errors);
	conf = conf_load(file_of(data, size, &fd), &fixture_env, &errors);
	require((conf == NULL) == (errors.errors.count > 0),
		"neither a result nor an error");
	for (i = 0; i < errors.errors.count; i++)
		require(has_place(errors.errors.items[i].text),
			"an error without a place");
	for (i = 0; conf != NULL && i < conf->service_count; i++)
		require(conf_service_changes(&conf->services[i],
					     &conf->services[i]) == 0,
			"a service differs from itself");
	conf_unref(conf);
	conf_errors_fini(&errors);
	close(fd);
	return conf != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	load(data, size);
	require(load(good, sizeof(good) - 1), "a good file is refused");
	return 0;
}

#ifdef FUZZ_MAIN

#define SEED_MAX (64 * 1024)

static uint64_t state;

static size_t draw(size_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below > 0 ? (size_t)((state >> 16) % below) : 0;
}

static const char *const pieces[] = {
	"{",
	"}",
	"\"",
	"'",
	"${",
	"\\",
	"/*",
	"*/",
	"//",
	"#",
	"=",
	"+=",
	"(",
	")",
	",",
	"\n",
	"\r",
	"include",
	"root",
	"|",
	"\\0",
	"\\x1",
	"99999999999999999999",
	"010",
	"-1",
	"relay { ",
	"service \"everything\" {",
	"room \"a\" { ",
	"tls \"x\" { ",
	"mode = ",
	"limits",
	"{ }",
	"0",
	"ms",
	"*",
	":open",
};

/* Makes one change: cuts, repeats or replaces bytes, or puts a piece in. */
static size_t mutate(char *text, size_t len, size_t room)
{
	size_t at = draw(len + 1), n = draw(draw(40) + 2), from;
	const char *piece = pieces[draw(sizeof(pieces) / sizeof(pieces[0]))];

	switch (draw(5)) {
	case 0: /* cut */
		n = n < len - at ? n : len - at;
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	case 1: /* replace a byte */
		if (at < len)
			text[at] = (char)draw(256);
		return len;
	case 2: /* copy a part of the text to another place */
		from = draw(len + 1);
		n = n < len - from ? n : len - from;
		if (n > room - len)
			return len;
		memmove(text + at + n, text + at, len - at);
		memmove(text + at, text + from, n);
		return len + n;
	case 3: /* cut off the end */
		return draw(8) == 0 ? at : len;
	default:
		n = strlen(piece);
		if (n > room - len)
			return len;
		memmove(text + at + n, text + at, len - at);
		memcpy(text + at, piece, n);
		return len + n;
	}
}

static size_t read_seed(const char *path, char *seed)
{
	FILE *file = fopen(path, "r");
	size_t len;

	if (file == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	len = fread(seed, 1, SEED_MAX, file);
	fclose(file);
	return len;
}

/* Usage: SECONDS SEED FILE... Mutates the files in turn, for so many
 * seconds. */
int main(int argc, char **argv)
{
	static char seed[SEED_MAX], text[2 * SEED_MAX];
	unsigned long runs = 0, loaded = 0;
	time_t end;
	size_t len, n;

	if (argc < 4) {
		fprintf(stderr, "usage: fuzz-conf SECONDS SEED FILE...\n");
		return 2;
	}
	end = time(NULL) + (time_t)strtoul(argv[1], NULL, 10);
	state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
	for (; time(NULL) < end; runs++) {
		len = read_seed(argv[3 + (int)(runs % (unsigned)(argc - 3))],
				seed);
		memcpy(text, seed, len);
		for (n = draw(12); n > 0; n--)
			len = mutate(text, len, sizeof(text));
		alarm(20);
		loaded += load(text, len);
		require(load(good, sizeof(good) - 1), "a good file is refused");
	}
	printf("fuzz-conf: %lu inputs, %lu of them good\n", runs, loaded);
	return EXIT_SUCCESS;
}

#endif
