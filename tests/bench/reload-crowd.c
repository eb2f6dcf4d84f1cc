/* SPDX-License-Identifier: MIT */
/*
 * Reloads with many clients. The clients stream numbered lines through echo and
 * through hubs, while one reload after another changes limits, adds and removes
 * other services and changes the log level. No client may be disconnected, and
 * no line lost, repeated or out of order. Exits non-zero if not.
 *
 *	reload-crowd [--workers N] [--clients N] [--reloads N] [LINED]
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "subject.h"

#define STUCK_NS  (30 * UINT64_C(1000000000))
#define HUB       50 /* clients of one hub */
#define WINDOW    8  /* unanswered lines of an echo client */
#define BUFFER    65536
#define LINE_SIZE 64
#define EXTRAS    4
#define PAUSE_NS  (20 * UINT64_C(1000000)) /* traffic before each reload */

struct hub;

struct client {
	int fd;
	unsigned number;
	struct hub *hub; /* NULL: a client of echo */
	unsigned sent, got;
	unsigned *due; /* by sender of the hub: the number of its next line */
	bool reached;
	char rest[LINE_SIZE];
	size_t rest_len;
};

struct hub {
	struct client *clients;
	uint64_t open; /* lines that readers have not received yet */
};

struct crowd {
	struct subject lined;
	int manager, poller;
	unsigned workers, clients, reloads, hubs;
	struct client *all;
	struct hub *hub;
	uint64_t lines, moved_ns;
};

/* ---- the daemon --------------------------------------------------------- */

static const char *const levels[] = {"err", "warning", "notice", "info",
				     "debug"};
static const char *const protocols[] = {"echo", "relay", "chat"};

/* Whether the extra service is in the config of this reload. */
static bool has_extra(unsigned reload, unsigned extra)
{
	return reload > 0 && (reload / (extra + 1)) % 2 == 1;
}

static void write_limits(FILE *file, unsigned reload)
{
	fprintf(file,
		"\tlimits { clients = %u clients-per-address = 0 "
		"connect-rate-per-address = 0 send-queue = %uM "
		"idle-timeout = %um line-rate = %u }\n",
		20000 - reload, 4 + reload % 3, 10 + reload % 7,
		reload % 2 == 0 ? 0 : 1000000);
}

static void write_service(FILE *file, const struct crowd *crowd,
			  unsigned reload, const char *name, unsigned number,
			  const char *protocol)
{
	fprintf(file,
		"service \"%s%u\" {\n"
		"\tprotocol = \"%s\"\n"
		"\tlisten = { \"unix://%s/%s%u\" }\n",
		name, number, protocol, crowd->lined.dir, name, number);
	write_limits(file, reload);
	fprintf(file, "}\n");
}

/* Writes a file and renames it, so that a reload never sees a half-written
 * config. */
