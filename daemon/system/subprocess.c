/* SPDX-License-Identifier: MIT */
/* Starts the process, and gives it files or pipes for input and output. */
#include "config.h"

#include "system/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/fd_close.h"
#include "system/hardening_helper.h"
#include "system/sanitized.h"

/* A file in memory with these bytes, positioned at its start. */
static int subprocess_file(const char *bytes, size_t len)
{
	int fd = memfd_create("lined", MFD_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	while (len > 0) {
		n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			goto fail;
		bytes += n;
		len -= (size_t)n;
	}
	if (lseek(fd, 0, SEEK_SET) == 0)
		return fd;
fail:
	fd_close(fd);
	return -1;
}

int subprocess_start(struct subprocess *process, enum self_role role,
		     const void *input, size_t len)
{
	int ends[2] = {-1, -1}, in = subprocess_file(input, len);
	int fds[3] = {in, -1, -1}, result = 0;

	process->err = fds[2] = in >= 0 ? subprocess_file("", 0) : -1;
	if (process->err < 0 || pipe2(ends, O_CLOEXEC) < 0 ||
	    (fds[1] = ends[1], fcntl(ends[0], F_SETFL, O_NONBLOCK)) < 0 ||
	    helper_spawn(&process->pid, role, fds) < 0)
		result = -1;
	fd_close(in);
	fd_close(ends[1]);
	process->out = ends[0];
	if (result < 0) {
		fd_close(ends[0]);
		fd_close(process->err);
	}
	return result;
}

int subprocess_end(struct subprocess *process, char *text, size_t size)
{
	int status = 0;
	ssize_t n;

	close(process->out);
	kill(process->pid, SIGKILL);
	while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
		;
	n = pread(process->err, text, size - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(process->err);
	return status;
}

/* ---- in the process itself ---------------------------------------------- */

void subprocess_limit(size_t memory, unsigned seconds)
{
	const struct rlimit address_space = {memory, memory};
	const struct rlimit cpu = {seconds, seconds + 1}, core = {0, 0};

	/* A sanitizer reserves terabytes of address space. */
	if (!SANITIZED)
		setrlimit(RLIMIT_AS, &address_space);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &core);
	alarm(seconds + 1);
}

char *subprocess_input(size_t *len)
{
	struct stat st;
	char *bytes;
	ssize_t n = 0;

	if (fstat(STDIN_FILENO, &st) < 0)
		return NULL;
	bytes = malloc((size_t)st.st_size + 1);
	if (bytes == NULL)
		return NULL;
	for (*len = 0; *len < (size_t)st.st_size; *len += (size_t)n) {
		n = read(STDIN_FILENO, bytes + *len, (size_t)st.st_size - *len);
		if (n <= 0 && (n == 0 || errno != EINTR))
			break;
		if (n < 0)
			n = 0;
	}
	bytes[*len] = '\0';
	return bytes;
}
