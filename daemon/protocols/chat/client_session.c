/* SPDX-License-Identifier: MIT */
/*
 * Decides when a client is read and whether a line is taken: a client is not
 * read while it waits for an answer, and lines of a flood are dropped.
 * command.c executes lines.
 */
#include "chat/client_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chat/command.h"
#include "chat/command_nick.h"
#include "chat/member.h"
#include "chat/password.h"
#include "chat/room_seat.h"

/* ---- reading ------------------------------------------------------------ */

static void session_phase(struct lined_message *message)
{
	struct chat *chat =
		lined_container_of(message, struct chat, phase_message);

	chat->phase_due = false;
	chat->phase++;
}

/*
 * Whether input may be read. False: it must wait until the messages posted by
 * the workers so far are handled. A client may have read what a client on
 * another worker has done, and ask about it: the answer must include that
 * change. The input is read in the next turn, which follows at once.
 */
static bool session_is_due(struct chat_member *member)
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

/* Counts a line for the flood limit. False: the line must be dropped. */
static bool session_line_counts(struct chat_member *member)
{
	const struct chat_options *options = chat_options(member->chat);
	uint64_t wait_ms;
	enum chat_flood_verdict verdict =
		chat_flood_take(&member->flood, (uint32_t)options->flood_rate,
				(uint32_t)options->flood_burst,
				chat_member_now_ms(member), &wait_ms);

	if (verdict == CHAT_FLOOD_SLOW)
		chat_member_tell(member, "! slow down");
	else if (verdict == CHAT_FLOOD_MUTE)
		chat_member_tell(member, "! you are muted");
	if (verdict == CHAT_FLOOD_CLOSE) {
		lined_service_count(member->chat->service, "floods_closed", 1);
		chat_member_close(member, LINED_CLOSE_LIMIT);
		return false;
	}
	if (wait_ms > 0)
		chat_member_slow(member, wait_ms);
	return verdict <= CHAT_FLOOD_SLOW;
}

static void session_take_line(struct chat_member *member,
			      const struct lined_line *line)
{
	size_t len = line->len;
	char *text = malloc(LINED_TEXT_CLEAN_ROOM(len));

	if (text == NULL) {
		chat_member_lacks_memory(member);
		return;
	}
	if (member->telnet.echo_taken) {
		len = chat_telnet_erase(text + 2 * len, line->text, len);
		lined_text_clean(text, text + 2 * line->len, len);
	} else {
		lined_text_clean(text, line->text, len);
	}
	if (!member->knows_password) {
		chat_password_take(member, text);
	} else if (text[0] != '\0') {
		chat_seats_announce(member);
		chat_command(member, text);
	}
	free(text);
}

static size_t session_input(struct lined_socket *client, void *arg, char *bytes,
			    size_t len)
{
	struct chat_member *member = arg;

	len = chat_telnet_take(&member->telnet, bytes, len,
			       chat_member_send_telnet, member);
	member->crlf |= member->telnet.ends_in_cr;
	return len;
}

/* Makes LF the terminator for a telnet client: telnet.c turns line ends into
 * LF. */
static void session_follow_telnet(struct chat_member *member)
{
	struct lined_framing framing = *lined_socket_framing(member->socket);

	if (!member->telnet.used || member->telnet.is_binary ||
	    framing.terminator == LINED_TERMINATOR_LF)
		return;
	framing.terminator = LINED_TERMINATOR_LF;
	lined_socket_set_framing(member->socket, &framing);
}

static void session_read(struct lined_socket *client, void *arg)
{
	struct chat_member *member = arg;
	struct lined_line line;

	if (!session_is_due(member))
		return;
	session_follow_telnet(member);
	while (chat_member_may_be_read(member)) {
		switch (lined_socket_read_line(client, &line)) {
		case LINED_LINE_READY:
			member->crlf |= line.terminator_len == 2;
			if (session_line_counts(member))
				session_take_line(member, &line);
			break;
		case LINED_LINE_TOO_LONG:
			if (session_line_counts(member))
				chat_member_tell(member, "! line too long");
			break;
		default:
			return;
		}
	}
}

