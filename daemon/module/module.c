/* SPDX-License-Identifier: MIT */
/*
 * Checks owner and mode of module files, finds modules that are already loaded,
 * and calls dlopen(3). protocol_check.c checks their lined_protocol.
 */
#include "config.h"

#include "module/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lined/text.h>

#include "system/crash.h"
#include "log/log.h"
#include "module/protocol_check.h"

#define NAME_MAX_LEN 32
#define NAME_BYTES   "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define SYMBOL       "lined_protocol"

struct module {
	struct module *next;
	char *path; /* with symbolic links resolved */
	struct stat file;
	void *handle;
	uintptr_t begin, end; /* addresses of the loaded segments */
	/* Points into the module, or to `padded` if the module was built with
	 * fewer members. */
	const struct lined_protocol *protocol;
	struct lined_protocol padded;
};

struct modules {
	struct module *first; /* newest first */
	uid_t user;           /* the user that started this process */
};

/* A buffer for the error text, and the file to name in it. */
struct module_error {
	char *text;
	size_t size;
	const char *file;
};

static int module_refuse(const struct module_error *error, const char *format,
			 ...) __attribute__((format(printf, 2, 3)));

static int module_refuse(const struct module_error *error, const char *format,
			 ...)
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

struct modules *modules_new(void)
{
	struct modules *modules = calloc(1, sizeof(*modules));

	if (modules != NULL)
		modules->user = geteuid();
	return modules;
}

static void module_free(struct module *module)
{
	if (module->handle != NULL)
		dlclose(module->handle);
	free(module->path);
	free(module);
}

void modules_free(struct modules *modules)
{
	struct module *module;

	if (modules == NULL)
		return;
	while ((module = modules->first) != NULL) {
		modules->first = module->next;
		module_free(module);
	}
	free(modules);
}

/* ---- the file -------------------------------------------------------- */

/*
 * Returns why a user other than root and the user that started lined could
 * change the code; NULL: no other user can. If lined was started by root, the
 * user it switches to is not trusted: the next start runs the code as root.
 */
static const char *module_owner_fault(uid_t user, const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != user)
		return user == 0 ? "does not belong to root, as which lined "
				   "was started"
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

/* Checks a file. path comes from realpath(3) and is changed during the call. */
static int module_check_file(uid_t user, char *path, const char *dir,
			     struct stat *st, const struct module_error *error)
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
	/* Behind a symbolic link, the file is in a directory other than dir. */
	*slash = '\0';
	rc = module_check_directory(user, slash == path ? "/" : path, error);
	*slash = '/';
	return rc;
}

/* Reads a part of the file. 0: the file is shorter; -1 and errno. */
static int module_read_part(int fd, void *to, size_t len, uint64_t at)
{
	ssize_t n;

	do
		n = pread(fd, to, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : n == (ssize_t)len;
}

/* Whether the file contains all segments listed in its ELF header. 1 for other
 * kinds of file, which dlopen(3) refuses. -1 and errno. */
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

/* Refuses a truncated file: dlopen(3) does not check this, and access to a
 * missing page would be a SIGBUS. */
static int module_check_whole(const char *path, const struct stat *st,
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

static bool module_is_same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool module_is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* ---- the loader ------------------------------------------------------ */

/*
 * Returns the path for dlopen(3), which compares paths first: for a replaced
 * file dlopen(3) would return the old module. So each new file at the same path
 * gets one more "./" in its path.
 */
static char *module_spelling(const struct modules *modules, const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	const struct module *other;
	size_t dots = 0, i;
	char *text, *at;

	for (other = modules->first; other != NULL; other = other->next)
		dots += strcmp(other->path, path) == 0;
	text = malloc(strlen(path) + 2 * dots + 1);
	if (text == NULL)
		return NULL;
	memcpy(text, path, (size_t)(base - path));
	at = text + (base - path);
	for (i = 0; i < dots; i++, at += 2)
		memcpy(at, "./", 2);
	memcpy(at, base, strlen(base) + 1);
	return text;
}

static int module_find_code(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct module *module = arg;
	uintptr_t inside = (uintptr_t)module->protocol, begin, end;
	bool found = false;
	ElfW(Half) i;

	module->begin = UINTPTR_MAX;
	module->end = 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD)
			continue;
		begin = (uintptr_t)(info->dlpi_addr + part->p_vaddr);
		end = begin + part->p_memsz;
		found |= inside >= begin && inside < end;
		if (begin < module->begin)
			module->begin = begin;
		if (end > module->end)
			module->end = end;
	}
	return found;
}

