/* SPDX-License-Identifier: MIT */
/*
 * Loads protocol modules: checks the file before the system's loader gets it,
 * and the module's lined_protocol afterwards. Calls no function of a protocol.
 * Main thread.
 */
#ifndef MODULE_H
#define MODULE_H

#include <stddef.h>
#include <stdint.h>

#include <lined/protocol.h>

/* The modules loaded so far. */
struct modules;

/* NULL/ENOMEM. */
struct modules *modules_new(void);

/*
 * Unloads all of them. No code of a module may run any more, and no pointer to
 * it be left. NULL is fine.
 */
void modules_free(struct modules *modules);

/*
 * The protocol of dir/NAME.so: the same pointer as long as the file is the
 * same, valid until modules_free(). A file that was replaced is loaded beside
 * the old one, which stays loaded for the services that use it.
 *
 * NULL, and "FILE: reason" in error (printable): the file is missing, is not a
 * regular file, belongs neither to root nor to the user lined runs as, may be
 * written by others (the same for its directory), cannot be loaded, was changed
 * in place after it was loaded, or exports no valid lined_protocol
 * (protocol_check.h). Members that the module was built without read as 0.
 */
const struct lined_protocol *module_load(struct modules *modules,
					 const char *dir, const char *name,
					 char *error, size_t size);

/* The protocol whose module contains the address; NULL: none does. May be
 * called in a signal handler. */
const struct lined_protocol *module_of_code(const struct modules *modules,
					    uintptr_t address);

#endif
