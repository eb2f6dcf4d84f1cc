/* SPDX-License-Identifier: MIT */
/*
 * Opens config files. A path may be a FIFO, a directory or a device, and a
 * reload must survive it: only regular files are read. include() adds to a
 * queue of patterns, because the include() of libconfuse does not glob and
 * nests ten deep at most.
 */
#include "config.h"

#include "config/conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/parse/conf_parse.h"
#include "pool.h"

#define FILES_MAX 1024u
#define TOO_LARGE "is larger than 1 MiB: not a config file"

/* A file that was read: reading it again is an error. */
struct file_seen {
	struct file_seen *next;
	dev_t device;
	ino_t inode;
	const struct conf_place *from; /* the include; NULL: the first file */
};

struct file_reader {
	const struct conf_env *env;
	struct pool *names;
	struct conf_tree *tree;
	struct conf_report *report;
	struct file_seen *seen;
	unsigned files;
};

static int file_oom(struct file_reader *r)
{
	r->report->oom = true;
	return -1;
}

const char *conf_file_path(const char *path, const struct conf_place *place,
			   struct pool *pool)
{
	const char *slash = strrchr(place->file, '/');

	if (path[0] == '/' || slash == NULL)
		return pool_strdup(pool, path);
	return pool_printf(pool, "%.*s/%s", (int)(slash - place->file),
			   place->file, path);
}

/* The whole file, followed by a NUL, in the tree's pool. NULL and errno. */
static char *file_read_all(struct file_reader *r, int fd, size_t size,
			   size_t *len)
{
	char *text = pool_alloc(r->tree->pool, size + 1);
	ssize_t got;

	if (text == NULL)
		return NULL;
	for (*len = 0; *len < size; *len += (size_t)got) {
		got = read(fd, text + *len, size - *len);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got < 0)
			return NULL;
		else if (got == 0)
			break;
	}
	return text;
}

/* The reason why an open file is not to be read; NULL: it may be. */
static const char *file_unfit(const struct file_reader *r, int fd,
			      const struct stat *st)
{
	const struct conf_env *env = r->env;

	if (env->may_read != NULL && !env->may_read(env->may_read_arg, fd))
		return strerror(EACCES);
	if (S_ISDIR(st->st_mode))
		return "is a directory";
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_size > (off_t)CONF_FILE_MAX)
		return TOO_LARGE;
	return NULL;
}

static const struct file_seen *file_find_seen(const struct file_reader *r,
					      const struct stat *st)
{
	const struct file_seen *seen;

	for (seen = r->seen; seen != NULL; seen = seen->next)
		if (seen->device == st->st_dev && seen->inode == st->st_ino)
			return seen;
	return NULL;
}

static int file_note_seen(struct file_reader *r, const struct stat *st,
			  const struct conf_place *from)
{
	struct file_seen *seen = pool_alloc(r->tree->pool, sizeof(*seen));

	if (seen == NULL)
		return file_oom(r);
	seen->device = st->st_dev;
	seen->inode = st->st_ino;
	seen->from = from;
	seen->next = r->seen;
	r->seen = seen;
	return 0;
}

/* Reports an error of a file at the include that names it, if there is one. */
static void file_report(struct file_reader *r, const char *path,
			const struct conf_place *from, const char *why)
{
	const struct conf_place itself = {path, 0, 0};

	if (from == NULL)
		conf_error(r->report, &itself, "%s", why);
	else
		conf_error(r->report, from, "include \"%s\": %s", path, why);
}

/* 1 and an error if the file was read before: two includes name it, or includes
 * form a circle. 0: it was not. -1: no memory. */
static int file_check_seen(struct file_reader *r, const char *path,
			   const struct stat *st, const struct conf_place *from)
{
	const struct file_seen *seen = file_find_seen(r, st);

	if (seen == NULL)
		return file_note_seen(r, st, from);
	if (seen->from == NULL)
		conf_error(r->report, from,
			   "include \"%s\": this is the file that reading "
			   "began with",
			   path);
	else
		conf_error(r->report, from,
			   "include \"%s\": the file is already included at "
			   "%s:%u",
			   path, seen->from->file, seen->from->line);
	return 1;
}

