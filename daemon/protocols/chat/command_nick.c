/* SPDX-License-Identifier: MIT */
/*
 * /nick, and the nicknames of guests. A guest's number is claimed in the
 * registry: each worker remembers the highest number that it has seen there and
 * claims the next number. If two workers claim the same number, one of them
 * loses and tries a higher number.
 */
#include "chat/command_nick.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "chat/command.h"
#include "chat/room_seat.h"

static void nick_claim(struct chat_member *member, const char *entry,
		       void (*claimed)(struct lined_socket *client, void *arg,
				       bool won))
{
	if (lined_registry_claim(member->chat->service, member->socket, entry,
				 member->wanted, strlen(member->wanted),
				 claimed, member) < 0) {
		lined_service_log(member->chat->service, LINED_LOG_WARNING,
				  "name %s: %s", member->wanted,
				  strerror(errno));
		lined_socket_close_for(member->socket, LINED_CLOSE_ERROR,
				       errno);
		return;
	}
	chat_member_hold(member);
}

static void nick_release(struct chat_member *member, char *entry)
{
	if (entry[0] == '\0')
		return;
	lined_registry_release(member->chat->service, member->socket, entry);
	entry[0] = '\0';
}

/* ---- guests ------------------------------------------------------------ */

void chat_nick_came(struct chat *chat, const struct lined_registry_entry *entry)
{
	uint64_t number = chat_nicknames_guest(entry->name);
	struct chat_member *member;

	if (number <= chat->guest_high)
		return;
	chat->guest_high = number;
	member = chat_member_find(chat, entry->owner);
	if (member != NULL)
		member->guest = number;
}

static void nick_greet(struct chat_member *member)
{
	const struct chat_options *options = chat_options(member->chat);
	const char *motd = options->motd;

	chat_member_tell(member, "* %s%sYou are %s. /help lists the commands.",
			 motd, motd[0] != '\0' ? " " : "", member->nickname);
	if (member->chat->draining)
		chat_member_tell_closing(member);
	if (options->default_room[0] != '\0')
		chat_seat_join(member, options->default_room, "");
}

/* The claim has been decided. A claim can also win a number that another client
 * has released just before. Such a number was already used, so the claim is
 * released: no two clients may get the same number. */
static void nick_guest_claimed(struct lined_socket *client, void *arg, bool won)
{
	struct chat_member *member = arg;
	char entry[CHAT_NICKNAME_ENTRY_MAX];
	uint64_t number;

	chat_member_release(member);
	chat_nicknames_entry(entry, member->wanted);
	number = chat_nicknames_guest(entry);
	if (won &&
	    (member->guest == number || number > member->chat->guest_high)) {
		strcpy(member->entry, entry);
		strcpy(member->nickname, member->wanted);
		nick_greet(member);
		return;
	}
	if (won)
		nick_release(member, entry);
	chat_nick_guest(member);
}

static void nick_claim_guest(struct chat_member *member,
			     void (*claimed)(struct lined_socket *client,
					     void *arg, bool won))
{
	struct chat *chat = member->chat;
	char entry[CHAT_NICKNAME_ENTRY_MAX];

	if (chat->guest_asked < chat->guest_high)
		chat->guest_asked = chat->guest_high;
	chat->guest_asked++;
	snprintf(member->wanted, sizeof(member->wanted), "guest%" PRIu64,
		 chat->guest_asked);
	chat_nicknames_entry(entry, member->wanted);
	nick_claim(member, entry, claimed);
}

void chat_nick_guest(struct chat_member *member)
{
	nick_claim_guest(member, nick_guest_claimed);
}

/* ---- /nick ------------------------------------------------------------- */

static void nick_tell_change(struct chat_member *member, const char *name)
{
	char rooms[CHAT_EVENT_ROOMS_MAX];
	char before[CHAT_NAME_MAX + 1];
	struct chat_event event = chat_member_event(member, CHAT_EVENT_NOTICE);

	event.to = member->id;
	event.rooms = rooms;
	strcpy(before, member->nickname);
	strcpy(member->nickname, name);
	chat_member_rooms(member, rooms);
	if (member->taken) {
		chat_member_tell(member, "* %s is taken: you are now %s",
				 before, name);
		member->taken = false;
		event.to = 0;
		event.number = 1;
	}
	chat_event_send(member->chat, &event, "* %s is now %s", before,
			member->nickname);
}

static void nick_replaced(struct lined_socket *client, void *arg, bool won)
{
	struct chat_member *member = arg;

	if (won) {
		chat_nicknames_entry(member->entry, member->wanted);
		nick_tell_change(member, member->wanted);
	}
	chat_member_release(member);
	if (!won)
		chat_nick_replace(member);
}

void chat_nick_replace(struct chat_member *member)
{
	if (member->taken && member->busy == 0)
		nick_claim_guest(member, nick_replaced);
}

void chat_nick_taken(struct chat_member *member, const char *entry)
{
	if (strcmp(entry, member->spelling) == 0)
		member->spelling[0] = '\0';
	if (strcmp(entry, member->entry) != 0)
		return;
	member->entry[0] = '\0';
	nick_release(member, member->spelling);
	member->taken = true;
	chat_nick_replace(member);
}

static void nick_claimed(struct lined_socket *client, void *arg, bool won)
{
	struct chat_member *member = arg;

	if (!won) {
		chat_member_tell(member, "! %s is taken", member->wanted);
	} else {
		member->taken = false;
		nick_release(member, member->spelling);
		nick_release(member, member->entry);
		chat_nicknames_entry(member->entry, member->wanted);
		nick_tell_change(member, member->wanted);
	}
	chat_member_release(member);
}

/* Another spelling was claimed: the member keeps its name, only the case of
 * letters changes. */
static void nick_spelling_claimed(struct lined_socket *client, void *arg,
				  bool won)
{
	struct chat_member *member = arg;

	if (won) {
		nick_release(member, member->spelling);
		snprintf(member->spelling, sizeof(member->spelling), "%s/%u",
			 member->entry, member->spellings);
		nick_tell_change(member, member->wanted);
	}
	chat_member_release(member);
}

static void nick_ask_spelling(struct chat_member *member)
{
	char entry[CHAT_NICKNAME_SPELLING_MAX];

	snprintf(entry, sizeof(entry), "%s/%u", member->entry,
		 ++member->spellings);
	nick_claim(member, entry, nick_spelling_claimed);
}

void chat_nick_change(struct chat_member *member, struct chat_args *args)
{
	const char *name = args->rest;
	char entry[CHAT_NICKNAME_ENTRY_MAX];

	if (strcmp(name, member->nickname) == 0) {
		chat_member_tell(member, "* %s is now %s", name, name);
		return;
	}
	if (!chat_name_is_nickname(name) || chat_name_is_guest(name)) {
		chat_member_tell(member, "! bad nickname: %s", name);
		return;
	}
	strcpy(member->wanted, name);
	if (strcasecmp(name, member->nickname) == 0) {
		nick_ask_spelling(member);
		return;
	}
	chat_nicknames_entry(entry, name);
	nick_claim(member, entry, nick_claimed);
}
