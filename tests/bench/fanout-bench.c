/* SPDX-License-Identifier: MIT */
/*
 * Server CPU time per delivered line, with one publisher and many readers:
 * lined's relay, a bare epoll loop that sends each chunk to every reader, and
 * PUBLISH/SUBSCRIBE of redis if it is installed, in turns A B C in one run.
 * Bursts come at a fixed rate, whether or not the server keeps up, because a
 * slow server at saturation batches more and looks cheaper. Every byte is
 * compared. The numbers are for reading: only wrong data makes it exit
 * non-zero. --web compares readers that speak WebSocket with plain readers of
 * another lined. --cluster compares a lined in a cluster on this nats-server
 * with a lined without a cluster.
 *
 *	fanout-bench [--json] [--web | --cluster nats://HOST:PORT] [--rounds N]
 *		[--round-ms N] [--readers N] [LINED]
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
#include "web.h"

#define LINE        64u
#define FRAME_MAX   128u
#define READERS_MAX 4000
#define BURSTS      200 /* per second */
#define ROUNDS      31
#define STUCK_MS    5000

struct reader {
	int fd;
	uint64_t received; /* bytes */
};

/* A server under load. */
struct load {
	const struct subject *subject;
	bool is_redis, is_web;
	unsigned frame; /* bytes that a reader gets for a line */
	int publisher, poller;
	struct reader *readers;
	unsigned reader_count;
	uint64_t sent; /* lines */
	double ns[ROUNDS];
};

/* ---- lines --------------------------------------------------------------- */

static size_t make_line(char *line, uint64_t number)
{
	int n = snprintf(line, LINE, "line %llu ", (unsigned long long)number);

	memset(line + n, '.', LINE - (size_t)n - 1);
	line[LINE - 1] = '\n';
	return LINE;
}

/* Writes a line as a reader receives it. */
static size_t make_frame(const struct load *load, char *frame, uint64_t number)
{
	char line[LINE];

	if (!load->is_redis && !load->is_web)
		return make_line(frame, number);
	make_line(line, number);
	if (load->is_web)
		return web_write_answer(frame, line, LINE);
	return (size_t)sprintf(frame,
			       "*3\r\n$7\r\nmessage\r\n$4\r\nfeed\r\n"
			       "$%u\r\n%.*s\r\n",
			       LINE, (int)LINE, line);
}

/* Writes a line as the publisher sends it. */
static size_t make_request(const struct load *load, char *text, uint64_t number)
{
	char line[LINE];

	if (!load->is_redis)
		return make_line(text, number);
	make_line(line, number);
	return (size_t)sprintf(text,
			       "*3\r\n$7\r\nPUBLISH\r\n$4\r\nfeed\r\n"
			       "$%u\r\n%.*s\r\n",
			       LINE, (int)LINE, line);
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			fail("send: %s", strerror(errno));
		data += n;
		len -= (size_t)n;
	}
}

static void send_burst(struct load *load, unsigned lines)
{
	char text[16 * FRAME_MAX], answers[4096];
	size_t len = 0;

	for (unsigned i = 0; i < lines; i++)
		len += make_request(load, text + len, load->sent++);
	send_all(load->publisher, text, len);
	/* redis answers each PUBLISH with the number of readers: discard these
	 * answers. */
	while (load->is_redis && recv(load->publisher, answers, sizeof(answers),
				      MSG_DONTWAIT) > 0)
		;
}

/* ---- the load ----------------------------------------------------------- */

static void subscribe(struct load *load, struct reader *reader)
{
	static const char ask[] = "*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nfeed\r\n";
	static const char answer[] =
		"*3\r\n$9\r\nsubscribe\r\n$4\r\nfeed\r\n:1\r\n";
	char got[sizeof(answer)];

	if (!load->is_redis)
		return;
	send_all(reader->fd, ask, strlen(ask));
	if (recv(reader->fd, got, strlen(answer), MSG_WAITALL) !=
		    (ssize_t)strlen(answer) ||
	    memcmp(got, answer, strlen(answer)) != 0)
		fail("redis does not subscribe");
}

