/* SPDX-License-Identifier: MIT */
/*
 * Telnet commands (RFC 854) within a line: telnet clients may send them
 * although lined never asks.
 */
#ifndef CHAT_TELNET_H
#define CHAT_TELNET_H

#include <stddef.h>

/* Copies a line of len bytes to out without telnet's commands; IAC IAC becomes
 * one byte. Returns the length, which is at most len. */
size_t chat_telnet_strip(char *out, const char *line, size_t len);

#endif
