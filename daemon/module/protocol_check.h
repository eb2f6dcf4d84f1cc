/* SPDX-License-Identifier: MIT */
/*
 * What a module says of itself, looked at before anything believes it: ABI,
 * size, name, callbacks, bits, the table of options. Calls nothing of it, and
 * knows no files.
 */
#ifndef PROTOCOL_CHECK_H
#define PROTOCOL_CHECK_H

#include <stddef.h>

#include <lined/protocol.h>

/* The members that every module of this ABI was built with. */
#define PROTOCOL_SIZE_MIN offsetof(struct lined_protocol, options)

/*
 * Whether the two members that every ABI begins with allow to read the rest.
 * -1, and why in error.
 */
int protocol_check_abi(const struct lined_protocol *protocol, char *error,
		       size_t size);

/*
 * Whether a whole struct lined_protocol is a sound protocol of this name. -1,
 * and why in error, printable.
 */
int protocol_check(const struct lined_protocol *protocol, const char *name,
		   char *error, size_t size);

#endif
