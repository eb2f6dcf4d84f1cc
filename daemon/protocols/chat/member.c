/* SPDX-License-Identifier: MIT */
/*
 * Keeps the members of this worker in a tree, by id. A member is not read while
 * it is held (`busy` counts the holds) or slowed by the flood limit.
 */
#include "chat/member.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/charged_memory.h"
#include "chat/room_seat.h"

/* Other workers answer at once. No answer comes if the client concerned has
 * closed. */
#define ANSWER_MS 2000

#define IGNORED_MAX 100

struct chat_member *chat_member_find(struct chat *chat, uint64_t id)
{
	return id == 0 ? NULL
		       : chat_find(&chat->members, &id, chat_compare_ids);
}

uint64_t chat_member_now_ms(const struct chat_member *member)
{
	return lined_dispatcher_now_ms(
		lined_service_dispatcher(member->chat->service));
}

void chat_member_tell(struct chat_member *member, const char *format, ...)
{
	struct lined_buffer *text;
	char end[] = "\r\n";
	va_list args;

	if (member->socket == NULL)
		return;
	va_start(args, format);
	text = lined_buffer_vprintf(format, args);
	va_end(args);
	if (text != NULL) {
		const struct iovec pieces[] = {
			{(void *)(uintptr_t)lined_buffer_data(text),
			 lined_buffer_len(text)},
			{member->crlf ? end : end + 1, member->crlf ? 2 : 1},
		};

		lined_socket_sendv(member->socket, pieces, 2);
	}
	lined_buffer_unref(text);
}

void chat_member_send_telnet(void *arg, unsigned char command,
			     unsigned char option)
{
	struct chat_member *member = arg;
	const unsigned char bytes[] = {0xff, command, option};

	lined_socket_send(member->socket, bytes, sizeof(bytes));
}

struct chat_event chat_member_event(const struct chat_member *member,
				    enum chat_event_kind kind)
{
	return (struct chat_event){
		.kind = kind,
		.from = member->id,
		.name = member->nickname,
	};
}

bool chat_member_has_sent(struct chat_member *member, int result)
{
	if (result < 0)
		chat_member_tell(member, "! slow down");
	return result == 0;
}

void chat_member_lacks_memory(struct chat_member *member)
{
	lined_service_log(member->chat->service, LINED_LOG_WARNING,
			  "a member's line was not served: %s",
			  strerror(ENOMEM));
	lined_service_count(member->chat->service, "memory_refused", 1);
	chat_member_tell(member, "! out of memory");
}

void chat_member_set_secret(struct chat_member *member, bool secret)
{
	chat_telnet_secret(&member->telnet, secret, chat_member_send_telnet,
			   member);
}

void chat_member_tell_closing(struct chat_member *member)
{
	chat_member_tell(member, "* announcement: this service is closing");
}

void chat_member_close(struct chat_member *member,
		       enum lined_close_reason reason)
{
	if (member->socket != NULL)
		lined_socket_close_after_flush(member->socket, reason, 0);
}

/* ---- reading ------------------------------------------------------------ */

static bool member_is_ready(const struct chat_member *member)
{
	return member->busy == 0 && !lined_timer_is_armed(&member->slow);
}

static void member_pause_or_resume(struct chat_member *member)
{
	if (member->socket == NULL)
		return;
	if (member_is_ready(member))
		lined_socket_resume(member->socket);
	else
		lined_socket_pause(member->socket);
}

bool chat_member_may_be_read(struct chat_member *member)
{
	bool ready = member_is_ready(member);

	/* The registry resumes a client after answering a claim, even if the
	 * member still waits for another answer: pause the client again. */
	if (!ready)
		member_pause_or_resume(member);
	return ready;
}

void chat_member_hold(struct chat_member *member)
{
	member->busy++;
	member_pause_or_resume(member);
}

void chat_member_release(struct chat_member *member)
{
	member->busy--;
	member_pause_or_resume(member);
}

