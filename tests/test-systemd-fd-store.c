/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that survive a restart. The manager is a datagram socket of
 * the test; it keeps the descriptors and passes them on. This process is lined
 * both before and after the restart.
 */
#include "config.h"

#include "net/systemd_fd_store.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/inet_socket.h"
#include "net/listener.h"
#include "port.h"
#include "support.h"
#include "system/inherited_sockets.h"
#include "system/sd_notify.h"

static char dir[] = "/tmp/lined-test-fd-store-XXXXXX";
static char manager_path[64], unix_path[64];
static int manager = -1;
static uint16_t port;
static const struct unix_path_mode mode = {.mode = 0600};

static void open_manager(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(manager_path, sizeof(manager_path), "%s/manager", dir);
	snprintf(unix_path, sizeof(unix_path), "%s/listen here", dir);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, manager_path);
	ck_assert_int_eq(
		bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", manager_path, 1), 0);
	ck_assert_int_eq(setenv("FDSTORE", "16", 1), 0);
}

/* The first message opens a descriptor that stays open: send one before
 * descriptors are counted. */
static void open_once(void)
{
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
	sd_notify_ready();
	unsetenv("NOTIFY_SOCKET");
}

static void setup(void)
{
	open_manager();
}

static void teardown(void)
{
	close(manager);
	unlink(manager_path);
	unlink(unix_path);
	rmdir(dir);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("FDSTORE");
}

/* ---- the manager ------------------------------------------------------- */

#define KEPT_MAX 4

static struct inherited_socket items[KEPT_MAX];
static struct inherited kept = {.items = items};

static void forget(const char *name)
{
	for (size_t i = 0; i < kept.count; i++) {
		if (items[i].name == NULL || strcmp(items[i].name, name) != 0)
			continue;
		close(items[i].fd);
		free(items[i].name);
		items[i] = items[--kept.count];
		return;
	}
	ck_abort_msg("nothing is kept as \"%s\"", name);
}

/* Does what the messages to the manager ask for. */
static void manage(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char text[400];
	struct iovec part = {text, sizeof(text) - 1};
	ssize_t n;

	for (;;) {
		struct msghdr message = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		char *name;

		n = recvmsg(manager, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0)
			return;
		text[n] = '\0';
		name = strstr(text, "\nFDNAME=");
		ck_assert_ptr_nonnull(name);
		name += strlen("\nFDNAME=");
		if (strncmp(text, "FDSTOREREMOVE=1\n", 16) == 0) {
			forget(name);
			continue;
		}
		ck_assert_int_eq(strncmp(text, "FDSTORE=1\n", 10), 0);
		ck_assert_uint_lt(kept.count, KEPT_MAX);
		memcpy(&items[kept.count].fd, CMSG_DATA(&control.header),
		       sizeof(int));
		items[kept.count].taken = false;
		items[kept.count++].name = strdup(name);
	}
}

static void forget_all(void)
{
	while (kept.count > 0) {
		struct inherited_socket *item = &items[--kept.count];

		if (item->fd >= 0)
			close(item->fd);
		free(item->name);
	}
}

/* Restarts lined: the manager passes on copies of the descriptors. */
static struct inherited *restart(void)
{
	struct inherited *passed = calloc(1, sizeof(*passed));

	ck_assert_ptr_nonnull(passed);
	passed->items = calloc(KEPT_MAX, sizeof(*passed->items));
	ck_assert_ptr_nonnull(passed->items);
	for (; passed->count < kept.count; passed->count++) {
		struct inherited_socket *item = &passed->items[passed->count];

		item->name = strdup(items[passed->count].name);
		item->fd = dup(items[passed->count].fd);
	}
	return passed;
}

/* ---- listeners --------------------------------------------------------- */

static const struct closing_fds nothing_closes;

static struct listener *open_listener(const char *text,
				      const struct inherited *inherited)
{
	static struct listen_texts texts;
	struct listen_address address;
	struct listener *listener;
	char error[256] = "";

	ck_assert_int_eq(listen_address_parse(listen_texts_keep(&texts, text),
					      &address, error, sizeof(error)),
			 0);
	listener = listener_open(&address, &mode, inherited, &nothing_closes,
				 error, sizeof(error));
	ck_assert_msg(listener != NULL, "%s: %s", text, error);
	return listener;
}

static const char *text_of(const char *scheme, const char *host)
{
	static char text[128];

	if (strcmp(scheme, "unix") == 0)
		snprintf(text, sizeof(text), "unix://%s", unix_path);
	else
		snprintf(text, sizeof(text), "%s://%s:%u", scheme, host, port);
	return text;
}

static ino_t inode_of(int fd)
{
	struct stat status;

	ck_assert_int_eq(fstat(fd, &status), 0);
	return status.st_ino;
}

