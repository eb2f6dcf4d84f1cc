/* SPDX-License-Identifier: MIT */
/*
 * A whole relay without memory: what is logged and counted. test_relay*.py
 * test all else that clients see.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocation.h"
#include "relay/push.h"
#include "relay/relay.h"
#include "relay/upstreams.h"
#include "relay/upstreams_priv.h"
#include "serve/service_instance.h"
#include "support.h"
#include "worker_fixture.h"

extern const struct lined_protocol lined_protocol;

/* ---- what fails ---------------------------------------------------------- */

static bool no_timer, no_socket, no_send, no_store;

int __real_lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
			     uint32_t interval_ms);
int __wrap_lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
			     uint32_t interval_ms);
struct lined_socket *
__real_lined_socket_new(const struct lined_socket_handlers *handlers,
			void *arg);
struct lined_socket *
__wrap_lined_socket_new(const struct lined_socket_handlers *handlers,
			void *arg);

int __wrap_lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
			     uint32_t interval_ms)
{
	errno = ENOMEM;
	return no_timer
		       ? -1
		       : __real_lined_timer_start(timer, delay_ms, interval_ms);
}

struct lined_socket *
__wrap_lined_socket_new(const struct lined_socket_handlers *handlers, void *arg)
{
	errno = ENOMEM;
	return no_socket ? NULL : __real_lined_socket_new(handlers, arg);
}

int __real_lined_socket_send_shared(struct lined_socket *sock,
				    struct lined_buffer *buffer, size_t offset,
				    size_t len);
int __wrap_lined_socket_send_shared(struct lined_socket *sock,
				    struct lined_buffer *buffer, size_t offset,
				    size_t len);
int __real_lined_socket_send(struct lined_socket *sock, const void *data,
			     size_t len);
int __wrap_lined_socket_send(struct lined_socket *sock, const void *data,
			     size_t len);
int __real_relay_store_add(struct relay_store *store,
			   const struct relay_line *line);
int __wrap_relay_store_add(struct relay_store *store,
			   const struct relay_line *line);

int __wrap_lined_socket_send_shared(struct lined_socket *sock,
				    struct lined_buffer *buffer, size_t offset,
				    size_t len)
{
	errno = ENOMEM;
	return no_send ? -1
		       : __real_lined_socket_send_shared(sock, buffer, offset,
							 len);
}

int __wrap_lined_socket_send(struct lined_socket *sock, const void *data,
			     size_t len)
{
	errno = ENOMEM;
	return no_send ? -1 : __real_lined_socket_send(sock, data, len);
}

int __wrap_relay_store_add(struct relay_store *store,
			   const struct relay_line *line)
{
	errno = ENOMEM;
	return no_store ? -1 : __real_relay_store_add(store, line);
}

/* ---- what is logged and counted ------------------------------------------ */

static char logged[8192];

void __wrap_lined_service_log(const struct lined_service *service,
			      enum lined_log_level level, const char *format,
			      ...);

/* Keeps all messages, a line each. */
void __wrap_lined_service_log(const struct lined_service *service,
			      enum lined_log_level level, const char *format,
			      ...)
{
	size_t len = strlen(logged);
	va_list args;

	va_start(args, format);
	vsnprintf(logged + len, sizeof(logged) - len, format, args);
	va_end(args);
	len = strlen(logged);
	snprintf(logged + len, sizeof(logged) - len, "\n");
}

static uint64_t counted(const struct relay *relay, const char *name)
{
	const struct instance_counter *counter = relay->service->counters;

	for (; counter->name != NULL; counter++)
		if (strcmp(counter->name, name) == 0)
			return counter->value;
	return 0;
}

/* ---- a relay ------------------------------------------------------------- */

static struct relay_options options;
static struct hall hall;

static struct relay *open_relay(void)
{
	options = (struct relay_options){
		.upstream_ca = "",
		.upstream_name = "",
		.upstream_certificate = "",
		.upstream_key = "",
		.retry_min_ms = 60000,
		.retry_max_ms = 60000,
		.subscribe_only = 1,
		.topic = "",
		.dedupe_without = "",
		.tag = "",
		.heartbeat_line = "",
		.gap_notice = "",
		.loopback = true,
	};
	no_timer = no_socket = no_send = no_store = false;
	hall_open(&hall, 1, &lined_protocol, &options);
	logged[0] = '\0';
	return lined_service_data(hall.instances[0][0]);
}

static void set_list(struct lined_option_list *list, const char *const *item)
{
	*list = (struct lined_option_list){.count = 1, .items = item};
}

static bool is_logged(void *text)
{
	return strstr(logged, text) != NULL;
}

START_TEST(a_push_without_a_timer_is_no_upstream)
{
	static const char *const target = "unix:///nonexistent/socket";
	char not_connected[] = "not connected";
	char no_timer_of_push[] = "push: no timer: out of memory\n";
	struct relay *relay = open_relay();

	set_list(&options.push, &target);
	no_timer = true;
	relay_push_reload(relay);
	hall_wait(&hall, is_logged, not_connected);
	no_timer = false;
	ck_assert_msg(is_logged(no_timer_of_push), "%s", logged);
	ck_assert_ptr_null(strstr(logged, "upstream"));
	hall_close(&hall);
}
END_TEST

