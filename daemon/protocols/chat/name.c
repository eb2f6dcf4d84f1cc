/* SPDX-License-Identifier: MIT */
/*
 * Claiming names. Guests are numbered by the registry itself: the workers
 * follow the highest number there ever was and claim the next one; who is
 * second to it tries a higher one.
 */
#include "chat/name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "chat/seat.h"

static void claim(struct chat_member *member, const char *entry,
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

static void release(struct chat_member *member, char *entry)
{
	if (entry[0] == '\0')
		return;
	lined_registry_release(member->chat->service, member->socket, entry);
	entry[0] = '\0';
}

static void entry_of(char entry[CHAT_PEOPLE_ENTRY_MAX], const char *name)
{
	char lower[CHAT_NAME_MAX + 1];

	chat_text_lower(lower, name);
	snprintf(entry, CHAT_PEOPLE_ENTRY_MAX, CHAT_PEOPLE_PREFIX "%s", lower);
}

/* ---- guests ------------------------------------------------------------ */

void chat_name_came(struct chat *chat, const struct lined_registry_entry *entry)
{
	uint64_t number = chat_people_guest(entry->name);
	struct chat_member *member;

	if (number <= chat->guest_high)
		return;
	chat->guest_high = number;
	member = chat_member_find(chat, entry->owner);
	if (member != NULL)
		member->guest = number;
}

static void greet(struct chat_member *member)
{
	const struct chat_options *options = chat_options(member->chat);
	const char *motd = options->motd;

	chat_member_tell(member, "* %s%sYou are %s. /help lists the commands.",
			 motd, motd[0] != '\0' ? " " : "", member->nickname);
	if (member->chat->draining)
		chat_member_goodbye(member);
	if (options->default_room[0] != '\0')
		chat_seat_ask(member, options->default_room, "");
}

/*
 * A number may be free because its owner has come and gone before this claim
 * was heard: then it has been used and is given back.
 */
static void guest_claimed(struct lined_socket *client, void *arg, bool won)
{
	struct chat_member *member = arg;
	char entry[CHAT_PEOPLE_ENTRY_MAX];
	uint64_t number;

	(void)client;
	chat_member_release(member);
	entry_of(entry, member->wanted);
	number = chat_people_guest(entry);
	if (won &&
	    (member->guest == number || number > member->chat->guest_high)) {
		strcpy(member->entry, entry);
		strcpy(member->nickname, member->wanted);
		greet(member);
		return;
	}
	if (won)
		release(member, entry);
	chat_name_guest(member);
}

void chat_name_guest(struct chat_member *member)
{
	struct chat *chat = member->chat;
	char entry[CHAT_PEOPLE_ENTRY_MAX];

	if (chat->guest_asked < chat->guest_high)
		chat->guest_asked = chat->guest_high;
	chat->guest_asked++;
	snprintf(member->wanted, sizeof(member->wanted), "guest%" PRIu64,
		 chat->guest_asked);
	entry_of(entry, member->wanted);
	claim(member, entry, guest_claimed);
}

/* ---- /nick ------------------------------------------------------------- */

static void rename_to(struct chat_member *member, const char *name)
{
	char rooms[CHAT_EVENT_ROOMS_MAX];
	char before[CHAT_NAME_MAX + 1];
	struct chat_event event = {
		.kind = CHAT_EVENT_NOTICE,
		.from = member->id,
		.to = member->id,
		.rooms = rooms,
	};

	strcpy(before, member->nickname);
	strcpy(member->nickname, name);
	chat_member_rooms(member, rooms);
	chat_event_send(member->chat, &event, "* %s is now %s", before,
			member->nickname);
}

static void nickname_claimed(struct lined_socket *client, void *arg, bool won)
{
	struct chat_member *member = arg;

	(void)client;
	if (!won) {
		chat_member_tell(member, "! %s is taken", member->wanted);
	} else {
		release(member, member->spelling);
		release(member, member->entry);
		entry_of(member->entry, member->wanted);
		rename_to(member, member->wanted);
	}
	chat_member_release(member);
}

/* The name stays its own, only its spelling is another one now. */
static void spelling_claimed(struct lined_socket *client, void *arg, bool won)
{
	struct chat_member *member = arg;

	(void)client;
	if (won) {
		release(member, member->spelling);
		snprintf(member->spelling, sizeof(member->spelling), "%s/%u",
			 member->entry, member->spellings);
		rename_to(member, member->wanted);
	}
	chat_member_release(member);
}

static void ask_spelling(struct chat_member *member)
{
	char entry[CHAT_PEOPLE_SPELLING_MAX];

	snprintf(entry, sizeof(entry), "%s/%u", member->entry,
		 ++member->spellings);
	claim(member, entry, spelling_claimed);
}

void chat_name_ask(struct chat_member *member, const char *name)
{
	char entry[CHAT_PEOPLE_ENTRY_MAX];

	if (strcmp(name, member->nickname) == 0) {
		chat_member_tell(member, "* %s is now %s", name, name);
		return;
	}
	if (!chat_text_is_nickname(name) || chat_text_is_guest(name)) {
		chat_member_tell(member, "! bad nickname: %s", name);
		return;
	}
	strcpy(member->wanted, name);
	if (strcasecmp(name, member->nickname) == 0) {
		ask_spelling(member);
		return;
	}
	entry_of(entry, name);
	claim(member, entry, nickname_claimed);
}
