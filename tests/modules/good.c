/* SPDX-License-Identifier: MIT */
/*
 * A module with nothing wrong, for test-module: it has options of each type.
 * MARK tells one build of it from another.
 */
#include <stddef.h>

#include <lined/protocol.h>

#ifndef MARK
#define MARK "first"
#endif

struct room {
	const char *title;
	bool open;
};

struct options {
	int64_t count, wait_ms, bytes;
	bool flag;
	const char *word;
	struct lined_option_list list;
	struct lined_option_sections rooms;
};

static const struct lined_option room_options[] = {
	{LINED_OPTION("open", BOOLEAN, struct room, open)},
	{0},
};

static const char *const words[] = {"one", "two", NULL};

static const struct lined_option options[] = {
	{LINED_OPTION("count", INTEGER, struct options, count), .fallback = "3",
	 .min = 1, .max = 9},
	{LINED_OPTION("wait", DURATION, struct options, wait_ms)},
	{LINED_OPTION("bytes", SIZE, struct options, bytes)},
	{LINED_OPTION("flag", BOOLEAN, struct options, flag)},
	{LINED_OPTION("word", STRING, struct options, word), .fallback = "one",
	 .choices = words},
	{LINED_OPTION("list", LIST, struct options, list)},
	{LINED_OPTION("room", SECTION, struct options, rooms),
	 .section = room_options, .section_size = sizeof(struct room)},
	{0},
};

static void greet(struct lined_service *service, struct lined_socket *client)
{
	(void)service;
	(void)client;
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "good",
	.summary = MARK,
	.transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM,
	.handle_accept = greet,
	.options = options,
	.options_size = sizeof(struct options),
	.task_ms = 7,
};
