/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told: a datagram a message to NOTIFY_SOCKET, as
 * sd_notify(3) has it. That function waits where the manager does not listen;
 * clients would wait with it. What cannot be told is not worth stopping for:
 * a manager that does not hear READY=1 says so itself.
 */
#include "config.h"

#include "system/sd_notify.h"

#include <errno.h>
#include <fcntl.h>
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

#include "system/spare_fds.h"

/* Messages that wait: more than a config has listeners to be stored. */
#define WAITING_MAX 4096
#define SETTLE_MS   1000

struct message {
	struct message *next;
	int fd; /* to be passed, its own; -1: none */
	char text[];
};

/* One socket for all: with every descriptor in use by clients the watchdog
 * would go hungry. */
static int to_manager = -1;
static struct message *first, **end = &first;
static size_t waiting;
static bool unsettled;

/* ---- sending ---------------------------------------------------------- */

static int open_socket(void)
{
	if (to_manager >= 0)
		return 0;
	reserve_release();
	to_manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	reserve_hold();
	return to_manager >= 0 ? 0 : -1;
}

/* A path, or "@" and an abstract name. 0: neither. */
static socklen_t manager_address(struct sockaddr_un *address)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name != NULL ? strlen(name) : 0;

	if (len < 2 || len >= sizeof(address->sun_path) ||
	    (name[0] != '/' && name[0] != '@'))
		return 0;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, name, len);
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* The descriptor, if any, is only lent. -1: the manager's queue is full. */
static int send_now(const char *text, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct sockaddr_un address;
	struct iovec part = {(char *)text, strlen(text)};
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = manager_address(&address),
		.msg_iov = &part,
		.msg_iovlen = 1,
	};

	if (message.msg_namelen == 0 || open_socket() < 0)
		return 0;
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	if (sendmsg(to_manager, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS ? -1 : 0;
}

/* ---- what waits ------------------------------------------------------- */

static void drop_first(void)
{
	struct message *message = first;

	first = message->next;
	if (first == NULL)
		end = &first;
	waiting--;
	if (message->fd >= 0)
		close(message->fd);
	free(message);
}

bool notify_flush(void)
{
	while (first != NULL) {
		if (send_now(first->text, first->fd) < 0)
			return false;
		drop_first();
	}
	return true;
}

static bool is_status(const char *text)
{
	return strncmp(text, "STATUS=", 7) == 0;
}

/* Of statuses in a row only the last is of use. */
static void drop_old_status(void)
{
	struct message **at = &first;

	while (*at != NULL && (*at)->next != NULL)
		at = &(*at)->next;
	if (*at == NULL || !is_status((*at)->text))
		return;
	free(*at);
	*at = NULL;
	end = at;
	waiting--;
}

static void keep(const char *text, int fd)
{
	struct message *message;
	size_t size = strlen(text) + 1;

	if (is_status(text))
		drop_old_status();
	if (waiting == WAITING_MAX)
		return;
	message = malloc(sizeof(*message) + size);
	if (message == NULL)
		return;
	memcpy(message->text, text, size);
	message->next = NULL;
	message->fd = -1;
	if (fd >= 0) {
		message->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (message->fd < 0) {
			free(message);
			return;
		}
	}
	*end = message;
	end = &message->next;
	waiting++;
}

static void tell_with(const char *text, int fd)
{
	if (!notify_is_wanted())
		return;
	if (!notify_flush() || send_now(text, fd) < 0)
		keep(text, fd);
}

static void tell(const char *text)
{
	tell_with(text, -1);
}

bool notify_is_wanted(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

/* ---- what is told ----------------------------------------------------- */

void notify_ready(void)
{
	tell("READY=1");
}

void notify_reloading(void)
{
	struct timespec now;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 +
			 (unsigned long long)now.tv_nsec / 1000);
	tell(text);
}

void notify_stopping(uint64_t at_most_ms)
{
	char text[80];

	snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
		 (unsigned long long)at_most_ms * 1000);
	tell(text);
}

void notify_status(const char *format, ...)
{
	char text[256] = "STATUS=";
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - used, format, args);
	va_end(args);
	tell(text);
}

void notify_watchdog(void)
{
	if (notify_is_wanted() && notify_flush())
		send_now("WATCHDOG=1", -1);
}

/* ---- descriptors that the manager keeps ------------------------------- */

bool notify_can_store(void)
{
	const char *most = getenv("FDSTORE");

	return notify_is_wanted() && most != NULL && atoi(most) > 0;
}

void notify_store(const char *name, int fd)
{
	char text[300];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	tell_with(text, fd);
}

void notify_unstore(const char *name)
{
	char text[300];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	tell(text);
	unsettled = true;
}

/* The manager closes the descriptor when it comes to the message, which is
 * after what was said before. */
bool notify_settle(void)
{
	int ends[2];
	struct pollfd closed = {.events = POLLIN};

	if (!unsettled || !notify_flush() || pipe2(ends, O_CLOEXEC) < 0)
		return false;
	unsettled = false;
	closed.fd = ends[0];
	send_now("BARRIER=1", ends[1]);
	close(ends[1]);
	poll(&closed, 1, SETTLE_MS);
	close(ends[0]);
	return true;
}
