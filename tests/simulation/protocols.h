/* SPDX-License-Identifier: MIT */
/*
 * The protocols of the simulation: the tables of the modules, with handlers
 * that count opens and closes and then call the modules' handlers.
 */
#pragma once

#include <stddef.h>

struct lined_protocol;
struct lined_socket;
struct peer;

/* A client of a server, as lined sees it. */
struct protocols_client {
	struct lined_socket *sock; /* NULL: there is no client */
	struct peer *peer;
	size_t limit; /* the largest send-queue limit so far */
};

/* Loads the modules of echo, chat and relay from a directory. */
void protocols_open(const char *module_dir);
void protocols_close(void);

/* To be called before a seed. */
void protocols_begin(void);

/* The find_protocol of struct conf_env. */
const struct lined_protocol *protocols_find(void *arg, const char *module_dir,
					    const char *name, char *error,
					    size_t size);

/* Calls visit for each client that is open. */
void protocols_each_client(void (*visit)(struct protocols_client *client,
					 void *arg),
			   void *arg);
