/* SPDX-License-Identifier: MIT */
/*
 * A transcript of linetest: reading it ends in a script or in errors with their
 * place. A libFuzzer target only.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "linetest/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes errors = {0};
	struct script *script;
	char path[64];
	int fd = memfd_create("fuzz-script", MFD_CLOEXEC);

	judge(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	script = script_read(path, NULL, false, TRANSPORT_UNIX, &errors);
	judge((script == NULL) == (errors.len > 0));
	judge(errors.len == 0 ||
	      strncmp(bytes_text(&errors), "/proc/self/fd/", 14) == 0);
	script_free(script);
	bytes_fini(&errors);
	close(fd);
	return 0;
}
