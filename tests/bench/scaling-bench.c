/* SPDX-License-Identifier: MIT */
/*
 * The cost of several workers: server CPU time per echoed line with two
 * workers, with one worker, and with two daemons of one worker each, in turns A
 * B C in one run. First everything is spread over all CPUs: compare two workers
 * with two daemons, because two servers are idle and sleep more often than one
 * server under the same load. Then the servers are on one CPU, which is always
 * busy, and the load is on another: compare two workers with one.
 *
 * The second part counts the wakeups from thread to thread that a published
 * line causes, at rising rates. The numbers are for reading: only wrong data
 * makes it exit non-zero.
 *
 *	scaling-bench [--json] [--rounds N] [--round-ms N] [LINED]
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo_load.h"
#include "subject.h"

#define ROUNDS   31
#define STUCK_MS 5000

static unsigned rounds = 9, round_ms = 500;

/* ---- CPU per echoed line ------------------------------------------------ */

enum setup { ONE_WORKER, TWO_WORKERS, TWO_DAEMONS, SETUPS };

struct cost {
	unsigned window;
	bool pinned;
	double ns[SETUPS];
	double to_one, to_two; /* two workers relative to one; relative to two
				* daemons */
};

static void measure_cost(struct cost *cost, const struct subject *single,
			 const struct subject *both)
{
	static struct echo_load loads[SETUPS];
	static double ns[SETUPS][ROUNDS];
	double to_one[ROUNDS], to_two[ROUNDS];
	unsigned i, k;

	echo_load_open(&loads[ONE_WORKER], single, 1, cost->window, 0);
	echo_load_open(&loads[TWO_WORKERS], both, 1, cost->window, 0);
	echo_load_open(&loads[TWO_DAEMONS], single, 2, cost->window, 0);
	for (k = 0; k < SETUPS; k++)
		echo_load_measure(&loads[k], round_ms / 2); /* warm up */
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < SETUPS; k++)
			ns[k][i] = echo_load_measure(&loads[k], round_ms);
		to_one[i] = ns[TWO_WORKERS][i] / ns[ONE_WORKER][i];
		to_two[i] = ns[TWO_WORKERS][i] / ns[TWO_DAEMONS][i];
	}
	for (k = 0; k < SETUPS; k++) {
		cost->ns[k] = median(ns[k], rounds);
		echo_load_close(&loads[k]);
	}
	cost->to_one = median(to_one, rounds);
	cost->to_two = median(to_two, rounds);
}

/* Puts the load on another CPU than the servers', if there is one. */
static void pin_load(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void measure_costs(struct cost *costs, unsigned count, const char *path)
{
	struct subject single[2], both;
	cpu_set_t all;
	unsigned i;

	subject_start_service(&single[0], path, 1, "echo", "");
	subject_start_service(&single[1], path, 1, "echo", "");
	subject_start_service(&both, path, 2, "echo", "");
	sched_getaffinity(0, sizeof(all), &all);
	for (i = 0; i < count; i++) {
		if (costs[i].pinned) {
			subject_pin(&single[0], 0);
			subject_pin(&single[1], 0);
			subject_pin(&both, 0);
			pin_load();
		}
		measure_cost(&costs[i], single, &both);
	}
	sched_setaffinity(0, sizeof(all), &all);
	subject_stop(&single[0]);
	subject_stop(&single[1]);
	subject_stop(&both);
}

/* ---- wakeups per published line ----------------------------------------- */

#define WORKERS   4
#define READERS   8
#define LINE      16u
#define TICK_NS   UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)
/* The least lines a measurement: the main thread also wakes workers now and
 * then. */
#define LINES_MIN 100

struct pace {
	unsigned rate; /* lines per second */
	uint64_t lines, wakeups;
};

struct feed {
	int publisher, readers[READERS];
	uint64_t sent, received[READERS]; /* lines sent; bytes received */
};

static void feed_open(struct feed *feed, const struct subject *subject)
{
	unsigned i;

	memset(feed, 0, sizeof(*feed));
	feed->publisher = subject_connect(subject);
	for (i = 0; i < READERS; i++)
		feed->readers[i] = subject_connect(subject);
	poll(NULL, 0, 200); /* until all are with their workers */
}

static void feed_close(struct feed *feed)
{
	unsigned i;

	close(feed->publisher);
	for (i = 0; i < READERS; i++)
		close(feed->readers[i]);
}

static void make_line(char *line, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*llu\n", (int)LINE - 1,
		 (unsigned long long)number);
	memcpy(line, text, LINE);
}

