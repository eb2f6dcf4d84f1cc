/* SPDX-License-Identifier: MIT */
/*
 * The fixtures of the Check suites, see support.h. Every wait here fails the
 * test after SUPPORT_WATCHDOG_MS. Should that fail, Check's time limit ends the
 * test or, if Check does not fork, an alarm.
 */
#include "config.h"

#include "support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CASE_TIMEOUT_S 60
#define SETTLE_MS      10000

/* ---- suites ---------------------------------------------------------- */

static int run_suite(Suite *(*make)(void))
{
	SRunner *runner = srunner_create(make());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

static int run_with(Suite *(*make)(void), const char *poller)
{
	if (setenv("LINED_POLLER", poller, 1) < 0) {
		perror("setenv");
		return 1;
	}
	printf("LINED_POLLER=%s\n", poller);
	fflush(stdout);
	return run_suite(make);
}

int support_main_once(Suite *(*make)(void))
{
	signal(SIGPIPE, SIG_IGN);
	return run_suite(make) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int support_main(Suite *(*make)(void))
{
	const char *poller = getenv("LINED_POLLER");
	int failed;

	signal(SIGPIPE, SIG_IGN);
	if (poller != NULL && *poller != '\0') {
		char *chosen = strdup(poller);

		if (chosen == NULL)
			return EXIT_FAILURE;
		failed = run_with(make, chosen);
		free(chosen);
	} else {
		failed = run_with(make, "poll");
#ifdef HAVE_EPOLL
		failed += run_with(make, "epoll");
#endif
	}
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The number of open descriptors before the test. One variable is enough: each
 * test has its own process or, without fork, runs after the previous one. */
static size_t fds_before;

static void case_setup(void)
{
	fds_before = support_fd_count();
	alarm(CASE_TIMEOUT_S);
}

static void print_fds(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/fd");

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char target[256] = "";

		if (entry->d_name[0] == '.' ||
		    readlinkat(dirfd(dir), entry->d_name, target,
			       sizeof(target) - 1) < 0)
			continue;
		printf("descriptor %s: %s\n", entry->d_name, target);
	}
	fflush(stdout);
	if (dir != NULL)
		closedir(dir);
}

static void case_teardown(void)
{
	uint64_t end_ms = support_now_ms() + SETTLE_MS;
	size_t fds;

	/* A thread of a resolver may have a file open for some time: wait until
	 * the count is as before. */
	while ((fds = support_fd_count()) != fds_before &&
	       support_now_ms() < end_ms)
		poll(NULL, 0, 5);
	alarm(0);
	if (fds != fds_before)
		print_fds();
	ck_assert_uint_eq(fds, fds_before);
}

TCase *support_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, case_setup, case_teardown);
	tcase_set_timeout(tcase, CASE_TIMEOUT_S);
	suite_add_tcase(suite, tcase);
	return tcase;
}

size_t support_fd_count(void)
{
	size_t count = 0;
	struct dirent *entry;
	DIR *dir;

	dir = opendir("/proc/self/fd");
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count - 1; /* without the descriptor of the directory */
}

uint64_t support_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- making ---------------------------------------------------------- */

struct lined_dispatcher *support_dispatcher(void)
{
	struct lined_dispatcher *d = lined_dispatcher_new();

	ck_assert_msg(d != NULL, "lined_dispatcher_new: %s", strerror(errno));
	return d;
}

struct lined_socket *support_socket(const struct lined_socket_handlers *h,
				    void *arg)
{
	struct lined_socket *sock = lined_socket_new(h, arg);

	ck_assert_msg(sock != NULL, "lined_socket_new: %s", strerror(errno));
	return sock;
}

