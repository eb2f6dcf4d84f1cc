/* SPDX-License-Identifier: MIT */
/*
 * Removes telnet commands and answers none: an option that is not answered
 * stays off.
 */
#include "chat/telnet.h"

enum telnet {
	TELNET_SE = 0xf0,
	TELNET_SB = 0xfa,
	TELNET_WILL = 0xfb,
	TELNET_DONT = 0xfe,
	TELNET_IAC = 0xff,
};

/* The length of a subnegotiation, which begins with IAC SB; one that does not
 * end in this line takes the rest of it. */
static size_t telnet_subnegotiation_len(const unsigned char *in, size_t len)
{
	size_t i;

	for (i = 2; i + 1 < len; i++) {
		if (in[i] != TELNET_IAC)
			continue;
		if (in[i + 1] == TELNET_SE)
			return i + 2;
		i++; /* IAC IAC is a data byte */
	}
	return len;
}

/* The length of the command at an IAC; 0: the IAC is a data byte. */
static size_t telnet_command_len(const unsigned char *in, size_t len)
{
	if (len == 1)
		return 1;
	if (in[1] < TELNET_SE || in[1] == TELNET_IAC)
		return 0;
	if (in[1] == TELNET_SB)
		return telnet_subnegotiation_len(in, len);
	if (in[1] >= TELNET_WILL && in[1] <= TELNET_DONT)
		return len < 3 ? len : 3;
	return 2;
}

size_t chat_telnet_strip(char *out, const char *line, size_t len)
{
	const unsigned char *in = (const unsigned char *)line;
	size_t i = 0, used = 0;

	while (i < len) {
		size_t skip = 0;

		if (in[i] == TELNET_IAC)
			skip = telnet_command_len(in + i, len - i);
		if (skip > 0) {
			i += skip;
			continue;
		}
		/* IAC IAC stands for the byte. */
		if (in[i] == TELNET_IAC && i + 1 < len &&
		    in[i + 1] == TELNET_IAC)
			i++;
		out[used++] = (char)in[i++];
	}
	return used;
}
