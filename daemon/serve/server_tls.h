/* SPDX-License-Identifier: MIT */
/*
 * TLS on the main thread: the certificates in use, files that change while
 * lined runs, and the keys of session tickets, shared by all workers.
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
	/* A copy of the tickets for each worker, used only by this worker. */
	struct tls_tickets *copies;
	struct server_tls_call *calls; /* one per worker */
	struct lined_timer look, turn;
	/* A section has new contexts: passes them to the services. */
	void (*changed)(struct server_tls *tls,
			const struct tls_section *section);
};

/* Makes the first ticket keys; timers start with the first set. -1 and errno.
 */
int server_tls_init(struct server_tls *tls, struct lined_dispatcher *d,
		    struct worker *workers, size_t worker_count,
		    void (*changed)(struct server_tls *tls,
				    const struct tls_section *section));
/* Call this when the workers have stopped. */
void server_tls_fini(struct server_tls *tls);

/* Takes ownership of the new config's set and returns the previous one. */
struct tls_set *server_tls_use(struct server_tls *tls, struct tls_set *set);
