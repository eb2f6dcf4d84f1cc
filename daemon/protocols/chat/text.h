/* SPDX-License-Identifier: MIT */
/*
 * The text of clients: what of a line may reach another terminal, and what may
 * be a name. Keeps nothing.
 */
#ifndef CHAT_TEXT_H
#define CHAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <lined/text.h>

/* Longest nickname and room name. */
#define CHAT_NAME_MAX 32

/* How much room chat_text_clean() needs for a line of len bytes. */
#define CHAT_TEXT_ROOM(len) LINED_TEXT_CLEAN_ROOM(len)

/*
 * Writes a line to out without its telnet commands and then cleaned by
 * lined_text_clean(): a character that a command split is whole again. Returns
 * the length of out, which is NUL-terminated.
 */
size_t chat_text_clean(const char *line, size_t len, char *out);

/* The caller's copy of len bytes that no NUL need follow; NULL. */
char *chat_text_copy(const char *text, size_t len);

/* True where chat_text_clean() would change nothing. */
bool chat_text_is_clean(const char *text);

/* [A-Za-z0-9_-]{1,32} */
bool chat_text_is_nickname(const char *text);

/* [a-z0-9_-]{1,32} */
bool chat_text_is_room(const char *text);

/* guest[0-9]+, without regard to case. */
bool chat_text_is_guest(const char *text);

/* The ASCII letters of a name of up to CHAT_NAME_MAX bytes in lower case. */
void chat_text_lower(char out[CHAT_NAME_MAX + 1], const char *name);

#endif
