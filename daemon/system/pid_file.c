/* SPDX-License-Identifier: MIT */
/*
 * Creates, locks, writes and removes the pid file. The file stays open, so that
 * it can be written after root's rights are dropped.
 */
#include "config.h"

#include "system/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"
#include "system/hardening_helper.h"

static struct {
	char *path; /* NULL: not open */
	int fd;
} pid_file;

static void pid_file_say_locked(int fd, char *error, size_t size)
{
	char number[24];
	ssize_t n = pread(fd, number, sizeof(number) - 1, 0);

	number[n > 0 ? n : 0] = '\0';
	if (atol(number) > 0)
		snprintf(error, size, "is locked by process %ld, which runs",
			 atol(number));
	else
		snprintf(error, size, "is locked by a process that starts");
}

int pid_file_open(const char *path, char *error, size_t size)
{
	/* O_NOFOLLOW: otherwise root would follow a link that another user has
	 * made, and write to the linked file. */
	int fd = open(path,
		      O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		      S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
	struct stat status;

	if (fd < 0)
		return fail_text(error, size,
				 errno == ELOOP ? "is a symbolic link"
						: strerror(errno));
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		snprintf(error, size, "is not a regular file");
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			pid_file_say_locked(fd, error, size);
		else
			snprintf(error, size, "%s", strerror(errno));
	} else if ((pid_file.path = strdup(path)) == NULL) {
		snprintf(error, size, "%s", strerror(ENOMEM));
	} else {
		pid_file.fd = fd;
		return 0;
	}
	close(fd);
	return -1;
}

int pid_file_write(void)
{
	char number[24];
	int len = snprintf(number, sizeof(number), "%ld\n", (long)getpid());

	if (pid_file.path == NULL)
		return 0;
	if (ftruncate(pid_file.fd, 0) < 0)
		return -1;
	return pwrite(pid_file.fd, number, (size_t)len, 0) == len ? 0 : -1;
}

void pid_file_remove(void)
{
	if (pid_file.path == NULL)
		return;
	/* If truncating fails, too, the file stays and names a process that no
	 * longer runs. */
	if (helper_remove(pid_file.path) < 0)
		(void)!ftruncate(pid_file.fd, 0);
	close(pid_file.fd);
	free(pid_file.path);
	pid_file.path = NULL;
}
