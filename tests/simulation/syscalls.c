/* SPDX-License-Identifier: MIT */
/*
 * The system calls of sockets, for the descriptors of the simulation; calls for
 * other descriptors are passed on. The linker prefers these functions to those
 * of libc, also in modules.
 */
#include "config.h"

#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "poller.h"
#include "world.h"

enum file_kind {
	FILE_FREE,
	FILE_SOCKET,
	FILE_LISTENER,
	FILE_STREAM,
	FILE_WAKEUP
};

/* An open file. Duplicates of a descriptor share it. */
struct file {
	enum file_kind kind;
	unsigned refs;
	uint16_t port; /* the port that it is bound to */
	struct net_listener *listener;
	struct net_stream *stream;
	unsigned end;
	bool set; /* whether the wakeup was signalled */
};

static struct file files[NET_FDS];
static struct file *fds[NET_FDS];

void net_fds_begin(void)
{
	memset(files, 0, sizeof(files));
	memset(fds, 0, sizeof(fds));
}

unsigned net_fds_open(void)
{
	unsigned count = 0, i;

	for (i = 0; i < NET_FDS; i++)
		count += fds[i] != NULL;
	return count;
}

static bool fd_is_ours(int fd)
{
	return fd >= NET_FD_FIRST && fd < NET_FD_FIRST + NET_FDS;
}

/* Using a descriptor of the simulation that is not open is a fault of lined: on
 * a real system the number might be another file's. */
static struct file *fd_file(int fd)
{
	struct file *file = fds[fd - NET_FD_FIRST];

	if (file == NULL)
		violated("descriptor %d is used and not open", fd);
	return file;
}

static int fd_of(struct file *file)
{
	unsigned i;

	for (i = 0; fds[i] != NULL; i++)
		must(i + 1 < NET_FDS);
	fds[i] = file;
	file->refs++;
	return NET_FD_FIRST + (int)i;
}

static int fd_new(enum file_kind kind)
{
	unsigned i;

	for (i = 0; files[i].refs > 0; i++)
		must(i + 1 < NET_FDS);
	files[i] = (struct file){.kind = kind};
	return fd_of(&files[i]);
}

static void file_close(struct file *file)
{
	if (--file->refs > 0)
		return;
	if (file->listener != NULL)
		net_unlisten(file->listener);
	if (file->stream != NULL)
		net_close(file->stream, file->end);
}

struct net_stream *net_fd_stream(int fd)
{
	return fd_is_ours(fd) ? fd_file(fd)->stream : NULL;
}

/* ---- readiness ----------------------------------------------------------- */

static unsigned stream_ready(const struct file *file)
{
	const struct net_stream *stream = file->stream;
	const struct net_end *end = &stream->ends[file->end];
	const struct net_way *in = &stream->ways[1 - file->end];
	const struct net_way *out = &stream->ways[file->end];
	unsigned ready = 0;

	if (stream->state == NET_CONNECTING)
		return 0;
	if (stream->state == NET_FAILED || end->reset)
		return POLL_READY_READ | POLL_READY_WRITE | POLL_READY_HANGUP |
		       (end->error != 0 ? POLL_READY_ERROR : 0);
	if (in->arrived > 0 || in->fin_arrived)
		ready |= POLL_READY_READ;
	if (out->fin || (out->window - out->len) * 3 >= out->window)
		ready |= POLL_READY_WRITE;
	if (in->fin_arrived && out->fin)
		ready |= POLL_READY_HANGUP;
	return ready;
}

unsigned net_fd_ready(int fd)
{
	const struct file *file = fd_file(fd);

	switch (file->kind) {
	case FILE_WAKEUP:
		return file->set ? POLL_READY_READ : 0;
	case FILE_LISTENER:
		return file->listener->count > 0 ? POLL_READY_READ : 0;
	case FILE_STREAM:
		return stream_ready(file);
	default:
		return POLL_READY_HANGUP;
	}
}

int net_wakeup_open(void)
{
	return fd_new(FILE_WAKEUP);
}

void net_wakeup_set(int fd, bool set)
{
	fd_file(fd)->set = set;
}

/* ---- reading and writing ------------------------------------------------- */

static ssize_t file_fail(int error)
{
	errno = error;
	return -1;
}

