/* SPDX-License-Identifier: MIT */
/*
 * Addresses of upstreams as text, and the back-off. tests/behaviour tests
 * connecting, except a connection to itself, which is rare there.
 */
#include "config.h"

#include "relay/address.h"
#include "relay/backoff.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "support.h"

/* ---- reading ------------------------------------------------------------ */

START_TEST(an_address_is_a_host_and_a_port)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		bool tls;
	} good[] = {
		{"tcp://127.0.0.1:1", "127.0.0.1", 1, false},
		{"tcp://feed.example.org:65535", "feed.example.org", 65535,
		 false},
		{"tls://feed.example.org:443", "feed.example.org", 443, true},
		{"tcp://localhost:7", "localhost", 7, false},
		{"tcp://under_score-1:70", "under_score-1", 70, false},
		{"tcp://1a.2b:70", "1a.2b", 70, false},
		{"tcp://[::1]:7008", "::1", 7008, false},
		{"tls://[2001:db8::1]:7008", "2001:db8::1", 7008, true},
		{"tcp://[fe80::1%eth0.7]:9", "fe80::1%eth0.7", 9, false},
		{"tcp://[::ffff:192.0.2.1]:9", "::ffff:192.0.2.1", 9, false},
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct relay_address address;
		char error[200] = "";

		ck_assert_msg(relay_address_parse(RELAY_USE_UPSTREAM,
						  good[i].text, &address, error,
						  sizeof(error)) == 0,
			      "%s", error);
		ck_assert_str_eq(address.to.host, good[i].host);
		ck_assert_uint_eq(address.to.port, good[i].port);
		ck_assert_int_eq(relay_address_is_tls(&address), good[i].tls);
		ck_assert_str_eq(address.text, good[i].text);
	}
}
END_TEST

START_TEST(a_serial_line_has_a_speed_and_a_mode)
{
	struct relay_address address;
	char error[200] = "";

	ck_assert_int_eq(relay_address_parse(RELAY_USE_UPSTREAM,
					     "serial:///dev/ttyUSB0", &address,
					     error, sizeof(error)),
			 0);
	ck_assert_str_eq(address.device.path, "/dev/ttyUSB0");
	ck_assert_uint_eq(address.device.baud, 9600);
	ck_assert_str_eq(address.device.mode, "8N1");
	ck_assert(!relay_address_is_source(&address));
	ck_assert_int_eq(
		relay_address_parse(RELAY_USE_UPSTREAM,
				    "serial:///dev/ttyS1?baud=4800&mode=7E2",
				    &address, error, sizeof(error)),
		0);
	ck_assert_str_eq(relay_address_host(&address), "/dev/ttyS1");
	ck_assert_uint_eq(address.device.baud, 4800);
	ck_assert_str_eq(address.device.mode, "7E2");
	ck_assert_int_eq(relay_address_parse(RELAY_USE_UPSTREAM,
					     "fifo:///run/feed", &address,
					     error, sizeof(error)),
			 0);
	ck_assert(relay_address_is_source(&address));
	ck_assert_int_lt(relay_address_parse(RELAY_USE_PROXY,
					     "serial:///dev/ttyUSB0", &address,
					     error, sizeof(error)),
			 0);
}
END_TEST

#define TEN    "0123456789"
#define LONG   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define SPEED  "&baud=4800"
#define SPEEDS SPEED SPEED SPEED SPEED SPEED SPEED SPEED SPEED SPEED SPEED

START_TEST(a_push_over_udp_goes_to_an_address)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"udp://localhost:7", "the host is not an address"},
		{"udp://*:7", "the host is not an address"},
		{"udp://[fe80::1%nosuch]:7", "there is no such interface"},
		{"fifo:///x", "it begins with none of tcp:// tls:// unix:// "
			      "udp://"},
	};
	struct relay_address address;
	char error[200], wanted[200];
	size_t i;

	ck_assert_int_eq(relay_address_parse(RELAY_USE_PUSH, "udp://[::1]:7008",
					     &address, error, sizeof(error)),
			 0);
	ck_assert_uint_eq(lined_address_port(&address.local.any), 7008);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(relay_address_parse(RELAY_USE_PUSH,
						     bad[i].text, &address,
						     error, sizeof(error)),
				 -1);
		snprintf(wanted, sizeof(wanted), "push \"%s\": %s", bad[i].text,
			 bad[i].why);
		ck_assert_str_eq(error, wanted);
	}
}
END_TEST

