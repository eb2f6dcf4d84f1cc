/* SPDX-License-Identifier: MIT */
/*
 * The directory of one run of a transcript, and for each address of the
 * transcript an address in this directory or on loopback.
 */
#pragma once

#include "linetest/net_address.h"
#include "linetest/transcript.h"

struct run_dir {
	const struct transcript *transcript;
	char *path;                    /* 0700, absolute */
	struct net_address *addresses; /* an item for each address of the
					* transcript */
	int *held;                     /* descriptors that hold ports, or -1 */
};

/* Makes the directory and finds free addresses. -1 and a message, to be freed.
 */
int run_dir_open(struct run_dir *dir, const struct transcript *transcript,
		 char **error);

/* Releases the ports. Removes the directory and all that is in it, unless keep
 * is true. */
void run_dir_close(struct run_dir *dir, bool keep);

/*
 * Writes a config into the directory. Returns its path, to be freed; NULL and a
 * message. The number of workers (0: the config has its own) is put before the
 * text of the first line, so that lines keep their numbers.
 */
char *run_dir_write_config(const struct run_dir *dir, const char *config,
			   unsigned workers, char **error);

/* The config with its placeholders replaced; to be freed. */
char *run_dir_fill(const struct run_dir *dir, const char *config);