static ssize_t file_recv(struct file *file, void *bytes, size_t size)
{
	struct net_stream *stream = file->stream;
	struct net_end *end;
	size_t len, i;

	if (stream == NULL)
		return file_fail(ENOTCONN);
	end = &stream->ends[file->end];
	/* As if another thread had read what the poller reported. */
	if (world_once_in(100))
		return file_fail(EAGAIN);
	if (net_readable(stream, file->end) == 0) {
		int error = end->error;

		end->error = 0;
		if (error != 0)
			return file_fail(error);
		return end->reset || net_has_ended(stream, file->end)
			       ? 0
			       : file_fail(EAGAIN);
	}
	if (size > 1 && world_once_in(6))
		size = world_between(1, size < 40 ? (unsigned)size : 40);
	len = net_read(stream, file->end, bytes, size);
	if (file->end == 1) {
		struct net_totals *totals = net_totals(stream->port);

		totals->bytes_in += len;
		for (i = 0; i < len; i++)
			totals->newlines_in += ((char *)bytes)[i] == '\n';
	}
	return (ssize_t)len;
}

static ssize_t file_send(struct file *file, const struct iovec *vector,
			 size_t count, int flags)
{
	struct net_stream *stream = file->stream;
	size_t total = 0, most = SIZE_MAX, i;
	struct net_end *end;

	must((flags & MSG_NOSIGNAL) != 0);
	if (stream == NULL || stream->state == NET_CONNECTING)
		return file_fail(stream == NULL ? EPIPE : EAGAIN);
	end = &stream->ends[file->end];
	if (end->error != 0) {
		int error = end->error;

		end->error = 0;
		return file_fail(error);
	}
	if (end->reset || stream->ways[file->end].fin)
		return file_fail(EPIPE);
	if (net_room(stream, file->end) == 0 || world_once_in(50))
		return file_fail(EAGAIN);
	if (world_once_in(6))
		most = world_between(1, 40);
	for (i = 0; i < count && most > 0; i++) {
		size_t len =
			vector[i].iov_len < most ? vector[i].iov_len : most;
		size_t sent =
			net_write(stream, file->end, vector[i].iov_base, len);

		total += sent;
		most -= sent;
		if (sent < len)
			break;
	}
	if (file->end == 1)
		net_totals(stream->port)->bytes_out += total;
	return (ssize_t)total;
}

#pragma GCC visibility push(default)

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
	if (!fd_is_ours(fd))
		return syscall(SYS_recvfrom, fd, bytes, size, flags, NULL,
			       NULL);
	must(flags == 0);
	return file_recv(fd_file(fd), bytes, size);
}

/* Objects built with _FORTIFY_SOURCE call these. */
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);

ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags)
{
	must(size <= room);
	return recv(fd, bytes, size, flags);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
	struct iovec vector = {(void *)(uintptr_t)bytes, len};

	if (!fd_is_ours(fd))
		return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
	return file_send(fd_file(fd), &vector, 1, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (!fd_is_ours(fd))
		return syscall(SYS_sendmsg, fd, message, flags);
	return file_send(fd_file(fd), message->msg_iov, message->msg_iovlen,
			 flags);
}

int shutdown(int fd, int how)
{
	struct file *file;

	if (!fd_is_ours(fd))
		return (int)syscall(SYS_shutdown, fd, how);
	file = fd_file(fd);
	must(how == SHUT_WR && file->stream != NULL);
	if (file->stream->ends[file->end].reset)
		return (int)file_fail(ENOTCONN);
	net_finish(file->stream, file->end);
	return 0;
}

/* ---- making -------------------------------------------------------------- */

int socket(int family, int type, int protocol)
{
	must((type & SOCK_NONBLOCK) != 0 && (type & SOCK_CLOEXEC) != 0);
	must(family == AF_INET && (type & 15) == SOCK_STREAM && protocol == 0);
	return fd_new(FILE_SOCKET);
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_in *in = (const void *)address;

	must(len == sizeof(*in));
	fd_file(fd)->port = ntohs(in->sin_port);
	return net_find_listener(fd_file(fd)->port) == NULL
		       ? 0
		       : (int)file_fail(EADDRINUSE);
}

int listen(int fd, int backlog)
{
	struct file *file = fd_file(fd);

	file->listener = net_listen(file->port);
	if (file->listener == NULL)
		return (int)file_fail(EADDRINUSE);
	file->kind = FILE_LISTENER;
	return 0;
}

static void address_write(struct sockaddr *to, socklen_t *len, uint32_t address,
			  uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(address)};

	if (to == NULL)
		return;
	memcpy(to, &in, *len < sizeof(in) ? *len : sizeof(in));
	*len = sizeof(in);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	struct file *file = fd_file(fd);
	struct net_stream *stream;
	int accepted;

	must(flags == (SOCK_NONBLOCK | SOCK_CLOEXEC));
	if (file->listener->count > 0 && world_once_in(100))
		return (int)file_fail(EMFILE);
	stream = net_accept(file->listener);
	if (stream == NULL)
		return (int)file_fail(EAGAIN);
	if (world_once_in(60)) {
		net_reset(stream, 1);
		return (int)file_fail(ECONNABORTED);
	}
	net_totals(stream->port)->accepted++;
	accepted = fd_new(FILE_STREAM);
	fd_file(accepted)->stream = stream;
	fd_file(accepted)->end = 1;
	address_write(address, len, stream->address,
		      (uint16_t)(20000 + stream->id));
	trace("s%u accepted, descriptor %d", stream->id, accepted);
	return accepted;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_in *in = (const void *)address;
	struct file *file = fd_file(fd);

	must(len == sizeof(*in) && file->stream == NULL);
	file->stream = net_connect(ntohs(in->sin_port), INADDR_LOOPBACK);
	if (file->stream == NULL)
		return (int)file_fail(EADDRNOTAVAIL);
	file->kind = FILE_STREAM;
	file->end = 0;
	trace("s%u to port %u, descriptor %d", file->stream->id,
	      file->stream->port, fd);
	return (int)file_fail(EINPROGRESS);
}

