/* SPDX-License-Identifier: MIT */
/*
 * relay with many clients. Many senders at once: every client gets every line
 * of every other client once, whole, and in the sender's order. Many readers,
 * some of which never read: the daemon drops these, the others get everything,
 * and the daemon holds no more memory than the queues may have. Exits non-zero
 * if not.
 *
 *	relay-crowd [--workers N] [--clients N] [--lines N] [--readers N]
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "subject.h"

#define STUCK_MS 20000
#define BUFFER   65536
#define PAD_MAX  120
#define NEVER    10 /* readers that never read */
#define QUEUE    65536
#define SLACK    (12u * 1024 * 1024)
#define BATCH    100
#define LINE     100u

struct client {
	int fd;
	unsigned number;
	char *rest; /* the received part of a line */
	size_t rest_len;
	char *out;
	size_t out_len, out_at;
	bool drips;     /* writes single bytes */
	bool reached;   /* has received a probe */
	unsigned *next; /* by sender: the number of the next line */
	uint64_t lines; /* received lines without probes */
	uint64_t bytes; /* received bytes, with many readers */
};

static int watch(struct client *clients, unsigned count, uint32_t events)
{
	int poller = epoll_create1(EPOLL_CLOEXEC);

	for (unsigned i = 0; i < count; i++) {
		struct epoll_event event = {.events = events,
					    .data.ptr = &clients[i]};

		if (epoll_ctl(poller, EPOLL_CTL_ADD, clients[i].fd, &event) < 0)
			fail("epoll_ctl: %s", strerror(errno));
	}
	return poller;
}

static void send_now(const struct client *client, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(client->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			fail("send: %s", strerror(errno));
		if (n < 0) {
			struct pollfd poll_fd = {client->fd, POLLOUT, 0};

			poll(&poll_fd, 1, STUCK_MS);
			continue;
		}
		text += n;
		len -= (size_t)n;
	}
}

/* ---- lines -------------------------------------------------------------- */

/* How many bytes to add to a line. Sender and reader compute the same
 * number. */
static unsigned pad_of(unsigned sender, unsigned number)
{
	uint32_t x = sender * 2654435761u ^ number * 40503u;

	x ^= x >> 15;
	x *= 2246822519u;
	x ^= x >> 13;
	return x % PAD_MAX;
}

static size_t make_line(char *line, unsigned sender, unsigned number)
{
	unsigned pad = pad_of(sender, number);
	int n = sprintf(line, "%u %u ", sender, number);

	memset(line + n, '.', pad);
	line[(unsigned)n + pad] = '\n';
	return (size_t)n + pad + 1;
}

static void take_line(struct client *client, const char *line, size_t len,
		      unsigned clients)
{
	char expected[PAD_MAX + 32];
	unsigned sender, number;

	if (line[0] == 'p') {
		client->reached = true;
		return;
	}
	if (sscanf(line, "%u %u ", &sender, &number) != 2 ||
	    sender >= clients || sender == client->number)
		fail("client %u got \"%.*s\"", client->number, (int)len, line);
	if (number != client->next[sender])
		fail("client %u: sender %u: line %u instead of %u",
		     client->number, sender, number, client->next[sender]);
	if (make_line(expected, sender, number) != len ||
	    memcmp(expected, line, len) != 0)
		fail("client %u: spliced: \"%.*s\"", client->number, (int)len,
		     line);
	client->next[sender]++;
	client->lines++;
}

/* Reads all input. Returns how many lines of other clients it had. */
static uint64_t take(struct client *client, unsigned clients)
{
	static char data[BUFFER + PAD_MAX + 64];
	uint64_t before = client->lines;
	char *at = data, *end, *newline;
	ssize_t n;

	memcpy(data, client->rest, client->rest_len);
	n = recv(client->fd, data + client->rest_len, BUFFER, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		fail("client %u: %s", client->number,
		     n == 0 ? "closed" : strerror(errno));
	end = data + client->rest_len + n;
	while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		take_line(client, at, (size_t)(newline - at) + 1, clients);
		at = newline + 1;
	}
	client->rest_len = (size_t)(end - at);
	if (client->rest_len > PAD_MAX + 32)
		fail("client %u: a line without end", client->number);
	memcpy(client->rest, at, client->rest_len);
	return client->lines - before;
}

/* ---- many senders ------------------------------------------------------- */

