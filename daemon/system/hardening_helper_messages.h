/* SPDX-License-Identifier: MIT */
/*
 * Messages between lined and its helper. For hardening_helper.c and
 * hardening_helper_main.c.
 */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

enum helper_kind {
	HELPER_REMOVABLE, /* path: HELPER_REMOVE may remove it; sent once */
	HELPER_SPAWN,     /* number: the role; has three descriptors */
	HELPER_REMOVE,    /* path */
	HELPER_DEVICE,    /* path; the answer has the descriptor */
	HELPER_READS,     /* number: a process id */
	HELPER_MEMORY,    /* number: a process id */
};

struct helper_request {
	int32_t kind, number;
	char path[PATH_MAX];
};

struct helper_answer {
	int32_t value, error; /* value below 0: see error */
};

/* Do the work of HELPER_DEVICE, HELPER_READS and HELPER_MEMORY in the calling
 * process. */
int helper_device_open(const char *path);
int helper_process_looks(enum helper_kind kind, pid_t pid);
