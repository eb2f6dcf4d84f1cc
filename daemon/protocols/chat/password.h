/* SPDX-License-Identifier: MIT */
/*
 * Passwords of members: the service's, asked for by the first line, and those
 * of operators.
 */
#ifndef CHAT_PASSWORD_H
#define CHAT_PASSWORD_H

#include "chat/member.h"

/* Takes a line of a member that does not know the service's password yet. */
void chat_password_take(struct chat_member *member, const char *line);

/*
 * Has a password compared with a hash, off the loop: verified() is called
 * later, and the member is to be released there. Reads nothing of the member
 * meanwhile. If that cannot be begun, the password counts as wrong.
 */
void chat_password_verify(struct chat_member *member, const char *password,
			  const char *hash,
			  void (*verified)(struct lined_socket *client,
					   void *member, bool good));

/* Tells the member that its password is wrong; the third time closes it. */
void chat_password_wrong(struct chat_member *member);

#endif
