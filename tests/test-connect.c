/* SPDX-License-Identifier: MIT */
/*
 * Connecting: every family, names off the loop, one address after another,
 * the deadline, and that exactly one of handle_connect and handle_close
 * follows. Names are looked up by a function of the test's where the answer
 * or its time matters. To be run under a thread sanitizer as well.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "dispatcher_priv.h"
#include "resolver.h"
#include "support.h"

/* One connecting socket and what became of it. */
struct attempt {
	struct lined_dispatcher *dispatcher;
	struct lined_socket *sock;
	unsigned connects, closes, reads;
	enum lined_close_reason reason;
	int error;
	enum lined_socket_state state_in_handler;
	void (*on_connect)(struct attempt *attempt);
};

static void on_connect(struct lined_socket *sock, void *arg)
{
	struct attempt *a = arg;

	a->connects++;
	a->state_in_handler = lined_socket_state(sock);
	if (a->on_connect != NULL)
		a->on_connect(a);
}

static void on_close(struct lined_socket *sock, void *arg,
		     enum lined_close_reason reason, int error)
{
	struct attempt *a = arg;

	ck_assert(lined_socket_is_closed(sock));
	a->closes++;
	a->reason = reason;
	a->error = error;
	a->sock = NULL;
}

static void on_read(struct lined_socket *sock, void *arg)
{
	struct attempt *a = arg;
	struct lined_line line;

	a->reads++;
	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		lined_socket_send_line(sock, &line);
}

static const struct lined_socket_handlers handlers = {
	.handle_connect = on_connect,
	.handle_read = on_read,
	.handle_close = on_close,
};

/* Each case begins with a dispatcher, a listener, an attempt's memory. */
static struct lined_dispatcher *d;
static struct attempt attempt;
static int listener;
static uint16_t port;

static void setup(void)
{
	d = support_dispatcher();
	listener = support_listen_fd(100, &port);
}

static void free_dispatcher(void)
{
	lined_dispatcher_free(d);
	d = NULL;
}

static void teardown(void)
{
	free_dispatcher();
	close(listener);
}

static TCase *connect_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	return tcase;
}

static void attempt_init(struct attempt *a)
{
	memset(a, 0, sizeof(*a));
	a->dispatcher = d;
	a->sock = support_socket(&handlers, a);
}

static void attempt_register(struct attempt *a)
{
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(a->dispatcher, a->sock));
}

static void attempt_open(struct attempt *a)
{
	attempt_init(a);
	attempt_register(a);
}

static void attempt_connect(struct attempt *a, const char *host, uint16_t to,
			    uint32_t timeout_ms)
{
	ck_assert_int_eq(lined_socket_connect(a->sock, host, to, timeout_ms),
			 0);
}

static void attempt_connect_to(struct attempt *a, const void *address,
			       socklen_t len, uint32_t timeout_ms)
{
	ck_assert_int_eq(
		lined_socket_connect_to(a->sock, address, len, timeout_ms), 0);
}

static bool is_decided(void *arg)
{
	const struct attempt *a = arg;

	return a->connects + a->closes > 0;
}

static void decide(struct attempt *a)
{
	support_run_until(a->dispatcher, is_decided, a);
}

static void assert_connected(const struct attempt *a)
{
	ck_assert_uint_eq(a->connects, 1);
	ck_assert_uint_eq(a->closes, 0);
	ck_assert_int_eq(a->state_in_handler, LINED_SOCKET_CONNECTED);
	ck_assert(lined_socket_is_connected(a->sock));
}

/* Failed for this reason, and nothing more comes. */
static void assert_failed(struct attempt *a, enum lined_close_reason reason,
			  int error)
{
	support_run_turns(a->dispatcher, 3);
	ck_assert_uint_eq(a->connects, 0);
	ck_assert_uint_eq(a->closes, 1);
	ck_assert_int_eq(a->reason, reason);
	ck_assert_int_eq(a->error, error);
}

static void assert_connects(struct attempt *a)
{
	decide(a);
	assert_connected(a);
}

