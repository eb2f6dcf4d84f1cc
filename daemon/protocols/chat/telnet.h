/* SPDX-License-Identifier: MIT */
/*
 * Telnet (RFC 854): removes commands from a client's input and answers them.
 * All options that a client asks for are refused. The server uses ECHO, to turn
 * off the client's echo while a secret is typed. A client that has sent no
 * command is not a telnet client: it gets no commands, and its line ends stay
 * as they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed struct: the client has sent nothing. */
struct chat_telnet {
	uint8_t state, command; /* while a command is read */
	bool used;              /* a command was received: a telnet client */
	bool after_cr;          /* after a CR: an LF or NUL belongs to it */
	bool ends_in_cr;        /* a line has ended in CR LF, CR NUL or CR */
	bool is_binary;         /* set by the caller: no line ends in LF */
	bool secret;     /* a secret is being typed: chat_telnet_secret() */
	bool echo_taken; /* WILL ECHO was sent, and no WONT since */
	struct chat_telnet_answered *answered; /* NULL: nothing answered yet */
};

/* Sends a command and its option to the client. */
typedef void chat_telnet_answer(void *arg, unsigned char command,
				unsigned char option);

/*
 * Removes telnet commands from len bytes of input, in place, and answers them.
 * Once the client has sent a command, each CR LF, CR NUL or CR becomes an LF,
 * unless is_binary is set. Returns how many bytes are left, at most len + 1.
 */
size_t chat_telnet_take(struct chat_telnet *telnet, char *bytes, size_t len,
			chat_telnet_answer *answer, void *arg);

/* Call this when typing a secret begins and when it ends. */
void chat_telnet_secret(struct chat_telnet *telnet, bool secret,
			chat_telnet_answer *answer, void *arg);

/* Copies a line that was typed without echo, and applies BS and DEL as a
 * terminal would: they erase the character before them. Returns the length. */
size_t chat_telnet_erase(char *out, const char *line, size_t len);

void chat_telnet_fini(struct chat_telnet *telnet);