static void connect_load(struct load *load, const struct subject *subject,
			 unsigned readers, bool web)
{
	char frame[FRAME_MAX * 2];

	memset(load, 0, sizeof(*load));
	load->subject = subject;
	load->is_web = web;
	load->is_redis = strcmp(subject->name, "redis") == 0;
	load->frame = (unsigned)make_frame(load, frame, 0);
	load->poller = epoll_create1(EPOLL_CLOEXEC);
	load->reader_count = readers;
	load->readers = calloc(readers, sizeof(*load->readers));
	if (load->poller < 0 || load->readers == NULL)
		fail("%s", strerror(errno));
	for (unsigned i = 0; i < readers; i++) {
		struct reader *reader = &load->readers[i];
		struct epoll_event event = {.events = EPOLLIN,
					    .data.ptr = reader};

		reader->fd =
			web ? web_connect(subject) : subject_connect(subject);
		subscribe(load, reader);
		if (epoll_ctl(load->poller, EPOLL_CTL_ADD, reader->fd, &event) <
		    0)
			fail("epoll_ctl: %s", strerror(errno));
	}
	load->publisher = subject_connect(subject);
	poll(NULL, 0, 200); /* until all are accepted */
}

static void close_load(struct load *load)
{
	for (unsigned i = 0; i < load->reader_count; i++)
		close(load->readers[i].fd);
	free(load->readers);
	close(load->publisher);
	close(load->poller);
}

static void check(const struct load *load, struct reader *reader,
		  const char *data, size_t len)
{
	char frame[FRAME_MAX * 2];

	while (len > 0) {
		uint64_t number = reader->received / load->frame;
		size_t at = reader->received % load->frame;
		size_t n = load->frame - at;

		n = n < len ? n : len;
		make_frame(load, frame, number);
		if (memcmp(frame + at, data, n) != 0)
			fail("%s: line %llu came wrong", load->subject->name,
			     (unsigned long long)number);
		reader->received += n;
		data += n;
		len -= n;
	}
}

/* Reads all input until the time is over. Returns the number of bytes. */
static uint64_t take(struct load *load, int timeout_ms)
{
	static char data[65536];
	struct epoll_event events[256];
	uint64_t bytes = 0;
	int n = epoll_wait(load->poller, events, 256, timeout_ms);

	for (int i = 0; i < n; i++) {
		struct reader *reader = events[i].data.ptr;
		ssize_t len = recv(reader->fd, data, sizeof(data), 0);

		if (len <= 0)
			fail("%s: reader: %s", load->subject->name,
			     len == 0 ? "closed" : strerror(errno));
		check(load, reader, data, (size_t)len);
		bytes += (uint64_t)len;
	}
	return bytes;
}

static void run_round(struct load *load, unsigned lines, unsigned round_ms)
{
	unsigned bursts = round_ms * BURSTS / 1000;
	uint64_t open =
		(uint64_t)bursts * lines * load->frame * load->reader_count;
	uint64_t begin = now_ns(), step = 1000000000u / BURSTS;

	for (unsigned i = 0; i < bursts; i++) {
		uint64_t due = begin + i * step;

		while (now_ns() < due)
			open -= take(load,
				     (int)((due - now_ns()) / 1000000 + 1));
		send_burst(load, lines);
	}
	while (open > 0) {
		uint64_t bytes = take(load, STUCK_MS);

		if (bytes == 0)
			fail("%s: lines are missing", load->subject->name);
		open -= bytes;
	}
}

/* Runs a round. Returns the CPU time in nanoseconds per delivered line. */
static double measure(struct load *load, unsigned lines, unsigned round_ms)
{
	uint64_t before = subject_cpu_ns(load->subject), sent = load->sent;

	run_round(load, lines, round_ms);
	poll(NULL, 0, 5); /* let it sleep, so that its CPU time is complete */
	return (double)(subject_cpu_ns(load->subject) - before) /
	       (double)((load->sent - sent) * load->reader_count);
}

/* ---- results ------------------------------------------------------------ */

struct result {
	unsigned lines;
	double lined_ns, bare_ns, redis_ns, by_bare, by_redis;
};

static void compare(struct load *loads, unsigned count, struct result *result,
		    unsigned rounds, unsigned round_ms)
{
	double ratios[ROUNDS];

	for (unsigned k = 0; k < count; k++)
		measure(&loads[k], result->lines, round_ms / 2); /* warm up */
	for (unsigned i = 0; i < rounds; i++)
		for (unsigned k = 0; k < count; k++)
			loads[k].ns[i] =
				measure(&loads[k], result->lines, round_ms);
	for (unsigned i = 0; i < rounds; i++)
		ratios[i] = loads[0].ns[i] / loads[1].ns[i];
	result->by_bare = median(ratios, rounds);
	if (count > 2) {
		for (unsigned i = 0; i < rounds; i++)
			ratios[i] = loads[0].ns[i] / loads[2].ns[i];
		result->by_redis = median(ratios, rounds);
		result->redis_ns = median(loads[2].ns, rounds);
	}
	result->lined_ns = median(loads[0].ns, rounds);
	result->bare_ns = median(loads[1].ns, rounds);
}

