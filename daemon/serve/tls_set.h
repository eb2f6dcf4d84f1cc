/* SPDX-License-Identifier: MIT */
/*
 * The `tls` sections of a config in use: for each section the contents of its
 * files, and a context for each worker. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/conf.h"
#include "tls.h"

struct report;

struct tls_section {
	const struct conf_tls *conf; /* a part of tls_set.conf */
	struct tls_files *files;
	struct tls_context **contexts; /* one per worker */
	/* For server_tls.c. seen: a hash of the files' state at the last check.
	 * changed: that state is new, and the files were not read again yet. */
	uint64_t seen;
	bool changed;
};

struct tls_set {
	struct conf *conf; /* a reference */
	size_t workers, count;
	struct tls_section sections[];
};

/*
 * Makes the set of a config. Contexts of `before` (NULL: none) with equal files
 * are used again. tickets: an array with one item for each worker; it must
 * outlive all sets. NULL: reported.
 */
struct tls_set *tls_set_new(struct conf *conf, const struct tls_set *before,
			    size_t workers, const struct tls_tickets *tickets,
			    struct report *report);
void tls_set_free(struct tls_set *set); /* NULL is fine */

/* Gives a section other files and takes over the reference to them. -1/ENOMEM:
 * nothing has changed, and the caller keeps the reference. */
int tls_section_replace(struct tls_set *set, struct tls_section *section,
			struct tls_files *files,
			const struct tls_tickets *tickets);

/* Makes the TLS server of a service on a worker. The caller frees it with
 * tls_server_free(). NULL: the service has no `tls`, or no memory. */
struct tls_server *tls_set_server(const struct tls_set *set,
				  const struct conf_service *conf,
				  size_t worker);
