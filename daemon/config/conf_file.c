/* SPDX-License-Identifier: MIT */
/*
 * Opens config files. A path may be a FIFO, a directory or a device, and a
 * reload must survive that, so only regular files are read. include() adds to a
 * queue of patterns, because libconfuse's include() has no wildcards and nests
 * at most ten deep.
 */
#include "config.h"

#include "config/conf_build.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/parse/conf_parse.h"
#include "memory_pool.h"
#include "system/fd_close.h"

#define FILES_MAX 1024u
#define TEXT_MAX  (16u << 20) /* bytes of all files */
#define TOO_LARGE "is larger than 1 MiB: not a config file"

struct file_reader {
	const struct conf_env *env;
	struct pool *names;
	struct conf_tree *tree;
	struct conf_report *report;
	unsigned files;
	size_t text_len; /* bytes of all files */
};

const char *conf_file_path(const char *path, const struct conf_place *place,
			   struct pool *pool)
{
	const char *slash = strrchr(place->file, '/');

	if (path[0] == '/' || slash == NULL)
		return pool_strdup(pool, path);
	return pool_printf(pool, "%.*s/%s", (int)(slash - place->file),
			   place->file, path);
}

/* Reads the whole file into the tree's pool, followed by a NUL. NULL and errno.
 */
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

/* Returns why an open file must not be read; NULL: the file may be read. */
static const char *file_unfit(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return "is a directory";
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_size > (off_t)CONF_FILE_MAX)
		return TOO_LARGE;
	return NULL;
}

/* Reports an error of a file, at the place of its include (from); from NULL: at
 * the file itself. */
static void file_report(struct file_reader *r, const char *path,
			const struct conf_place *from, const char *why)
{
	const struct conf_place itself = {path, 0, 0};

	if (from == NULL)
		conf_error(r->report, &itself, "%s", why);
	else
		conf_error(r->report, from, "include \"%s\": %s", path, why);
}

/* Returns 1 and reports if the file was read before: two includes name it, or
 * includes form a circle. 0: not read before. -1: no memory. */