static void publish(struct feed *feed, uint64_t count)
{
	char lines[256 * LINE];
	size_t len;

	while (count > 0) {
		for (len = 0; count > 0 && len < sizeof(lines); count--) {
			make_line(lines + len, feed->sent++);
			len += LINE;
		}
		if (send(feed->publisher, lines, len, MSG_NOSIGNAL) !=
		    (ssize_t)len)
			fail("publisher: %s", strerror(errno));
	}
}

static void check(struct feed *feed, unsigned reader, const char *data,
		  size_t len)
{
	uint64_t *received = &feed->received[reader];
	char line[LINE];

	while (len > 0) {
		size_t at = *received % LINE, n = LINE - at;

		n = n < len ? n : len;
		make_line(line, *received / LINE);
		if (memcmp(line + at, data, n) != 0)
			fail("reader %u: line %llu is wrong", reader,
			     (unsigned long long)(*received / LINE));
		*received += n;
		data += n;
		len -= n;
	}
}

/* Returns whether something came within the time. */
static bool hear(struct feed *feed, int timeout_ms)
{
	struct pollfd fds[READERS];
	char data[65536];
	unsigned i;

	for (i = 0; i < READERS; i++)
		fds[i] = (struct pollfd){feed->readers[i], POLLIN, 0};
	if (poll(fds, READERS, timeout_ms) <= 0)
		return false;
	for (i = 0; i < READERS; i++) {
		ssize_t n;

		if (fds[i].revents == 0)
			continue;
		n = recv(feed->readers[i], data, sizeof(data), 0);
		if (n <= 0)
			fail("reader %u: %s", i,
			     n == 0 ? "closed" : strerror(errno));
		check(feed, i, data, (size_t)n);
	}
	return true;
}

static bool has_all(const struct feed *feed)
{
	unsigned i;

	for (i = 0; i < READERS; i++)
		if (feed->received[i] < feed->sent * LINE)
			return false;
	return true;
}

static void run_feed(struct feed *feed, const struct pace *pace)
{
	uint64_t begin = now_ns(), first = feed->sent, due;
	uint64_t total = (uint64_t)pace->rate * round_ms / 1000;

	if (total < LINES_MIN)
		total = LINES_MIN;
	while (feed->sent - first < total) {
		due = (now_ns() - begin + TICK_NS) * pace->rate / SECOND_NS;
		if (due > total)
			due = total;
		if (due > feed->sent - first)
			publish(feed, due - (feed->sent - first));
		hear(feed, 1);
	}
	while (!has_all(feed))
		if (!hear(feed, STUCK_MS))
			fail("nothing in %d ms: lines are missing", STUCK_MS);
}

static void measure_paces(struct pace *paces, unsigned count, const char *path)
{
	struct subject subject;
	struct feed feed;
	unsigned i;

	subject_start_counted(&subject, path, WORKERS, "relay");
	feed_open(&feed, &subject);
	publish(&feed, 1); /* the counters exist only after a first line */
	while (!has_all(&feed))
		if (!hear(&feed, STUCK_MS))
			fail("the first line is missing");
	for (i = 0; i < count; i++) {
		uint64_t before = subject_counter(&subject, "wakeups");
		uint64_t sent = feed.sent;

		run_feed(&feed, &paces[i]);
		paces[i].wakeups =
			subject_counter(&subject, "wakeups") - before;
		paces[i].lines = feed.sent - sent;
	}
	feed_close(&feed);
	subject_stop(&subject);
}