static void write_config(const struct crowd *crowd, unsigned reload)
{
	char path[96], ready[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/next.conf", crowd->lined.dir);
	snprintf(ready, sizeof(ready), "%s/lined.conf", crowd->lined.dir);
	file = fopen(path, "w");
	if (file == NULL)
		fail("%s: %s", path, strerror(errno));
	fprintf(file, "workers = %u\nlog { level = \"%s\" }\n", crowd->workers,
		levels[reload % 5]);
	fprintf(file,
		"service \"echo\" {\n\tprotocol = \"echo\"\n"
		"\tlisten = { \"tcp://127.0.0.1:%u\" }\n",
		crowd->lined.port);
	write_limits(file, reload);
	fprintf(file, "}\n");
	for (unsigned i = 0; i < crowd->hubs; i++)
		write_service(file, crowd, reload, "hub", i, "relay");
	for (unsigned i = 0; i < EXTRAS; i++)
		if (has_extra(reload, i))
			write_service(file, crowd, reload, "extra", i,
				      protocols[(reload / 8 + i) % 3]);
	if (fclose(file) != 0 || rename(path, ready) < 0)
		fail("%s: %s", ready, strerror(errno));
}

static int connect_to(const struct crowd *crowd, const char *name,
		      unsigned number)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s%u",
		 crowd->lined.dir, name, number);
	if (fd < 0)
		fail("socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Opens the socket for the daemon's notifications, which tell when a reload is
 * done. */
static void open_manager(struct crowd *crowd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	crowd->manager =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/manager",
		 crowd->lined.dir);
	if (crowd->manager < 0 ||
	    bind(crowd->manager, (struct sockaddr *)&address, sizeof(address)) <
		    0)
		fail("%s: %s", address.sun_path, strerror(errno));
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

/* Whether the daemon has sent this notification since the last call. */
static bool has_said(const struct crowd *crowd, const char *what)
{
	char text[512];
	ssize_t n;

	while ((n = recv(crowd->manager, text, sizeof(text) - 1, 0)) >= 0) {
		text[n] = '\0';
		if (strstr(text, "refused") != NULL)
			fail("a reload: %s", text);
		if (strncmp(text, what, strlen(what)) == 0)
			return true;
	}
	return false;
}

static noreturn void run_lined(const struct crowd *crowd, const char *program)
{
	const char *modules = getenv("LINED_MODULES");
	char config[96], log[96];

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	snprintf(config, sizeof(config), "%s/lined.conf", crowd->lined.dir);
	snprintf(log, sizeof(log), "%s/lined.log", crowd->lined.dir);
	if (freopen(log, "w", stderr) == NULL)
		_exit(127);
	if (modules != NULL)
		execlp(program, program, "-c", config, "-L", "stderr", "-m",
		       modules, (char *)NULL);
	else
		execlp(program, program, "-c", config, "-L", "stderr",
		       (char *)NULL);
	_exit(127);
}

/* port is free: a subject chose it, but its own server does not run. */
static void start_lined(struct crowd *crowd, const char *path, uint16_t port)
{
	uint64_t begin = now_ns();

	if (path == NULL)
		path = getenv("LINED") != NULL ? getenv("LINED") : "lined";
	crowd->lined = (struct subject){.name = "lined",
					.port = port,
					.dir = "/tmp/lined-crowd-XXXXXX",
					.is_lined = true};
	if (mkdtemp(crowd->lined.dir) == NULL)
		fail("%s: %s", crowd->lined.dir, strerror(errno));
	open_manager(crowd);
	write_config(crowd, 0);
	fflush(NULL);
	crowd->lined.pid = fork();
	if (crowd->lined.pid < 0)
		fail("fork: %s", strerror(errno));
	if (crowd->lined.pid == 0)
		run_lined(crowd, path);
	while (!has_said(crowd, "READY=1")) {
		if (now_ns() - begin > STUCK_NS)
			fail("lined does not start");
		poll(NULL, 0, 10);
	}
}

static void stop_lined(struct crowd *crowd)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/manager", crowd->lined.dir);
	unlink(path);
	close(crowd->manager);
	subject_stop(&crowd->lined);
}

/* ---- lines -------------------------------------------------------------- */

static void send_text(struct client *client, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(client->fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			fail("client %u: %s", client->number, strerror(errno));
		text += n;
		len -= (size_t)n;
	}
}

static void send_line(struct crowd *crowd, struct client *client)
{
	char line[LINE_SIZE];
	int n = sprintf(line, "%u %u\n", client->number, client->sent++);

	send_text(client, line, (size_t)n);
	if (client->hub != NULL)
		client->hub->open += HUB - 1;
	crowd->lines++;
}

static void expect(const struct client *client, unsigned due, unsigned sender,
		   unsigned number)
{
	if (number != due)
		fail("client %u: line %u of %u, and %u was due", client->number,
		     number, sender, due);
}

static void take_line(struct client *client, const char *line)
{
	unsigned sender, number, first;

	if (strcmp(line, "probe") == 0) {
		client->reached = true;
		return;
	}
	if (sscanf(line, "%u %u", &sender, &number) != 2)
		fail("client %u got \"%s\"", client->number, line);
	if (client->hub == NULL) {
		if (sender != client->number)
			fail("client %u got a line of %u", client->number,
			     sender);
		expect(client, client->got, sender, number);
		client->got++;
		return;
	}
	first = client->hub->clients[0].number;
	if (sender < first || sender >= first + HUB || sender == client->number)
		fail("client %u got a line of %u", client->number, sender);
	expect(client, client->due[sender - first]++, sender, number);
	client->hub->open--;
}

