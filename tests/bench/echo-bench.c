/* SPDX-License-Identifier: MIT */
/*
 * Server CPU per echoed line of 64 bytes, lined beside a bare epoll loop under
 * the same load in one run, in turns A B A B. Exits non-zero on wrong data
 * only: the numbers are for reading.
 *
 *	echo-bench [--json] [--rounds N] [--round-ms N] [LINED]
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

#define LINE     64u
#define CLIENTS  50
#define ROUNDS   31
#define STUCK_MS 5000

struct client {
	int fd;
	unsigned number;
	uint64_t sent, received; /* lines; bytes of the answers */
};

struct load {
	struct client clients[CLIENTS];
	int poller;
	unsigned window;
};

static void make_line(char *line, unsigned client, uint64_t number)
{
	int n = snprintf(line, LINE, "client %u line %llu ", client,
			 (unsigned long long)number);

	memset(line + n, '.', LINE - (size_t)n - 1);
	line[LINE - 1] = '\n';
}

static void send_lines(struct client *client, uint64_t count)
{
	char lines[16 * LINE];
	size_t len = 0, at = 0;

	for (; count > 0; count--, len += LINE)
		make_line(lines + len, client->number, client->sent++);
	while (at < len) {
		ssize_t n =
			send(client->fd, lines + at, len - at, MSG_NOSIGNAL);

		if (n < 0)
			fail("send: %s", strerror(errno));
		at += (size_t)n;
	}
}

static void check(struct client *client, const char *data, size_t len)
{
	char line[LINE];

	while (len > 0) {
		size_t at = client->received % LINE, n = LINE - at;

		n = n < len ? n : len;
		make_line(line, client->number, client->received / LINE);
		if (memcmp(line + at, data, n) != 0)
			fail("client %u: line %llu came back wrong",
			     client->number,
			     (unsigned long long)(client->received / LINE));
		client->received += n;
		data += n;
		len -= n;
	}
}

static void connect_load(struct load *load, const struct subject *subject,
			 unsigned window)
{
	memset(load, 0, sizeof(*load));
	load->window = window;
	load->poller = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *client = &load->clients[i];
		struct epoll_event event = {.events = EPOLLIN,
					    .data.ptr = client};

		client->number = i;
		client->fd = subject_connect(subject);
		if (epoll_ctl(load->poller, EPOLL_CTL_ADD, client->fd, &event) <
		    0)
			fail("epoll_ctl: %s", strerror(errno));
	}
}

static void close_load(struct load *load)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		close(load->clients[i].fd);
	close(load->poller);
}

/* Reads what came; the lines that it completed go out anew while `more`. */
static uint64_t serve(struct client *client, bool more)
{
	char data[16 * LINE];
	uint64_t before = client->received / LINE, done;
	ssize_t n = recv(client->fd, data, sizeof(data), 0);

	if (n <= 0)
		fail("client %u: %s", client->number,
		     n == 0 ? "closed" : strerror(errno));
	check(client, data, (size_t)n);
	done = client->received / LINE - before;
	if (more && done > 0)
		send_lines(client, done);
	return done;
}

/* One round of load; how many lines were echoed. */
static uint64_t run_load(struct load *load, unsigned round_ms)
{
	uint64_t end = now_ns() + round_ms * UINT64_C(1000000);
	uint64_t open = (uint64_t)CLIENTS * load->window, done = 0;
	struct epoll_event events[CLIENTS];
	bool more = true;

	for (unsigned i = 0; i < CLIENTS; i++)
		send_lines(&load->clients[i], load->window);
	while (open > 0) {
		int n = epoll_wait(load->poller, events, CLIENTS, STUCK_MS);

		if (n <= 0)
			fail("no answer in %d ms: lines are missing", STUCK_MS);
		more = more && now_ns() < end;
		for (int i = 0; i < n; i++) {
			uint64_t lines = serve(events[i].data.ptr, more);

			done += lines;
			open -= more ? 0 : lines;
		}
	}
	return done;
}

/* CPU nanoseconds a line. */
static double measure(const struct subject *subject, struct load *load,
		      unsigned round_ms)
{
	uint64_t before = subject_cpu_ns(subject), lines;

	lines = run_load(load, round_ms);
	poll(NULL, 0, 5); /* asleep: its CPU time is booked */
	return (double)(subject_cpu_ns(subject) - before) / (double)lines;
}

struct result {
	unsigned window;
	double lined_ns, bare_ns, ratio, target;
};

static void compare(const struct subject *lined, const struct subject *bare,
		    struct result *result, unsigned rounds, unsigned round_ms)
{
	static struct load of_lined, of_bare;
	double lined_ns[ROUNDS], bare_ns[ROUNDS], ratios[ROUNDS];

	connect_load(&of_lined, lined, result->window);
	connect_load(&of_bare, bare, result->window);
	measure(lined, &of_lined, round_ms / 2); /* warm */
	measure(bare, &of_bare, round_ms / 2);
	for (unsigned i = 0; i < rounds; i++) {
		lined_ns[i] = measure(lined, &of_lined, round_ms);
		bare_ns[i] = measure(bare, &of_bare, round_ms);
		ratios[i] = lined_ns[i] / bare_ns[i];
	}
	result->lined_ns = median(lined_ns, rounds);
	result->bare_ns = median(bare_ns, rounds);
	result->ratio = median(ratios, rounds);
	close_load(&of_lined);
	close_load(&of_bare);
}

static void print_table(const struct result *results, unsigned count)
{
	printf("echo of %u-byte lines, %d clients: server CPU per line\n\n"
	       "in flight   lined       bare epoll   ratio   target\n",
	       LINE, CLIENTS);
	for (unsigned i = 0; i < count; i++)
		printf("%9u   %6.0f ns   %7.0f ns   %5.2f   %6.2f\n",
		       results[i].window, results[i].lined_ns,
		       results[i].bare_ns, results[i].ratio, results[i].target);
}

static void print_json(const struct result *results, unsigned count)
{
	printf("{\"line_bytes\": %u, \"clients\": %d, \"results\": [", LINE,
	       CLIENTS);
	for (unsigned i = 0; i < count; i++)
		printf("%s{\"in_flight\": %u, \"lined_ns\": %.1f, "
		       "\"bare_ns\": %.1f, \"ratio\": %.3f, "
		       "\"target\": %.2f}",
		       i > 0 ? ", " : "", results[i].window,
		       results[i].lined_ns, results[i].bare_ns,
		       results[i].ratio, results[i].target);
	printf("]}\n");
}

static unsigned number(const char *text, unsigned max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < 1 || value > max)
		fail("%s: not a number from 1 to %u", text, max);
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"rounds", required_argument, NULL, 'r'},
		{"round-ms", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	struct result results[] = {{.window = 1, .target = 1.15},
				   {.window = 16, .target = 1.30}};
	unsigned rounds = 9, round_ms = 500, count = 2;
	struct subject lined, bare;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'r')
			rounds = number(optarg, ROUNDS);
		else if (option == 'm')
			round_ms = number(optarg, 60000);
		else
			return 2;
	}
	subject_start_bare(&bare);
	subject_start_lined(&lined, argv[optind]);
	for (unsigned i = 0; i < count; i++)
		compare(&lined, &bare, &results[i], rounds, round_ms);
	subject_stop(&lined);
	subject_stop(&bare);
	if (json)
		print_json(results, count);
	else
		print_table(results, count);
	return EXIT_SUCCESS;
}
