/* SPDX-License-Identifier: MIT */
/* Checks the file of a module, for module.c. Main thread. */
#pragma once

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A buffer for the error text, and the file to name in it. */
struct module_error {
	char *text;
	size_t size;
	const char *file;
};

/* Writes "FILE: reason" (printf(3) format), made printable. Returns -1. */
int module_refuse(const struct module_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Checks that only root and `user` may change the file or its directory, and
 * fills in *st. path comes from realpath(3) and is changed during the call. -1:
 * refused. */
int module_check_file(uid_t user, char *path, const char *dir, struct stat *st,
		      const struct module_error *error);

/* Checks that the file is not truncated, because dlopen(3) does not: access to
 * a missing page would raise SIGBUS. -1: refused. */
int module_check_whole(const char *path, const struct stat *st,
		       const struct module_error *error);
