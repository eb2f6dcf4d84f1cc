/* SPDX-License-Identifier: MIT */
/*
 * Reads the fuzzer's input as a transcript of linetest: the result must be a
 * transcript, or errors with their place. A libFuzzer target only.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "linetest/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes errors = {0};
	struct transcript *transcript;
	char path[64];
	int fd = memfd_create("fuzz-transcript", MFD_CLOEXEC);

	judge(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	transcript =
		transcript_read(path, NULL, false, TRANSPORT_UNIX, &errors);
	judge((transcript == NULL) == (errors.len > 0));
	judge(errors.len == 0 ||
	      strncmp(bytes_text(&errors), "/proc/self/fd/", 14) == 0);
	transcript_free(transcript);
	bytes_fini(&errors);
	close(fd);
	return 0;
}
