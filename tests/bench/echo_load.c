/* SPDX-License-Identifier: MIT */
/*
 * Sends lines, compares the answers and counts them; see echo_load.h.
 */
#include "config.h"

#include "echo_load.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "web.h"

#define WINDOW_MAX 16
#define FRAME_MAX  (ECHO_LINE + WEB_MORE)
#define STUCK_MS   5000
#define SECOND_NS  UINT64_C(1000000000)

static void make_line(char *line, unsigned client, uint64_t number)
{
	int n = snprintf(line, ECHO_LINE, "client %u line %llu ", client,
			 (unsigned long long)number);

	memset(line + n, '.', ECHO_LINE - (size_t)n - 1);
	line[ECHO_LINE - 1] = '\n';
}

/* These two functions write a line as it is sent, and as it comes back. */
static size_t make_request(const struct echo_load *load, char *out,
			   unsigned client, uint64_t number)
{
	char line[ECHO_LINE];

	if (load->is_web) {
		make_line(line, client, number);
		return web_write_request(out, line, ECHO_LINE);
	}
	make_line(out, client, number);
	return ECHO_LINE;
}

static size_t make_answer(const struct echo_load *load, char *out,
			  unsigned client, uint64_t number)
{
	char line[ECHO_LINE];

	if (load->is_web) {
		make_line(line, client, number);
		return web_write_answer(out, line, ECHO_LINE);
	}
	make_line(out, client, number);
	return ECHO_LINE;
}

static size_t answer_size(const struct echo_load *load)
{
	return ECHO_LINE + load->is_web;
}

static void send_lines(const struct echo_load *load, struct echo_client *client,
		       uint64_t count)
{
	char lines[WINDOW_MAX * FRAME_MAX];
	size_t len = 0, at = 0;

	for (; count > 0; count--)
		len += make_request(load, lines + len, client->number,
				    client->sent++);
	while (at < len) {
		ssize_t n =
			send(client->fd, lines + at, len - at, MSG_NOSIGNAL);

		if (n < 0)
			fail("send: %s", strerror(errno));
		at += (size_t)n;
	}
}

static void check(const struct echo_load *load, struct echo_client *client,
		  const char *data, size_t len)
{
	size_t size = answer_size(load);
	char answer[FRAME_MAX];

	while (len > 0) {
		uint64_t number = client->received / size;
		size_t at = client->received % size, n = size - at;

		n = n < len ? n : len;
		make_answer(load, answer, client->number, number);
		if (memcmp(answer + at, data, n) != 0)
			fail("client %u: line %llu came back wrong",
			     client->number, (unsigned long long)number);
		client->received += n;
		data += n;
		len -= n;
	}
}

static void watch(struct echo_load *load, int fd, void *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};

	if (fd < 0 || epoll_ctl(load->poller, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("load: %s", strerror(errno));
}

static void open_load(struct echo_load *load, const struct subject *subjects,
		      unsigned count, unsigned window, unsigned bursts,
		      bool is_web)
{
	memset(load, 0, sizeof(*load));
	load->is_web = is_web;
	load->subjects = subjects;
	load->subject_count = count;
	load->window = window;
	load->bursts = bursts;
	load->poller = epoll_create1(EPOLL_CLOEXEC);
	load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	watch(load, load->timer, NULL);
	for (unsigned i = 0; i < ECHO_CLIENTS; i++) {
		struct echo_client *client = &load->clients[i];

		client->number = i;
		client->fd = is_web ? web_connect(subjects)
				    : subject_connect(&subjects[i % count]);
		watch(load, client->fd, client);
	}
}

void echo_load_open(struct echo_load *load, const struct subject *subjects,
		    unsigned count, unsigned window, unsigned bursts)
{
	open_load(load, subjects, count, window, bursts, false);
}

void echo_load_open_web(struct echo_load *load, const struct subject *subject,
			unsigned window)
{
	open_load(load, subject, 1, window, 0, true);
}

void echo_load_close(struct echo_load *load)
{
	for (unsigned i = 0; i < ECHO_CLIENTS; i++)
		close(load->clients[i].fd);
	close(load->timer);
	close(load->poller);
}

/* Reads the input of a client. Returns how many lines it completed. */
static uint64_t hear(const struct echo_load *load, struct echo_client *client)
{
	char data[WINDOW_MAX * FRAME_MAX];
	uint64_t before = client->received / answer_size(load);
	ssize_t n = recv(client->fd, data, sizeof(data), 0);

	if (n <= 0)
		fail("client %u: %s", client->number,
		     n == 0 ? "closed" : strerror(errno));
	check(load, client, data, (size_t)n);
	return client->received / answer_size(load) - before;
}

/* Sends the bursts that are due, and sets the timer for the next one. */
static uint64_t send_due(struct echo_load *load)
{
	uint64_t now = now_ns(), sent = 0;
	struct itimerspec next = {.it_interval = {0, 0}};

	for (; load->due_ns <= now; load->due_ns += SECOND_NS / load->bursts) {
		send_lines(load, &load->clients[load->turn], load->window);
		load->turn = (load->turn + 1) % ECHO_CLIENTS;
		sent += load->window;
	}
	next.it_value.tv_sec = (time_t)(load->due_ns / SECOND_NS);
	next.it_value.tv_nsec = (long)(load->due_ns % SECOND_NS);
	timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &next, NULL);
	return sent;
}

static uint64_t stop_timer(struct echo_load *load)
{
	struct itimerspec never = {.it_value = {0, 0}};

	timerfd_settime(load->timer, 0, &never, NULL);
	return 0;
}

static uint64_t begin(struct echo_load *load)
{
	if (load->bursts > 0) {
		load->due_ns = now_ns();
		return send_due(load);
	}
	for (unsigned i = 0; i < ECHO_CLIENTS; i++)
		send_lines(load, &load->clients[i], load->window);
	return (uint64_t)ECHO_CLIENTS * load->window;
}

/* Runs one round. Returns how many lines were echoed. */
static uint64_t run_load(struct echo_load *load, unsigned round_ms)
{
	uint64_t end = now_ns() + round_ms * UINT64_C(1000000);
	uint64_t open = begin(load), done = 0;
	struct epoll_event events[ECHO_CLIENTS + 1];
	bool more = true;

	while (open > 0 || more) {
		int n = epoll_wait(load->poller, events, ECHO_CLIENTS + 1,
				   STUCK_MS);

		if (n <= 0)
			fail("no answer in %d ms: lines are missing", STUCK_MS);
		more = more && now_ns() < end;
		for (int i = 0; i < n; i++) {
			struct echo_client *client = events[i].data.ptr;
			uint64_t lines =
				client != NULL ? hear(load, client) : 0;

			done += lines;
			open -= lines;
			if (more && lines > 0 && load->bursts == 0) {
				send_lines(load, client, lines);
				open += lines;
			}
		}
		if (load->bursts > 0)
			open += more ? send_due(load) : stop_timer(load);
	}
	return done;
}

static uint64_t cpu_ns(const struct echo_load *load)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < load->subject_count; i++)
		total += subject_cpu_ns(&load->subjects[i]);
	return total;
}

double echo_load_measure(struct echo_load *load, unsigned round_ms)
{
	uint64_t before = cpu_ns(load), lines;

	lines = run_load(load, round_ms);
	poll(NULL, 0, 5); /* let it sleep, so that its CPU time is complete */
	return (double)(cpu_ns(load) - before) / (double)lines;
}
