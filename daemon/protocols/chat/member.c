/* SPDX-License-Identifier: MIT */
/*
 * Members' lives and their reading: who is read when, who has ended. What
 * their lines say is chat_command.c's business, names are chat_name.c's.
 */
#include "chat/member.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/command.h"
#include "chat/name.h"
#include "chat/oper.h"
#include "chat/seat.h"

/* Another worker answers in no time, or its client is gone. */
#define ANSWER_MS 2000

#define IGNORED_MAX 100

struct chat_member *chat_member_find(struct chat *chat, uint64_t id)
{
	return id == 0 ? NULL
		       : chat_find(&chat->members, &id, chat_compare_ids);
}

static uint64_t now_ms(const struct chat_member *member)
{
	return lined_dispatcher_now_ms(
		lined_service_dispatcher(member->chat->service));
}

void chat_member_tell(struct chat_member *member, const char *format, ...)
{
	struct lined_buffer *buffer = NULL;
	va_list args;
	char *data;
	int len;

	if (member->socket == NULL)
		return;
	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len >= 0)
		buffer = lined_buffer_alloc((size_t)len + 1, &data);
	if (buffer == NULL)
		return;
	va_start(args, format);
	vsnprintf(data, (size_t)len + 1, format, args);
	va_end(args);
	data[len] = '\n';
	lined_socket_send_shared(member->socket, buffer, 0, (size_t)len + 1);
	lined_buffer_unref(buffer);
}

void chat_member_goodbye(struct chat_member *member)
{
	chat_member_tell(member, "* announcement: this service is closing");
}

void chat_member_end(struct chat_member *member, enum lined_close_reason reason)
{
	if (member->socket != NULL)
		lined_socket_close_after_flush(member->socket, reason, 0);
}

/* ---- when it is read --------------------------------------------------- */

static bool may_be_read(const struct chat_member *member)
{
	return member->busy == 0 && !lined_timer_is_armed(&member->slow);
}

static void pause_or_resume(struct chat_member *member)
{
	if (member->socket == NULL)
		return;
	if (may_be_read(member))
		lined_socket_resume(member->socket);
	else
		lined_socket_pause(member->socket);
}

void chat_member_hold(struct chat_member *member)
{
	member->busy++;
	pause_or_resume(member);
}

void chat_member_release(struct chat_member *member)
{
	member->busy--;
	pause_or_resume(member);
}

void chat_member_await(struct chat_member *member)
{
	if (member->answer_until_ms != 0)
		return;
	member->answer_until_ms = now_ms(member) + ANSWER_MS;
	member->chat->waiting++;
	chat_member_hold(member);
}

void chat_member_answered(struct chat_member *member)
{
	if (member->answer_until_ms == 0)
		return;
	member->answer_until_ms = 0;
	member->chat->waiting--;
	chat_member_release(member);
}

static void check_waiting(struct lined_socket *client, void *arg)
{
	struct chat_member *member = lined_socket_arg(client);

	(void)arg;
	if (member != NULL && member->answer_until_ms != 0 &&
	    now_ms(member) >= member->answer_until_ms)
		chat_member_answered(member);
}

void chat_member_check_waiting(struct chat *chat)
{
	if (chat->waiting > 0)
		lined_service_each_client(chat->service, check_waiting, NULL);
}

static void slow_over(struct lined_timer *timer)
{
	pause_or_resume(lined_container_of(timer, struct chat_member, slow));
}

/* Whether what has come may be looked at. */
static bool is_no_flood(struct chat_member *member)
{
	const struct chat_options *options = chat_options(member->chat);
	uint64_t wait_ms;
	enum chat_flood_verdict verdict =
		chat_flood_take(&member->flood, options->flood_rate,
				options->flood_burst, now_ms(member), &wait_ms);

	if (verdict == CHAT_FLOOD_SLOW)
		chat_member_tell(member, "! slow down");
	else if (verdict == CHAT_FLOOD_MUTE)
		chat_member_tell(member, "! you are muted");
	if (verdict == CHAT_FLOOD_CLOSE) {
		lined_service_count(member->chat->service, "floods_closed", 1);
		chat_member_end(member, LINED_CLOSE_LIMIT);
		return false;
	}
	if (wait_ms > 0) {
		lined_timer_start(&member->slow, wait_ms, 0);
		pause_or_resume(member);
	}
	return verdict <= CHAT_FLOOD_SLOW;
}

static void take_line(struct chat_member *member, const struct lined_line *line)
{
	char *text = malloc(CHAT_TEXT_ROOM(line->len));

	if (text == NULL)
		return;
	chat_text_clean(line->text, line->len, text);
	if (!member->knows_password)
		chat_oper_password(member, text);
	else
		chat_command(member, text);
	free(text);
}

void chat_member_phase(struct lined_message *message)
{
	struct chat *chat =
		lined_container_of(message, struct chat, phase_message);

	chat->phase_due = false;
	chat->phase++;
}

/*
 * Whoever was told of something by another worker's client, and then asks,
 * must find it here: what the workers have posted by now comes first. So input
 * stays where it is until the turn's messages have been handled, and is served
 * in the next turn, which follows at once.
 */
static bool is_in_its_phase(struct chat_member *member)
{
	struct chat *chat = member->chat;

	if (member->phase == 0) {
		member->phase = chat->phase + 1;
		if (!chat->phase_due)
			lined_dispatcher_defer(
				lined_service_dispatcher(chat->service),
				&chat->phase_message);
		chat->phase_due = true;
	}
	if (chat->phase < member->phase)
		return false;
	member->phase = 0;
	return true;
}

