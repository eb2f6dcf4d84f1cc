/* SPDX-License-Identifier: MIT */
/*
 * Verifies passwords. The service's password is plain text or a hash; an
 * operator's password is always a hash, see command_operator.c.
 */
#include "chat/password.h"

#include <errno.h>
#include <string.h>

#include <lined/service.h>

#include "chat/command_nick.h"

#define FAILURES_MAX 3

void chat_password_wrong(struct chat_member *member, const char *operator_name)
{
	if (operator_name == NULL)
		CHAT_MEMBER_LOG(member, "%s", "wrong password");
	else
		CHAT_MEMBER_LOG(member, "wrong password for operator %s",
				operator_name);
	chat_member_tell(member, "! wrong password");
	lined_service_count(member->chat->service, "passwords_wrong", 1);
	if (++member->failures < FAILURES_MAX)
		return;
	lined_client_penalize(member->socket);
	chat_member_close(member, LINED_CLOSE_LIMIT);
}

void chat_password_verify(struct chat_member *member, const char *password,
			  const char *hash,
			  void (*verified)(struct lined_socket *client,
					   void *member, bool good))
{
	chat_member_hold(member);
	if (lined_service_verify_password(member->chat->service, member->socket,
					  password, hash, verified,
					  member) == 0)
		return;
	lined_service_log(member->chat->service, LINED_LOG_WARNING,
			  "password: %s", strerror(errno));
	verified(member->socket, member, false);
}

static void password_decide(struct chat_member *member, bool good)
{
	if (!good) {
		chat_password_wrong(member, NULL);
		return;
	}
	member->knows_password = true;
	member->failures = 0;
	chat_member_set_secret(member, false);
	chat_nick_guest(member);
}

static void password_verified(struct lined_socket *client, void *arg, bool good)
{
	struct chat_member *member = arg;

	password_decide(member, good);
	chat_member_release(member);
}

void chat_password_take(struct chat_member *member, const char *line)
{
	const char *password = chat_options(member->chat)->password;

	if (password[0] == '$')
		chat_password_verify(member, line, password, password_verified);
	else /* a reload may have removed the password */
		password_decide(member,
				password[0] == '\0' ||
					lined_password_equal(password, line));
}
