/* SPDX-License-Identifier: MIT */
/*
 * TLS to upstreams: the options upstream-ca, upstream-name and so on.
 */
#pragma once

#include <lined/protocol.h>
#include <lined/tls.h>

#include "relay/options.h"

/* The TLS settings of connections to tls:// addresses. */
struct relay_tls {
	struct lined_tls_client *client; /* NULL: no address is tls://, or the
					  * files were never read */
	const char *name;                /* "": the host in the address */
};

/* Whether one of the addresses is tls://. */
bool relay_tls_is_in(const struct lined_option_list *list);

/* Whether an upstream or a push target is tls://. */
bool relay_tls_is_wanted(const struct relay_options *options);

/* Checks the files, and that options which need each other are set together. */
void relay_tls_check(struct lined_check *check,
		     const struct relay_options *options);

/* Reads the files again. -1, logged: the previous contents stay in use. */
int relay_tls_read(struct relay_tls *tls, struct lined_service *service,
		   const struct relay_options *options);
void relay_tls_fini(struct relay_tls *tls);