int close(int fd)
{
	struct file *file;

	if (!fd_is_ours(fd))
		return (int)syscall(SYS_close, fd);
	file = fd_file(fd);
	fds[fd - NET_FD_FIRST] = NULL;
	file_close(file);
	return 0;
}

/* ---- asking -------------------------------------------------------------- */

int fcntl(int fd, int command, ...)
{
	va_list args;
	long value;

	va_start(args, command);
	value = va_arg(args, long);
	va_end(args);
	if (!fd_is_ours(fd))
		return (int)syscall(SYS_fcntl, fd, command, value);
	if (command == F_DUPFD_CLOEXEC)
		return fd_of(fd_file(fd));
	(void)fd_file(fd);
	must(command == F_GETFL || command == F_SETFL || command == F_GETFD);
	return command == F_GETFL ? O_RDWR | O_NONBLOCK : 0;
}

int fstat(int fd, struct stat *st)
{
	if (!fd_is_ours(fd))
		return (int)syscall(SYS_fstat, fd, st);
	(void)fd_file(fd);
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFSOCK;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	const struct file *file;
	va_list args;
	void *value;

	va_start(args, request);
	value = va_arg(args, void *);
	va_end(args);
	if (!fd_is_ours(fd))
		return (int)syscall(SYS_ioctl, fd, request, value);
	file = fd_file(fd);
	must(request == FIONREAD || request == TIOCOUTQ);
	*(int *)value = 0;
	if (file->stream == NULL)
		return 0;
	if (request == FIONREAD)
		*(int *)value = (int)net_readable(file->stream, file->end);
	else
		*(int *)value = (int)(file->stream->ways[file->end].len -
				      file->stream->ways[file->end].arrived);
	return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)level, (void)name, (void)value, (void)len;
	(void)fd_file(fd);
	return 0;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct file *file = fd_file(fd);
	int result = 0;

	must(level == SOL_SOCKET && *len == sizeof(result));
	if (name == SO_ERROR && file->stream != NULL) {
		result = file->stream->ends[file->end].error;
		file->stream->ends[file->end].error = 0;
	} else if (name == SO_TYPE) {
		result = SOCK_STREAM;
	} else if (name == SO_DOMAIN) {
		result = AF_INET;
	} else if (name == SO_ACCEPTCONN) {
		result = file->kind == FILE_LISTENER;
	} else {
		return (int)file_fail(ENOPROTOOPT);
	}
	memcpy(value, &result, sizeof(result));
	return 0;
}

int getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
	const struct file *file = fd_file(fd);
	uint16_t port = file->port;

	if (file->stream != NULL && file->end == 1)
		port = file->stream->port;
	address_write(address, len, INADDR_LOOPBACK, port);
	return 0;
}

int getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
	const struct file *file = fd_file(fd);

	if (file->stream == NULL || file->stream->state != NET_CONNECTED)
		return (int)file_fail(ENOTCONN);
	if (file->end == 1)
		address_write(address, len, file->stream->address,
			      (uint16_t)(20000 + file->stream->id));
	else
		address_write(address, len, INADDR_LOOPBACK,
			      file->stream->port);
	return 0;
}

#pragma GCC visibility pop
