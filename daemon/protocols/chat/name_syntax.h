/* SPDX-License-Identifier: MIT */
/*
 * Which nicknames and room names are valid.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/text.h>

/* Longest nickname and room name. */
#define CHAT_NAME_MAX 32

/* Whether the text is [A-Za-z0-9_-]{1,32}. */
bool chat_name_is_nickname(const char *text);

/* Whether the text is [a-z0-9_-]{1,32}. */
bool chat_name_is_room(const char *text);

/* Whether the text is guest[0-9]+, without regard to case. */
bool chat_name_is_guest(const char *text);

/* Copies a name of up to CHAT_NAME_MAX bytes with ASCII letters in lower case.
 */
void chat_name_lower(char out[CHAT_NAME_MAX + 1], const char *name);
