/* SPDX-License-Identifier: MIT */
/*
 * chat: rooms, nicknames and private messages for people with nc or telnet and
 * for small bots. This file has the callbacks of an instance: start, stop,
 * reload, drain.
 */
#include "chat/chat.h"

#include <errno.h>
#include <string.h>

#include <lined/protocol.h>

#include "chat/client_session.h"
#include "chat/event.h"
#include "chat/event_deliver.h"
#include "chat/nicknames.h"
#include "chat/options.h"
#include "chat/registry_watch.h"
#include "chat/room.h"
#include "chat/room_seat.h"

#define CHECK_MS 500

/* When more members than this leave a draining instance, no quit is announced:
 * each quit is a line for everybody in the room. */
#define QUITS_MAX 100

static void chat_stop(struct lined_service *service)
{
	struct chat *chat = lined_service_data(service);

	chat_events_close(chat);
	chat_watch_close(chat);
	chat_sessions_fini(chat);
	chat_nicknames_free(chat);
	chat_rooms_free(chat);
}

static int chat_start(struct lined_service *service)
{
	struct chat *chat = lined_service_data(service);

	chat->service = service;
	chat_sessions_init(chat);
	if (chat_events_open(chat, chat_deliver) == 0 &&
	    chat_watch_open(chat) == 0)
		return 0;
	lined_service_log(service, LINED_LOG_ERR, "%s", strerror(errno));
	chat_stop(service);
	return -1;
}

static void chat_reload(struct lined_service *service)
{
	chat_rooms_reload(lined_service_data(service));
}

static void chat_give_up(struct lined_service *service, uint64_t bytes,
			 bool spare)
{
	if (spare)
		chat_rooms_give_up(lined_service_data(service), bytes);
}

/*
 * A client that joins a room may create the room, so each client counts as
 * CHAT_SEATS_MAX rooms with a topic. What the chat keeps of the client itself,
 * such as an away message, counts as one more room. Answers to /rooms and /who
 * that wait to be sent are not counted: while memory is short, an answer is
 * refused unless the send queue has room for it.
 */
static uint64_t chat_keeps_most(const void *arg, size_t line_length,
				uint64_t clients, unsigned workers)
{
	const struct chat_options *options = arg;
	uint64_t room =
		chat_history_memory_max((size_t)options->history, line_length) +
		line_length + CHAT_SEAT_COST;
	uint64_t rooms =
		options->rooms.count + 1 + clients * (CHAT_SEATS_MAX + 1);

	return clients > UINT64_MAX / CHAT_SEATS_MAX / 2 ||
			       rooms > UINT64_MAX / room / workers
		       ? UINT64_MAX
		       : room * rooms * workers;
}

static void chat_drain(struct lined_service *service)
{
	struct chat *chat = lined_service_data(service);

	/* From now on quits are announced on other nodes only: here all members
	 * leave at once. */
	chat->draining = true;
	chat->quits = chat_sessions_drain(chat) <= QUITS_MAX;
}

/* False: quits are still to be announced. A quit is announced, and its member
 * freed, after the registry has answered. */
static bool chat_finish(struct lined_service *service)
{
	const struct chat *chat = lined_service_data(service);

	return chat->members == NULL || !chat->quits;
}

static void chat_cluster(struct lined_service *service,
			 enum lined_cluster_event event)
{
	struct chat *chat = lined_service_data(service);

	if (event != LINED_CLUSTER_PRIMARY)
		chat_sessions_tell_parted(chat, event == LINED_CLUSTER_PARTED);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "chat",
	.summary = "rooms, nicknames and private messages for people",
	.flags = LINED_NO_IDLE_TIMEOUT,
	.transports = LINED_TRANSPORT_STREAM,
	.handle_accept = chat_session_accept,
	.options = chat_options_table,
	.options_size = sizeof(struct chat_options),
	.check = chat_options_check,
	.start = chat_start,
	.stop = chat_stop,
	.reload = chat_reload,
	.drain = chat_drain,
	.finish = chat_finish,
	.handle_task = chat_sessions_check,
	.task_ms = CHECK_MS,
	.handle_cluster = chat_cluster,
	.give_up = chat_give_up,
	.keeps_most = chat_keeps_most,
	.instance_size = sizeof(struct chat),
};