static void assert_fails(struct attempt *a, enum lined_close_reason reason,
			 int error)
{
	decide(a);
	assert_failed(a, reason, error);
}

static void assert_echoes(struct attempt *a, int at)
{
	int peer = accept(at, NULL, NULL);

	ck_assert_int_ge(peer, 0);
	support_puts(peer, "hello\n");
	support_expect(a->dispatcher, peer, "hello\n");
	close(peer);
}

/* ---- families -------------------------------------------------------- */

START_TEST(connects_over_ipv4)
{
	attempt_open(&attempt);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	ck_assert(lined_socket_is_connecting(attempt.sock));
	ck_assert_uint_eq(attempt.connects, 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

START_TEST(connects_over_ipv6)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6,
				       .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(address);
	int server = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* A machine without IPv6 has nothing to check here. */
	if (server >= 0 &&
	    bind(server, (struct sockaddr *)&address, len) == 0) {
		ck_assert_int_eq(listen(server, 5), 0);
		getsockname(server, (struct sockaddr *)&address, &len);
		attempt_open(&attempt);
		attempt_connect(&attempt, "::1", ntohs(address.sin6_port), 0);
		decide(&attempt);
		assert_connected(&attempt);
		assert_echoes(&attempt, server);
	}
	if (server >= 0)
		close(server);
}
END_TEST

static socklen_t unix_address(struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path),
		 "/tmp/lined-test-connect.%d", (int)getpid());
	unlink(address->sun_path);
	return sizeof(*address);
}