/* Prints the results of WebSocket readers, or of a node of a cluster. In both
 * cases `bare` has the results of plain readers. */
static void print_pair(const struct result *results, unsigned count,
		       unsigned readers, bool json, const char *what,
		       const char *most)
{
	if (!json)
		printf("%u-byte lines to %u readers, %d bursts a second: "
		       "server CPU per delivered line\n\n"
		       "burst    %-7s     plain       ratio (at most %s)\n",
		       LINE, readers, BURSTS, what, most);
	for (unsigned i = 0; i < count; i++)
		printf(json ? "{\"burst\": %u, \"%s_ns\": %.1f, "
			      "\"plain_ns\": %.1f, \"ratio\": %.3f}\n"
			    : "%5u   %.0s%6.0f ns   %6.0f ns   %5.2f\n",
		       results[i].lines, what, results[i].lined_ns,
		       results[i].bare_ns, results[i].by_bare);
}

static void print_table(const struct result *results, unsigned count,
			unsigned readers)
{
	printf("%u-byte lines to %u readers, %d bursts a second: server CPU "
	       "per delivered line\n\n"
	       "burst    lined       bare epoll   ratio (at most 1.15)   redis"
	       "       ratio (at most 0.95)\n",
	       LINE, readers, BURSTS);
	for (unsigned i = 0; i < count; i++) {
		const struct result *r = &results[i];

		printf("%5u   %6.0f ns   %7.0f ns   %5.2f", r->lines,
		       r->lined_ns, r->bare_ns, r->by_bare);
		if (r->redis_ns > 0)
			printf("                  %6.0f ns   %5.2f\n",
			       r->redis_ns, r->by_redis);
		else
			printf("                  not installed\n");
	}
}

static void print_json(const struct result *results, unsigned count,
		       unsigned readers)
{
	printf("{\"line_bytes\": %u, \"readers\": %u, \"bursts\": %d, "
	       "\"results\": [",
	       LINE, readers, BURSTS);
	for (unsigned i = 0; i < count; i++)
		printf("%s{\"burst\": %u, \"lined_ns\": %.1f, "
		       "\"bare_ns\": %.1f, \"redis_ns\": %.1f, "
		       "\"by_bare\": %.3f, \"by_redis\": %.3f}",
		       i > 0 ? ", " : "", results[i].lines, results[i].lined_ns,
		       results[i].bare_ns, results[i].redis_ns,
		       results[i].by_bare, results[i].by_redis);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"web", no_argument, NULL, 'w'},
		{"cluster", required_argument, NULL, 'c'},
		{"rounds", required_argument, NULL, 'r'},
		{"round-ms", required_argument, NULL, 'm'},
		{"readers", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	struct result results[] = {{.lines = 1}, {.lines = 4}};
	unsigned rounds = 7, round_ms = 1000, readers = 400, count = 2;
	struct subject subjects[3];
	struct load loads[3];
	const char *nats = NULL;
	bool json = false, web = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'w')
			web = true;
		else if (option == 'c')
			nats = optarg;
		else if (option == 'r')
			rounds = option_number(optarg, 1, ROUNDS);
		else if (option == 'm')
			round_ms = option_number(optarg, 1, 60000);
		else if (option == 'n')
			readers = option_number(optarg, 1, READERS_MAX);
		else
			return 2;
	}
	raise_descriptors();
	if (nats != NULL)
		subject_start_node(&subjects[0], argv[optind], nats);
	else
		subject_start_service(&subjects[0], argv[optind], 1, "relay",
				      "");
	if (web || nats != NULL) {
		subject_start_service(&subjects[1], argv[optind], 1, "relay",
				      "");
	} else {
		subject_start_bare_hub(&subjects[1]);
		count += subject_start_redis(&subjects[2]);
	}
	for (unsigned k = 0; k < count; k++)
		connect_load(&loads[k], &subjects[k], readers, web && k == 0);
	for (unsigned i = 0; i < 2; i++)
		compare(loads, count, &results[i], rounds, round_ms);
	for (unsigned k = 0; k < count; k++) {
		close_load(&loads[k]);
		subject_stop(&subjects[k]);
	}
	if (web || nats != NULL)
		print_pair(results, 2, readers, json, web ? "ws" : "cluster",
			   web ? "1.10" : "1.05");
	else if (json)
		print_json(results, 2, readers);
	else
		print_table(results, 2, readers);
	return EXIT_SUCCESS;
}