static void member_read(struct lined_socket *client, void *arg)
{
	struct chat_member *member = arg;
	struct lined_line line;

	if (!is_in_its_phase(member))
		return;
	for (;;) {
		if (!may_be_read(member)) {
			pause_or_resume(member);
			return;
		}
		switch (lined_socket_read_line(client, &line)) {
		case LINED_LINE_READY:
			if (is_no_flood(member))
				take_line(member, &line);
			break;
		case LINED_LINE_TOO_LONG:
			if (is_no_flood(member))
				chat_member_tell(member, "! line too long");
			break;
		default:
			return;
		}
	}
}

/* ---- coming and going -------------------------------------------------- */

static void free_member(struct chat_member *member)
{
	tdelete(member, &member->chat->members, chat_compare_ids);
	free(member->ignored);
	free(member->reason);
	free(member->rooms);
	free(member);
}

/* Nothing of it is left in the registry: everybody may know. */
static void quit(struct chat_member *member)
{
	const char *reason = member->reason;
	struct chat_event event = {
		.kind = CHAT_EVENT_NOTICE,
		.from = member->id,
		.rooms = member->rooms,
	};

	if (member->rooms != NULL && !member->chat->draining)
		chat_event_send(member->chat, &event, "* %s quit%s%s",
				member->nickname, reason != NULL ? ": " : "",
				reason != NULL ? reason : "");
	free_member(member);
}

static void member_close(struct lined_socket *client, void *arg,
			 enum lined_close_reason reason, int error)
{
	struct chat_member *member = arg;
	char rooms[CHAT_EVENT_ROOMS_MAX];

	(void)client;
	(void)reason;
	(void)error;
	chat_member_answered(member);
	lined_timer_stop(&member->slow);
	member->socket = NULL;
	chat_member_rooms(member, rooms);
	if (rooms[0] != '\0')
		member->rooms = strdup(rooms);
	while (member->seats != NULL)
		chat_seat_free(member->seats);
	if (member->entries == 0)
		quit(member);
}

void chat_member_entry_changed(struct chat *chat, uint64_t owner, bool here)
{
	struct chat_member *member = chat_member_find(chat, owner);

	if (member == NULL)
		return;
	if (here)
		member->entries++;
	else if (--member->entries == 0 && member->socket == NULL)
		quit(member);
}

static const struct lined_socket_handlers member_handlers = {
	.handle_read = member_read,
	.handle_close = member_close,
};

void chat_member_accept(struct lined_service *service,
			struct lined_socket *client)
{
	struct chat *chat = lined_service_data(service);
	const struct chat_options *options = chat_options(chat);
	struct chat_member *member = calloc(1, sizeof(*member));

	if (member == NULL) {
		lined_socket_close_for(client, LINED_CLOSE_LIMIT, 0);
		return;
	}
	member->id = lined_client_id(client);
	member->chat = chat;
	member->socket = client;
	lined_service_timer(service, &member->slow, slow_over);
	chat_flood_init(&member->flood, options->flood_burst, now_ms(member));
	if (tsearch(member, &chat->members, chat_compare_ids) == NULL) {
		free(member);
		lined_socket_close_for(client, LINED_CLOSE_LIMIT, 0);
		return;
	}
	lined_socket_set_handlers(client, &member_handlers, member);
	if (options->password[0] != '\0') {
		chat_member_tell(member, "* a password is needed: send it now");
		return;
	}
	member->knows_password = true;
	chat_name_guest(member);
}

void chat_members_free(struct chat *chat)
{
	while (chat->members != NULL) {
		struct chat_member *member =
			*(struct chat_member **)chat->members;

		lined_timer_stop(&member->slow);
		while (member->seats != NULL)
			chat_seat_free(member->seats);
		free_member(member);
	}
}

/* ---- what it is and wants ---------------------------------------------- */

void chat_member_rooms(const struct chat_member *member,
		       char rooms[CHAT_EVENT_ROOMS_MAX])
{
	const struct chat_seat *seat;
	size_t used = 0;

	rooms[0] = '\0';
	for (seat = member->seats; seat != NULL; seat = seat->below)
		used += (size_t)snprintf(rooms + used,
					 CHAT_EVENT_ROOMS_MAX - used, "%s%s",
					 used > 0 ? "," : "", seat->room->name);
}

static size_t ignored_at(const struct chat_member *member, uint64_t id)
{
	size_t i;

	for (i = 0; i < member->ignored_count; i++)
		if (member->ignored[i] == id)
			break;
	return i;
}

bool chat_member_ignores(const struct chat_member *member, uint64_t id)
{
	return ignored_at(member, id) < member->ignored_count;
}

static void forget_ignored(struct chat_member *member, size_t at)
{
	member->ignored_count--;
	memmove(&member->ignored[at], &member->ignored[at + 1],
		(member->ignored_count - at) * sizeof(*member->ignored));
}

void chat_member_ignore(struct chat_member *member, uint64_t id)
{
	size_t at = ignored_at(member, id);

	if (at < member->ignored_count) {
		forget_ignored(member, at);
		return;
	}
	if (member->ignored == NULL)
		member->ignored = calloc(IGNORED_MAX, sizeof(uint64_t));
	if (member->ignored == NULL)
		return;
	if (member->ignored_count == IGNORED_MAX)
		forget_ignored(member, 0);
	member->ignored[member->ignored_count++] = id;
}

bool chat_member_is_muted(const struct chat_member *member)
{
	return now_ms(member) < member->muted_until_ms;
}

void chat_member_mute(struct chat_member *member, int64_t seconds)
{
	member->muted_until_ms = now_ms(member) + (uint64_t)seconds * 1000;
}
