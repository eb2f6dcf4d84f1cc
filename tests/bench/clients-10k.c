/* SPDX-License-Identifier: MIT */
/*
 * 10,000 echo clients at once (8,000 at least, where descriptors are few): each
 * must get exactly its own lines, which are sent in pieces that end within a
 * line. When the clients have gone, the daemon's descriptors and memory must be
 * as before. Exits non-zero if not, 77 if the machine allows too few
 * descriptors.
 *
 *	clients-10k [LINED]
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "subject.h"

#define MOST     10000
#define LEAST    8000
#define ROUNDS   3
#define TEXT_MAX 192
#define STUCK_MS 10000
/* How much RSS may be higher afterwards: half of what the clients took. The
 * allocator keeps some memory; the daemon returns free memory above 8 MiB to
 * the system. */
#define SLACK (2 * 1024 * 1024)

struct client {
	int fd;
	size_t received;
};

static struct client clients[MOST];

/* Three lines that are unique for a client and round, with different
 * terminators. */
static size_t make_text(char *text, unsigned client, unsigned round)
{
	return (size_t)snprintf(
		text, TEXT_MAX, "client %u round %u\r\n\nstill %u, %0*u\n",
		client, round, client, (int)(client % 97) + 1, round);
}

static void write_piece(unsigned i, const char *data, size_t len)
{
	if (send(clients[i].fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		fail("client %u: send: %s", i, strerror(errno));
}

/* Writes all first halves before any second half, so that the daemon has 10,000
 * incomplete lines. */
static void write_all(unsigned count, unsigned round)
{
	char text[TEXT_MAX];

	for (unsigned half = 0; half < 2; half++) {
		for (unsigned i = 0; i < count; i++) {
			size_t len = make_text(text, i, round);
			size_t cut = 1 + i % (len - 1);

			if (half == 0)
				write_piece(i, text, cut);
			else
				write_piece(i, text + cut, len - cut);
		}
	}
}

/* The input of a client must be its own text, in order. */
static size_t read_some(unsigned i, unsigned round)
{
	char text[TEXT_MAX], got[TEXT_MAX];
	struct client *client = &clients[i];
	size_t len = make_text(text, i, round);
	ssize_t n = recv(client->fd, got, sizeof(got), 0);

	if (n <= 0)
		fail("client %u: %s", i, n == 0 ? "closed" : strerror(errno));
	if (client->received + (size_t)n > len ||
	    memcmp(text + client->received, got, (size_t)n) != 0)
		fail("client %u: round %u: wrong bytes came back", i, round);
	client->received += (size_t)n;
	return client->received == len;
}

static void read_all(int poller, unsigned count, unsigned round)
{
	struct epoll_event events[256];
	unsigned done = 0;

	for (unsigned i = 0; i < count; i++)
		clients[i].received = 0;
	while (done < count) {
		int n = epoll_wait(poller, events, 256, STUCK_MS);

		if (n <= 0)
			fail("round %u: %u of %u clients got no full answer",
			     round, count - done, count);
		for (int i = 0; i < n; i++)
			done += read_some(events[i].data.u32, round);
	}
}

static void connect_all(const struct subject *subject, int poller,
			unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

		clients[i].fd = subject_connect(subject);
		if (epoll_ctl(poller, EPOLL_CTL_ADD, clients[i].fd, &event) < 0)
			fail("epoll_ctl: %s", strerror(errno));
	}
}

static void run(const struct subject *subject, unsigned count)
{
	int poller = epoll_create1(EPOLL_CLOEXEC);

	connect_all(subject, poller, count);
	for (unsigned round = 0; round < ROUNDS; round++) {
		write_all(count, round);
		read_all(poller, count, round);
	}
	close(poller);
	if (subject_fds(subject) < count)
		fail("the daemon has not as many descriptors as clients");
}

static void hang_up(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(clients[i].fd);
}

/* The daemon gives memory back a moment after the clients have gone. */
static uint64_t wait_for_rss(const struct subject *subject, uint64_t most)
{
	uint64_t rss = subject_rss(subject);

	for (unsigned i = 0; i < STUCK_MS / 100 && rss > most; i++) {
		poll(NULL, 0, 100);
		rss = subject_rss(subject);
	}
	return rss;
}

static void wait_for_fds(const struct subject *subject, unsigned fds)
{
	uint64_t start = now_ns();

	while (subject_fds(subject) > fds) {
		if (now_ns() - start > STUCK_MS * UINT64_C(1000000))
			fail("%u descriptors before, %u afterwards", fds,
			     subject_fds(subject));
		poll(NULL, 0, 20);
	}
	poll(NULL, 0, 100);
}

int main(int argc, char **argv)
{
	unsigned long limit = raise_descriptors();
	unsigned count = limit - 100 < MOST ? (unsigned)limit - 100 : MOST;
	struct subject lined;
	uint64_t rss, rss_full, rss_after;
	unsigned fds;
	bool sanitized;

	if (limit < LEAST + 100) {
		fprintf(stderr, "at most %lu descriptors: skipped\n", limit);
		return 77;
	}
	subject_start_lined(&lined, argc > 1 ? argv[1] : NULL);
	fds = subject_fds(&lined);
	run(&lined, 100); /* warm up: some things are allocated only once */
	hang_up(100);
	wait_for_fds(&lined, fds);
	rss = subject_rss(&lined);
	run(&lined, count);
	rss_full = subject_rss(&lined);
	hang_up(count);
	wait_for_fds(&lined, fds);
	sanitized = subject_is_sanitized(&lined);
	rss_after = wait_for_rss(&lined, sanitized ? UINT64_MAX : rss + SLACK);
	subject_stop(&lined);
	printf("%u clients, %u rounds: each got its own lines\n"
	       "descriptors %u before and after; RSS %llu KiB before, %llu "
	       "with all, %llu after\n",
	       count, ROUNDS, fds, (unsigned long long)rss / 1024,
	       (unsigned long long)rss_full / 1024,
	       (unsigned long long)rss_after / 1024);
	if (!sanitized && rss_after > rss + SLACK)
		fail("RSS is not back: %llu KiB more than before",
		     (unsigned long long)(rss_after - rss) / 1024);
	return EXIT_SUCCESS;
}