static int file_check_seen(struct file_reader *r, const char *path,
			   const char *id, const struct conf_place *from)
{
	struct conf_tree_file *seen;

	for (seen = r->tree->files; seen != NULL; seen = seen->next)
		if (strcmp(seen->id, id) == 0)
			break;
	if (seen == NULL) {
		seen = pool_alloc(r->tree->pool, sizeof(*seen));
		if (seen == NULL)
			return -1;
		*seen = (struct conf_tree_file){r->tree->files, path, id, from};
		r->tree->files = seen;
		return 0;
	}
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

/* Parses a file's text. -1: stop reading. */
static int file_take_text(struct file_reader *r, const char *path,
			  const struct conf_place *from, const char *text,
			  size_t len)
{
	struct conf_place place = {path, 0, r->files++};

	r->text_len += len;
	if (r->files > FILES_MAX)
		conf_error(r->report, from, "more than %u files are included",
			   FILES_MAX);
	else if (r->text_len > TEXT_MAX)
		conf_error(r->report, from,
			   "the config files have more than %u bytes in all",
			   TEXT_MAX);
	else
		return conf_parse_text(text, len, &place, r->tree, r->report);
	return -1;
}

/* Reads one file. -1: stop the load. 0: read, or reported and skipped. */
static int file_read(struct file_reader *r, const char *path,
		     const struct conf_place *from)
{
	/* O_NONBLOCK: opening a FIFO must not block. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why = NULL, *id = NULL;
	char *text = NULL;
	struct stat st;
	size_t len = 0;
	int status = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		why = strerror(errno);
	} else if ((why = file_unfit(&st)) == NULL) {
		id = pool_printf(r->tree->pool, "%llu.%llu",
				 (unsigned long long)st.st_dev,
				 (unsigned long long)st.st_ino);
		status = id == NULL ? -1 : file_check_seen(r, path, id, from);
	}
	if (why == NULL && status == 0) {
		text = file_read_all(r, fd, (size_t)st.st_size, &len);
		if (text == NULL)
			why = strerror(errno);
	}
	fd_close(fd);
	if (why != NULL)
		file_report(r, path, from, why);
	if (text != NULL)
		status = file_take_text(r, path, from, text, len);
	return status < 0 || (why != NULL && from == NULL) ? -1 : 0;
}

/* Reads a file under a copy of its path, because places keep a pointer to the
 * path. */
static int file_read_named(struct file_reader *r, const char *path,
			   const struct conf_place *from)
{
	path = pool_strdup(r->names, path);
	return path != NULL ? file_read(r, path, from) : -1;
}

/* ---- files that are given ---------------------------------------------- */

/* An item of env->files. */
struct given {
	const char *kind, *id, *path;
	const char *text;
	size_t len;
};

static size_t given_length(const char *text)
{
	return text != NULL ? strtoul(text, NULL, 10) : SIZE_MAX;
}

/* Reads the item at *at and moves *at to the next one. False: no more items, a
 * malformed item, or no memory. */
static bool given_next(struct file_reader *r, size_t *at, struct given *given)
{
	const char *begin = r->env->files + *at;
	size_t left = r->env->files_len - *at;
	const char *end = memchr(begin, '\n', left);
	char *head, *rest;

	if (end == NULL)
		return false;
	head = pool_strndup(r->tree->pool, begin, (size_t)(end - begin));
	if (head == NULL)
		return false;
	left -= (size_t)(end - begin) + 1;
	given->kind = strtok_r(head, " ", &rest);
	given->text = end + 1;
	given->len = given_length(strtok_r(NULL, " ", &rest));
	given->id = strtok_r(NULL, " ", &rest);
	given->path = rest;
	if (given->kind == NULL || given->id == NULL || given->len > left)
		return false;
	*at += (size_t)(end - begin) + 1 + given->len;
	return true;
}

/* As file_read(), for an item instead of a file. */
static int given_take(struct file_reader *r, const struct given *given,
		      const struct conf_place *from)
{
	const char *id = given->id, *path = given->path, *why = NULL;
	char *text;
	int status;

	text = pool_strndup(r->tree->pool, given->text, given->len);
	path = pool_strdup(r->names, path);
	if (text == NULL || path == NULL)
		return -1;
	if (strcmp(given->kind, "fail") == 0)
		why = text;
	else if (given->len > CONF_FILE_MAX)
		why = TOO_LARGE;
	if (why != NULL) {
		file_report(r, path, from, why);
		return from == NULL ? -1 : 0;
	}
	status = file_check_seen(r, path, strcmp(id, "-") == 0 ? path : id,
				 from);
	if (status == 0)
		status = file_take_text(r, path, from, text, given->len);
	return status < 0 ? -1 : 0;
}

/* Takes the item of the path or, if the path has wildcards (matches), all items
 * that match. */
static int given_read(struct file_reader *r, const char *path, bool matches,
		      const struct conf_place *from)
{
	struct given given;
	bool found = false;
	size_t at = 0;

	while (given_next(r, &at, &given)) {
		bool is_glob = strcmp(given.kind, "glob") == 0;

		if (is_glob && matches && strcmp(given.path, path) == 0)
			found = true;
		if (is_glob ||
		    (matches ? fnmatch(path, given.path,
				       FNM_PATHNAME | FNM_PERIOD) != 0
			     : strcmp(given.path, path) != 0))
			continue;
		if (given_take(r, &given, from) < 0)
			return -1;
		if (!matches)
			return 0;
	}
	if (!found)
		conf_need(r->report, path);
	return pool_failed(r->tree->pool) ? -1 : 0;
}

/* ---- includes ---------------------------------------------------------- */

/* A missing directory matches nothing; a directory that cannot be read is an
 * error. */
static int file_glob_error(const char *path, int error)
{
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
			status = file_read_named(r, found.gl_pathv[i],
						 &include->place);
		break;
	case GLOB_NOMATCH:
		break;
	case GLOB_NOSPACE:
		r->report->oom = true;
		status = -1;
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
	bool matches;

	if (pattern == NULL)
		return -1;
	if (include->pattern[0] == '\0') {
		conf_error(r->report, &include->place,
			   "include(): the pattern is empty");
		return 0;
	}
	matches = strpbrk(include->pattern, "*?[") != NULL;
	if (r->env->files != NULL)
		return given_read(r, pattern, matches, &include->place);
	if (matches)
		return file_read_matches(r, include, pattern);
	return file_read_named(r, pattern, &include->place);
}

int conf_file_read(const char *path, const struct conf_env *env,
		   struct pool *names, struct conf_tree *tree,
		   struct conf_report *report)
{
	struct file_reader r = {
		.env = env, .names = names, .tree = tree, .report = report};
	struct conf_include *include;

	if ((env->files != NULL ? given_read(&r, path, false, NULL)
				: file_read_named(&r, path, NULL)) < 0)
		return -1;
	/* The list grows in this loop: included files append their own
	 * includes. */
	for (include = tree->includes; include != NULL; include = include->next)
		if (file_read_include(&r, include) < 0)
			return -1;
	return 0;
}

/* ---- the user ----------------------------------------------------------- */

/* Warns at the place of the include (from); from NULL: at the file itself. */
static void file_warn(struct conf_build *build, const char *path,
		      const struct conf_place *from, const char *why)
{
	const struct conf_place itself = {path, 0, 0};
	char quoted[CONF_QUOTED_MAX];

	conf_warning_with(&build->report, from != NULL ? path : "",
			  from != NULL ? from : &itself,
			  "user \"%s\" cannot read it (%s), so each reload "
			  "will be refused",
			  conf_quoted(build->user, quoted), why);
}

/* Warns if the user cannot read the directory of an include with wildcards. */
static void file_check_matches(struct conf_build *build,
			       const struct conf_include *include)
{
	const char *pattern = conf_file_path(include->pattern, &include->place,
					     build->tree.pool);
	glob_t found = {0};

	if (pattern != NULL &&
	    glob(pattern, 0, file_glob_error, &found) == GLOB_ABORTED)
		file_warn(build, pattern, &include->place, strerror(errno));
	globfree(&found);
}

void conf_file_check_user(struct conf_build *build)
{
	const struct conf_tree_file *file;
	const struct conf_include *include;

	/* With env->files, there may be no files at these paths. */
	if (build->env->files != NULL || !privileges_visit_begin(build->visit))
		return;
	for (file = build->tree.files; file != NULL; file = file->next) {
		int fd = open(file->path,
			      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

		if (fd < 0)
			file_warn(build, file->path, file->from,
				  strerror(errno));
		fd_close(fd);
	}
	for (include = build->tree.includes; include != NULL;
	     include = include->next)
		if (strpbrk(include->pattern, "*?[") != NULL)
			file_check_matches(build, include);
	privileges_visit_end(build->visit);
}
