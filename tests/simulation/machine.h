/* SPDX-License-Identifier: MIT */
/*
 * The machines of a world. Each has a server, which starts, gets configs, and
 * stops. Each machine has all ports of scenes.h, moved by MACHINE_PORTS for
 * each machine before it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "serve/server.h"

struct peer;

enum { MACHINES = 3, MACHINE_PORTS = 10, LEDGERS = 16 };

/* The counters of all services of a port, added over all servers of the
 * machine. */
struct ledger {
	uint16_t port;
	struct lined_counters sum;
	uint64_t refused, clients;
};

struct machine {
	unsigned number;
	unsigned life; /* the server's number, unique in a world; 0: no server
			* runs */
	bool stopped;
	struct lined_dispatcher *main;
	struct server server;
	struct ledger ledgers[LEDGERS];
};

extern struct machine machines[MACHINES];
extern unsigned machine_count;

/* Begins a seed with so many machines, none of which runs. */
void machines_begin(unsigned count);

/* The machine that has the port. */
struct machine *machine_of_port(uint16_t port);
/* The machine of a peer's service; NULL: the server of that service has
 * ended. */
struct machine *machine_of_peer(const struct peer *peer);
/* The port of the first machine that corresponds to this one. */
uint16_t machine_base_port(uint16_t port);

/* Starts a server with the next config of the scene. */
void machine_start(struct machine *machine);
void machine_reload(struct machine *machine);
/* Drains at most one of the services. */
void machine_drain(struct machine *machine);

/* Begins to stop the server. Call machine_end() when `stopped` is true. */
void machine_stop(struct machine *machine);
/* Leaves the cluster, as server_fini() does. */
void machine_leave_cluster(struct machine *machine);
/* The bytes that the memory ceiling counts. */
uint64_t machine_memory(const struct machine *machine);
void machine_end(struct machine *machine);

/* A number for the service that no other service of this world has. */
uint64_t machine_service_key(const struct service *service);
/* The key of the service of a port; 0: there is none, or several, of which some
 * drain. */
uint64_t machine_service_of(uint16_t port);

/* Checks that the counters agree with what the network has seen. */
void machine_check_counters(const struct machine *machine);
/* To be called when nothing moves: every worker has the same names, and the
 * owner of each name is a connected client. */
void machine_check_registry(const struct machine *machine);
/* The service of a peer; NULL: it has ended, or drains. */
const struct service *machine_service(const struct peer *peer);
/* Whether the peer's client owns the name. False if its server has ended. */
bool machine_owns(const struct peer *peer, const char *name);
/* The id of the client that owns the name. */
uint64_t machine_name_owner(const struct name_node *node);