static const struct sockaddr *address_of(const struct listener *listener)
{
	static struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	ck_assert_int_eq(getsockname(listener->sockets[0].fd,
				     (struct sockaddr *)&address, &len),
			 0);
	return (const struct sockaddr *)&address;
}

/* Whether a client can connect. The client waits in the backlog. */
static bool gets_in(const char *scheme)
{
	struct sockaddr_in inet = {.sin_family = AF_INET,
				   .sin_port = htons(port)};
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	bool is_unix = strcmp(scheme, "unix") == 0, in;
	int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
			0);

	inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	strcpy(path.sun_path, unix_path);
	in = connect(fd,
		     is_unix ? (struct sockaddr *)&path
			     : (struct sockaddr *)&inet,
		     is_unix ? sizeof(path) : sizeof(inet)) == 0;
	close(fd);
	return in;
}

static void stop_stored(struct listener *listener)
{
	fd_store_add(listener);
	ck_assert(listener_is_stored(listener));
	listener_close(listener, true);
	listener_free(listener);
	manage();
}

static const char *const schemes[] = {"tcp", "udp", "unix"};

START_TEST(a_socket_is_taken_up_where_it_was_left)
{
	const char *scheme = schemes[_i];
	struct listener *listener =
		open_listener(text_of(scheme, "127.0.0.1"), NULL);
	ino_t inode = inode_of(listener->sockets[0].fd);
	struct inherited *passed;

	stop_stored(listener);
	ck_assert_uint_eq(kept.count, 1);
	if (strcmp(scheme, "udp") != 0)
		ck_assert(gets_in(scheme));
	passed = restart();
	listener = open_listener(text_of(scheme, "127.0.0.1"), passed);
	ck_assert_uint_eq(inode_of(listener->sockets[0].fd), inode);
	ck_assert_uint_eq(fd_store_taken(passed), 1);
	fd_store_drop(passed);
	/* The listener is stored again, under the same name. */
	fd_store_add(listener);
	ck_assert_str_eq(listener->sockets[0].stored, items[0].name);
	listener_free(listener);
	inherited_free(passed);
	if (strcmp(scheme, "udp") != 0)
		ck_assert(!gets_in(scheme));
	forget_all();
}
END_TEST

START_TEST(one_that_is_closed_for_good_lets_nobody_in)
{
	const char *scheme = _i == 0 ? "tcp" : "unix";
	struct listener *listener =
		open_listener(text_of(scheme, "127.0.0.1"), NULL);

	fd_store_add(listener);
	manage();
	ck_assert_uint_eq(kept.count, 1);
	listener_free(listener);
	/* The manager has not read the message yet. */
	ck_assert(!gets_in(scheme));
	manage();
	ck_assert_uint_eq(kept.count, 0);
}
END_TEST

START_TEST(both_families_of_an_address_are_kept)
{
	struct listener *listener = open_listener(text_of("tcp", "*"), NULL);
	size_t count = listener->count;
	struct inherited *passed;

	stop_stored(listener);
	ck_assert_uint_eq(kept.count, count);
	passed = restart();
	listener = open_listener(text_of("tcp", "*"), passed);
	ck_assert_uint_eq(listener->count, count);
	ck_assert_uint_eq(fd_store_taken(passed), count);
	listener_close(listener, true);
	listener_free(listener);
	inherited_free(passed);
	forget_all();
}
END_TEST

START_TEST(one_that_is_in_the_way_goes)
{
	const char *scheme = schemes[_i];
	struct listener *listener =
		open_listener(text_of(scheme, "127.0.0.1"), NULL);
	struct inherited *passed;

	stop_stored(listener);
	passed = restart();
	/* The manager closes its descriptors before lined binds again. */
	forget_all();
	listener = open_listener(text_of(scheme, "0.0.0.0"), passed);
	ck_assert_uint_eq(fd_store_taken(passed), 0);
	ck_assert_int_eq(passed->items[0].fd, -1);
	listener_free(listener);
	inherited_free(passed);
	while (recv(manager, items, 0, MSG_DONTWAIT) >= 0)
		;
}
END_TEST

/* A stored socket at another address with the same port does not have to be
 * closed. */
START_TEST(one_that_is_not_in_the_way_stays)
{
	const char *scheme = schemes[_i];
	struct listener *listener =
		open_listener(text_of(scheme, "127.0.0.1"), NULL);
	struct listener *foreign, *other;
	struct inherited *passed;

	stop_stored(listener);
	passed = restart();
	foreign = open_listener(text_of(scheme, "127.0.0.2"), NULL);
	fd_store_drop_rivals(passed, address_of(foreign),
			     foreign->sockets[0].datagram ? SOCK_DGRAM
							  : SOCK_STREAM);
	other = open_listener(text_of(scheme, "127.0.0.1"), passed);
	ck_assert_uint_eq(fd_store_taken(passed), 1);
	listener_free(foreign);
	listener_free(other);
	inherited_free(passed);
	forget_all();
}
END_TEST

