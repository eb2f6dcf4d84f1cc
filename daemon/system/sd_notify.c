/* SPDX-License-Identifier: MIT */
/*
 * Each notice is a datagram to NOTIFY_SOCKET, as sd_notify(3) sends it.
 * sd_notify(3) itself blocks while the manager does not read, and all clients
 * would wait. If sending fails for another reason than a full queue, the notice
 * is lost, and lined logs nothing: a manager that gets no READY=1 logs that
 * itself.
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
#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif
#include <unistd.h>

#include "clock.h"
#include "list.h"
#include "system/fd_close.h"
#include "system/fd_message.h"
#include "system/spare_fds.h"

/* The most waiting notices: enough to store all listeners of a config. */
#define WAITING_MAX 4096
#define SETTLE_MS   1000

struct notice {
	struct list link; /* notices */
	int fd;           /* descriptor to pass; -1: none */
	char text[];
};

/* Stays open: if clients used all descriptors, no new socket could be opened to
 * reset the watchdog. */
static int manager_fd = -1;
/* Waiting notices, in order, and their number. */
static struct list notices = {&notices, &notices};
static size_t waiting;
static bool unsettled; /* something was unstored after the last barrier */

/* ---- sending ---------------------------------------------------------- */

static int notice_open_socket(void)
{
	if (manager_fd >= 0)
		return 0;
	spare_fds_release();
	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	spare_fds_hold();
	return manager_fd >= 0 ? 0 : -1;
}

/* Makes the address from NOTIFY_SOCKET, which is a path, or "@" and an abstract
 * name. Returns the address's length; 0: no such address. */
static socklen_t notice_address(struct sockaddr_un *address)
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

/* Sends a notice. -1: the manager's queue is full. The caller keeps the
 * descriptor. */
static int notice_send(const char *text, int fd)
{
	struct sockaddr_un address;
	struct iovec part = {(char *)text, strlen(text)};
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = notice_address(&address),
		.msg_iov = &part,
		.msg_iovlen = 1,
	};

	if (message.msg_namelen == 0 || notice_open_socket() < 0)
		return 0;
	if (fd_message_send(manager_fd, &message, &fd, fd >= 0, MSG_DONTWAIT) >=
	    0)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS ? -1 : 0;
}

/* ---- notices that wait ------------------------------------------------ */

static void notice_free(struct notice *notice)
{
	list_remove(&notice->link);
	waiting--;
	fd_close(notice->fd);
	free(notice);
}

bool sd_notify_flush(void)
{
	struct notice *notice, *next;

	list_for_each_safe(notice, next, &notices, link) {
		if (notice_send(notice->text, notice->fd) < 0)
			return false;
		notice_free(notice);
	}
	return true;
}

static bool notice_is_status(const char *text)
{
	return strncmp(text, "STATUS=", 7) == 0;
}

static void notice_keep(const char *text, int fd)
{
	struct notice *notice,
		*last = list_entry(notices.prev, struct notice, link);
	size_t size = strlen(text) + 1;

	/* A new status replaces a status at the end of the queue. */
	if (waiting > 0 && notice_is_status(text) &&
	    notice_is_status(last->text))
		notice_free(last);
	if (waiting == WAITING_MAX)
		return;
	notice = malloc(sizeof(*notice) + size);
	if (notice == NULL)
		return;
	memcpy(notice->text, text, size);
	notice->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd >= 0 && notice->fd < 0) {
		free(notice);
		return;
	}
	list_append(&notices, &notice->link);
	waiting++;
}

static void notice_tell(const char *text, int fd)
{
	if (!sd_notify_is_wanted())
		return;
	if (!sd_notify_flush() || notice_send(text, fd) < 0)
		notice_keep(text, fd);
}

bool sd_notify_is_wanted(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

/* ---- the notices ------------------------------------------------------ */

void sd_notify_ready(void)
{
	notice_tell("READY=1", -1);
}

void sd_notify_reloading(void)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)clock_ns(CLOCK_MONOTONIC) / 1000);
	notice_tell(text, -1);
}

void sd_notify_stopping(uint64_t at_most_ms)
{
	char text[80];

	snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
		 (unsigned long long)at_most_ms * 1000);
	notice_tell(text, -1);
}

void sd_notify_status(const char *format, ...)
{
	char text[256] = "STATUS=";
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - used, format, args);
	va_end(args);
	notice_tell(text, -1);
}

#ifdef HAVE_LIBSYSTEMD
uint64_t sd_notify_watchdog_ms(void)
{
	uint64_t usec;

	return sd_watchdog_enabled(0, &usec) > 0 ? usec / 1000 : 0;
}
#endif

void sd_notify_watchdog(void)
{
	if (sd_notify_is_wanted() && sd_notify_flush())
		notice_send("WATCHDOG=1", -1);
}

/* ---- descriptors that the manager keeps ------------------------------- */

bool sd_notify_can_store(void)
{
	const char *most = getenv("FDSTORE");

	return sd_notify_is_wanted() && most != NULL && atoi(most) > 0;
}

void sd_notify_store(const char *name, int fd)
{
	char text[300];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	notice_tell(text, fd);
}

void sd_notify_unstore(const char *name)
{
	char text[300];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notice_tell(text, -1);
	unsettled = true;
}

/* The manager reads notices in order. When it has read the barrier, it closes
 * its copy of the pipe. */
bool sd_notify_settle(void)
{
	int ends[2];
	struct pollfd closed = {.events = POLLIN};

	if (!unsettled || !sd_notify_flush() || pipe2(ends, O_CLOEXEC) < 0)
		return false;
	closed.fd = ends[0];
	/* A barrier that could not be sent is retried at the next call. */
	unsettled = notice_send("BARRIER=1", ends[1]) < 0;
	close(ends[1]);
	if (!unsettled)
		poll(&closed, 1, SETTLE_MS);
	close(ends[0]);
	return !unsettled;
}
