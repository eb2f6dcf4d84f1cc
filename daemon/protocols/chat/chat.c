/* SPDX-License-Identifier: MIT */
/*
 * chat: rooms, nicknames and private messages for people on nc and telnet and
 * for small bots. This file is what lined calls, and how an instance
 * begins and ends.
 */
#include "chat/chat.h"

#include <stdlib.h>

#include <lined/protocol.h>

#include "chat/deliver.h"
#include "chat/event.h"
#include "chat/member.h"
#include "chat/options.h"
#include "chat/people.h"
#include "chat/room.h"
#include "chat/watch.h"

#define CHECK_MS 500

/* ---- life --------------------------------------------------------------- */

int chat_compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void stop(struct lined_service *service)
{
	struct chat *chat = lined_service_data(service);

	if (chat == NULL)
		return;
	lined_dispatcher_undefer(lined_service_dispatcher(service),
				 &chat->phase_message);
	chat_events_close(chat);
	chat_watch_close(chat);
	chat_members_free(chat);
	chat_people_free(chat);
	chat_rooms_free(chat);
	free(chat);
	lined_service_set_data(service, NULL);
}

static int start(struct lined_service *service)
{
	struct chat *chat = calloc(1, sizeof(*chat));

	if (chat == NULL)
		goto fail;
	chat->service = service;
	chat->phase_message.handler = chat_member_phase;
	chat->phase_message.cancel = chat_member_phase;
	lined_service_set_data(service, chat);
	if (chat_events_open(chat, chat_deliver) == 0 &&
	    chat_watch_open(chat) == 0)
		return 0;
fail:
	lined_service_log(service, LINED_LOG_ERR, "out of memory");
	stop(service);
	return -1;
}

static void reload(struct lined_service *service)
{
	chat_rooms_reload(lined_service_data(service));
}

static void say_goodbye(struct lined_socket *client, void *arg)
{
	struct chat_member *member = lined_socket_arg(client);

	(void)arg;
	if (member != NULL && member->nickname[0] != '\0')
		chat_member_goodbye(member);
}

/*
 * Everybody is about to go: nobody needs to hear of each. The busy are told
 * together with the idle, while they can still finish; who has no nickname yet
 * hears of it behind the greeting.
 */
static void drain(struct lined_service *service)
{
	struct chat *chat = lined_service_data(service);

	chat->draining = true;
	lined_service_each_client(service, say_goodbye, NULL);
}

static void check_waiting(struct lined_service *service)
{
	chat_member_check_waiting(lined_service_data(service));
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "chat",
	.summary = "rooms, nicknames and private messages for people",
	.flags = LINED_NO_IDLE_TIMEOUT,
	.transports = LINED_TRANSPORT_STREAM,
	.handle_accept = chat_member_accept,
	.options = chat_options_table,
	.options_size = sizeof(struct chat_options),
	.check = chat_options_check,
	.start = start,
	.stop = stop,
	.reload = reload,
	.drain = drain,
	.handle_task = check_waiting,
	.task_ms = CHECK_MS,
};