static void take(struct crowd *crowd, struct client *client)
{
	static char data[BUFFER + LINE_SIZE];
	char *at = data, *end, *newline;
	ssize_t n;

	memcpy(data, client->rest, client->rest_len);
	n = recv(client->fd, data + client->rest_len, BUFFER, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		fail("client %u: %s", client->number,
		     n == 0 ? "disconnected" : strerror(errno));
	end = data + client->rest_len + n;
	while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		*newline = '\0';
		take_line(client, at);
		at = newline + 1;
	}
	client->rest_len = (size_t)(end - at);
	if (client->rest_len >= LINE_SIZE)
		fail("client %u: a line without end", client->number);
	memcpy(client->rest, at, client->rest_len);
	crowd->moved_ns = now_ns();
}

/* ---- the crowd ---------------------------------------------------------- */

static void join(struct crowd *crowd, struct client *client, unsigned number)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	unsigned hub = number / HUB;

	client->number = number;
	/* The clients of the hubs come first, hub by hub. */
	if (hub < crowd->hubs) {
		client->hub = &crowd->hub[hub];
		client->due = calloc(HUB, sizeof(*client->due));
		if (client->due == NULL)
			fail("out of memory");
		client->fd = connect_to(crowd, "hub", hub);
	} else {
		client->fd = subject_connect(&crowd->lined);
	}
	if (client->fd < 0)
		fail("client %u cannot connect: %s", number, strerror(errno));
	if (epoll_ctl(crowd->poller, EPOLL_CTL_ADD, client->fd, &event) < 0)
		fail("epoll_ctl: %s", strerror(errno));
}

/* Handles input for at most timeout_ms. */
static void turn(struct crowd *crowd, int timeout_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(crowd->poller, events, 256, timeout_ms);

	for (int i = 0; i < n; i++)
		take(crowd, events[i].data.ptr);
	if (now_ns() - crowd->moved_ns > STUCK_NS)
		fail("lines are missing");
}

/* Sends probes until every client of a hub has received one. There is no other
 * sign that all workers serve all their clients. */
static void reach_all(struct crowd *crowd)
{
	unsigned reached;

	do {
		reached = 0;
		for (unsigned i = 0; i < crowd->hubs; i++) {
			send_text(&crowd->hub[i].clients[0], "probe\n", 6);
			send_text(&crowd->hub[i].clients[1], "probe\n", 6);
		}
		poll(NULL, 0, 20);
		for (unsigned i = 0; i < crowd->hubs * HUB; i++) {
			take(crowd, &crowd->all[i]);
			reached += crowd->all[i].reached;
		}
	} while (reached < crowd->hubs * HUB);
}

static void gather(struct crowd *crowd)
{
	crowd->poller = epoll_create1(EPOLL_CLOEXEC);
	crowd->all = calloc(crowd->clients, sizeof(*crowd->all));
	crowd->hub = calloc(crowd->hubs, sizeof(*crowd->hub));
	if (crowd->poller < 0 || crowd->all == NULL || crowd->hub == NULL)
		fail("a crowd: %s", strerror(errno));
	for (unsigned i = 0; i < crowd->hubs; i++)
		crowd->hub[i].clients = &crowd->all[i * HUB];
	for (unsigned i = 0; i < crowd->clients; i++)
		join(crowd, &crowd->all[i], i);
	crowd->moved_ns = now_ns();
	reach_all(crowd);
}

static void disperse(struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->clients; i++) {
		close(crowd->all[i].fd);
		free(crowd->all[i].due);
	}
	close(crowd->poller);
	free(crowd->all);
	free(crowd->hub);
}

/* Every client that may sends a line: an echo client if its window is not full;
 * a client of a hub if the hub delivers fewer lines than two from each
 * client. */
static void talk(struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->clients; i++) {
		struct client *client = &crowd->all[i];

		if (client->hub != NULL
			    ? client->hub->open < 2 * HUB * (HUB - 1)
			    : client->sent - client->got < WINDOW)
			send_line(crowd, client);
	}
}

