/* SPDX-License-Identifier: MIT */
/*
 * What an idle client costs: the slope of VmRSS from 0 to 8,000 TCP clients
 * that have spoken once, for lined and, as the floor of the method, for a bare
 * epoll loop that keeps nothing. Exits non-zero on wrong data only.
 *
 *	idle-memory [--json] [LINED]
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "subject.h"

#define CLIENTS 8000
#define STEP    1000
#define WARM    100

static int fds[CLIENTS];

static void speak(int fd, unsigned number)
{
	char line[32], got[32];
	int len = snprintf(line, sizeof(line), "client %u\n", number);
	ssize_t n;

	if (send(fd, line, (size_t)len, MSG_NOSIGNAL) != len)
		fail("send: %s", strerror(errno));
	n = recv(fd, got, (size_t)len, MSG_WAITALL);
	if (n != len || memcmp(line, got, (size_t)len) != 0)
		fail("client %u: its line did not come back", number);
}

static void open_clients(const struct subject *subject, unsigned from,
			 unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		fds[i] = subject_connect(subject);
		speak(fds[i], i);
	}
}

static void close_clients(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		close(fds[i]);
}

/* Bytes a client, by least squares over the steps. */
static double measure(const struct subject *subject, unsigned clients)
{
	double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;

	open_clients(subject, 0, WARM); /* what is made once is made */
	close_clients(0, WARM);
	poll(NULL, 0, 200);
	for (unsigned i = 0; i <= clients; i += STEP) {
		double x = i, y;

		if (i > 0)
			open_clients(subject, i - STEP, i);
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
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	unsigned long limit = raise_descriptors();
	unsigned clients = CLIENTS;
	struct subject lined, bare;
	double of_lined, of_bare;

	if (limit < 2 * STEP + 100)
		fail("at most %lu descriptors: too few", limit);
	if (clients > limit - 100)
		clients = (unsigned)((limit - 100) / STEP * STEP);
	subject_start_bare(&bare);
	of_bare = measure(&bare, clients);
	subject_stop(&bare);
	subject_start_lined(&lined, argv[json ? 2 : 1]);
	of_lined = measure(&lined, clients);
	subject_stop(&lined);
	if (json)
		printf("{\"clients\": %u, \"lined_bytes\": %.1f, "
		       "\"bare_bytes\": %.1f, \"target\": 400}\n",
		       clients, of_lined, of_bare);
	else
		printf("RSS per idle TCP client, slope from 0 to %u:\n"
		       "lined %.0f bytes, bare epoll %.0f bytes "
		       "(target 400, goal 281: libuv's bare handle)\n",
		       clients, of_lined, of_bare);
	return EXIT_SUCCESS;
}
