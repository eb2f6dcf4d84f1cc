/* SPDX-License-Identifier: MIT */
/*
 * Telnet (RFC 854): takes its commands out of the input of a client and answers
 * them. All options are refused, except that the client's echo is off while a
 * secret is typed. A client that has sent no command is no telnet client:
 * nothing is sent to it, and its line ends stay as they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory: a client that has sent nothing. */
struct chat_telnet {
	uint8_t state, command; /* of the command that is being read */
	bool used;              /* a command has come: a telnet client */
	bool after_cr;          /* an LF or NUL now belongs to the line end */
	bool ends_in_cr;        /* a line has ended in CR LF, CR NUL or CR */
	bool is_binary;         /* to be set: lines do not end in LF or CRLF */
	bool secret;     /* a secret is typed, see chat_telnet_secret() */
	bool echo_taken; /* WILL ECHO was sent, and no WONT after it */
	struct chat_telnet_answered *answered; /* NULL: nothing yet */
};

/* Sends a command and its option to the client. */
typedef void chat_telnet_answer(void *arg, unsigned char command,
				unsigned char option);

/*
 * Removes telnet's commands from len bytes of input, in place, and answers
 * them. From the first command on, CR LF, CR NUL and CR become LF. Returns how
 * many bytes are left; one more than len at most.
 */
size_t chat_telnet_take(struct chat_telnet *telnet, char *bytes, size_t len,
			chat_telnet_answer *answer, void *arg);

/* A secret is typed from now on, or no longer. */
void chat_telnet_secret(struct chat_telnet *telnet, bool secret,
			chat_telnet_answer *answer, void *arg);

/* Copies a line that was typed without echo and does what a terminal does with
 * echo: BS and DEL erase the character before them. Returns the length. */
size_t chat_telnet_erase(char *out, const char *line, size_t len);

void chat_telnet_fini(struct chat_telnet *telnet);
