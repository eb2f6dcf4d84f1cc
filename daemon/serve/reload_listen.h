/* SPDX-License-Identifier: MIT */
/* The listen addresses of a reload plan, for reload_apply.c. Main thread. */
#pragma once

struct reload_plan;
struct report;
struct service;
struct worker_batch;

/* Opens all new addresses, so that every address that cannot be opened is
 * reported at once. -1: reported, and reload_listen_undo() must be called. */
int reload_listen_open(struct reload_plan *plan, struct report *report);
/* Closes what reload_listen_open() has opened. */
void reload_listen_undo(struct reload_plan *plan);

/* Closes the listeners that the service does not keep. */
void reload_listen_close(const struct reload_plan *plan,
			 struct service *service);
/* Starts to accept on the opened addresses, and sets the modes of UNIX paths;
 * datagram sockets are served when the batch has run. -1, reported: an address
 * is not served. */
int reload_listen_start(struct reload_plan *plan,
			struct worker_batch *datagrams, struct report *report);