static int module_open(struct module *module, const struct modules *modules,
		       const struct module_error *error)
{
	char *text = module_spelling(modules, module->path);
	const char *why;
	size_t len;

	if (text == NULL)
		return module_refuse(error, "%s", strerror(errno));
	/* The module's constructors, run by dlopen(3), may crash. */
	crash_doing(error->file);
	module->handle = dlopen(text, RTLD_NOW | RTLD_LOCAL);
	crash_doing(NULL);
	if (module->handle == NULL) {
		why = dlerror();
		len = strlen(text);
		/* Most messages of dlerror(3) begin with the file's name, which
		 * module_refuse() adds already. */
		if (strncmp(why, text, len) == 0 &&
		    strncmp(why + len, ": ", 2) == 0)
			why += len + 2;
		module_refuse(error, "%s", why);
	}
	free(text);
	return module->handle == NULL ? -1 : 0;
}

static int module_take_protocol(struct module *module, const char *name,
				const struct module_error *error)
{
	const struct lined_protocol *protocol = dlsym(module->handle, SYMBOL);
	char why[512];

	if (protocol == NULL)
		return module_refuse(error, "it exports no " SYMBOL);
	if (protocol_check_abi(protocol, why, sizeof(why)) < 0)
		return module_refuse(error, "%s", why);
	module->protocol = protocol;
	if (dl_iterate_phdr(module_find_code, module) == 0)
		module->begin = module->end = 0;
	if (protocol->size < sizeof(module->padded)) {
		memcpy(&module->padded, protocol, protocol->size);
		protocol = &module->padded;
	}
	if (protocol_check(protocol, name, why, sizeof(why)) < 0)
		return module_refuse(error, "%s", why);
	module->protocol = protocol;
	return 0;
}

/* Loads a checked file. Takes ownership of path. */
static struct module *module_load_file(struct modules *modules, char *path,
				       const struct stat *st, const char *name,
				       const struct module_error *error)
{
	struct module *module = calloc(1, sizeof(*module));

	if (module == NULL) {
		module_refuse(error, "%s", strerror(errno));
		free(path);
		return NULL;
	}
	module->path = path;
	module->file = *st;
	if (module_check_whole(path, st, error) < 0 ||
	    module_open(module, modules, error) < 0 ||
	    module_take_protocol(module, name, error) < 0) {
		module_free(module);
		return NULL;
	}
	module->next = modules->first;
	__atomic_store_n(&modules->first, module, __ATOMIC_RELEASE);
	return module;
}

/* ---- by name --------------------------------------------------------- */

static bool module_is_name(const char *name)
{
	size_t len = strspn(name, NAME_BYTES);

	return len > 0 && len <= NAME_MAX_LEN && name[len] == '\0';
}

/* Finds the module loaded from this file; NULL: none. *changed: the file was
 * changed in place after loading. */
static struct module *module_find(const struct modules *modules,
				  const struct stat *st, bool *changed)
{
	struct module *module;

	for (module = modules->first; module != NULL; module = module->next) {
		if (!module_is_same_inode(&module->file, st))
			continue;
		*changed = !module_is_unchanged(&module->file, st);
		return module;
	}
	return NULL;
}

