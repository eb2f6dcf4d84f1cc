/* SPDX-License-Identifier: MIT */
/*
 * Finds modules that are already loaded, and loads others with dlopen(3).
 * module_file.c checks the files of modules, protocol_check.c checks their
 * lined_protocol.
 */
#include "config.h"

#include "module/module.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module/module_file.h"
#include "module/protocol_check.h"
#include "system/crash.h"

#define NAME_MAX_LEN 32
#define NAME_BYTES   "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define SYMBOL       "lined_protocol"

struct module {
	struct module *next;
	char *path; /* with symbolic links resolved */
	struct stat file;
	void *handle;
	uintptr_t begin, end; /* addresses of the loaded segments */
	/* Points into the module, or to `padded` if the module's lined_protocol
	 * has fewer members. */
	const struct lined_protocol *protocol;
	struct lined_protocol padded;
};

struct modules {
	struct module *first; /* newest first */
	uid_t user;           /* the user that started this process */
};

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

/* ---- the loader ------------------------------------------------------ */

/*
 * Returns the path to pass to dlopen(3). dlopen(3) returns the old module for a
 * path that was loaded before, even if the file was replaced. So each new file
 * at the same path gets one more "./" in its path.
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
		/* module_refuse() adds the file's name. Remove the name with
		 * which most messages of dlerror(3) begin. */
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
		const struct stat *loaded = &module->file;

		if (loaded->st_dev != st->st_dev ||
		    loaded->st_ino != st->st_ino)
			continue;
		*changed = loaded->st_size != st->st_size ||
			   loaded->st_mtim.tv_sec != st->st_mtim.tv_sec ||
			   loaded->st_mtim.tv_nsec != st->st_mtim.tv_nsec;
		return module;
	}
	return NULL;
}

static int module_is_listed(const struct dirent *file)
{
	const char *end = strrchr(file->d_name, '.');

	return file->d_name[0] != '.' && end != NULL && strcmp(end, ".so") == 0;
}

void module_list(const char *dir, char *text, size_t size)
{
	struct dirent **files = NULL;
	int count = scandir(dir, &files, module_is_listed, alphasort), i;
	size_t used = 0;

	text[0] = '\0';
	for (i = 0; i < count; i++) {
		const char *name = files[i]->d_name;

		if (used < size)
			used += (size_t)snprintf(text + used, size - used,
						 "%s%.*s", i > 0 ? ", " : "",
						 (int)strlen(name) - 3, name);
		free(files[i]);
	}
	free(files);
}

bool module_exists(const char *dir, const char *name)
{
	char file[PATH_MAX];
	int n = snprintf(file, sizeof(file), "%s/%s.so", dir, name);

	return (size_t)n < sizeof(file) && access(file, F_OK) == 0;
}

/* Checks dir/NAME.so and fills in *st. Returns the file's path, which the
 * caller frees. NULL: refused. */
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

/* Returns the protocol of a loaded module. NULL: refused. */
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

/* load: whether to load a module that is not loaded yet. */
static const struct lined_protocol *module_get(struct modules *modules,
					       const char *dir,
					       const char *name, bool load,
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
	if (module == NULL && load) {
		module = module_load_file(modules, path, &st, name, &report);
		return module != NULL ? module->protocol : NULL;
	}
	free(path);
	error[0] = '\0';
	return module != NULL ? module_use(module, changed, name, &report)
			      : NULL;
}

const struct lined_protocol *module_find_loaded(struct modules *modules,
						const char *dir,
						const char *name, char *error,
						size_t size)
{
	return module_get(modules, dir, name, false, error, size);
}

const struct lined_protocol *module_load(struct modules *modules,
					 const char *dir, const char *name,
					 char *error, size_t size)
{
	return module_get(modules, dir, name, true, error, size);
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