START_TEST(what_is_wrong_is_said_with_the_text)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "it begins with none of tcp:// tls:// unix:// "
		     "serial:// fifo://"},
		{"127.0.0.1:70", "it begins with none of tcp:// tls:// unix:// "
				 "serial:// fifo://"},
		{"udp://h:70", "it begins with none of tcp:// tls:// unix:// "
			       "serial:// fifo://"},
		{"TCP://h:70", "it begins with none of tcp:// tls:// unix:// "
			       "serial:// fifo://"},
		{"unix://run/x", "the path does not begin with /"},
		{"tcp://", "the port is missing"},
		{"tcp://127.1:70", "the host is not an IPv4 address"},
		{"tcp://*:70", "the host is neither a name nor an address"},
		{"tls://h:0", "the port is not 1 to 65535"},
		{"serial://ttyUSB0", "the path does not begin with /"},
		{"serial:///dev/x?baud=12345",
		 "baud is no speed of a serial line, as 4800, 38400 or 115200"},
		{"serial:///dev/x?baud=0x9600",
		 "baud is no speed of a serial line, as 4800, 38400 or 115200"},
		{"serial:///dev/x?mode=9N1", "mode is not one as 8N1 or 7E1"},
		{"serial:///dev/x?speed=9600",
		 "behind ? are baud=NUMBER and mode=8N1, with & between"},
		{"fifo:///x?baud=9600", "a FIFO has no options"},
		{"unix:///" LONG, "the path is too long"},
		{"serial:///" LONG LONG, "the path is too long"},
		{"serial:///x?baud=4800" SPEEDS SPEEDS SPEEDS,
		 "it is too long"},
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct relay_address address;
		char error[600] = "", wanted[600];

		ck_assert_msg(relay_address_parse(RELAY_USE_UPSTREAM,
						  bad[i].text, &address, error,
						  sizeof(error)) < 0,
			      "%s is taken", bad[i].text);
		snprintf(wanted, sizeof(wanted), "upstream \"%s\": %s",
			 bad[i].text, bad[i].why);
		ck_assert_str_eq(error, wanted);
	}
}
END_TEST

/* ---- trying again ------------------------------------------------------- */

START_TEST(the_first_retry_is_after_just_retry_min)
{
	uint32_t random;

	for (random = 0; random < 1000; random++) {
		ck_assert_uint_eq(
			relay_backoff_ms_by(1000, 60000, 0, random << 22),
			1000);
		ck_assert_uint_eq(
			relay_backoff_ms_by(700, 700, 0, random << 22), 700);
	}
}
END_TEST

START_TEST(retries_double_up_to_retry_max)
{
	static const struct {
		unsigned failures;
		uint64_t least, most;
	} steps[] = {
		{1, 1000, 2000},
		{2, 2000, 4000},
		{3, 4000, 8000},
		{4, 8000, 16000},
		{5, 16000, 32000},
		{6, 30000, 60000},
		{7, 30000, 60000},
		{1000, 30000, 60000},
		{UINT32_MAX, 30000, 60000},
	};
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t low = UINT64_MAX, high = 0, random;

		for (random = 0; random <= UINT32_MAX; random += 16777213) {
			uint64_t ms = relay_backoff_ms_by(1000, 60000,
							  steps[i].failures,
							  (uint32_t)random);

			ck_assert_uint_ge(ms, steps[i].least);
			ck_assert_uint_le(ms, steps[i].most);
			low = ms < low ? ms : low;
			high = ms > high ? ms : high;
		}
		/* The times are spread, so that not all clients return at
		 * once. */
		ck_assert_uint_ge(high - low,
				  (steps[i].most - steps[i].least) * 9 / 10);
	}
}
END_TEST