START_TEST(a_push_without_a_socket_is_said_and_counted)
{
	static const char *const target = "udp://127.0.0.1:9";
	struct relay *relay = open_relay();
	int client;

	set_list(&options.push, &target);
	relay_push_reload(relay);
	client = hall_client(&hall, 0, 0);
	no_socket = true;
	support_puts(client, "hello\n");
	support_expect(hall.main, client, "hello\n");
	no_socket = false;
	ck_assert_str_eq(logged, "push udp://127.0.0.1:9: not opened: Cannot "
				 "allocate memory\n");
	ck_assert_uint_eq(counted(relay, "push_failures"), 1);
	ck_assert_uint_eq(counted(relay, "push_lines_dropped"), 1);
	close(client);
	hall_close(&hall);
}
END_TEST

START_TEST(a_filter_that_cannot_be_read_costs_no_other_filter)
{
	static const char *const old = "deny old", *const rule = "deny new",
				 *const out = "deny out";
	int client;

	open_relay();
	set_list(&options.filter, &old);
	lined_protocol.reload(hall.instances[0][0]);
	set_list(&options.filter, &rule);
	set_list(&options.filter_out, &out);
	allocation_fail(1, false);
	lined_protocol.reload(hall.instances[0][0]);
	allocation_fail(0, false);
	ck_assert_str_eq(logged, "filter: out of memory: the rules before stay "
				 "in use\n");
	client = hall_client(&hall, 0, 0);
	support_puts(client, "old\nnew\nout\nend\n");
	support_expect(hall.main, client, "new\nend\n");
	close(client);
	hall_close(&hall);
}
END_TEST

static bool has_dropped(void *relay)
{
	return counted(relay, "lines_dropped") > 0;
}

START_TEST(a_line_that_finds_no_memory_for_a_reader_is_counted)
{
	struct relay *relay = open_relay();
	int client;

	options.slow = RELAY_SLOW_DROP_OLDEST;
	options.gap_notice = "# lost {count}";
	client = hall_client(&hall, 0, 0);
	no_send = true;
	support_puts(client, "one\n");
	hall_wait(&hall, has_dropped, relay);
	no_send = false;
	support_expect(hall.main, client, "# lost 1\n");
	close(client);
	hall_close(&hall);
}
END_TEST

static bool has_no_client(void *relay)
{
	return ((const struct relay *)relay)->client_count == 0;
}

START_TEST(a_reader_that_would_miss_a_line_is_closed)
{
	struct relay *relay = open_relay();
	int client = hall_client(&hall, 0, 0);

	no_send = true;
	support_puts(client, "one\n");
	hall_wait(&hall, has_no_client, relay);
	no_send = false;
	close(client);
	hall_close(&hall);
}
END_TEST

START_TEST(a_newcomer_without_memory_for_the_history_is_closed)
{
	struct relay *relay = open_relay();
	int client, newcomer;

	options.history = 10;
	client = hall_client(&hall, 0, 0);
	support_puts(client, "one\n");
	support_expect(hall.main, client, "one\n");
	close(client);
	hall_wait(&hall, has_no_client, relay);
	no_send = true;
	newcomer = hall_client(&hall, 0, 0);
	hall_wait(&hall, has_no_client, relay);
	no_send = false;
	close(newcomer);
	hall_close(&hall);
}
END_TEST

START_TEST(a_line_that_finds_no_memory_in_the_history_is_counted)
{
	struct relay *relay = open_relay();
	int client;

	options.history = 10;
	client = hall_client(&hall, 0, 0);
	no_store = true;
	support_puts(client, "one\n");
	support_expect(hall.main, client, "one\n");
	no_store = false;
	ck_assert_uint_eq(counted(relay, "history_lines_dropped"), 1);
	close(client);
	hall_close(&hall);
}
END_TEST

START_TEST(a_list_that_cannot_be_read_costs_no_other_option)
{
	struct relay *relay = open_relay();

	options.mode = RELAY_UPSTREAM;
	relay_upstreams_reload(relay);
	options.use = RELAY_CHOICE_ALL;
	allocation_fail(1, false);
	relay_upstreams_reload(relay);
	allocation_fail(0, false);
	ck_assert_str_eq(logged, "upstream: Cannot allocate memory\n");
	ck_assert(relay->upstreams->all);
	hall_close(&hall);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("relay");
	TCase *tcase = support_case(suite, "memory");

	tcase_add_test(tcase, a_push_without_a_timer_is_no_upstream);
	tcase_add_test(tcase, a_push_without_a_socket_is_said_and_counted);
	tcase_add_test(tcase,
		       a_filter_that_cannot_be_read_costs_no_other_filter);
	tcase_add_test(tcase,
		       a_line_that_finds_no_memory_for_a_reader_is_counted);
	tcase_add_test(tcase, a_reader_that_would_miss_a_line_is_closed);
	tcase_add_test(tcase,
		       a_newcomer_without_memory_for_the_history_is_closed);
	tcase_add_test(tcase,
		       a_line_that_finds_no_memory_in_the_history_is_counted);
	tcase_add_test(tcase, a_list_that_cannot_be_read_costs_no_other_option);
	return suite;
}

int main(void)
{
	return support_main(make);
}
