/* SPDX-License-Identifier: MIT */
/*
 * Passwords of members: the service's password in the first line, and those of
 * operators.
 */
#pragma once

#include "chat/member.h"

/* Takes a line of a member that does not know the service's password yet. */
void chat_password_take(struct chat_member *member, const char *line);

/*
 * Starts to compare a password with a hash on another thread. The member is not
 * read meanwhile; verified() is called later and must release it
 * (chat_member_release()); at once, with a wrong password, if the comparison
 * cannot be started.
 */
void chat_password_verify(struct chat_member *member, const char *password,
			  const char *hash,
			  void (*verified)(struct lined_socket *client,
					   void *member, bool good));

/* Tells the member that its password is wrong, counts and logs it; the third
 * time closes it. NULL: the service's password, not an operator's. */
void chat_password_wrong(struct chat_member *member, const char *operator_name);