START_TEST(retries_stay_within_odd_bounds)
{
	static const struct {
		uint64_t min, max;
	} bounds[] = {{1, 1},
		      {1, 86400000},
		      {5, 6},
		      {1000, 1500},
		      {86400000, 86400000}};
	unsigned failures;
	size_t i;

	for (i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
		for (failures = 0; failures < 70; failures++) {
			uint64_t ms = relay_backoff_ms_by(
				bounds[i].min, bounds[i].max, failures,
				failures * 2654435761u);

			ck_assert_uint_ge(ms, bounds[i].min);
			ck_assert_uint_le(ms, bounds[i].max);
		}
}
END_TEST

/* ---- reasons ------------------------------------------------------------ */

static const char *why(const char *text, enum lined_close_reason reason,
		       int error, bool connected)
{
	struct relay_address address;
	char unused[100];

	ck_assert_int_eq(relay_address_parse(RELAY_USE_UPSTREAM, text, &address,
					     unused, sizeof(unused)),
			 0);
	return relay_address_close_text(&address, NULL, reason, error,
					connected);
}

START_TEST(a_failure_has_words)
{
	ck_assert_str_eq(
		why("tcp://a.b:1", LINED_CLOSE_ERROR, ECONNREFUSED, false),
		"Connection refused");
	ck_assert_str_eq(why("tcp://a.b:1", LINED_CLOSE_ERROR, EAGAIN, false),
			 "the name cannot be looked up now");
	/* The resolver has this error for a name that does not exist. */
	ck_assert_str_eq(
		why("tcp://a.b:1", LINED_CLOSE_ERROR, EHOSTUNREACH, false),
		"the name is not known, or there is no route to it");
	ck_assert_str_eq(why("tcp://192.0.2.1:1", LINED_CLOSE_ERROR,
			     EHOSTUNREACH, false),
			 "No route to host");
	ck_assert_str_eq(
		why("tcp://[::1]:1", LINED_CLOSE_ERROR, EHOSTUNREACH, false),
		"No route to host");
	ck_assert_str_eq(
		why("tcp://a.b:1", LINED_CLOSE_ERROR, EHOSTUNREACH, true),
		"No route to host");
	ck_assert_str_eq(why("tcp://a.b:1", LINED_CLOSE_PEER, 0, true),
			 "closed by the peer");
	ck_assert_str_eq(
		why("tcp://a.b:1", LINED_CLOSE_TIMEOUT, ETIMEDOUT, false),
		"no answer in 10 s");
	ck_assert_str_eq(
		why("tcp://a.b:1", LINED_CLOSE_TIMEOUT, ETIMEDOUT, true),
		"no line within stale-timeout");
	ck_assert_str_eq(why("tcp://a.b:1", LINED_CLOSE_TOO_LONG, 0, true),
			 "a line is over line-length");
	ck_assert_str_eq(why("tcp://a.b:1", LINED_CLOSE_SLOW, ETIMEDOUT, true),
			 "it takes nothing within send-stall");
}
END_TEST

/* ---- devices ------------------------------------------------------------ */

/* A pseudo-terminal always has 8 bits and no parity, so these two are not
 * compared. */
START_TEST(a_serial_line_is_set_as_its_address_says)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY), fd;
	struct relay_address address;
	char text[100], error[200];
	struct termios line;

	ck_assert_int_ge(terminal, 0);
	ck_assert_int_eq(grantpt(terminal) + unlockpt(terminal), 0);
	snprintf(text, sizeof(text), "serial://%s?baud=4800&mode=7O2",
		 ptsname(terminal));
	ck_assert_int_eq(relay_address_parse(RELAY_USE_UPSTREAM, text, &address,
					     error, sizeof(error)),
			 0);
	fd = relay_device_open_serial(&address.device);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tcgetattr(fd, &line), 0);
	ck_assert_uint_eq(cfgetispeed(&line), B4800);
	ck_assert_uint_ne(line.c_cflag & CSTOPB, 0);
	ck_assert_uint_ne(line.c_cflag & PARODD, 0);
	ck_assert_uint_eq(line.c_lflag & (ECHO | ICANON), 0);
	close(fd);
	close(terminal);
}
END_TEST

START_TEST(what_is_no_device_is_not_opened)
{
	char path[] = "/tmp/lined-test-XXXXXX";
	struct relay_device device;
	int file = mkstemp(path);

	ck_assert_int_ge(file, 0);
	ck_assert_ptr_null(relay_device_parse(&device, "/dev/null"));
	support_fails(relay_device_open_serial(&device), ENOTTY);
	support_fails(relay_device_open_fifo(&device), ESPIPE);
	ck_assert_ptr_null(relay_device_parse(&device, path));
	support_fails(relay_device_open_serial(&device), ENOTTY);
	support_fails(relay_device_open_fifo(&device), ESPIPE);
	close(file);
	unlink(path);
}
END_TEST

/* ---- connected ---------------------------------------------------------- */

/* Wraps a connected descriptor. */
static struct lined_socket *wrap(struct lined_dispatcher *d, int fd)
{
	struct lined_socket *sock = lined_socket_new(NULL, NULL);

	ck_assert_ptr_nonnull(sock);
	support_wrap(d, sock, fd);
	return sock;
}

static int bind_any(struct sockaddr_in *address)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)address, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

/* A TCP connection connects to itself if its source port happens to be its
 * destination port. */
START_TEST(a_connection_to_itself_is_none)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct sockaddr_in address;
	struct lined_socket *sock;
	int fd = bind_any(&address);

	ck_assert_int_eq(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	sock = wrap(d, fd);
	ck_assert(!relay_address_connected(sock));
	ck_assert(lined_socket_is_closed(sock));
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(a_connection_to_somebody_is_watched)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct sockaddr_in address, own;
	int listener = bind_any(&address), fd = bind_any(&own), on = 0;
	socklen_t len = sizeof(on);

	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert(relay_address_connected(wrap(d, fd)));
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len),
			 0);
	ck_assert_int_ne(on, 0);
	lined_dispatcher_free(d);
	close(listener);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("relay-address");
	TCase *tcase = tcase_create("relay-address");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, an_address_is_a_host_and_a_port);
	tcase_add_test(tcase, what_is_wrong_is_said_with_the_text);
	tcase_add_test(tcase, a_serial_line_has_a_speed_and_a_mode);
	tcase_add_test(tcase, a_serial_line_is_set_as_its_address_says);
	tcase_add_test(tcase, what_is_no_device_is_not_opened);
	tcase_add_test(tcase, a_push_over_udp_goes_to_an_address);
	tcase_add_test(tcase, the_first_retry_is_after_just_retry_min);
	tcase_add_test(tcase, retries_double_up_to_retry_max);
	tcase_add_test(tcase, retries_stay_within_odd_bounds);
	tcase_add_test(tcase, a_failure_has_words);
	tcase_add_test(tcase, a_connection_to_itself_is_none);
	tcase_add_test(tcase, a_connection_to_somebody_is_watched);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
