/* SPDX-License-Identifier: MIT */
/*
 * The machines of a world: on each a server, which starts, gets configs, and
 * stops. Each machine has all ports of scenes.h, moved by MACHINE_PORTS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "serve/server.h"

struct peer;

enum { MACHINES = 3, MACHINE_PORTS = 10, LEDGERS = 16 };

/* The services of a port, over all servers of the machine. */
struct ledger {
	uint16_t port;
	struct lined_counters sum;
	uint64_t refused, clients;
};

struct machine {
	unsigned number;
	unsigned life; /* no two servers have the same; 0: none runs */
	bool stopped;
	struct lined_dispatcher *main;
	struct server server;
	struct ledger ledgers[LEDGERS];
};

extern struct machine machines[MACHINES];
extern unsigned machine_count;

/* Before a seed: so many machines, none of which runs. */
void machines_begin(unsigned count);

/* The machine of a port. */
struct machine *machine_of_port(uint16_t port);
/* The machine of a peer's service, if the same server runs; else NULL. */
struct machine *machine_of_peer(const struct peer *peer);
/* The same port of the first machine. */
uint16_t machine_base_port(uint16_t port);

/* Starts a server with the next config of the scene. */
void machine_start(struct machine *machine);
void machine_reload(struct machine *machine);
/* Drains one of its services, or none. */
void machine_drain(struct machine *machine);

/* Begins to stop it; when `stopped` is true, it is to be ended. */
void machine_stop(struct machine *machine);
/* Leaves the cluster, as server_fini() does. */
void machine_leave_cluster(struct machine *machine);
/* Bytes that are charged. */
uint64_t machine_memory(const struct machine *machine);
void machine_end(struct machine *machine);

/* A number that no other service of this world has. */
uint64_t machine_service_key(const struct service *service);
/* That of the one service of a port; 0: none, or several, one of which ends. */
uint64_t machine_service_of(uint16_t port);

/* The counters say what the network has seen. */
void machine_check_counters(const struct machine *machine);
/* When nothing moves: the same names on every worker, each of a client that is
 * there, and each client has its own. */
void machine_check_registry(const struct machine *machine);
/* A peer's service, if it is open; else NULL. */
const struct service *machine_service(const struct peer *peer);
/* Whether the client of a server that runs owns a name. */
bool machine_owns(const struct peer *peer, const char *name);
/* The client that owns a name. */
uint64_t machine_name_owner(const struct name_node *node);
