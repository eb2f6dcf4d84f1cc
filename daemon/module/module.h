/* SPDX-License-Identifier: MIT */
/*
 * Loads protocol modules: looks at the file before
 * the system's loader does, then at what the module says of itself. Runs
 * nothing of a protocol. Main thread only.
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
 * Unloads all of them: only when nothing of a module runs or is referred to
 * any more. NULL is fine.
 */
void modules_free(struct modules *modules);

/*
 * The protocol of dir/NAME.so, the same pointer again as long as the file is
 * the same; valid until modules_free(). A file that was replaced is loaded
 * beside the old one, which stays: whoever uses it goes on.
 *
 * NULL, and "FILE: why" in error (printable), where the file is missing, is no
 * regular file, belongs to neither root nor us, can be written by others (its
 * directory likewise), does not load, was changed in place after it was
 * loaded, or exports no good lined_protocol (protocol_check.h). Members that
 * the module was built without read as 0.
 */
const struct lined_protocol *module_load(struct modules *modules,
					 const char *dir, const char *name,
					 char *error, size_t size);

/*
 * The protocol in whose module this code lies; NULL: in none. May be called in
 * a signal's handler.
 */
const struct lined_protocol *module_of_code(const struct modules *modules,
					    uintptr_t address);

#endif
