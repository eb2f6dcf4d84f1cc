/* SPDX-License-Identifier: MIT */
/*
 * The system calls that the laboratory's library can make fail, and which
 * faults can occur for which descriptor.
 */
#include "refuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* ---- what may happen to a descriptor ---------------------------------- */

static bool fd_is(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool fd_is_stream(int fd)
{
	if (fd_is(fd, S_IFSOCK))
		return fd_is_stream_socket(fd);
	return fd_is(fd, S_IFIFO) || fd_is(fd, S_IFREG) || fd_is(fd, S_IFCHR);
}

static bool fd_may(int fd, int fault)
{
	int flags;

	switch (fault) {
	case FAULT_SHORT:
		return fd_is_stream(fd);
	case FAULT_END: /* not for files: lined would read an empty file */
		return fd_is_stream(fd) && !fd_is(fd, S_IFREG);
	case EAGAIN:
		flags = fcntl(fd, F_GETFL);
		return flags >= 0 && (flags & O_NONBLOCK);
	case ECONNRESET:
	case ETIMEDOUT:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENOBUFS:
		return fd_is(fd, S_IFSOCK);
	case EPIPE:
		return fd_is(fd, S_IFSOCK) || fd_is(fd, S_IFIFO);
	case ENOSPC:
		return fd_is(fd, S_IFREG);
	default:
		return true;
	}
}

/* ---- system calls ----------------------------------------------------- */

#define REAL(name)                                                             \
	static __typeof__(name) *real;                                         \
	if (real == NULL)                                                      \
	real = (__typeof__(name) *)next(#name)

/* A call that reports a failure by returning `failed` and setting errno. */
#define CALL(type, failed, name, parameters, ...)                              \
	type name parameters                                                   \
	{                                                                      \
		REAL(name);                                                    \
		if (place_fails(#name, false, CALLER, -1, NULL)) {             \
			errno = table->fault;                                  \
			return failed;                                         \
		}                                                              \
		return real(__VA_ARGS__);                                      \
	}

/* The same for a call whose first parameter is a descriptor. */
#define FD_CALL(type, failed, name, parameters, fd, ...)                       \
	type name parameters                                                   \
	{                                                                      \
		REAL(name);                                                    \
		if (place_fails(#name, false, CALLER, fd, fd_may)) {           \
			errno = table->fault;                                  \
			return failed;                                         \
		}                                                              \
		return real(fd, ##__VA_ARGS__);                                \
	}

/* A call that returns the error instead of setting errno. */
#define NUMBER_CALL(name, parameters, ...)                                     \
	int name parameters                                                    \
	{                                                                      \
		REAL(name);                                                    \
		if (place_fails(#name, false, CALLER, -1, NULL))               \
			return table->fault;                                   \
		return real(__VA_ARGS__);                                      \
	}

/* A read or write, which may also be short. */
#define TRANSFER(name, parameters, size, fd, ...)                              \
	ssize_t name parameters                                                \
	{                                                                      \
		REAL(name);                                                    \
		if (size > 1 &&                                                \
		    place_fails(#name, false, CALLER, fd, fd_may)) {           \
			if (table->fault == FAULT_END)                         \
				return 0;                                      \
			if (table->fault != FAULT_SHORT) {                     \
				errno = table->fault;                          \
				return -1;                                     \
			}                                                      \
			size = 1;                                              \
		}                                                              \
		return real(fd, __VA_ARGS__);                                  \
	}

TRANSFER(read, (int fd, void *to, size_t len), len, fd, to, len)
TRANSFER(pread, (int fd, void *to, size_t len, off_t at), len, fd, to, len, at)
TRANSFER(recv, (int fd, void *to, size_t len, int flags), len, fd, to, len,
	 flags)
TRANSFER(write, (int fd, const void *from, size_t len), len, fd, from, len)
TRANSFER(pwrite, (int fd, const void *from, size_t len, off_t at), len, fd,
	 from, len, at)
TRANSFER(send, (int fd, const void *from, size_t len, int flags), len, fd, from,
	 len, flags)

/* Cuts the vector to the first byte of its first piece. */
static bool vector_is_cut(const struct iovec *from, size_t count,
			  struct iovec *one)
{
	while (count > 0 && from->iov_len == 0)
		from++, count--;
	if (count == 0)
		return false;
	*one = (struct iovec){from->iov_base, 1};
	return true;
}

#define VECTORS(name)                                                          \
	ssize_t name(int fd, const struct iovec *pieces, int count)            \
	{                                                                      \
		struct iovec one;                                              \
		REAL(name);                                                    \
		if (place_fails(#name, false, CALLER, fd, fd_may)) {           \
			if (table->fault == FAULT_END)                         \
				return 0;                                      \
			if (table->fault != FAULT_SHORT) {                     \
				errno = table->fault;                          \
				return -1;                                     \
			}                                                      \
			if (vector_is_cut(pieces, (size_t)count, &one))        \
				return real(fd, &one, 1);                      \
		}                                                              \
		return real(fd, pieces, count);                                \
	}

VECTORS(readv)
VECTORS(writev)

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	struct msghdr cut = *message;
	struct iovec one;
	ssize_t n;
	REAL(recvmsg);

	if (place_fails("recvmsg", false, CALLER, fd, fd_may)) {
		if (table->fault == FAULT_END)
			return 0;
		if (table->fault != FAULT_SHORT) {
			errno = table->fault;
			return -1;
		}
		if (vector_is_cut(message->msg_iov, message->msg_iovlen,
				  &one)) {
			cut.msg_iov = &one;
			cut.msg_iovlen = 1;
			n = real(fd, &cut, flags);
			message->msg_namelen = cut.msg_namelen;
			message->msg_controllen = cut.msg_controllen;
			message->msg_flags = cut.msg_flags;
			return n;
		}
	}
	return real(fd, message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr cut = *message;
	struct iovec one;
	REAL(sendmsg);

	if (place_fails("sendmsg", false, CALLER, fd, fd_may)) {
		if (table->fault != FAULT_SHORT) {
			errno = table->fault;
			return -1;
		}
		if (vector_is_cut(message->msg_iov, message->msg_iovlen,
				  &one)) {
			cut.msg_iov = &one;
			cut.msg_iovlen = 1;
			return real(fd, &cut, flags);
		}
	}
	return real(fd, message, flags);
}

/* Reports the failure after the descriptor is closed, as Linux does. */
int close(int fd)
{
	bool fails;
	REAL(close);

	fails = place_fails("close", false, CALLER, fd, fd_may);
	if (real(fd) < 0)
		return -1;
	if (fails)
		errno = table->fault;
	return fails ? -1 : 0;
}

int fclose(FILE *file)
{
	bool fails;
	REAL(fclose);

	fails = place_fails("fclose", false, CALLER, -1, NULL);
	if (real(file) != 0)
		return EOF;
	if (fails)
		errno = table->fault;
	return fails ? EOF : 0;
}

#define WITH_MODE(name, parameters, ...)                                       \
	int name parameters                                                    \
	{                                                                      \
		va_list ap;                                                    \
		mode_t mode;                                                   \
		REAL(name);                                                    \
		va_start(ap, flags);                                           \
		mode = (mode_t)va_arg(ap, int);                                \
		va_end(ap);                                                    \
		if (place_fails(#name, false, CALLER, -1, NULL)) {             \
			errno = table->fault;                                  \
			return -1;                                             \
		}                                                              \
		return real(__VA_ARGS__, mode);                                \
	}

WITH_MODE(open, (const char *path, int flags, ...), path, flags)
WITH_MODE(openat, (int at, const char *path, int flags, ...), at, path, flags)

int fcntl(int fd, int command, ...)
{
	va_list ap;
	void *argument;
	REAL(fcntl);

	va_start(ap, command);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (command != F_GETFL && command != F_GETFD &&
	    place_fails("fcntl", false, CALLER, fd, fd_may)) {
		errno = table->fault;
		return -1;
	}
	return real(fd, command, argument);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *argument;
	REAL(ioctl);

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (place_fails("ioctl", false, CALLER, fd, fd_may)) {
		errno = table->fault;
		return -1;
	}
	return real(fd, request, argument);
}

int prctl(int option, ...)
{
	va_list ap;
	unsigned long a[4];
	int i;
	REAL(prctl);

	va_start(ap, option);
	for (i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (place_fails("prctl", false, CALLER, -1, NULL)) {
		errno = table->fault;
		return -1;
	}
	return real(option, a[0], a[1], a[2], a[3]);
}

CALL(int, -1, socket, (int family, int type, int protocol), family, type,
     protocol)
CALL(int, -1, socketpair, (int family, int type, int protocol, int fds[2]),
     family, type, protocol, fds)
FD_CALL(int, -1, accept4,
	(int fd, struct sockaddr *address, socklen_t *len, int flags), fd,
	address, len, flags)
FD_CALL(int, -1, bind, (int fd, const struct sockaddr *address, socklen_t len),
	fd, address, len)
FD_CALL(int, -1, listen, (int fd, int backlog), fd, backlog)
FD_CALL(int, -1, connect,
	(int fd, const struct sockaddr *address, socklen_t len), fd, address,
	len)
FD_CALL(int, -1, shutdown, (int fd, int how), fd, how)
FD_CALL(int, -1, getsockname, (int fd, struct sockaddr *to, socklen_t *len), fd,
	to, len)
FD_CALL(int, -1, getpeername, (int fd, struct sockaddr *to, socklen_t *len), fd,
	to, len)
FD_CALL(int, -1, getsockopt,
	(int fd, int level, int name, void *value, socklen_t *len), fd, level,
	name, value, len)
FD_CALL(int, -1, setsockopt,
	(int fd, int level, int name, const void *value, socklen_t len), fd,
	level, name, value, len)
CALL(int, -1, epoll_create1, (int flags), flags)
FD_CALL(int, -1, epoll_ctl, (int fd, int op, int of, struct epoll_event *event),
	fd, op, of, event)
FD_CALL(int, -1, epoll_wait,
	(int fd, struct epoll_event *events, int max, int ms), fd, events, max,
	ms)
CALL(int, -1, timerfd_create, (int clock, int flags), clock, flags)
FD_CALL(int, -1, timerfd_settime,
	(int fd, int flags, const struct itimerspec *due,
	 struct itimerspec *was),
	fd, flags, due, was)
CALL(int, -1, poll, (struct pollfd * fds, nfds_t count, int ms), fds, count, ms)
CALL(int, -1, ppoll,
     (struct pollfd * fds, nfds_t count, const struct timespec *time,
      const sigset_t *mask),
     fds, count, time, mask)
CALL(int, -1, eventfd, (unsigned value, int flags), value, flags)
CALL(int, -1, pipe2, (int fds[2], int flags), fds, flags)
CALL(int, -1, memfd_create, (const char *name, unsigned flags), name, flags)
CALL(int, -1, dup2, (int from, int to), from, to)
FD_CALL(off_t, -1, lseek, (int fd, off_t at, int from), fd, at, from)
FD_CALL(int, -1, ftruncate, (int fd, off_t size), fd, size)
FD_CALL(int, -1, flock, (int fd, int operation), fd, operation)
FD_CALL(int, -1, fstat, (int fd, struct stat *to), fd, to)
CALL(int, -1, stat, (const char *path, struct stat *to), path, to)
CALL(int, -1, lstat, (const char *path, struct stat *to), path, to)
CALL(int, -1, access, (const char *path, int mode), path, mode)
CALL(int, -1, faccessat, (int at, const char *path, int mode, int flags), at,
     path, mode, flags)
CALL(int, -1, chmod, (const char *path, mode_t mode), path, mode)
FD_CALL(int, -1, fchmod, (int fd, mode_t mode), fd, mode)
CALL(int, -1, fchownat,
     (int at, const char *path, uid_t user, gid_t group, int flags), at, path,
     user, group, flags)
CALL(int, -1, unlink, (const char *path), path)
CALL(int, -1, chdir, (const char *path), path)
CALL(char *, NULL, getcwd, (char *to, size_t size), to, size)
CALL(char *, NULL, realpath, (const char *path, char *to), path, to)
CALL(FILE *, NULL, fopen, (const char *path, const char *mode), path, mode)
CALL(FILE *, NULL, fmemopen, (void *from, size_t size, const char *mode), from,
     size, mode)
CALL(pid_t, -1, fork, (void))
CALL(int, -1, execve,
     (const char *path, char *const *argv, char *const *environment), path,
     argv, environment)
CALL(pid_t, -1, waitpid, (pid_t pid, int *status, int options), pid, status,
     options)
CALL(int, -1, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
     type, id, info, options)
CALL(int, -1, kill, (pid_t pid, int number), pid, number)
CALL(pid_t, -1, setsid, (void))
CALL(int, -1, getrlimit, (__rlimit_resource_t which, struct rlimit *limit),
     which, limit)
CALL(int, -1, setrlimit,
     (__rlimit_resource_t which, const struct rlimit *limit), which, limit)
CALL(int, -1, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), pid,
     size, set)
CALL(ssize_t, -1, getrandom, (void *to, size_t len, unsigned flags), to, len,
     flags)
FD_CALL(int, -1, tcgetattr, (int fd, struct termios *to), fd, to)
FD_CALL(int, -1, tcsetattr, (int fd, int when, const struct termios *to), fd,
	when, to)
CALL(int, -1, posix_openpt, (int flags), flags)
FD_CALL(int, -1, grantpt, (int fd), fd)
FD_CALL(int, -1, unlockpt, (int fd), fd)
NUMBER_CALL(ptsname_r, (int fd, char *to, size_t size), fd, to, size)
NUMBER_CALL(pthread_create,
	    (pthread_t * thread, const pthread_attr_t *attributes,
	     void *(*run)(void *), void *arg),
	    thread, attributes, run, arg)
NUMBER_CALL(posix_spawnp,
	    (pid_t * pid, const char *path,
	     const posix_spawn_file_actions_t *actions,
	     const posix_spawnattr_t *attributes, char *const *argv,
	     char *const *environment),
	    pid, path, actions, attributes, argv, environment)
NUMBER_CALL(getaddrinfo,
	    (const char *host, const char *service,
	     const struct addrinfo *hints, struct addrinfo **found),
	    host, service, hints, found)
NUMBER_CALL(glob,
	    (const char *pattern, int flags, int (*failed)(const char *, int),
	     glob_t *found),
	    pattern, flags, failed, found)
