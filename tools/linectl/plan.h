/* SPDX-License-Identifier: MIT */
/*
 * Asks for the plan of a config file. linectl reads the file and its includes,
 * with the rights of its user, and sends them to the daemon.
 */
#pragma once

#include "linectl/control_socket.h"

/* Sends the file and waits for the whole answer, which must be zeroed. -1, and
 * the reason in *error, to be freed: the file cannot be read. */
int plan_get(struct answer *answer, struct control_socket *control,
	     const char *path, unsigned timeout_ms, char **error);
