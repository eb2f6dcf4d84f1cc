/* SPDX-License-Identifier: MIT */
/*
 * The daemon reads no file for a plan. It answers with the includes that it
 * needs; linectl adds these files to the request and asks again, until no more
 * are needed.
 */
#include "config.h"

#include "linectl/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory_or_exit.h"

#define FILE_MAX (1024 * 1024)
/* The most bytes that the daemon accepts. */
#define FILES_MAX (8 * 1024 * 1024)
/* How deep includes may nest. */
#define ROUNDS_MAX 32

/* The body of the request plan-files: items, each a line followed by as many
 * bytes as the line says. */
struct plan_files {
	char *data;
	size_t len;
};

static void files_add(struct plan_files *files, const char *kind,
		      const char *id, const char *path, const char *bytes,
		      size_t len)
{
	char *head = memory_format("%s %zu %s %s\n", kind, len, id, path);
	size_t head_len = strlen(head);

	files->data =
		memory_resize(files->data, files->len + head_len + len + 1, 1);
	memcpy(files->data + files->len, head, head_len);
	if (len > 0)
		memcpy(files->data + files->len + head_len, bytes, len);
	files->len += head_len + len;
	free(head);
}

/* Returns the whole file, to be freed. NULL and errno: it cannot be read, or it
 * is larger than FILE_MAX. */
static char *file_read_all(int fd, size_t *len)
{
	char *text = memory_new(FILE_MAX + 1, 1);
	ssize_t n;

	for (*len = 0; *len <= FILE_MAX; *len += (size_t)n) {
		n = read(fd, text + *len, FILE_MAX + 1 - *len);
		if (n == 0)
			return text;
		if (n < 0 && errno != EINTR)
			break;
		if (n < 0)
			n = 0;
	}
	if (*len > FILE_MAX)
		errno = EFBIG;
	free(text);
	return NULL;
}

/* Adds a file. If the file cannot be read, adds the reason and returns it. An
 * included file must be a regular file; the file of the command line may also
 * be a pipe. */
static const char *files_add_path(struct plan_files *files, const char *path,
				  bool included)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY;
	int fd = open(path, included ? flags | O_NONBLOCK : flags);
	const char *why = NULL;
	char *text = NULL, *id;
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		why = strerror(errno);
	else if (S_ISDIR(st.st_mode))
		why = "is a directory";
	else if (included && !S_ISREG(st.st_mode))
		why = "is not a regular file";
	else if ((text = file_read_all(fd, &len)) == NULL)
		why = strerror(errno);
	if (fd >= 0)
		close(fd);
	if (text == NULL) {
		files_add(files, "fail", "-", path, why, strlen(why));
		return why;
	}
	id = memory_format("%llu.%llu", (unsigned long long)st.st_dev,
			   (unsigned long long)st.st_ino);
	files_add(files, "file", id, path, text, len);
	free(id);
	free(text);
	return NULL;
}

/* A path with a line break would end its item early. */
static bool files_may_name(const char *path)
{
	return strchr(path, '\n') == NULL;
}

/* Whether an error ends glob(3), so that the daemon reports it. A missing
 * directory is no error. */
static int files_glob_error(const char *path, int error)
{
	return error != ENOENT && error != ENOTDIR;
}

static void files_add_need(struct plan_files *files, const char *need)
{
	glob_t found = {0};
	const char *why;
	size_t i;

	if (strpbrk(need, "*?[") == NULL) {
		files_add_path(files, need, true);
		return;
	}
	files_add(files, "glob", "-", need, "", 0);
	errno = ENOMEM;
	switch (glob(need, 0, files_glob_error, &found)) {
	case 0:
		for (i = 0; i < found.gl_pathc && files->len < FILES_MAX; i++)
			if (files_may_name(found.gl_pathv[i]))
				files_add_path(files, found.gl_pathv[i], true);
		break;
	case GLOB_NOMATCH:
		break;
	default:
		why = strerror(errno);
		files_add(files, "fail", "-", need, why, strlen(why));
	}
	globfree(&found);
}

/* Adds the files that the answer needs. False: it needs none. */
static bool files_add_needs(struct plan_files *files,
			    const struct answer *answer)
{
	size_t before = files->len, i;

	for (i = 0; i < answer->count; i++)
		if (record_is(&answer->records[i], "need"))
			files_add_need(files, record_exact(&answer->records[i],
							   "path"));
	return files->len > before;
}

static void plan_ask(struct answer *answer, struct control_socket *control,
		     const char *path, const struct plan_files *files,
		     unsigned timeout_ms)
{
	char *request = memory_format("plan-files %zu %s\n", files->len, path);
	size_t head_len = strlen(request);

	request = memory_resize(request, head_len + files->len, 1);
	if (files->len > 0)
		memcpy(request + head_len, files->data, files->len);
	control_socket_get(control, request, head_len + files->len, timeout_ms,
			   answer);
	free(request);
}

int plan_get(struct answer *answer, struct control_socket *control,
	     const char *path, unsigned timeout_ms, char **error)
{
	struct plan_files files = {NULL, 0};
	char *real = realpath(path, NULL);
	const char *why = strerror(errno);
	unsigned rounds = 0;

	if (real != NULL)
		why = files_may_name(real) ? files_add_path(&files, real, false)
					   : "has a line break in its name";
	if (why != NULL) {
		*error = memory_format("%s: %s", path, why);
	} else {
		plan_ask(answer, control, real, &files, timeout_ms);
		while (files_add_needs(&files, answer) &&
		       ++rounds < ROUNDS_MAX) {
			answer_fini(answer);
			plan_ask(answer, control, real, &files, timeout_ms);
		}
	}
	free(files.data);
	free(real);
	return why != NULL ? -1 : 0;
}
