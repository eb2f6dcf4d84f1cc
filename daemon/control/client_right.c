/* SPDX-License-Identifier: MIT */
/*
 * Decides what a client of the control socket may ask for (lined/control.h),
 * from its user and group.
 */
#include "config.h"

#include <lined/control.h>

#include <stdio.h>
#include <unistd.h>

#include "serve/client.h"
#include "serve/service_instance.h"
#include "system/peercred.h"
#include "system/program_keeper.h"

/* Whether a protocol has started the client's process. Looks this up once per
 * client, because a connection may carry thousands of requests. */
static bool client_is_program(const struct lined_socket *sock,
			      const struct peercred *peer)
{
	struct client *client =
		client_of((struct lined_socket *)(uintptr_t)sock);

	if (!client->peer.looked_at) {
		client->peer.is_program = keeper_may_have(peer);
		client->peer.looked_at = true;
	}
	return client->peer.is_program;
}

enum lined_right lined_client_right(const struct lined_socket *client)
{
	struct lined_service *instance = lined_client_service(client);
	int fd = lined_socket_fd(client);
	struct peercred peer;
	gid_t gid = instance->conf->socket_gid;

	/* A program that a protocol has started runs as the daemon's user, but
	 * has no rights. */
	if (peercred_get(fd, &peer) < 0 || client_is_program(client, &peer))
		return LINED_RIGHT_NONE;
	if (peer.uid == 0 || peer.uid == geteuid())
		return LINED_RIGHT_CHANGE;
	if (gid != (gid_t)-1 && peercred_in_group(fd, &peer, gid))
		return LINED_RIGHT_LOOK;
	return LINED_RIGHT_NONE;
}

const char *lined_client_identity(const struct lined_socket *client)
{
	static _Thread_local char text[64];
	struct peercred peer;

	if (peercred_get(lined_socket_fd(client), &peer) < 0)
		return "unknown";
	snprintf(text, sizeof(text), "uid %ld, pid %ld", (long)peer.uid,
		 (long)peer.pid);
	return text;
}
