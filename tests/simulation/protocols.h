/* SPDX-License-Identifier: MIT */
/*
 * The protocols of the simulation: the modules' tables, with handlers around
 * theirs that count opens and closes.
 */
#pragma once

#include <stddef.h>

struct lined_protocol;
struct lined_socket;
struct peer;

/* A client of a server. */
struct protocols_client {
	struct lined_socket *sock; /* NULL: none */
	struct peer *peer;
	size_t limit; /* the largest send-queue so far */
};

/* Loads the modules of echo, chat and relay from a directory. */
void protocols_open(const char *module_dir);
void protocols_close(void);

/* Before a seed. */
void protocols_begin(void);

/* For struct conf_env. */
const struct lined_protocol *protocols_find(void *arg, const char *module_dir,
					    const char *name, char *error,
					    size_t size);

/* Calls visit for each client that is open. */
void protocols_each_client(void (*visit)(struct protocols_client *client,
					 void *arg),
			   void *arg);