static void prepare(struct client *client, unsigned number, unsigned clients,
		    unsigned lines)
{
	client->number = number;
	client->drips = number % 10 == 3;
	client->rest = malloc(PAD_MAX + 64);
	client->next = calloc(clients, sizeof(*client->next));
	client->out = malloc((size_t)lines * (PAD_MAX + 32));
	if (client->rest == NULL || client->next == NULL || client->out == NULL)
		fail("out of memory");
	for (unsigned i = 0; i < lines; i++)
		client->out_len +=
			make_line(client->out + client->out_len, number, i);
}

static void release(struct client *client)
{
	close(client->fd);
	free(client->rest);
	free(client->next);
	free(client->out);
}

/* Sends probes until every client has received one. There is no other sign that
 * all workers serve all their clients. */
static void reach_all(struct client *clients, unsigned count)
{
	uint64_t begin = now_ns();
	unsigned reached = 0;

	while (reached < count) {
		send_now(&clients[0], "probe\n", 6);
		send_now(&clients[1], "probe\n", 6);
		poll(NULL, 0, 20);
		reached = 0;
		for (unsigned i = 0; i < count; i++) {
			take(&clients[i], count);
			reached += clients[i].reached;
		}
		if (now_ns() - begin > STUCK_MS * UINT64_C(1000000))
			fail("%u of %u clients hear nothing", count - reached,
			     count);
	}
}

static void push(struct client *client)
{
	size_t len = client->out_len - client->out_at;
	ssize_t n;

	if (len == 0)
		return;
	n = send(client->fd, client->out + client->out_at,
		 client->drips ? 1 : len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN)
		fail("client %u: %s", client->number, strerror(errno));
	if (n > 0)
		client->out_at += (size_t)n;
}

static void talk(struct client *clients, unsigned count, unsigned lines)
{
	uint64_t open = (uint64_t)count * (count - 1) * lines;
	int poller = watch(clients, count, EPOLLIN | EPOLLOUT);
	uint64_t moved = now_ns();

	while (open > 0) {
		struct epoll_event events[256];
		int n = epoll_wait(poller, events, 256, 1000);

		for (int i = 0; i < n; i++) {
			struct client *client = events[i].data.ptr;
			uint64_t got = 0;

			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				got = take(client, count);
			if (events[i].events & EPOLLOUT)
				push(client);
			open -= got;
			if (got > 0)
				moved = now_ns();
		}
		if (now_ns() - moved > STUCK_MS * UINT64_C(1000000))
			fail("%llu lines are missing",
			     (unsigned long long)open);
	}
	close(poller);
}

static void many_senders(const char *path, unsigned workers, unsigned count,
			 unsigned lines)
{
	struct client *clients = calloc(count, sizeof(*clients));
	struct subject lined;

	subject_start_service(&lined, path, workers, "relay",
			      "send-queue = 64M");
	if (clients == NULL)
		fail("out of memory");
	for (unsigned i = 0; i < count; i++) {
		prepare(&clients[i], i, count, lines);
		clients[i].fd = subject_connect(&lined);
	}
	reach_all(clients, count);
	talk(clients, count, lines);
	poll(NULL, 0, 100);
	for (unsigned i = 0; i < count; i++) {
		if (take(&clients[i], count) != 0)
			fail("client %u got a line twice", i);
		release(&clients[i]);
	}
	free(clients);
	subject_stop(&lined);
	printf("%u senders, %u workers: each got %u lines, once, in order\n",
	       count, workers, (count - 1) * lines);
}

/* ---- many readers ------------------------------------------------------- */

static void fixed_line(char *line, unsigned number)
{
	int n = snprintf(line, LINE, "line %u ", number);

	memset(line + n, '-', LINE - (size_t)n - 1);
	line[LINE - 1] = '\n';
}

static void compare(struct client *reader, const char *data, size_t len)
{
	char line[LINE];

	while (len > 0) {
		size_t at = reader->bytes % LINE, n = LINE - at;

		n = n < len ? n : len;
		fixed_line(line, (unsigned)(reader->bytes / LINE));
		if (memcmp(line + at, data, n) != 0)
			fail("reader %u: line %llu came wrong", reader->number,
			     (unsigned long long)(reader->bytes / LINE));
		reader->bytes += n;
		data += n;
		len -= n;
	}
}

/* Reads until each reader has received so many bytes. */
static void read_all(int poller, unsigned readers, uint64_t bytes)
{
	static char data[BUFFER];
	uint64_t open = (uint64_t)readers * bytes;

	while (open > 0) {
		struct epoll_event events[256];
		int n = epoll_wait(poller, events, 256, STUCK_MS);

		if (n <= 0)
			fail("%llu bytes are missing",
			     (unsigned long long)open);
		for (int i = 0; i < n; i++) {
			struct client *reader = events[i].data.ptr;
			ssize_t len = recv(reader->fd, data, BUFFER, 0);

			if (len <= 0)
				fail("reader %u: %s", reader->number,
				     len == 0 ? "closed" : strerror(errno));
			compare(reader, data, (size_t)len);
			open -= (uint64_t)len;
		}
	}
}