/* ---- coming and going --------------------------------------------------- */

static void session_close(struct lined_socket *client, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct chat_member *member = arg;
	char rooms[CHAT_EVENT_ROOMS_MAX];

	chat_member_rooms(member, rooms);
	if (rooms[0] != '\0' && !member->unannounced)
		member->rooms = strdup(rooms);
	while (member->seats != NULL)
		chat_seat_free(member->seats);
	chat_member_gone(member);
}

static void session_write(struct lined_socket *client, void *member)
{
	chat_who_continue(member);
}

static const struct lined_socket_handlers session_handlers = {
	.handle_read = session_read,
	.handle_write = session_write,
	.handle_close = session_close,
	.handle_input = session_input,
};

void chat_session_accept(struct lined_service *service,
			 struct lined_socket *client)
{
	struct chat *chat = lined_service_data(service);
	struct chat_member *member = chat_member_new(chat, client);

	if (member == NULL) {
		lined_socket_close_for(client, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	lined_socket_set_handlers(client, &session_handlers, member);
	if (chat_options(chat)->password[0] != '\0') {
		chat_member_set_secret(member, true);
		chat_member_tell(member, "* a password is needed: send it now");
		return;
	}
	member->knows_password = true;
	member->unannounced =
		chat_options(chat)->announce == CHAT_ANNOUNCE_FIRST_LINE;
	chat_nick_guest(member);
}

/* ---- all sessions ------------------------------------------------------- */

static void session_taken(struct lined_socket *client, const char *name,
			  void *arg)
{
	struct chat_member *member = lined_socket_arg(client);
	struct chat *chat = arg;

	if (member == NULL)
		return;
	chat_nick_taken(member, name);
	chat->replacing |= member->taken;
}

void chat_sessions_init(struct chat *chat)
{
	chat->phase_message.handler = session_phase;
	chat->phase_message.cancel = session_phase;
	lined_registry_on_taken(chat->service, session_taken, chat);
}

void chat_sessions_fini(struct chat *chat)
{
	lined_dispatcher_undefer(lined_service_dispatcher(chat->service),
				 &chat->phase_message);
	while (chat->members != NULL) {
		struct chat_member *member =
			*(struct chat_member **)chat->members;

		while (member->seats != NULL)
			chat_seat_free(member->seats);
		chat_member_free(member);
	}
}

static void session_drain(struct lined_socket *client, void *arg)
{
	struct chat_member *member = lined_socket_arg(client);
	size_t *count = arg;

	/* A member without a nickname is told later, after the greeting. */
	if (member == NULL || member->nickname[0] == '\0')
		return;
	(*count)++;
	chat_member_tell_closing(member);
}

size_t chat_sessions_drain(struct chat *chat)
{
	size_t count = 0;

	lined_service_each_client(chat->service, session_drain, &count);
	return count;
}

static void session_tell_parted(struct lined_socket *client, void *arg)
{
	struct chat_member *member = lined_socket_arg(client);
	const bool *parted = arg;

	if (member == NULL || member->nickname[0] == '\0' ||
	    member->parted == *parted)
		return;
	member->parted = *parted;
	chat_member_tell(member, "* %s",
			 *parted ? "some people may not hear you"
				 : "everybody hears you again");
}

void chat_sessions_tell_parted(struct chat *chat, bool parted)
{
	lined_service_each_client(chat->service, session_tell_parted, &parted);
}

static void session_check(struct lined_socket *client, void *arg)
{
	struct chat_member *member = lined_socket_arg(client);

	if (member == NULL)
		return;
	chat_member_check_answer(member);
	chat_nick_replace(member);
	member->chat->replacing |= member->taken;
}

void chat_sessions_check(struct lined_service *service)
{
	struct chat *chat = lined_service_data(service);
	bool due = chat->waiting > 0 || chat->replacing;

	chat->replacing = false;
	if (due)
		lined_service_each_client(service, session_check, NULL);
}