void chat_member_await(struct chat_member *member)
{
	if (member->answer_until_ms != 0)
		return;
	member->answer_until_ms = chat_member_now_ms(member) + ANSWER_MS;
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

void chat_member_check_answer(struct chat_member *member)
{
	if (member->answer_until_ms != 0 &&
	    chat_member_now_ms(member) >= member->answer_until_ms)
		chat_member_answered(member);
}

static void member_slow_over(struct lined_timer *timer)
{
	member_pause_or_resume(
		lined_container_of(timer, struct chat_member, slow));
}

void chat_member_slow(struct chat_member *member, uint64_t wait_ms)
{
	lined_timer_start(&member->slow, wait_ms, 0);
	member_pause_or_resume(member);
}

/* ---- life --------------------------------------------------------------- */

struct chat_member *chat_member_new(struct chat *chat,
				    struct lined_socket *client)
{
	struct chat_member *member = calloc(1, sizeof(*member));

	if (member == NULL)
		return NULL;
	member->id = lined_client_id(client);
	member->chat = chat;
	member->socket = client;
	switch (lined_socket_framing(client)->terminator) {
	case LINED_TERMINATOR_CRLF:
		member->crlf = true;
		break;
	case LINED_TERMINATOR_ANY:
	case LINED_TERMINATOR_LF:
		break;
	default:
		member->telnet.is_binary = true;
	}
	lined_service_timer(chat->service, &member->slow, member_slow_over);
	if (tsearch(member, &chat->members, chat_compare_ids) == NULL) {
		free(member);
		return NULL;
	}
	return member;
}

void chat_member_free(struct chat_member *member)
{
	lined_timer_stop(&member->slow);
	tdelete(member, &member->chat->members, chat_compare_ids);
	chat_telnet_fini(&member->telnet);
	chat_free(member->chat, member->list, member->list_size);
	free(member->ignored);
	free(member->reason);
	free(member->rooms);
	free(member);
}

/* Announces the quit and frees the member. Call this after the registry's last
 * entry of the member is gone: otherwise a member that sees the quit and asks
 * /who could still find it. */
static void member_quit(struct chat_member *member)
{
	const char *reason = member->reason;
	struct chat_event event = chat_member_event(member, CHAT_EVENT_NOTICE);

	event.rooms = member->rooms;
	event.number = member->chat->draining ? CHAT_NOTICE_ELSEWHERE : 0;
	if (member->rooms != NULL &&
	    (!member->chat->draining || member->chat->quits))
		chat_event_send(member->chat, &event, "* %s quit%s%s",
				member->nickname, reason != NULL ? ": " : "",
				reason != NULL ? reason : "");
	chat_member_free(member);
}

void chat_member_gone(struct chat_member *member)
{
	chat_member_answered(member);
	lined_timer_stop(&member->slow);
	member->socket = NULL;
	if (member->entries == 0)
		member_quit(member);
}

void chat_member_entry_changed(struct chat *chat, uint64_t owner, bool here)
{
	struct chat_member *member = chat_member_find(chat, owner);

	if (member == NULL)
		return;
	if (here)
		member->entries++;
	else if (--member->entries == 0 && member->socket == NULL)
		member_quit(member);
}

/* ---- rooms, ignoring, muting --------------------------------------------- */

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

static size_t member_find_ignored(const struct chat_member *member, uint64_t id)
{
	size_t i;

	for (i = 0; i < member->ignored_count; i++)
		if (member->ignored[i] == id)
			break;
	return i;
}

bool chat_member_ignores(const struct chat_member *member, uint64_t id)
{
	return member_find_ignored(member, id) < member->ignored_count;
}

static void member_forget_ignored(struct chat_member *member, size_t at)
{
	member->ignored_count--;
	memmove(&member->ignored[at], &member->ignored[at + 1],
		(member->ignored_count - at) * sizeof(*member->ignored));
}

void chat_member_ignore(struct chat_member *member, uint64_t id,
			const char *nickname)
{
	size_t at = member_find_ignored(member, id);

	if (at < member->ignored_count) {
		member_forget_ignored(member, at);
		chat_member_tell(member, "* you no longer ignore %s", nickname);
		return;
	}
	if (member->ignored == NULL)
		member->ignored = calloc(IGNORED_MAX, sizeof(uint64_t));
	if (member->ignored == NULL) {
		chat_member_lacks_memory(member);
		return;
	}
	if (member->ignored_count == IGNORED_MAX)
		member_forget_ignored(member, 0);
	member->ignored[member->ignored_count++] = id;
	chat_member_tell(member, "* you ignore %s", nickname);
}

bool chat_member_is_muted(const struct chat_member *member)
{
	return chat_member_now_ms(member) < member->muted_until_ms;
}

void chat_member_mute(struct chat_member *member, int64_t seconds)
{
	member->muted_until_ms =
		chat_member_now_ms(member) + (uint64_t)seconds * 1000;
}