static double wakeups_a_line(const struct pace *pace)
{
	return (double)pace->wakeups / (double)pace->lines;
}

/* ---- the result ---------------------------------------------------------- */

static void print_tables(const struct cost *costs, unsigned cost_count,
			 const struct pace *paces, unsigned pace_count)
{
	unsigned i;

	printf("echo of %u-byte lines, %d clients: server CPU per line\n\n"
	       "servers   in flight   1 worker   2 workers   2 daemons   "
	       "workers to 1 worker   to 2 daemons   target\n",
	       ECHO_LINE, ECHO_CLIENTS);
	for (i = 0; i < cost_count; i++)
		printf("%-7s   %9u   %5.0f ns    %5.0f ns    %5.0f ns   "
		       "%19.2f   %12.2f     1.10\n",
		       costs[i].pinned ? "one CPU" : "spread", costs[i].window,
		       costs[i].ns[ONE_WORKER], costs[i].ns[TWO_WORKERS],
		       costs[i].ns[TWO_DAEMONS], costs[i].to_one,
		       costs[i].to_two);
	printf("\nrelay with %d workers, one publisher, %d readers\n\n"
	       "lines a second   lines     wakeups   wakeups a line\n",
	       WORKERS, READERS);
	for (i = 0; i < pace_count; i++)
		printf("%14u   %-7llu   %7llu   %14.4f\n", paces[i].rate,
		       (unsigned long long)paces[i].lines,
		       (unsigned long long)paces[i].wakeups,
		       wakeups_a_line(&paces[i]));
}

static void print_json(const struct cost *costs, unsigned cost_count,
		       const struct pace *paces, unsigned pace_count)
{
	unsigned i;

	printf("{\"line_bytes\": %u, \"clients\": %d, \"echo\": [", ECHO_LINE,
	       ECHO_CLIENTS);
	for (i = 0; i < cost_count; i++)
		printf("%s{\"one_cpu\": %s, \"in_flight\": %u, "
		       "\"one_worker_ns\": %.1f, "
		       "\"two_workers_ns\": %.1f, \"two_daemons_ns\": %.1f, "
		       "\"to_one_worker\": %.3f, \"to_two_daemons\": %.3f, "
		       "\"target\": 1.10}",
		       i > 0 ? ", " : "", costs[i].pinned ? "true" : "false",
		       costs[i].window, costs[i].ns[ONE_WORKER],
		       costs[i].ns[TWO_WORKERS], costs[i].ns[TWO_DAEMONS],
		       costs[i].to_one, costs[i].to_two);
	printf("], \"relay_workers\": %d, \"relay\": [", WORKERS);
	for (i = 0; i < pace_count; i++)
		printf("%s{\"lines_a_second\": %u, \"lines\": %llu, "
		       "\"wakeups\": %llu, \"wakeups_a_line\": %.5f}",
		       i > 0 ? ", " : "", paces[i].rate,
		       (unsigned long long)paces[i].lines,
		       (unsigned long long)paces[i].wakeups,
		       wakeups_a_line(&paces[i]));
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"rounds", required_argument, NULL, 'r'},
		{"round-ms", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	struct cost costs[] = {{.window = 1},
			       {.window = 16},
			       {.window = 1, .pinned = true},
			       {.window = 16, .pinned = true}};
	struct pace paces[] = {{.rate = 100},
			       {.rate = 1000},
			       {.rate = 10000},
			       {.rate = 100000}};
	const unsigned cost_count = sizeof(costs) / sizeof(costs[0]);
	const unsigned pace_count = sizeof(paces) / sizeof(paces[0]);
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'r')
			rounds = option_number(optarg, 1, ROUNDS);
		else if (option == 'm')
			round_ms = option_number(optarg, 1, 60000);
		else
			return 2;
	}
	measure_costs(costs, cost_count, argv[optind]);
	measure_paces(paces, pace_count, argv[optind]);
	if (json)
		print_json(costs, cost_count, paces, pace_count);
	else
		print_tables(costs, cost_count, paces, pace_count);
	return EXIT_SUCCESS;
}
