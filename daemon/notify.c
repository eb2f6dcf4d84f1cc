/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told: a datagram a message to NOTIFY_SOCKET, as
 * sd_notify(3) has it. That function waits where the manager does not listen;
 * clients would wait with it. What cannot be told is not worth stopping for:
 * a manager that does not hear READY=1 says so itself.
 */
#include "config.h"

#include "notify.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "reserve.h"

/* For what happens once; the rest comes again. */
#define PATIENCE_MS 200

/* A path, or with an @ a name of Linux's own space. -1: neither. */
static int address_of(const char *text, struct sockaddr_un *address,
		      socklen_t *len)
{
	size_t size = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || size < 2 ||
	    size >= sizeof(address->sun_path))
		return -1;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, text, size);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	if (text[0] == '@')
		address->sun_path[0] = '\0';
	else
		(*len)++;
	return 0;
}

static void send_to(int fd, const char *text, int patience_ms)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	ssize_t n;

	for (;;) {
		n = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return;
		if (errno == EAGAIN && poll(&writable, 1, patience_ms) <= 0)
			return;
	}
}

/* Each message opens a socket: with every descriptor in use by clients the
 * watchdog would go hungry. */
static void tell(const char *text, int patience_ms)
{
	struct sockaddr_un address;
	socklen_t len;
	int fd;

	if (!notify_is_wanted() ||
	    address_of(getenv("NOTIFY_SOCKET"), &address, &len) < 0)
		return;
	reserve_release();
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		if (connect(fd, (struct sockaddr *)&address, len) == 0)
			send_to(fd, text, patience_ms);
		close(fd);
	}
	reserve_hold();
}

bool notify_is_wanted(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

void notify_ready(void)
{
	tell("READY=1", PATIENCE_MS);
}

void notify_reloading(void)
{
	struct timespec now;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 +
			 (unsigned long long)now.tv_nsec / 1000);
	tell(text, PATIENCE_MS);
}

void notify_stopping(void)
{
	tell("STOPPING=1", PATIENCE_MS);
}

void notify_status(const char *format, ...)
{
	char text[256] = "STATUS=";
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - used, format, args);
	va_end(args);
	tell(text, 0);
}

void notify_watchdog(void)
{
	tell("WATCHDOG=1", 0);
}