START_TEST(path_of_one_that_is_dropped_is_removed)
{
	struct listener *listener = open_listener(text_of("unix", ""), NULL);
	struct inherited *passed;

	stop_stored(listener);
	ck_assert_int_eq(access(unix_path, F_OK), 0);
	passed = restart();
	fd_store_drop(passed);
	ck_assert_int_ne(access(unix_path, F_OK), 0);
	inherited_free(passed);
	manage();
	sd_notify_settle();
	while (recv(manager, items, 0, MSG_DONTWAIT) >= 0)
		;
}
END_TEST

START_TEST(what_nobody_wants_is_dropped)
{
	struct listener *listener =
		open_listener(text_of("tcp", "127.0.0.1"), NULL);
	struct inherited *passed;

	stop_stored(listener);
	passed = restart();
	fd_store_drop(passed);
	ck_assert_int_eq(passed->items[0].fd, -1);
	manage();
	ck_assert_uint_eq(kept.count, 0);
	ck_assert(!gets_in("tcp"));
	inherited_free(passed);
	sd_notify_settle();
	while (recv(manager, items, 0, MSG_DONTWAIT) >= 0)
		;
}
END_TEST

START_TEST(a_path_that_is_gone_is_made_anew)
{
	struct listener *listener = open_listener(text_of("unix", ""), NULL);
	struct inherited *passed;

	stop_stored(listener);
	ck_assert_int_eq(unlink(unix_path), 0);
	passed = restart();
	listener = open_listener(text_of("unix", ""), passed);
	ck_assert_uint_eq(fd_store_taken(passed), 0);
	ck_assert(gets_in("unix"));
	fd_store_drop(passed);
	listener_free(listener);
	inherited_free(passed);
	manage();
	ck_assert_uint_eq(kept.count, 0);
}
END_TEST

START_TEST(without_a_store_nothing_is_kept)
{
	struct listener *listener = open_listener(text_of("unix", ""), NULL);

	unsetenv("FDSTORE");
	fd_store_add(listener);
	ck_assert(!listener_is_stored(listener));
	listener_free(listener);
	manage();
	ck_assert_uint_eq(kept.count, 0);
	ck_assert_int_lt(access(unix_path, F_OK), 0);
}
END_TEST

/* ---- names ------------------------------------------------------------- */

START_TEST(a_name_is_what_the_manager_takes)
{
	struct sockaddr_in6 inet = {.sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				    .sin6_port = htons(7007)};
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	char name[FD_STORE_NAME_MAX];

	ck_assert_int_eq(
		fd_store_name((struct sockaddr *)&inet, SOCK_DGRAM, name), 0);
	ck_assert_str_eq(name, "lined udp [%3A%3A1]%3A7007");
	strcpy(path.sun_path, "/nowhere/at all");
	ck_assert_int_eq(
		fd_store_name((struct sockaddr *)&path, SOCK_STREAM, name), -1);
	/* lined does not listen on abstract addresses. */
	path.sun_path[0] = '\0';
	ck_assert_int_eq(
		fd_store_name((struct sockaddr *)&path, SOCK_STREAM, name), -1);
	stop_stored(open_listener(text_of("unix", ""), NULL));
	ck_assert_ptr_nonnull(strstr(items[0].name, "/listen%20here"));
	ck_assert_ptr_null(strchr(items[0].name, ':'));
	forget_all();
}
END_TEST

static Suite *fd_store_suite(void)
{
	Suite *suite = suite_create("fd_store");
	TCase *tc = support_case(suite, "fd_store");

	tcase_add_unchecked_fixture(tc, open_once, NULL);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_socket_is_taken_up_where_it_was_left, 0, 3);
	tcase_add_loop_test(tc, one_that_is_closed_for_good_lets_nobody_in, 0,
			    2);
	tcase_add_test(tc, both_families_of_an_address_are_kept);
	tcase_add_loop_test(tc, one_that_is_in_the_way_goes, 0, 2);
	tcase_add_loop_test(tc, one_that_is_not_in_the_way_stays, 0, 2);
	tcase_add_test(tc, path_of_one_that_is_dropped_is_removed);
	tcase_add_test(tc, what_nobody_wants_is_dropped);
	tcase_add_test(tc, a_path_that_is_gone_is_made_anew);
	tcase_add_test(tc, without_a_store_nothing_is_kept);
	tcase_add_test(tc, a_name_is_what_the_manager_takes);
	return suite;
}

#ifdef HAVE_LIBSYSTEMD
int main(void)
{
	port = private_port();
	return port != 0 ? support_main_once(fd_store_suite) : EXIT_FAILURE;
}
#else
int main(void)
{
	(void)fd_store_suite;
	puts("without libsystemd nothing is kept");
	return 77;
}
#endif
