/* SPDX-License-Identifier: MIT */
/*
 * Implements the functions of lined/program.h that are not in
 * threads/programs.c.
 */
#include "config.h"

#include <lined/program.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/client_log.h"
#include "serve/service_instance.h"

static int program_file_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -1;
	errno = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
	if (!S_ISREG(st.st_mode))
		return -1;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
}

static int program_path_join(char *path, size_t size, const char *directory,
			     size_t directory_len, const char *name)
{
	int len = snprintf(path, size, "%.*s%s%s", (int)directory_len,
			   directory, directory_len > 0 ? "/" : "", name);

	if (len >= 0 && (size_t)len < size)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

int lined_program_find(const char *command, char *path, size_t size)
{
	const char *at;
	size_t len;
	int error = ENOENT;

	if (strchr(command, '/') != NULL) {
		errno = EINVAL;
		return command[0] == '/' && program_path_join(path, size, "", 0,
							      command) == 0
			       ? program_file_check(path)
			       : -1;
	}
	for (at = LINED_PROGRAM_PATH; *at != '\0'; at += len + (at[len] != 0)) {
		len = strcspn(at, ":");
		if (program_path_join(path, size, at, len, command) < 0)
			return -1;
		if (program_file_check(path) == 0)
			return 0;
		if (errno != ENOENT)
			error = errno;
	}
	errno = error;
	return -1;
}

void lined_program_refuse(struct lined_socket *client)
{
	client_refused(client, ADMISSION_PROGRAMS);
	lined_socket_close_for(client, LINED_CLOSE_LIMIT, 0);
}

struct lined_program *
lined_program_start(struct lined_service *instance,
		    const struct lined_program_spec *spec, int ends[4],
		    void (*ended)(struct lined_program *program, void *arg,
				  const char *how),
		    void *arg)
{
	return programs_start(&instance->programs, spec, ends, ended, arg);
}
