/* SPDX-License-Identifier: MIT */
/*
 * Opens config files with care, since a reload must survive anything that may
 * lie at a path, and works off include() as a queue: libconfuse's own neither
 * globs nor nests deeper than ten.
 */
#include "config.h"

#include "config/conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/conf_parse.h"
#include "config/conf_scan.h"

#define FILES_MAX 1024u
#define TOO_LARGE "is larger than 1 MiB: not a config file"

/* A file that was read, to refuse it a second time. */
struct seen {
	struct seen *next;
	dev_t device;
	ino_t inode;
	const struct conf_place *from; /* the include; NULL: the first file */
};

struct reader {
	const struct conf_env *env;
	struct pool *names;
	struct conf_tree *tree;
	struct conf_report *report;
	struct seen *seen;
	unsigned files;
};

static int out_of_memory(struct reader *r)
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

/* Whole, with a NUL behind; NULL and errno. The pool's. */
static char *read_all(struct reader *r, int fd, size_t size, size_t *len)
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

/* Why a file that could be opened is not to be read; NULL: it may be. */
static const char *unfit(const struct reader *r, int fd, const struct stat *st)
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

static const struct seen *find_seen(const struct reader *r,
				    const struct stat *st)
{
	const struct seen *seen;

	for (seen = r->seen; seen != NULL; seen = seen->next)
		if (seen->device == st->st_dev && seen->inode == st->st_ino)
			return seen;
	return NULL;
}

static int note_seen(struct reader *r, const struct stat *st,
		     const struct conf_place *from)
{
	struct seen *seen = pool_alloc(r->tree->pool, sizeof(*seen));

	if (seen == NULL)
		return out_of_memory(r);
	seen->device = st->st_dev;
	seen->inode = st->st_ino;
	seen->from = from;
	seen->next = r->seen;
	r->seen = seen;
	return 0;
}

/* A file that cannot be read: at the include that names it, or as itself. */
static void report_file(struct reader *r, const char *path,
			const struct conf_place *from, const char *why)
{
	const struct conf_place itself = {path, 0, 0};

	if (from == NULL)
		conf_error(r->report, &itself, "%s", why);
	else
		conf_error(r->report, from, "include \"%s\": %s", path, why);
}

/* Refuses what was read before: an include that goes round, or two alike. */
static int check_seen(struct reader *r, const char *path, const struct stat *st,
		      const struct conf_place *from)
{
	const struct seen *seen = find_seen(r, st);

	if (seen == NULL)
		return note_seen(r, st, from);
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

/* Scans and parses. -1: reading ends. */
static int take_text(struct reader *r, const char *path, const char *text,
		     size_t len)
{
	struct conf_place place = {path, 0, r->files++};
	struct conf_scan scan;

	if (conf_scan(text, len, &place, r->tree->pool, r->report, &scan) < 0)
		return -1;
	return conf_parse(&scan, &place, r->tree, r->report);
}

/* Reads one file. -1: reading ends; 0 where it is only passed over. */
static int read_file(struct reader *r, const char *path,
		     const struct conf_place *from)
{
	/* A FIFO must not hold up the daemon. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why = NULL;
	char *text = NULL;
	struct stat st;
	size_t len = 0;
	int status = 0;

	path = pool_strdup(r->names, path);
	if (path == NULL) {
		status = out_of_memory(r);
	} else if (fd < 0 || fstat(fd, &st) < 0) {
		why = strerror(errno);
	} else if ((why = unfit(r, fd, &st)) == NULL &&
		   (status = check_seen(r, path, &st, from)) == 0) {
		text = read_all(r, fd, (size_t)st.st_size, &len);
		if (text == NULL)
			why = strerror(errno);
	}
	if (fd >= 0)
		close(fd);
	if (why != NULL)
		report_file(r, path, from, why);
	if (text != NULL)
		status = take_text(r, path, text, len);
	return status < 0 || (why != NULL && from == NULL) ? -1 : 0;
}

/* The first file where its text is given; it may be nowhere else. */
static int read_given(struct reader *r, const char *path)
{
	struct stat st;

	path = pool_strdup(r->names, path);
	if (path == NULL)
		return out_of_memory(r);
	if (stat(path, &st) == 0 && note_seen(r, &st, NULL) < 0)
		return -1;
	if (r->env->text_len > CONF_FILE_MAX) {
		report_file(r, path, NULL, TOO_LARGE);
		return -1;
	}
	return take_text(r, path, r->env->text, r->env->text_len);
}

/* A directory that is not there matches nothing; one that is shut is told. */
static int on_glob_error(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int read_matches(struct reader *r, const struct conf_include *include,
			const char *pattern)
{
	glob_t found = {0};
	int status = 0;
	size_t i;

	switch (glob(pattern, 0, on_glob_error, &found)) {
	case 0:
		for (i = 0; i < found.gl_pathc && status == 0; i++)
			status = read_file(r, found.gl_pathv[i],
					   &include->place);
		break;
	case GLOB_NOMATCH:
		break;
	case GLOB_NOSPACE:
		status = out_of_memory(r);
		break;
	default:
		report_file(r, pattern, &include->place, strerror(errno));
	}
	globfree(&found);
	return status;
}

static int read_include(struct reader *r, const struct conf_include *include)
{
	const char *pattern = conf_file_path(include->pattern, &include->place,
					     r->tree->pool);

	if (pattern == NULL)
		return out_of_memory(r);
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
		return read_file(r, pattern, &include->place);
	return read_matches(r, include, pattern);
}

int conf_file_read(const char *path, const struct conf_env *env,
		   struct pool *names, struct conf_tree *tree,
		   struct conf_report *report)
{
	struct reader r = {
		.env = env, .names = names, .tree = tree, .report = report};
	struct conf_include *include;

	conf_node_init(&tree->root);
	tree->includes = NULL;
	tree->includes_end = &tree->includes;
	if ((env->text != NULL ? read_given(&r, path)
			       : read_file(&r, path, NULL)) < 0)
		return -1;
	/* Those that the included files name are added behind. */
	for (include = tree->includes; include != NULL; include = include->next)
		if (read_include(&r, include) < 0)
			return -1;
	return 0;
}