static int module_compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void module_list(const char *dir, char *text, size_t size)
{
	char path[PATH_MAX];
	size_t used = 0, i;
	glob_t found;
	int n;

	text[0] = '\0';
	n = snprintf(path, sizeof(path), "%s/*.so", dir);
	if ((size_t)n >= sizeof(path) ||
	    glob(path, GLOB_NOSORT, NULL, &found) != 0)
		return;
	qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv),
	      module_compare_names);
	for (i = 0; i < found.gl_pathc && used < size; i++) {
		const char *name = strrchr(found.gl_pathv[i], '/') + 1;

		used += (size_t)snprintf(text + used, size - used, "%s%.*s",
					 i > 0 ? ", " : "",
					 (int)strlen(name) - 3, name);
	}
	globfree(&found);
}

bool module_exists(const char *dir, const char *name)
{
	char file[PATH_MAX];
	int n = snprintf(file, sizeof(file), "%s/%s.so", dir, name);

	return (size_t)n < sizeof(file) && access(file, F_OK) == 0;
}

/* Returns the checked path of dir/NAME.so, which the caller frees; *st is its
 * status. NULL: refused. */
static char *module_locate(const struct modules *modules, const char *dir,
			   const char *name, struct stat *st,
			   char file[PATH_MAX],
			   const struct module_error *report)
{
	int n = snprintf(file, PATH_MAX, "%s/%s.so", dir, name);
	char *path;

	if (!module_is_name(name)) {
		module_refuse(report, "not the name of a protocol");
		return NULL;
	}
	path = n < PATH_MAX ? realpath(file, NULL) : NULL;
	if (path == NULL) {
		module_refuse(report, "%s",
			      strerror(n < PATH_MAX ? errno : ENAMETOOLONG));
		return NULL;
	}
	if (module_check_file(modules->user, path, dir, st, report) == 0)
		return path;
	free(path);
	return NULL;
}

/* Returns the protocol of a loaded module; NULL: it cannot be used. */
static const struct lined_protocol *
module_use(const struct module *module, bool changed, const char *name,
	   const struct module_error *report)
{
	char why[512];

	if (changed)
		module_refuse(report,
			      "it was changed in place since it was loaded: "
			      "restart lined, or install it as a new file");
	else if (protocol_check(module->protocol, name, why, sizeof(why)) < 0)
		module_refuse(report, "%s", why);
	else
		return module->protocol;
	return NULL;
}

const struct lined_protocol *module_find_loaded(const struct modules *modules,
						const char *dir,
						const char *name, char *error,
						size_t size)
{
	char file[PATH_MAX];
	const struct module_error report = {error, size, file};
	const struct module *module;
	bool changed = false;
	struct stat st;
	char *path = module_locate(modules, dir, name, &st, file, &report);

	if (path == NULL)
		return NULL;
	free(path);
	error[0] = '\0';
	module = module_find(modules, &st, &changed);
	return module != NULL ? module_use(module, changed, name, &report)
			      : NULL;
}

const struct lined_protocol *module_load(struct modules *modules,
					 const char *dir, const char *name,
					 char *error, size_t size)
{
	char file[PATH_MAX];
	const struct module_error report = {error, size, file};
	struct module *module;
	bool changed = false;
	struct stat st;
	char *path = module_locate(modules, dir, name, &st, file, &report);

	if (path == NULL)
		return NULL;
	module = module_find(modules, &st, &changed);
	if (module == NULL) {
		module = module_load_file(modules, path, &st, name, &report);
		return module != NULL ? module->protocol : NULL;
	}
	free(path);
	return module_use(module, changed, name, &report);
}

const struct lined_protocol *module_of_code(const struct modules *modules,
					    uintptr_t address)
{
	const struct module *module;

	if (modules == NULL || address == 0)
		return NULL;
	for (module = __atomic_load_n(&modules->first, __ATOMIC_ACQUIRE);
	     module != NULL; module = module->next)
		if (address >= module->begin && address < module->end)
			return module->protocol;
	return NULL;
}
