/* SPDX-License-Identifier: MIT */
/*
 * The configs of the simulation, drawn by the seed, and the peers that come to
 * them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Ports of lined, then those of its upstreams, on the first machine; see
 * machine.h for the others. */
enum scene_port {
	SCENE_ECHO = 7001,
	SCENE_HUB,
	SCENE_ANNEX, /* another service, with the hub's topic */
	SCENE_LOBBY,
	SCENE_FEED, /* clients get the lines of an upstream */
	SCENE_GATE, /* a proxy before an echo server */
	SCENE_PORTS_END,
	SCENE_UPSTREAM = 7101,
	SCENE_BACKUP,
	SCENE_ECHO_SERVER,
};

/* The properties that reloads do not change, so that peers know what to
 * expect. */
struct scene {
	unsigned workers;
	unsigned lease_ms; /* the lease of the cluster, if there are several
			    * machines */
	bool troubled;     /* links are cut, and machines end */
	bool shared;       /* hub and annex share a topic */
	bool lossy;        /* a slow reader of the hub loses lines */
	bool held;         /* lines wait for a reader, and only this reader gets
			    * them */
	bool loopback;     /* the hub's lines go to their speaker, too */
	bool filtered;     /* the hub drops lines, see scene_passes() */
	bool backup;       /* the feed has two upstreams */
	bool faulty;       /* upstreams refuse, do not answer, die */
	bool limited;      /* limits that the peers meet */
	/* The memory ceiling; 0: there is none. A config could not set it so
	 * low. */
	unsigned ceiling;
	char text[8192]; /* the config */
};

extern struct scene scene;

void scene_begin(void);

/* Draws a config for a machine. */
const char *scene_conf(unsigned machine);

/* Lets another client connect. */
void scene_client(void);

/* Upstreams accept connections, and become unreachable or reachable. False:
 * nothing happened. */
bool scene_upstreams(bool calm);
void scene_end(void);

/* Whether the hub relays the line with this number. */
bool scene_passes(unsigned number);
