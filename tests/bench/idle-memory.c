/* SPDX-License-Identifier: MIT */
/*
 * The memory of an idle client: the slope of VmRSS from 0 to 8,000 TCP clients
 * that have sent one line, for lined and for a bare epoll loop that keeps
 * nothing, as the lower bound. Only wrong data makes it exit non-zero. --web:
 * the clients of lined speak WebSocket.
 *
 *	idle-memory [--json] [--web] [LINED]
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "subject.h"
#include "web.h"

#define CLIENTS 8000
#define STEP    1000
#define WARM    100

static int fds[CLIENTS];

static void speak(int fd, unsigned number, bool web)
{
	char line[40], request[40], answer[40], got[40];
	int size = snprintf(line, sizeof(line), "client %u\n", number);
	size_t len = (size_t)size, answer_len = len;
	ssize_t n;

	memcpy(request, line, len);
	memcpy(answer, line, len);
	if (web) {
		answer_len = web_write_answer(answer, line, len);
		len = web_write_request(request, line, len);
	}
	if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		fail("send: %s", strerror(errno));
	n = recv(fd, got, answer_len, MSG_WAITALL);
	if (n != (ssize_t)answer_len || memcmp(answer, got, answer_len) != 0)
		fail("client %u: its line did not come back", number);
}

static void open_clients(const struct subject *subject, unsigned from,
			 unsigned to, bool web)
{
	for (unsigned i = from; i < to; i++) {
		fds[i] = web ? web_connect(subject) : subject_connect(subject);
		speak(fds[i], i, web);
	}
}

static void close_clients(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		close(fds[i]);
}

/* Returns the bytes per client, by least squares over the steps. */
static double measure(const struct subject *subject, unsigned clients, bool web)
{
	double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;

	open_clients(subject, 0, WARM, web); /* warm up */
	close_clients(0, WARM);
	poll(NULL, 0, 200);
	for (unsigned i = 0; i <= clients; i += STEP) {
		double x = i, y;

		if (i > 0)
			open_clients(subject, i - STEP, i, web);
		poll(NULL, 0, 50);
		y = (double)subject_rss(subject);
		n++;
		sx += x;
		sy += y;
		sxx += x * x;
		sxy += x * y;
	}
	close_clients(0, clients);
	return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"web", no_argument, NULL, 'w'},
		{NULL, 0, NULL, 0},
	};
	bool json = false, web = false;
	unsigned long limit = raise_descriptors();
	unsigned clients = CLIENTS;
	struct subject lined, bare;
	double of_lined, of_bare;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'w')
			web = true;
		else
			return 2;
	}
	if (limit < 2 * STEP + 100)
		fail("at most %lu descriptors: too few", limit);
	if (clients > limit - 100)
		clients = (unsigned)((limit - 100) / STEP * STEP);
	subject_start_bare(&bare);
	of_bare = measure(&bare, clients, false);
	subject_stop(&bare);
	subject_start_lined(&lined, argv[optind]);
	of_lined = measure(&lined, clients, web);
	subject_stop(&lined);
	if (json)
		printf("{\"clients\": %u, \"lined_bytes\": %.1f, "
		       "\"bare_bytes\": %.1f, \"target\": %d}\n",
		       clients, of_lined, of_bare, web ? 600 : 400);
	else
		printf("RSS per idle %s client, slope from 0 to %u:\n"
		       "lined %.0f bytes, bare epoll %.0f bytes (target %s)\n",
		       web ? "WebSocket" : "TCP", clients, of_lined, of_bare,
		       web ? "600" : "400, goal 281: libuv's bare handle");
	return EXIT_SUCCESS;
}
