/* SPDX-License-Identifier: MIT */
/*
 * TLS on the main thread: the certificates that are in use, files that change
 * while lined runs, and the keys of session tickets, which all workers share.
 */
#pragma once

#include <lined/timer.h>

#include "serve/tls_set.h"
#include "threads/worker.h"

struct server_tls_call;

struct server_tls {
	struct tls_set *set; /* NULL before the first config */
	struct worker *workers;
	size_t worker_count;
	struct tls_tickets tickets;
	/* A copy for each worker, which only that worker may use. */
	struct tls_tickets *copies;
	struct server_tls_call *calls; /* one a worker */
	struct lined_timer look, turn;
	/* A section has other contexts: gives them to the services. */
	void (*changed)(struct server_tls *tls,
			const struct tls_section *section);
};

/* Makes the first keys; nothing else happens before there is a set. -1 and
 * errno. */
int server_tls_init(struct server_tls *tls, struct lined_dispatcher *d,
		    struct worker *workers, size_t worker_count,
		    void (*changed)(struct server_tls *tls,
				    const struct tls_section *section));
/* To be called when the workers have stopped. */
void server_tls_fini(struct server_tls *tls);

/* Takes over the set of a new config, and returns the one before. */
struct tls_set *server_tls_use(struct server_tls *tls, struct tls_set *set);
