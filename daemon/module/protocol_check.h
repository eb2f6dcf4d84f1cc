/* SPDX-License-Identifier: MIT */
/*
 * Checks a module's lined_protocol before it is used: ABI, size, name,
 * callbacks, flags and the table of options. Calls none of the module's
 * functions.
 */
#pragma once

#include <stddef.h>

#include <lined/protocol.h>

/* The size of those members that every module of this ABI has. */
#define PROTOCOL_SIZE_MIN offsetof(struct lined_protocol, options)

/*
 * Checks abi and size, which are at the same place in every ABI. -1: the other
 * members must not be read; error says why.
 */
int protocol_check_abi(const struct lined_protocol *protocol, char *error,
		       size_t size);

/* Checks all members; the protocol must have this name. -1: invalid; error says
 * why (printable). */
int protocol_check(const struct lined_protocol *protocol, const char *name,
		   char *error, size_t size);