START_TEST(connects_over_unix)
{
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t len = unix_address(&address);

	ck_assert_int_eq(bind(server, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(server, 5), 0);
	attempt_open(&attempt);
	attempt_connect_to(&attempt, &address, len, 0);
	assert_connects(&attempt);
	assert_echoes(&attempt, server);
	unlink(address.sun_path);
	close(server);
}
END_TEST

START_TEST(a_unix_path_that_is_not_there_is_ENOENT)
{
	struct sockaddr_un address;
	socklen_t len = unix_address(&address);

	attempt_open(&attempt);
	attempt_connect_to(&attempt, &address, len, 0);
	/* It is known at once, but not told within the call. */
	ck_assert_uint_eq(attempt.closes, 0);
	assert_fails(&attempt, LINED_CLOSE_ERROR, ENOENT);
}
END_TEST

START_TEST(a_connect_may_be_asked_for_before_registering)
{
	attempt_init(&attempt);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	ck_assert(lined_socket_is_connecting(attempt.sock));
	attempt_register(&attempt);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

START_TEST(what_is_sent_before_the_connection_stands_arrives)
{
	int peer;

	attempt_open(&attempt);
	attempt_connect(&attempt, "localhost", port, 0);
	ck_assert_int_eq(lined_socket_send(attempt.sock, "one\n", 4), 0);
	ck_assert_int_eq(lined_socket_send(attempt.sock, "two\n", 4), 0);
	assert_connects(&attempt);
	peer = accept(listener, NULL, NULL);
	support_expect(d, peer, "one\ntwo\n");
	close(peer);
}
END_TEST

START_TEST(a_second_connect_is_refused)
{
	attempt_open(&attempt);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	support_fails(lined_socket_connect(attempt.sock, "127.0.0.1", port, 0),
		      EALREADY);
	decide(&attempt);
	support_fails(lined_socket_connect(attempt.sock, "127.0.0.1", port, 0),
		      EISCONN);
	assert_connected(&attempt);
}
END_TEST

/* ---- failures -------------------------------------------------------- */

START_TEST(a_refused_connect_never_connects)
{
	attempt_open(&attempt);
	attempt_connect(&attempt, "127.0.0.1", support_refused_port(), 0);
	assert_fails(&attempt, LINED_CLOSE_ERROR, ECONNREFUSED);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
}
END_TEST

/* A listener whose backlog is full drops what comes: nobody answers. */
static int silent_listener(uint16_t *silent_port, int fillers[4])
{
	int fd = support_listen_fd(0, silent_port), i;
	struct sockaddr_in address = support_loopback(*silent_port);

	for (i = 0; i < 4; i++) {
		fillers[i] = socket(
			AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(fillers[i], 0);
		connect(fillers[i], (struct sockaddr *)&address,
			sizeof(address));
	}
	return fd;
}

static void silence_end(int fd, const int fillers[4])
{
	int i;

	for (i = 0; i < 4; i++)
		close(fillers[i]);
	close(fd);
}

START_TEST(an_address_that_never_answers_meets_the_deadline)
{
	int fillers[4], silent;
	uint64_t start_ms;
	uint16_t silent_port;

	silent = silent_listener(&silent_port, fillers);
	attempt_open(&attempt);
	start_ms = support_now_ms();
	attempt_connect(&attempt, "127.0.0.1", silent_port, 150);
	decide(&attempt);
	ck_assert_uint_ge(support_now_ms() - start_ms + 2, 150);
	assert_failed(&attempt, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
	silence_end(silent, fillers);
}
END_TEST

/* A UNIX listener with nothing accepted and no room for one more. */
struct full_listener {
	struct sockaddr_un address;
	socklen_t len;
	int fd;
	int fillers[8];
	unsigned count;
};

static void full_listener_open(struct full_listener *full)
{
	full->len = unix_address(&full->address);
	full->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
		bind(full->fd, (struct sockaddr *)&full->address, full->len),
		0);
	ck_assert_int_eq(listen(full->fd, 1), 0);
	for (full->count = 0; full->count < 8; full->count++) {
		int fd = socket(AF_UNIX,
				SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		full->fillers[full->count] = fd;
		if (connect(fd, (struct sockaddr *)&full->address, full->len) <
		    0) {
			ck_assert_int_eq(errno, EAGAIN);
			close(fd);
			return;
		}
	}
	ck_abort_msg("a backlog of 1 has room for all");
}

/* Those that have come so far leave. */
static void full_listener_empty(struct full_listener *full)
{
	while (full->count > 0) {
		close(accept(full->fd, NULL, NULL));
		close(full->fillers[--full->count]);
	}
}

static void full_listener_close(struct full_listener *full)
{
	full_listener_empty(full);
	close(full->fd);
	unlink(full->address.sun_path);
}

static void connect_to_full(struct attempt *a, const struct full_listener *full,
			    uint32_t timeout_ms)
{
	attempt_connect_to(a, &full->address, full->len, timeout_ms);
}

START_TEST(a_full_unix_listener_is_tried_until_it_has_room)
{
	struct full_listener full;
	int fd;

	full_listener_open(&full);
	attempt_open(&attempt);
	connect_to_full(&attempt, &full, 0);
	fd = lined_socket_fd(attempt.sock);
	/* Without spinning. */
	ck_assert_uint_le(support_run_for(d, 200), 15);
	ck_assert_uint_eq(attempt.connects + attempt.closes, 0);
	ck_assert(lined_socket_is_connecting(attempt.sock));
	full_listener_empty(&full);
	assert_connects(&attempt);
	/* The socket keeps the descriptor and its options. */
	ck_assert_int_eq(lined_socket_fd(attempt.sock), fd);
	assert_echoes(&attempt, full.fd);
	full_listener_close(&full);
}
END_TEST

START_TEST(a_unix_listener_that_stays_full_meets_the_deadline)
{
	struct full_listener full;
	uint64_t start_ms;

	full_listener_open(&full);
	attempt_init(&attempt);
	connect_to_full(&attempt, &full, 150);
	start_ms = support_now_ms();
	attempt_register(&attempt);
	decide(&attempt);
	ck_assert_uint_ge(support_now_ms() - start_ms + 2, 150);
	assert_failed(&attempt, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
	full_listener_close(&full);
}
END_TEST

START_TEST(a_connect_to_a_full_unix_listener_may_be_ended)
{
	struct full_listener full;
	struct attempt closed, left, gone;

	full_listener_open(&full);
	attempt_open(&closed);
	connect_to_full(&closed, &full, 0);
	support_run_turns(d, 2);
	lined_socket_close(closed.sock);
	assert_failed(&closed, LINED_CLOSE_LOCAL, 0);
	/* Nobody listens there any more. */
	attempt_open(&gone);
	connect_to_full(&gone, &full, 0);
	support_run_turns(d, 2);
	unlink(full.address.sun_path);
	assert_fails(&gone, LINED_CLOSE_ERROR, ENOENT);
	full_listener_close(&full);
	/* And the dispatcher goes. */
	full_listener_open(&full);
	attempt_open(&left);
	connect_to_full(&left, &full, 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	free_dispatcher();
	ck_assert_uint_eq(left.closes, 1);
	ck_assert_int_eq(left.reason, LINED_CLOSE_SHUTDOWN);
	full_listener_close(&full);
}
END_TEST

START_TEST(a_pending_connect_keeps_the_dispatcher_open)
{
	int fillers[4], silent;
	uint16_t silent_port;

	silent = silent_listener(&silent_port, fillers);
	attempt_open(&attempt);
	attempt_connect(&attempt, "127.0.0.1", silent_port, 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	ck_assert_uint_eq(lined_dispatcher_len(d), 1);
	free_dispatcher();
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_SHUTDOWN);
	silence_end(silent, fillers);
}
END_TEST

/* ---- descriptors of others ------------------------------------------- */

/* A non-blocking descriptor whose connect has been asked for. */
static int connecting_fd(uint16_t to)
{
	struct sockaddr_in address = support_loopback(to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		ck_assert_int_eq(errno, EINPROGRESS);
	return fd;
}

/* Wrapped before (0) or after (1) it is registered. */
static void adopt_connecting(struct attempt *a, int fd, int when)
{
	attempt_init(a);
	if (when == 1)
		attempt_register(a);
	ck_assert_int_eq(
		lined_socket_wrap(a->sock, fd, LINED_SOCKET_CONNECTING), 0);
	ck_assert(lined_socket_is_connecting(a->sock));
	ck_assert_int_eq(lined_socket_fd(a->sock), fd);
	if (when == 0)
		attempt_register(a);
}

START_TEST(a_connect_under_way_is_adopted)
{
	adopt_connecting(&attempt, connecting_fd(port), _i);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

START_TEST(an_adopted_connect_that_is_refused_never_connects)
{
	adopt_connecting(&attempt, connecting_fd(support_refused_port()), _i);
	assert_fails(&attempt, LINED_CLOSE_ERROR, ECONNREFUSED);
}
END_TEST

START_TEST(an_adopted_connect_may_be_closed)
{
	int fillers[4], silent, fd;
	uint16_t silent_port;

	silent = silent_listener(&silent_port, fillers);
	fd = connecting_fd(silent_port);
	adopt_connecting(&attempt, fd, _i);
	lined_dispatcher_poll(d, 0);
	lined_socket_close(attempt.sock);
	assert_failed(&attempt, LINED_CLOSE_LOCAL, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	silence_end(silent, fillers);
}
END_TEST

/* With options set on it, for instance. */
START_TEST(an_idle_descriptor_is_adopted_and_connects)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	attempt_open(&attempt);
	ck_assert_int_eq(lined_socket_wrap(attempt.sock, fd, LINED_SOCKET_IDLE),
			 0);
	ck_assert_int_eq(lined_socket_fd(attempt.sock), fd);
	support_run_turns(d, 2);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	ck_assert_int_eq(lined_socket_fd(attempt.sock), fd);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

/* ---- names ----------------------------------------------------------- */

/* The answer of the test's lookup, and its time. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool held; /* answers wait until it is false */
	unsigned asked, answered;
	int error;
	unsigned count;
	uint16_t ports[4];
	pthread_t thread;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER,
	   .changed = PTHREAD_COND_INITIALIZER};

static struct addrinfo *address_info(uint16_t to)
{
	struct addrinfo *info;
	struct sockaddr_in *address;

	info = calloc(1, sizeof(*info) + sizeof(*address));
	if (info == NULL)
		abort();
	address = (struct sockaddr_in *)(void *)(info + 1);
	*address = support_loopback(to);
	info->ai_family = AF_INET;
	info->ai_socktype = SOCK_STREAM;
	info->ai_addr = (struct sockaddr *)address;
	info->ai_addrlen = sizeof(*address);
	return info;
}

static int test_lookup(const char *host, const char *service,
		       const struct addrinfo *hints, struct addrinfo **result)
{
	struct addrinfo **last = result;
	unsigned i;
	int error;

	pthread_mutex_lock(&names.lock);
	names.thread = pthread_self();
	names.asked++;
	pthread_cond_broadcast(&names.changed);
	while (names.held)
		pthread_cond_wait(&names.changed, &names.lock);
	error = names.error;
	*result = NULL;
	if (error == 0) {
		for (i = 0; i < names.count; i++) {
			*last = address_info(names.ports[i]);
			last = &(*last)->ai_next;
		}
	}
	names.answered++;
	pthread_cond_broadcast(&names.changed);
	pthread_mutex_unlock(&names.lock);
	return error;
}

static void test_free(struct addrinfo *result)
{
	struct addrinfo *next;

	for (; result != NULL; result = next) {
		next = result->ai_next;
		free(result);
	}
}

static const struct resolver_lookup test_names = {
	.lookup = test_lookup,
	.free = test_free,
};

/* From here on the test answers for names, later where they are held. */
static void answer_names(bool held)
{
	struct resolver *resolver = dispatcher_resolver(d);

	ck_assert_ptr_nonnull(resolver);
	resolver_set_lookup(resolver, &test_names);
	pthread_mutex_lock(&names.lock);
	names.held = held;
	names.asked = names.answered = names.count = 0;
	names.error = 0;
	pthread_mutex_unlock(&names.lock);
}

/* Before the first question. */
static void name_add(uint16_t to)
{
	names.ports[names.count++] = to;
}

static void wait_until(const unsigned *count, unsigned n)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += SUPPORT_WATCHDOG_MS / 1000;
	pthread_mutex_lock(&names.lock);
	while (*count < n)
		ck_assert_int_eq(pthread_cond_timedwait(&names.changed,
							&names.lock, &end),
				 0);
	pthread_mutex_unlock(&names.lock);
}

static void let_answers_go(void)
{
	pthread_mutex_lock(&names.lock);
	names.held = false;
	pthread_cond_broadcast(&names.changed);
	pthread_mutex_unlock(&names.lock);
}

START_TEST(localhost_is_resolved_and_connected)
{
	attempt_open(&attempt);
	attempt_connect(&attempt, "localhost", port, 0);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

START_TEST(the_next_address_is_tried_when_one_refuses)
{
	answer_names(false);
	name_add(support_refused_port());
	name_add(support_refused_port());
	name_add(port);
	attempt_open(&attempt);
	attempt_connect(&attempt, "three", port, 0);
	assert_connects(&attempt);
	ck_assert(!pthread_equal(names.thread, pthread_self()));
	assert_echoes(&attempt, listener);
}
END_TEST

static void nothing(struct lined_timer *timer)
{
}

START_TEST(the_next_address_is_tried_when_one_is_silent)
{
	struct lined_timer late;
	uint16_t silent_port;
	int silent, fillers[4];

	answer_names(false);
	silent = silent_listener(&silent_port, fillers);
	name_add(silent_port);
	name_add(port);
	attempt_open(&attempt);
	attempt_connect(&attempt, "two", port, 2000);
	/* The silent one has its share of the time only. */
	lined_timer_init(&late, d, nothing);
	ck_assert_int_eq(lined_timer_start(&late, 1900, 0), 0);
	decide(&attempt);
	ck_assert(lined_timer_is_armed(&late));
	lined_timer_stop(&late);
	assert_connected(&attempt);
	silence_end(silent, fillers);
}
END_TEST

/* The loop did something else for a while before it connects. */
START_TEST(the_deadline_runs_from_the_call)
{
	int fillers[4], silent;
	uint64_t start_ms;
	uint16_t silent_port;

	answer_names(false);
	silent = silent_listener(&silent_port, fillers);
	name_add(silent_port);
	name_add(silent_port);
	attempt_open(&attempt);
	poll(NULL, 0, 300);
	start_ms = support_now_ms();
	attempt_connect(&attempt, "two", silent_port, 400);
	decide(&attempt);
	ck_assert_uint_ge(support_now_ms() - start_ms + 2, 400);
	assert_failed(&attempt, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
	silence_end(silent, fillers);
}
END_TEST

START_TEST(when_all_addresses_refuse_the_last_error_is_told)
{
	answer_names(false);
	name_add(support_refused_port());
	name_add(support_refused_port());
	attempt_open(&attempt);
	attempt_connect(&attempt, "two", 1, 0);
	assert_fails(&attempt, LINED_CLOSE_ERROR, ECONNREFUSED);
}
END_TEST

START_TEST(an_unknown_name_is_an_error)
{
	answer_names(false);
	names.error = EAI_NONAME;
	attempt_open(&attempt);
	attempt_connect(&attempt, "none", 1, 0);
	ck_assert_uint_eq(attempt.closes, 0);
	assert_fails(&attempt, LINED_CLOSE_ERROR, EHOSTUNREACH);
}
END_TEST

START_TEST(a_name_without_addresses_is_an_error)
{
	answer_names(false);
	attempt_open(&attempt);
	attempt_connect(&attempt, "empty", 1, 0);
	decide(&attempt);
	ck_assert_uint_eq(attempt.connects, 0);
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_ERROR);
	ck_assert_int_ne(attempt.error, 0);
}
END_TEST

START_TEST(a_slow_lookup_does_not_block_the_loop)
{
	static struct attempt other; /* closed by teardown() */
	int peer, i;

	answer_names(true);
	name_add(port);
	attempt_open(&attempt);
	attempt_connect(&attempt, "slow", port, 0);
	wait_until(&names.asked, 1);
	/* Meanwhile another socket is served. */
	other.sock = support_pair(d, &handlers, &other, &peer);
	for (i = 0; i < 10; i++) {
		support_puts(peer, "ping\n");
		support_expect(d, peer, "ping\n");
	}
	ck_assert_uint_eq(attempt.connects + attempt.closes, 0);
	ck_assert(lined_socket_is_connecting(attempt.sock));
	let_answers_go();
	assert_connects(&attempt);
	close(peer);
}
END_TEST

/* Lets the answer of a lookup that nobody waits for come, beside another. */
static void take_late_answer(void)
{
	struct attempt second;

	attempt_open(&second);
	attempt_connect(&second, "second", 1, 0);
	let_answers_go();
	support_run_until_count(d, &second.closes, 1);
	ck_assert_int_eq(second.error, ECONNREFUSED);
}

START_TEST(a_lookup_counts_to_the_deadline)
{
	answer_names(true);
	name_add(support_refused_port());
	attempt_open(&attempt);
	attempt_connect(&attempt, "slow", 1, 50);
	wait_until(&names.asked, 1);
	assert_fails(&attempt, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
	/* The answer comes after all, and nobody is there. */
	take_late_answer();
	ck_assert_uint_eq(attempt.closes, 1);
}
END_TEST

START_TEST(a_close_during_the_lookup_is_final)
{
	answer_names(true);
	name_add(support_refused_port());
	attempt_open(&attempt);
	attempt_connect(&attempt, "slow", 1, 0);
	wait_until(&names.asked, 1);
	lined_socket_close(attempt.sock);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	assert_failed(&attempt, LINED_CLOSE_LOCAL, 0);
	take_late_answer();
	free_dispatcher();
	ck_assert_uint_eq(attempt.closes, 1);
}
END_TEST

/* getaddrinfo may take for ever: the end does not wait for it. */
START_TEST(a_dispatcher_ends_while_a_name_is_looked_up)
{
	answer_names(true);
	name_add(1);
	attempt_open(&attempt);
	attempt_connect(&attempt, "slow", 1, 0);
	wait_until(&names.asked, 1);
	free_dispatcher();
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_SHUTDOWN);
	let_answers_go();
	wait_until(&names.answered, 1);
}
END_TEST

START_TEST(a_dispatcher_ends_with_questions_unasked)
{
	struct attempt attempts[3];
	int i;

	answer_names(true);
	name_add(1);
	for (i = 0; i < 3; i++) {
		attempt_open(&attempts[i]);
		attempt_connect(&attempts[i], "slow", 1, 0);
	}
	wait_until(&names.asked, 1);
	free_dispatcher();
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(attempts[i].closes, 1);
	let_answers_go();
	wait_until(&names.answered, 1);
	ck_assert_uint_eq(names.asked, 1);
}
END_TEST

/* The answer is in the mailbox, or on its way, when the end comes. */
START_TEST(a_dispatcher_ends_while_an_answer_waits)
{
	int i;

	for (i = 0; i < 50; i++) {
		free_dispatcher();
		d = support_dispatcher();
		answer_names(false);
		name_add(1);
		attempt_open(&attempt);
		attempt_connect(&attempt, "quick", 1, 0);
		wait_until(&names.answered, 1);
		if (i & 1)
			sched_yield();
		free_dispatcher();
		ck_assert_uint_eq(attempt.closes, 1);
	}
}
END_TEST

/* ---- closing --------------------------------------------------------- */

START_TEST(a_close_while_idle_and_unregistered_is_told_at_once)
{
	attempt_init(&attempt);
	lined_socket_close(attempt.sock);
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_LOCAL);
}
END_TEST

START_TEST(a_close_after_connect_but_before_registering_is_told_at_once)
{
	attempt_init(&attempt);
	attempt_connect(&attempt, "localhost", 1, 0);
	lined_socket_close(attempt.sock);
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_uint_eq(attempt.connects, 0);
}
END_TEST

START_TEST(a_registered_idle_socket_closes_in_a_turn)
{
	attempt_open(&attempt);
	ck_assert_uint_eq(lined_dispatcher_len(d), 1);
	lined_socket_close(attempt.sock);
	ck_assert_uint_eq(attempt.closes, 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	assert_failed(&attempt, LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(a_close_while_connecting_is_final)
{
	attempt_open(&attempt);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	/* The kernel has connected it already; it must not be told. */
	lined_socket_close(attempt.sock);
	ck_assert(lined_socket_is_closed(attempt.sock));
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	assert_failed(&attempt, LINED_CLOSE_LOCAL, 0);
}
END_TEST

static void close_in_handler(struct attempt *a)
{
	lined_socket_close(a->sock);
	ck_assert(lined_socket_is_closed(a->sock));
}

START_TEST(a_close_made_in_handle_connect_stays)
{
	int peer;

	attempt_init(&attempt);
	attempt.on_connect = close_in_handler;
	attempt_register(&attempt);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	ck_assert_int_eq(lined_socket_send(attempt.sock, "dropped", 7), 0);
	peer = accept(listener, NULL, NULL);
	support_puts(peer, "unread\n");
	support_run_until_count(d, &attempt.closes, 1);
	support_run_turns(d, 3);
	ck_assert_uint_eq(attempt.connects, 1);
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_uint_eq(attempt.reads, 0);
	ck_assert_int_eq(attempt.state_in_handler, LINED_SOCKET_CONNECTED);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_LOCAL);
	close(peer);
}
END_TEST

START_TEST(close_after_flush_while_connecting_sends_what_is_queued)
{
	int peer;

	attempt_open(&attempt);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	ck_assert_int_eq(lined_socket_send(attempt.sock, "last\n", 5), 0);
	lined_socket_close_after_flush(attempt.sock, LINED_CLOSE_LOCAL, 0);
	peer = accept(listener, NULL, NULL);
	support_expect(d, peer, "last\n");
	support_expect_eof(d, peer);
	support_run_until_count(d, &attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_LOCAL);
	close(peer);
}
END_TEST

/* Many at once, some of them refused: each is told exactly one thing. */
START_TEST(each_of_many_connects_is_told_exactly_once)
{
	struct attempt attempts[60];
	uint16_t refused = support_refused_port();
	int i;

	for (i = 0; i < 60; i++) {
		attempt_open(&attempts[i]);
		attempt_connect(&attempts[i],
				i % 2 == 0 ? "127.0.0.1" : "localhost",
				i % 3 == 0 ? refused : port, 5000);
	}
	for (i = 0; i < 60; i++)
		decide(&attempts[i]);
	support_run_turns(d, 5);
	for (i = 0; i < 60; i++) {
		ck_assert_uint_eq(attempts[i].connects, i % 3 != 0);
		ck_assert_uint_eq(attempts[i].closes, i % 3 == 0);
	}
	free_dispatcher();
	for (i = 0; i < 60; i++)
		ck_assert_uint_eq(attempts[i].closes, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("connect");
	TCase *tcase = connect_case(suite, "families");

	tcase_add_test(tcase, connects_over_ipv4);
	tcase_add_test(tcase, connects_over_ipv6);
	tcase_add_test(tcase, connects_over_unix);
	tcase_add_test(tcase, a_unix_path_that_is_not_there_is_ENOENT);
	tcase_add_test(tcase, a_connect_may_be_asked_for_before_registering);
	tcase_add_test(tcase,
		       what_is_sent_before_the_connection_stands_arrives);
	tcase_add_test(tcase, a_second_connect_is_refused);

	tcase = connect_case(suite, "failures");
	tcase_add_test(tcase, a_refused_connect_never_connects);
	tcase_add_test(tcase, an_address_that_never_answers_meets_the_deadline);
	tcase_add_test(tcase, a_full_unix_listener_is_tried_until_it_has_room);
	tcase_add_test(tcase,
		       a_unix_listener_that_stays_full_meets_the_deadline);
	tcase_add_test(tcase, a_connect_to_a_full_unix_listener_may_be_ended);
	tcase_add_test(tcase, a_pending_connect_keeps_the_dispatcher_open);

	tcase = connect_case(suite, "descriptors");
	tcase_add_loop_test(tcase, a_connect_under_way_is_adopted, 0, 2);
	tcase_add_loop_test(
		tcase, an_adopted_connect_that_is_refused_never_connects, 0, 2);
	tcase_add_loop_test(tcase, an_adopted_connect_may_be_closed, 0, 2);
	tcase_add_test(tcase, an_idle_descriptor_is_adopted_and_connects);

	tcase = connect_case(suite, "names");
	tcase_add_test(tcase, localhost_is_resolved_and_connected);
	tcase_add_test(tcase, the_next_address_is_tried_when_one_refuses);
	tcase_add_test(tcase, the_next_address_is_tried_when_one_is_silent);
	tcase_add_test(tcase, the_deadline_runs_from_the_call);
	tcase_add_test(tcase, when_all_addresses_refuse_the_last_error_is_told);
	tcase_add_test(tcase, an_unknown_name_is_an_error);
	tcase_add_test(tcase, a_name_without_addresses_is_an_error);
	tcase_add_test(tcase, a_slow_lookup_does_not_block_the_loop);
	tcase_add_test(tcase, a_lookup_counts_to_the_deadline);
	tcase_add_test(tcase, a_close_during_the_lookup_is_final);
	tcase_add_test(tcase, a_dispatcher_ends_while_a_name_is_looked_up);
	tcase_add_test(tcase, a_dispatcher_ends_with_questions_unasked);
	tcase_add_test(tcase, a_dispatcher_ends_while_an_answer_waits);

	tcase = connect_case(suite, "closing");
	tcase_add_test(tcase,
		       a_close_while_idle_and_unregistered_is_told_at_once);
	tcase_add_test(
		tcase,
		a_close_after_connect_but_before_registering_is_told_at_once);
	tcase_add_test(tcase, a_registered_idle_socket_closes_in_a_turn);
	tcase_add_test(tcase, a_close_while_connecting_is_final);
	tcase_add_test(tcase, a_close_made_in_handle_connect_stays);
	tcase_add_test(tcase,
		       close_after_flush_while_connecting_sends_what_is_queued);
	tcase_add_test(tcase, each_of_many_connects_is_told_exactly_once);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
