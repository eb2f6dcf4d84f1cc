/* SPDX-License-Identifier: MIT */
/*
 * Scenes, see scenes.h.
 */
#include "config.h"

#include "scenes.h"

#include <stdio.h>

#include "clients.h"
#include "world.h"

enum { ECHO_PORT = 7001, HUB_PORT, CHAT_PORT };

void scene_begin(struct scene *scene)
{
	scene->workers = world_between(1, 3);
	trace("%u workers", scene->workers);
}

const char *scene_conf(struct scene *scene)
{
	snprintf(scene->text, sizeof(scene->text),
		 "drain-timeout = 2s\n"
		 "service \"echo\" {\n"
		 "	protocol = \"echo\"\n"
		 "	listen = { \"tcp://127.0.0.1:%u\" }\n"
		 "	limits { send-queue = %uk }\n"
		 "}\n"
		 "service \"hub\" {\n"
		 "	protocol = \"relay\"\n"
		 "	listen = { \"tcp://127.0.0.1:%u\" }\n"
		 "	limits { send-queue = %uk }\n"
		 "}\n"
		 "service \"lobby\" {\n"
		 "	protocol = \"chat\"\n"
		 "	listen = { \"tcp://127.0.0.1:%u\" }\n"
		 "	limits { send-queue = %uk }\n"
		 "	chat { flood-rate = 0 }\n"
		 "}\n",
		 ECHO_PORT, world_between(8, 64), HUB_PORT,
		 world_between(8, 64), CHAT_PORT, world_between(8, 64));
	return scene->text;
}

void scene_peer(struct scene *scene)
{
	(void)scene;
	if (world_once_in(2))
		peer_connect(&chat_client_kind, CHAT_PORT);
	else if (world_once_in(2))
		peer_connect(&echo_client_kind, ECHO_PORT);
	else
		peer_connect(&hub_client_kind, HUB_PORT);
}
