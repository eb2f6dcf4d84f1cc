/* SPDX-License-Identifier: MIT */
/*
 * Loads protocol modules: checks the file before dlopen(3) and the module's
 * lined_protocol after it. Calls none of the protocol's functions. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/protocol.h>

/* The modules loaded so far. */
struct modules;

/* NULL/ENOMEM. */
struct modules *modules_new(void);

/*
 * Unloads all modules. From then on, no code of a module may run, and pointers
 * into modules are invalid. NULL is fine.
 */
void modules_free(struct modules *modules);

/* Writes the sorted names of the modules in a directory, as many as fit. */
void module_list(const char *dir, char *text, size_t size);

/* Whether dir/NAME.so exists, as any kind of file. */
bool module_exists(const char *dir, const char *name);

/*
 * The protocol of dir/NAME.so, valid until modules_free(). Calls for the same
 * file return the same pointer. If the file was replaced, the new one is
 * loaded, too; the old module stays loaded for services that use it. Members
 * that are missing in the module are 0.
 *
 * NULL, and "FILE: reason" in error (printable), if the file is missing, is not
 * a regular file, cannot be loaded, was changed in place after it was loaded,
 * or exports no valid lined_protocol (protocol_check.h). Also NULL if other
 * users could change the file or its directory: both must belong to root or to
 * the user that called modules_new(), and nobody else may write to them. A
 * reload checks against the same user as the start, even after lined has given
 * up root.
 */
const struct lined_protocol *module_load(struct modules *modules,
					 const char *dir, const char *name,
					 char *error, size_t size);

/* As module_load(), but loads nothing. NULL with an empty error: this file is
 * not loaded. */
const struct lined_protocol *module_find_loaded(struct modules *modules,
						const char *dir,
						const char *name, char *error,
						size_t size);

/* The protocol of the module whose code contains the address; NULL: none.
 * MT-safe and async-signal-safe. */
const struct lined_protocol *module_of_code(const struct modules *modules,
					    uintptr_t address);
