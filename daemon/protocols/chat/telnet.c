/* SPDX-License-Identifier: MIT */
/*
 * Parses telnet commands byte by byte: it does not matter how a command is
 * split into packets. An LF always ends a line, even within a command:
 * otherwise half a command would swallow all further lines of its client.
 */
#include "chat/telnet.h"

#include <stdlib.h>
#include <string.h>

enum telnet_byte {
	TELNET_SE = 0xf0,
	TELNET_SB = 0xfa,
	TELNET_WILL = 0xfb,
	TELNET_WONT = 0xfc,
	TELNET_DO = 0xfd,
	TELNET_DONT = 0xfe,
	TELNET_IAC = 0xff,
};

enum { TELNET_ECHO = 1, TELNET_TIMING_MARK = 6 };

enum telnet_state {
	TELNET_DATA,
	TELNET_AFTER_IAC,
	TELNET_OPTION, /* after WILL, WONT, DO or DONT */
	TELNET_SUBNEGOTIATION,
	TELNET_SUBNEGOTIATION_IAC,
};

/* Which requests were answered: a bit for each option. */
struct chat_telnet_answered {
	uint8_t will[32], do_[32];
};

/* Records the answer to a request. False: already answered. Repeated answers
 * are useless to a client, and two programs could answer each other for
 * ever. */
static bool telnet_is_new(struct chat_telnet *telnet, unsigned char option)
{
	uint8_t *bits, bit = (uint8_t)(1u << option % 8);

	if (telnet->answered == NULL)
		telnet->answered = calloc(1, sizeof(*telnet->answered));
	if (telnet->answered == NULL)
		return true;
	bits = telnet->command == TELNET_WILL ? telnet->answered->will
					      : telnet->answered->do_;
	if (bits[option / 8] & bit)
		return false;
	bits[option / 8] |= bit;
	return true;
}

static void telnet_request(struct chat_telnet *telnet, unsigned char option,
			   chat_telnet_answer *answer, void *arg)
{
	if (telnet->command == TELNET_WILL && telnet_is_new(telnet, option))
		answer(arg, TELNET_DONT, option);
	if (telnet->command != TELNET_DO)
		return;
	/* This is the client's answer to WILL ECHO. */
	if (option == TELNET_ECHO && telnet->echo_taken)
		return;
	/* Always answer: a client asks for a timing mark after each ^C, and
	 * discards all that it receives until the answer arrives. */
	if (option == TELNET_TIMING_MARK || telnet_is_new(telnet, option))
		answer(arg, TELNET_WONT, option);
}

/* Turns the client's echo off or on, depending on whether a secret is typed. */
static void telnet_update_echo(struct chat_telnet *telnet,
			       chat_telnet_answer *answer, void *arg)
{
	bool take = telnet->used && telnet->secret;

	if (take != telnet->echo_taken)
		answer(arg, take ? TELNET_WILL : TELNET_WONT, TELNET_ECHO);
	telnet->echo_taken = take;
}

void chat_telnet_secret(struct chat_telnet *telnet, bool secret,
			chat_telnet_answer *answer, void *arg)
{
	telnet->secret = secret;
	telnet_update_echo(telnet, answer, arg);
}

/* Handles the byte after an IAC: a command. */
static void telnet_command(struct chat_telnet *telnet, unsigned char byte,
			   chat_telnet_answer *answer, void *arg)
{
	telnet->used = true;
	telnet_update_echo(telnet, answer, arg);
	telnet->command = byte;
	if (byte == TELNET_SB)
		telnet->state = TELNET_SUBNEGOTIATION;
	else
		telnet->state =
			byte >= TELNET_WILL ? TELNET_OPTION : TELNET_DATA;
}

/* Takes a byte of a command. False: the byte is data. */
static bool telnet_take_command(struct chat_telnet *telnet, unsigned char byte,
				chat_telnet_answer *answer, void *arg)
{
	enum telnet_state state = telnet->state;

	switch (state) {
	case TELNET_AFTER_IAC:
		telnet->state = TELNET_DATA;
		if (byte < TELNET_SE || byte == TELNET_IAC)
			return false;
		telnet_command(telnet, byte, answer, arg);
		return true;
	case TELNET_OPTION:
		telnet->state = TELNET_DATA;
		telnet_request(telnet, byte, answer, arg);
		return byte != '\n';
	case TELNET_SUBNEGOTIATION:
		if (byte == TELNET_IAC)
			telnet->state = TELNET_SUBNEGOTIATION_IAC;
		else if (byte == '\n')
			telnet->state = TELNET_DATA;
		return byte != '\n';
	case TELNET_SUBNEGOTIATION_IAC:
		telnet->state = byte == TELNET_SE || byte == '\n'
					? TELNET_DATA
					: TELNET_SUBNEGOTIATION;
		return byte != '\n';
	default:
		if (byte == TELNET_IAC)
			telnet->state = TELNET_AFTER_IAC;
		return byte == TELNET_IAC;
	}
}

/* Converts line ends of a telnet client. False: the byte must be dropped. */
static bool telnet_take_data(struct chat_telnet *telnet, unsigned char *byte)
{
	bool after_cr = telnet->after_cr;

	if (!telnet->used || telnet->is_binary)
		return true;
	telnet->after_cr = *byte == '\r';
	telnet->ends_in_cr |= telnet->after_cr;
	if (*byte == '\r')
		*byte = '\n';
	else if (after_cr && (*byte == '\n' || *byte == '\0'))
		return false;
	return true;
}

size_t chat_telnet_take(struct chat_telnet *telnet, char *bytes, size_t len,
			chat_telnet_answer *answer, void *arg)
{
	size_t used = 0, i = 0;
	unsigned char byte;

	if (!telnet->used && telnet->state == TELNET_DATA &&
	    memchr(bytes, TELNET_IAC, len) == NULL)
		return len;
	/* An IAC before a byte that is no command is also data, unless the byte
	 * ends the line. IAC IAC is one byte of data. An IAC at the end of the
	 * previous input is inserted now. */
	if (telnet->state == TELNET_AFTER_IAC) {
		telnet->state = TELNET_DATA;
		memmove(bytes + 1, bytes, len++);
		bytes[0] = (char)TELNET_IAC;
	}
	for (; i < len; i++) {
		bool after_iac = telnet->state == TELNET_AFTER_IAC;

		byte = (unsigned char)bytes[i];
		if (telnet_take_command(telnet, byte, answer, arg))
			continue;
		if (after_iac && byte < TELNET_SE && byte != '\r' &&
		    byte != '\n')
			bytes[used++] = (char)TELNET_IAC;
		if (telnet_take_data(telnet, &byte))
			bytes[used++] = (char)byte;
	}
	return used;
}

size_t chat_telnet_erase(char *out, const char *line, size_t len)
{
	size_t used = 0, i;

	for (i = 0; i < len; i++) {
		if (line[i] != '\b' && line[i] != 0x7f) {
			out[used++] = line[i];
			continue;
		}
		/* Erase all bytes of a UTF-8 character. */
		while (used > 0 && (out[used - 1] & 0xc0) == 0x80)
			used--;
		if (used > 0)
			used--;
	}
	return used;
}

void chat_telnet_fini(struct chat_telnet *telnet)
{
	free(telnet->answered);
}
