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
	{.name = "open",
	 .type = LINED_OPTION_BOOLEAN,
	 .offset = offsetof(struct room, open)},
	{0},
};

static const char *const words[] = {"one", "two", NULL};

static const struct lined_option options[] = {
	{.name = "count",
	 .type = LINED_OPTION_INTEGER,
	 .fallback = "3",
	 .min = 1,
	 .max = 9,
	 .offset = offsetof(struct options, count)},
	{.name = "wait",
	 .type = LINED_OPTION_DURATION,
	 .offset = offsetof(struct options, wait_ms)},
	{.name = "bytes",
	 .type = LINED_OPTION_SIZE,
	 .offset = offsetof(struct options, bytes)},
	{.name = "flag",
	 .type = LINED_OPTION_BOOLEAN,
	 .offset = offsetof(struct options, flag)},
	{.name = "word",
	 .type = LINED_OPTION_STRING,
	 .fallback = "one",
	 .choices = words,
	 .offset = offsetof(struct options, word)},
	{.name = "list",
	 .type = LINED_OPTION_LIST,
	 .offset = offsetof(struct options, list)},
	{.name = "room",
	 .type = LINED_OPTION_SECTION,
	 .section = room_options,
	 .section_size = sizeof(struct room),
	 .offset = offsetof(struct options, rooms)},
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
