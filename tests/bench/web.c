/* SPDX-License-Identifier: MIT */
/*
 * Makes the upgrade, and writes frames; see web.h.
 */
#include "config.h"

#include "web.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int web_connect(const struct subject *subject)
{
	static const char request[] =
		"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	struct subject web = *subject;
	char response[512] = "";
	size_t len = 0;
	int fd;

	web.port = subject->web_port;
	fd = subject_connect(&web);
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) !=
	    (ssize_t)strlen(request))
		fail("%s: the request is not sent", subject->name);
	while (strstr(response, "\r\n\r\n") == NULL) {
		ssize_t n = recv(fd, response + len, 1, 0);

		if (n <= 0 || ++len == sizeof(response) - 1)
			fail("%s: no upgrade: %s", subject->name, response);
	}
	if (strncmp(response, "HTTP/1.1 101 ", 13) != 0)
		fail("%s: no upgrade: %s", subject->name, response);
	return fd;
}

size_t web_write_request(char *out, const char *line, size_t len)
{
	static const char mask[4] = {0x12, 0x34, 0x56, 0x78};
	size_t i;

	out[0] = (char)0x81;
	out[1] = (char)(0x80 | --len);
	memcpy(out + 2, mask, sizeof(mask));
	for (i = 0; i < len; i++)
		out[WEB_HEAD + i] = (char)(line[i] ^ mask[i % 4]);
	return WEB_HEAD + len;
}

size_t web_write_answer(char *out, const char *line, size_t len)
{
	out[0] = (char)0x81;
	out[1] = (char)--len;
	memcpy(out + 2, line, len);
	return 2 + len;
}