/* The reader must get the lines that were sent before it was dropped, and then
 * the end. */
static void must_be_dropped(struct client *reader)
{
	static char data[BUFFER];
	struct pollfd poll_fd = {reader->fd, POLLIN, 0};
	ssize_t n;

	do {
		if (poll(&poll_fd, 1, STUCK_MS) != 1)
			fail("a reader that never reads is not dropped");
		n = recv(reader->fd, data, BUFFER, 0);
		if (n > 0)
			compare(reader, data, (size_t)n);
	} while (n > 0);
	if (n < 0 && errno != ECONNRESET)
		fail("recv: %s", strerror(errno));
}

static struct client *connect_readers(const struct subject *lined,
				      unsigned count)
{
	struct client *readers = calloc(count, sizeof(*readers));

	if (readers == NULL)
		fail("out of memory");
	for (unsigned i = 0; i < count; i++) {
		readers[i].number = i;
		readers[i].fd = i < NEVER ? subject_connect_unix(lined)
					  : subject_connect(lined);
	}
	return readers;
}

static uint64_t publish(const struct subject *lined, int poller,
			unsigned readers, unsigned lines)
{
	struct client publisher = {.fd = subject_connect(lined)};
	uint64_t most = 0, rss;
	char batch[BATCH * LINE];

	for (unsigned done = 0; done < lines; done += BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			fixed_line(batch + i * LINE, done + i);
		send_now(&publisher, batch, sizeof(batch));
		read_all(poller, readers, sizeof(batch));
		rss = subject_rss(lined);
		most = rss > most ? rss : most;
	}
	close(publisher.fd);
	return most;
}

static void many_readers(const char *path, unsigned workers, unsigned count)
{
	unsigned lines = 4000;
	uint64_t before, most;
	struct client *readers;
	struct subject lined;
	int poller;

	subject_start_service(&lined, path, workers, "relay",
			      "send-queue = 64k send-stall = 0");
	readers = connect_readers(&lined, count);
	poll(NULL, 0, 500); /* until all are accepted */
	before = subject_rss(&lined);
	poller = watch(readers + NEVER, count - NEVER, EPOLLIN);
	most = publish(&lined, poller, count - NEVER, lines);
	for (unsigned i = 0; i < NEVER; i++)
		must_be_dropped(&readers[i]);
	if (!subject_is_sanitized(&lined) &&
	    most > before + NEVER * QUEUE + SLACK)
		fail("RSS %llu KiB before, %llu with slow readers",
		     (unsigned long long)before / 1024,
		     (unsigned long long)most / 1024);
	for (unsigned i = 0; i < count; i++)
		close(readers[i].fd);
	close(poller);
	free(readers);
	subject_stop(&lined);
	printf("%u readers, %u workers: all but %d got %u lines; RSS %llu KiB "
	       "before, at most %llu\n",
	       count, workers, NEVER, lines, (unsigned long long)before / 1024,
	       (unsigned long long)most / 1024);
}

/* ---- both ---------------------------------------------------------------- */

/* With a sanitizer, which is slow, fewer clients are enough to find the same
 * faults. */
static bool is_sanitized(const char *path)
{
	struct subject lined;
	bool sanitized;

	subject_start_lined(&lined, path);
	sanitized = subject_is_sanitized(&lined);
	subject_stop(&lined);
	return sanitized;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"workers", required_argument, NULL, 'w'},
		{"clients", required_argument, NULL, 'c'},
		{"lines", required_argument, NULL, 'l'},
		{"readers", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	unsigned workers = 4, clients = 200, lines = 100, readers = 5000;
	bool fewer = true;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		fewer = false;
		if (option == 'w')
			workers = option_number(optarg, 1, 64);
		else if (option == 'c')
			clients = option_number(optarg, 2, 4000);
		else if (option == 'l')
			lines = option_number(optarg, 1, 100000);
		else if (option == 'r')
			readers = option_number(optarg, NEVER + 1, 15000);
		else
			return 2;
	}
	raise_descriptors();
	if (fewer && is_sanitized(argv[optind])) {
		clients = 60;
		lines = 100;
		readers = 500;
	}
	many_senders(argv[optind], workers, clients, lines);
	many_readers(argv[optind], workers, readers);
	return EXIT_SUCCESS;
}