struct sockaddr_in support_loopback(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return address;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

static int bound_fd(uint16_t *port)
{
	struct sockaddr_in address = support_loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_msg(fd >= 0, "socket: %s", strerror(errno));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	*port = port_of(fd);
	return fd;
}

int support_listen_fd(int backlog, uint16_t *port)
{
	int fd = bound_fd(port);

	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

/* Chooses a port below those that the system assigns: another test could get an
 * assigned port a moment later, or a connection could connect to itself. */
uint16_t support_refused_port(void)
{
	static uint16_t port;
	struct sockaddr_in address;
	int fd, rc, error;

	do {
		address = support_loopback(++port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_msg(fd >= 0, "socket: %s", strerror(errno));
		rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
		error = errno;
		close(fd);
	} while (rc == 0 || error != ECONNREFUSED);
	return port;
}

int support_connect_fd(uint16_t port)
{
	struct sockaddr_in address = support_loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	ck_assert_msg(fd >= 0, "socket: %s", strerror(errno));
	do {
		rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
	} while (rc < 0 && errno == EINTR);
	ck_assert_msg(rc == 0, "connect: %s", strerror(errno));
	return fd;
}

void support_tcp_fds(int fds[2])
{
	uint16_t port;
	int listener = support_listen_fd(1, &port);

	fds[1] = support_connect_fd(port);
	fds[0] = accept(listener, NULL, NULL);
	ck_assert_msg(fds[0] >= 0, "accept: %s", strerror(errno));
	close(listener);
}

void support_wrap(struct lined_dispatcher *d, struct lined_socket *sock, int fd)
{
	ck_assert_int_eq(lined_socket_wrap(sock, fd, LINED_SOCKET_CONNECTED),
			 0);
	ck_assert_msg(lined_dispatcher_register_socket(d, sock) != NULL,
		      "lined_dispatcher_register_socket: %s", strerror(errno));
}

struct lined_socket *
support_pair_in_group(struct lined_dispatcher *d,
		      const struct lined_socket_handlers *handlers, void *arg,
		      struct lined_socket_group *group, int *peer)
{
	struct lined_socket *sock = support_socket(handlers, arg);
	int fds[2];

	support_tcp_fds(fds);
	if (group != NULL)
		lined_socket_set_group(sock, group);
	support_wrap(d, sock, fds[0]);
	*peer = fds[1];
	return sock;
}

struct lined_socket *support_pair(struct lined_dispatcher *d,
				  const struct lined_socket_handlers *handlers,
				  void *arg, int *peer)
{
	return support_pair_in_group(d, handlers, arg, NULL, peer);
}

struct lined_socket *
support_listen(struct lined_dispatcher *d,
	       const struct lined_socket_handlers *handlers, void *arg,
	       uint16_t *port)
{
	struct lined_socket *sock = support_socket(handlers, arg);
	struct sockaddr_in address = support_loopback(0);

	ck_assert_int_eq(lined_socket_bind(sock, SOCK_STREAM,
					   (struct sockaddr *)&address,
					   sizeof(address)),
			 0);
	ck_assert_int_eq(lined_socket_listen(sock, 128), 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	*port = port_of(lined_socket_fd(sock));
	return sock;
}

/* ---- running --------------------------------------------------------- */

/* Runs one turn of a loop that began at start_ms, and checks the time. */
static void guarded_turn(struct lined_dispatcher *d, uint64_t start_ms)
{
	int rc = lined_dispatcher_poll(d, 20);

	ck_assert_msg(rc >= 0, "lined_dispatcher_poll: %s", strerror(errno));
	if (rc == 0)
		poll(NULL, 0, 1);
	ck_assert_msg(support_now_ms() - start_ms < SUPPORT_WATCHDOG_MS,
		      "what was waited for did not happen in %d ms",
		      SUPPORT_WATCHDOG_MS);
}

void support_run_until(struct lined_dispatcher *d, bool (*done)(void *arg),
		       void *arg)
{
	uint64_t start_ms = support_now_ms();

	while (!done(arg))
		guarded_turn(d, start_ms);
}

void support_run_until_set(struct lined_dispatcher *d, const bool *flag)
{
	uint64_t start_ms = support_now_ms();

	while (!*(const volatile bool *)flag)
		guarded_turn(d, start_ms);
}

void support_run_until_count(struct lined_dispatcher *d, const unsigned *count,
			     unsigned n)
{
	uint64_t start_ms = support_now_ms();

	while (*(const volatile unsigned *)count < n)
		guarded_turn(d, start_ms);
}

void support_run_turns(struct lined_dispatcher *d, unsigned turns)
{
	while (turns-- > 0)
		ck_assert_int_ge(lined_dispatcher_poll(d, 0), 0);
}

unsigned support_run_for(struct lined_dispatcher *d, unsigned ms)
{
	uint64_t end_ms = support_now_ms() + ms, now_ms;
	unsigned turns = 0;
	int rc;

	while ((now_ms = support_now_ms()) < end_ms) {
		rc = lined_dispatcher_poll(d, (int)(end_ms - now_ms));
		ck_assert_int_ge(rc, 0);
		if (rc == 0)
			break;
		turns++;
	}
	return turns;
}

/* ---- the peer's side ------------------------------------------------- */

void support_write(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		ck_assert_msg(n > 0, "send: %s", strerror(errno));
		at += n;
		len -= (size_t)n;
	}
}

void support_puts(int fd, const char *text)
{
	support_write(fd, text, strlen(text));
}

void support_wait_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int rc;

	do {
		rc = poll(&poll_fd, 1, SUPPORT_WATCHDOG_MS);
	} while (rc < 0 && errno == EINTR);
	ck_assert_msg(rc == 1, "nothing to read within %d ms",
		      SUPPORT_WATCHDOG_MS);
}

/* Reads up to len bytes at the peer's end, and runs turns of d meanwhile; 0:
 * the end. */
static ssize_t receive(struct lined_dispatcher *d, int fd, void *data,
		       size_t len)
{
	uint64_t start_ms = support_now_ms();
	ssize_t n;

	for (;;) {
		n = recv(fd, data, len, MSG_DONTWAIT);
		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (d != NULL)
			guarded_turn(d, start_ms);
		else
			support_wait_readable(fd);
	}
}

void support_expect(struct lined_dispatcher *d, int fd, const char *text)
{
	size_t len = strlen(text), have = 0;
	char *got = calloc(1, len + 1);
	ssize_t n;

	ck_assert_ptr_nonnull(got);
	while (have < len) {
		n = receive(d, fd, got + have, len - have);
		ck_assert_msg(n > 0, "after \"%s\": %s", got,
			      n == 0 ? "the end" : strerror((int)-n));
		have += (size_t)n;
	}
	ck_assert_str_eq(got, text);
	free(got);
}

void support_expect_eof(struct lined_dispatcher *d, int fd)
{
	char byte;
	ssize_t n = receive(d, fd, &byte, 1);

	ck_assert_msg(n == 0, "no end: %s", n > 0 ? "data" : strerror((int)-n));
}

size_t support_drain(struct lined_dispatcher *d, int fd, int *error)
{
	static char buffer[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = receive(d, fd, buffer, sizeof(buffer))) > 0)
		total += (size_t)n;
	if (error != NULL)
		*error = (int)n;
	return total;
}

void support_reset(int fd)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};

	ck_assert_int_eq(
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
		0);
	close(fd);
}
