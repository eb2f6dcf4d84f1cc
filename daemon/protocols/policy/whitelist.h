/* SPDX-License-Identifier: MIT */
/*
 * A whitelist: clients or recipients that are never deferred. The file has one
 * entry per line, as for postgrey:
 *
 * 	192.0.2.1, 192.0.2.0/24, 2001:db8::/32	a client's address
 * 	192.0.2					the same as 192.0.2.0/24
 * 	example.org		a client of that name or below it;
 * 				a recipient in that domain or below it
 * 	postmaster@		a recipient of that name, in any domain
 * 	joe@example.org		that recipient
 * 	/PATTERN/		a client's name, a recipient: a POSIX extended
 * 				regular expression, without regard to case
 *
 * Text after "#" is a comment. One thread at a time may use a list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct whitelist {
	size_t count;
	struct whitelist_entry *entries;
};

/* Reads a regular file of at most 1 MiB and replaces the list, which may be
 * zeroed. path "": makes the list empty. -1: the file cannot be read or is
 * malformed; error says where and why, and the list is unchanged. */
int whitelist_load(struct whitelist *list, const char *path, char *error,
		   size_t size);
void whitelist_fini(struct whitelist *list);

/* Whether the list contains a client's address (as text) or name. */
bool whitelist_has_client(const struct whitelist *list, const char *address,
			  const char *name);

bool whitelist_has_recipient(const struct whitelist *list,
			     const char *recipient);