/* -1: reading ends. */
static int file_take_text(struct file_reader *r, const char *path,
			  const char *text, size_t len)
{
	struct conf_place place = {path, 0, r->files++};

	return conf_parse_text(text, len, &place, r->tree, r->report);
}

/* -1: the load ends. 0 also if the file was reported and skipped. */
static int file_read(struct file_reader *r, const char *path,
		     const struct conf_place *from)
{
	/* Opening a FIFO must not block the daemon. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why = NULL;
	char *text = NULL;
	struct stat st;
	size_t len = 0;
	int status = 0;

	path = pool_strdup(r->names, path);
	if (path == NULL) {
		status = file_oom(r);
	} else if (fd < 0 || fstat(fd, &st) < 0) {
		why = strerror(errno);
	} else if ((why = file_unfit(r, fd, &st)) == NULL &&
		   (status = file_check_seen(r, path, &st, from)) == 0) {
		text = file_read_all(r, fd, (size_t)st.st_size, &len);
		if (text == NULL)
			why = strerror(errno);
	}
	if (fd >= 0)
		close(fd);
	if (why != NULL)
		file_report(r, path, from, why);
	if (text != NULL)
		status = file_take_text(r, path, text, len);
	return status < 0 || (why != NULL && from == NULL) ? -1 : 0;
}

/* Reads the first file from the text in env: the path need not exist. */
static int file_read_given(struct file_reader *r, const char *path)
{
	struct stat st;

	path = pool_strdup(r->names, path);
	if (path == NULL)
		return file_oom(r);
	if (stat(path, &st) == 0 && file_note_seen(r, &st, NULL) < 0)
		return -1;
	if (r->env->text_len > CONF_FILE_MAX) {
		file_report(r, path, NULL, TOO_LARGE);
		return -1;
	}
	return file_take_text(r, path, r->env->text, r->env->text_len);
}

/* A directory that does not exist matches nothing; one that cannot be read is
 * an error. */
static int file_glob_error(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int file_read_matches(struct file_reader *r,
			     const struct conf_include *include,
			     const char *pattern)
{
	glob_t found = {0};
	int status = 0;
	size_t i;

	switch (glob(pattern, 0, file_glob_error, &found)) {
	case 0:
		for (i = 0; i < found.gl_pathc && status == 0; i++)
			status = file_read(r, found.gl_pathv[i],
					   &include->place);
		break;
	case GLOB_NOMATCH:
		break;
	case GLOB_NOSPACE:
		status = file_oom(r);
		break;
	default:
		file_report(r, pattern, &include->place, strerror(errno));
	}
	globfree(&found);
	return status;
}

static int file_read_include(struct file_reader *r,
			     const struct conf_include *include)
{
	const char *pattern = conf_file_path(include->pattern, &include->place,
					     r->tree->pool);

	if (pattern == NULL)
		return file_oom(r);
	if (r->files >= FILES_MAX) {
		conf_error(r->report, &include->place,
			   "more than %u files are included", FILES_MAX);
		return -1;
	}
	if (include->pattern[0] == '\0') {
		conf_error(r->report, &include->place,
			   "include(): the pattern is empty");
		return 0;
	}
	if (strpbrk(include->pattern, "*?[") == NULL)
		return file_read(r, pattern, &include->place);
	return file_read_matches(r, include, pattern);
}

int conf_file_read(const char *path, const struct conf_env *env,
		   struct pool *names, struct conf_tree *tree,
		   struct conf_report *report)
{
	struct file_reader r = {
		.env = env, .names = names, .tree = tree, .report = report};
	struct conf_include *include;

	if ((env->text != NULL ? file_read_given(&r, path)
			       : file_read(&r, path, NULL)) < 0)
		return -1;
	/* Included files append their own includes to this list. */
	for (include = tree->includes; include != NULL; include = include->next)
		if (file_read_include(&r, include) < 0)
			return -1;
	return 0;
}
