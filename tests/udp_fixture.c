/* SPDX-License-Identifier: MIT */
/*
 * Opens the datagram socket of a test; sends and receives at its peer.
 */
#include "config.h"

#include "udp_fixture.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

struct udp udp;

void udp_bind_loopback(struct lined_socket *sock, int family)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in in = support_loopback(0);
	int rc;

	if (family == AF_INET6)
		rc = lined_socket_bind(sock, SOCK_DGRAM,
				       (struct sockaddr *)&in6, sizeof(in6));
	else
		rc = lined_socket_bind(sock, SOCK_DGRAM, (struct sockaddr *)&in,
				       sizeof(in));
	ck_assert_msg(rc == 0, "bind: %s", strerror(errno));
}

int udp_connect_to(struct lined_socket *sock)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int fd;

	ck_assert_int_eq(lined_socket_local(sock, &address, &len), 0);
	fd = socket(address.ss_family, SOCK_DGRAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

void udp_open_family(int family)
{
	memset(&udp, 0, sizeof(udp));
	udp.d = support_dispatcher();
	udp.sock = support_socket(&recorder_handlers, &udp.recorder);
	udp.group.limits.send_queue = LINED_SEND_QUEUE_DEFAULT;
	lined_socket_set_group(udp.sock, &udp.group);
	udp_bind_loopback(udp.sock, family);
	udp.delegate = lined_dispatcher_register_socket(udp.d, udp.sock);
	ck_assert_ptr_nonnull(udp.delegate);
	udp.recorder.echo = true;
	udp.peer = udp_connect_to(udp.sock);
}

void udp_open(void)
{
	udp_open_family(AF_INET);
}

void udp_close(void)
{
	if (udp.d == NULL)
		return;
	lined_dispatcher_free(udp.d);
	recorder_fini(&udp.recorder);
	close(udp.peer);
	udp.d = NULL;
}

TCase *udp_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, NULL, udp_close);
	return tcase;
}

void udp_put(int fd, const void *data, size_t len)
{
	ck_assert_int_eq(send(fd, data, len, 0), (ssize_t)len);
}

void udp_expect(struct lined_dispatcher *d, int fd, const void *data,
		size_t len)
{
	static char got[70000];
	uint64_t start_ms = support_now_ms();
	ssize_t n;

	while ((n = recv(fd, got, sizeof(got), MSG_DONTWAIT)) < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		support_run_for(d, 1);
		ck_assert_uint_lt(support_now_ms() - start_ms,
				  SUPPORT_WATCHDOG_MS);
	}
	ck_assert_int_eq(n, (ssize_t)len);
	ck_assert(len == 0 || memcmp(got, data, len) == 0);
}

void udp_expect_nothing(struct lined_dispatcher *d, int fd)
{
	char byte;

	support_run_turns(d, 5);
	support_fails(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}
