/* SPDX-License-Identifier: MIT */
/*
 * Asks for the plan of a config file. linectl reads the file and its includes,
 * with the rights of its user, and sends them to the daemon.
 */
#pragma once

#include "linectl/control_socket.h"

/* Sends the file and waits for the whole answer. *answer must be zeroed before
 * the call. -1: the file cannot be read; *error, which the caller frees, says
 * why. */
int plan_get(struct answer *answer, struct control_socket *control,
	     const char *path, unsigned timeout_ms, char **error);
