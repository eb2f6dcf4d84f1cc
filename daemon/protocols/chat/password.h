/* SPDX-License-Identifier: MIT */
/*
 * Passwords of members: the service's password in the first line, and
 * operators' passwords.
 */
#pragma once

#include "chat/member.h"

/* Takes a line of a member that has not given the service's password yet. */
void chat_password_take(struct chat_member *member, const char *line);

/*
 * Compares a password with a hash on another thread. The member is held;
 * verified() is called later and must call chat_member_release(). If the
 * comparison cannot be started, verified() is called at once with good false.
 */
void chat_password_verify(struct chat_member *member, const char *password,
			  const char *hash,
			  void (*verified)(struct lined_socket *client,
					   void *member, bool good));

/* Call this for a wrong password: tells the member, counts and logs the
 * failure. At the third failure, closes the client and penalizes its address.
 * operator_name NULL: the service's password was wrong. */
void chat_password_wrong(struct chat_member *member, const char *operator_name);