/* ---- reloads ------------------------------------------------------------ */

static void check_extras(const struct crowd *crowd, unsigned reload)
{
	for (unsigned i = 0; i < EXTRAS; i++) {
		int fd = connect_to(crowd, "extra", i);

		if ((fd >= 0) != has_extra(reload, i))
			fail("after reload %u: service extra%u is %sthere",
			     reload, i, fd >= 0 ? "" : "not ");
		if (fd >= 0)
			close(fd);
	}
}

static void stream_for(struct crowd *crowd, uint64_t ns)
{
	uint64_t begin = now_ns();

	while (now_ns() - begin < ns) {
		talk(crowd);
		turn(crowd, 1);
	}
}

static void reload(struct crowd *crowd, unsigned number)
{
	uint64_t begin = now_ns();

	write_config(crowd, number);
	if (kill(crowd->lined.pid, SIGHUP) < 0)
		fail("kill: %s", strerror(errno));
	for (bool begun = false;;) {
		talk(crowd);
		turn(crowd, 1);
		if (!begun)
			begun = has_said(crowd, "RELOADING=1");
		if (begun && has_said(crowd, "READY=1"))
			break;
		if (now_ns() - begin > STUCK_NS)
			fail("reload %u does not end", number);
	}
	check_extras(crowd, number);
}

static bool all_have_come(const struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->hubs; i++)
		if (crowd->hub[i].open > 0)
			return false;
	for (unsigned i = crowd->hubs * HUB; i < crowd->clients; i++)
		if (crowd->all[i].got < crowd->all[i].sent)
			return false;
	return true;
}

/* Waits until every client of a hub has received all lines of all others. */
static void settle(struct crowd *crowd)
{
	while (!all_have_come(crowd))
		turn(crowd, 100);
	/* No line may come twice. */
	turn(crowd, 100);
	for (unsigned i = 0; i < crowd->hubs * HUB; i++) {
		const struct client *client = &crowd->all[i];

		for (unsigned k = 0; k < HUB; k++) {
			const struct client *sender = &client->hub->clients[k];

			if (sender != client && client->due[k] != sender->sent)
				fail("client %u has %u of %u lines of %u", i,
				     client->due[k], sender->sent,
				     sender->number);
		}
	}
}

static void run(struct crowd *crowd, const char *path, uint16_t port)
{
	uint64_t begin;

	start_lined(crowd, path, port);
	gather(crowd);
	begin = now_ns();
	for (unsigned i = 1; i <= crowd->reloads; i++) {
		stream_for(crowd, PAUSE_NS);
		reload(crowd, i);
	}
	settle(crowd);
	printf("%u clients, %u workers, %u reloads in %.1f s: %llu lines, each "
	       "once, in order; nobody disconnected\n",
	       crowd->clients, crowd->workers, crowd->reloads,
	       (double)(now_ns() - begin) / 1e9,
	       (unsigned long long)crowd->lines);
	disperse(crowd);
	stop_lined(crowd);
}

/* ---- the command line ---------------------------------------------------- */

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"workers", required_argument, NULL, 'w'},
		{"clients", required_argument, NULL, 'c'},
		{"reloads", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	struct crowd crowd = {.workers = 3, .clients = 2000, .reloads = 50};
	bool fewer = true, sanitized;
	struct subject subject;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		fewer = false;
		if (option == 'w')
			crowd.workers = option_number(optarg, 1, 64);
		else if (option == 'c')
			crowd.clients = option_number(optarg, 2 * HUB, 8000);
		else if (option == 'r')
			crowd.reloads = option_number(optarg, 1, 1000);
		else
			return 2;
	}
	raise_descriptors();
	/* With a sanitizer, which is slow, fewer clients are enough to find the
	 * same faults. */
	subject_start_lined(&subject, argv[optind]);
	sanitized = subject_is_sanitized(&subject);
	subject_stop(&subject);
	if (fewer && sanitized) {
		crowd.clients = 300;
		crowd.reloads = 20;
	}
	crowd.hubs = crowd.clients / 2 / HUB;
	run(&crowd, argv[optind], subject.port);
	return EXIT_SUCCESS;
}
