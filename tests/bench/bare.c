/* SPDX-License-Identifier: MIT */
/*
 * The bare epoll loops, see bare.h: one receive, one send, nothing else. If a
 * socket is full, the loop waits for it: the benchmark always reads.
 */
#include "config.h"

#include "bare.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 20000

static char buffer[65536];
static int clients[CLIENTS_MAX];
static unsigned client_count;

static void send_all(int fd, const char *data, ssize_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, (size_t)len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd poll_fd = {fd, POLLOUT, 0};

			poll(&poll_fd, 1, -1);
			continue;
		}
		if (n < 0)
			return;
		data += n;
		len -= n;
	}
}

static void watch(int poller, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
		_exit(1);
}

static void welcome(int poller, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;

	if (fd < 0)
		return;
	if (client_count == CLIENTS_MAX)
		_exit(1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch(poller, fd);
	clients[client_count++] = fd;
}

static void dismiss(int fd)
{
	for (unsigned i = 0; i < client_count; i++)
		if (clients[i] == fd)
			clients[i] = clients[--client_count];
	close(fd);
}

static void to_sender(int fd, ssize_t len)
{
	send_all(fd, buffer, len);
}

static void to_others(int fd, ssize_t len)
{
	for (unsigned i = 0; i < client_count; i++)
		if (clients[i] != fd)
			send_all(clients[i], buffer, len);
}

static noreturn void run(int listener, void (*deliver)(int fd, ssize_t len))
{
	struct epoll_event events[256];
	int poller = epoll_create1(0), n;

	watch(poller, listener);
	for (;;) {
		n = epoll_wait(poller, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			ssize_t len;

			if (fd == listener) {
				welcome(poller, listener);
				continue;
			}
			len = recv(fd, buffer, sizeof(buffer), 0);
			if (len > 0)
				deliver(fd, len);
			else if (len == 0 || errno != EAGAIN)
				dismiss(fd);
		}
	}
}

noreturn void bare_echo(int listener)
{
	run(listener, to_sender);
}

noreturn void bare_hub(int listener)
{
	run(listener, to_others);
}
