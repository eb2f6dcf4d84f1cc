/* SPDX-License-Identifier: MIT */
/* Checks owner, mode and completeness of a module's file before dlopen(3). */
#include "config.h"

#include "module/module_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lined/text.h>

int module_refuse(const struct module_error *error, const char *format, ...)
{
	char why[512], whole[PATH_MAX + sizeof(why)];
	va_list arguments;
	int n;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	n = snprintf(whole, sizeof(whole), "%s: %s", error->file, why);
	lined_text_escape_rest(error->text, error->size, whole,
			       (size_t)n < sizeof(whole) ? (size_t)n
							 : sizeof(whole) - 1);
	return -1;
}

/*
 * Only root and the user that started lined may be able to change the code.
 * Returns why another user can; NULL: none can. If root started lined, the user
 * that lined switches to is not trusted: the next start runs the code as root.
 */
static const char *module_owner_fault(uid_t user, const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != user)
		return user == 0 ? "does not belong to root, and root "
				   "started lined"
				 : "belongs to neither root nor the user lined "
				   "runs as";
	if ((st->st_mode & S_IWGRP) != 0)
		return "is group-writable";
	if ((st->st_mode & S_IWOTH) != 0)
		return "is world-writable";
	return NULL;
}

static int module_check_directory(uid_t user, const char *dir,
				  const struct module_error *error)
{
	const char *fault;
	struct stat st;

	if (stat(dir, &st) < 0)
		return module_refuse(error, "its directory %s: %s", dir,
				     strerror(errno));
	fault = module_owner_fault(user, &st);
	if (fault != NULL)
		return module_refuse(error, "its directory %s %s", dir, fault);
	return 0;
}

int module_check_file(uid_t user, char *path, const char *dir, struct stat *st,
		      const struct module_error *error)
{
	char *slash = strrchr(path, '/');
	const char *fault;
	int rc;

	if (stat(path, st) < 0)
		return module_refuse(error, "%s", strerror(errno));
	if (!S_ISREG(st->st_mode))
		return module_refuse(error, "not a regular file");
	fault = module_owner_fault(user, st);
	if (fault != NULL)
		return module_refuse(error, "%s", fault);
	if (module_check_directory(user, dir, error) < 0)
		return -1;
	/* If dir/NAME.so is a symbolic link, the file is in another directory.
	 */
	*slash = '\0';
	rc = module_check_directory(user, slash == path ? "/" : path, error);
	*slash = '/';
	return rc;
}

/* Reads a part of the file. Returns 1, 0 if the file is shorter, or -1 and
 * errno. */
static int module_read_part(int fd, void *to, size_t len, uint64_t at)
{
	ssize_t n;

	do
		n = pread(fd, to, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : n == (ssize_t)len;
}

/* Returns 1 if the file contains all segments of its ELF program headers, 0 if
 * not, -1 and errno on an error. Also returns 1 for files that are not ELF:
 * dlopen(3) refuses them. */
static int module_is_whole(int fd, uint64_t size)
{
	ElfW(Ehdr) head;
	ElfW(Phdr) part;
	unsigned i;
	int result = module_read_part(fd, &head, sizeof(head), 0);

	if (result < 0)
		return -1;
	if (result == 0 || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_phentsize != sizeof(part))
		return 1;
	for (i = 0; i < head.e_phnum; i++) {
		result = module_read_part(fd, &part, sizeof(part),
					  head.e_phoff + i * sizeof(part));
		if (result <= 0)
			return result;
		if (part.p_type == PT_LOAD &&
		    (part.p_offset > size ||
		     part.p_filesz > size - part.p_offset))
			return 0;
	}
	return 1;
}

int module_check_whole(const char *path, const struct stat *st,
		       const struct module_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int whole, saved;

	if (fd < 0)
		return module_refuse(error, "%s", strerror(errno));
	whole = module_is_whole(fd, (uint64_t)st->st_size);
	saved = errno;
	close(fd);
	if (whole < 0)
		return module_refuse(error, "%s", strerror(saved));
	if (whole == 0)
		return module_refuse(error, "it is cut off after %llu bytes",
				     (unsigned long long)st->st_size);
	return 0;
}
