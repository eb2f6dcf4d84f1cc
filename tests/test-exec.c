/* SPDX-License-Identifier: MIT */
/*
 * A program and its clients without memory: what is counted, and who is told.
 * The program is a pair of sockets and a pipe of the test. test_exec.py tests
 * all else.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lined/program.h>

#include "allocation.h"
#include "exec/exec.h"
#include "serve/service_instance.h"
#include "support.h"
#include "worker_fixture.h"

extern const struct lined_protocol lined_protocol;

/* ---- the program --------------------------------------------------------- */

static int program_input;              /* its end of standard input */
static int program_ends[2] = {-1, -1}; /* of output and errors */
static unsigned programs;              /* started */
static void (*program_ended)(struct lined_program *program, void *arg,
			     const char *how);
static void *program_arg;

int __wrap_lined_program_find(const char *command, char *path, size_t size);
struct lined_program *
__wrap_lined_program_start(struct lined_service *service,
			   const struct lined_program_spec *spec, int ends[4],
			   void (*ended)(struct lined_program *program,
					 void *arg, const char *how),
			   void *arg);
void __wrap_lined_program_kill(struct lined_program *program);
void __wrap_lined_program_signal(struct lined_program *program, int number);
int __wrap_lined_program_waits(const struct lined_program *program);

int __wrap_lined_program_find(const char *command, char *path, size_t size)
{
	snprintf(path, size, "%s", command);
	return 0;
}

static void close_program(void)
{
	close(program_input);
	close(program_ends[0]);
	close(program_ends[1]);
}

struct lined_program *
__wrap_lined_program_start(struct lined_service *service,
			   const struct lined_program_spec *spec, int ends[4],
			   void (*ended)(struct lined_program *program,
					 void *arg, const char *how),
			   void *arg)
{
	int input[2], output[2], errors[2];

	/* The service b has a program, too: only that of a is kept. */
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) == 0);
	must(pipe(output) == 0 && pipe(errors) == 0);
	ends[0] = input[0];
	ends[1] = output[0];
	ends[2] = errors[0];
	ends[3] = -1;
	if (strcmp(lined_service_name(service), "a") == 0) {
		program_input = input[1];
		program_ends[0] = output[1];
		program_ends[1] = errors[1];
		program_ended = ended;
		program_arg = arg;
		programs++;
	} else {
		close(input[1]);
		close(output[1]);
		close(errors[1]);
	}
	return (struct lined_program *)&programs;
}

void __wrap_lined_program_kill(struct lined_program *program)
{
}

void __wrap_lined_program_signal(struct lined_program *program, int number)
{
}

int __wrap_lined_program_waits(const struct lined_program *program)
{
	return 1;
}

/* ---- what fails ---------------------------------------------------------- */

static bool no_send, no_timer;

int __real_lined_socket_sendv(struct lined_socket *sock,
			      const struct iovec *pieces, size_t count);
int __wrap_lined_socket_sendv(struct lined_socket *sock,
			      const struct iovec *pieces, size_t count);
int __real_lined_socket_send_line(struct lined_socket *sock,
				  const struct lined_line *line);
int __wrap_lined_socket_send_line(struct lined_socket *sock,
				  const struct lined_line *line);
int __real_lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
			     uint32_t interval_ms);
int __wrap_lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
			     uint32_t interval_ms);

int __wrap_lined_socket_sendv(struct lined_socket *sock,
			      const struct iovec *pieces, size_t count)
{
	errno = ENOMEM;
	return no_send ? -1 : __real_lined_socket_sendv(sock, pieces, count);
}

int __wrap_lined_socket_send_line(struct lined_socket *sock,
				  const struct lined_line *line)
{
	errno = ENOMEM;
	return no_send ? -1 : __real_lined_socket_send_line(sock, line);
}

int __wrap_lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
			     uint32_t interval_ms)
{
	errno = ENOMEM;
	return no_timer
		       ? -1
		       : __real_lined_timer_start(timer, delay_ms, interval_ms);
}

/* ---- what is logged and counted ------------------------------------------ */

static char logged[4096];

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

static uint64_t counted(const struct exec *exec, const char *name)
{
	const struct instance_counter *counter = exec->service->counters;

	for (; counter->name != NULL; counter++)
		if (strcmp(counter->name, name) == 0)
			return counter->value;
	return 0;
}

/* ---- an exec ------------------------------------------------------------- */

static const char *const command = "/bin/program";
static struct exec_options options;
static struct hall hall;

static struct exec *open_exec(enum exec_mode mode)
{
	options = (struct exec_options){
		.command = {.count = 1, .items = &command},
		.mode = mode,
		.stdout_kind = EXEC_STDOUT_PIPE,
		.restart_max_ms = 60000,
		.kill_after_ms = 1000,
		.directory = "/",
	};
	no_send = no_timer = false;
	programs = 0;
	hall_open(&hall, 1, &lined_protocol, &options);
	if (mode == EXEC_SHARED)
		support_expect(hall.main, program_input, "hello 1 service=a\n");
	logged[0] = '\0';
	return lined_service_data(hall.instances[0][0]);
}

static bool has_lost(void *exec)
{
	return counted(exec, "lines_lost") > 0;
}

START_TEST(a_line_that_does_not_reach_the_program_is_counted)
{
	struct exec *exec = open_exec(EXEC_SHARED);
	int client = hall_client(&hall, 0, 0);

	support_expect(hall.main, program_input, "+1 peer=unix listen=test\n");
	no_send = true;
	support_puts(client, "hello\n");
	hall_wait(&hall, has_lost, exec);
	no_send = false;
	ck_assert_uint_eq(counted(exec, "lines_lost"), 1);
	close(client);
	hall_close(&hall);
	close_program();
}
END_TEST

START_TEST(a_line_that_does_not_reach_a_client_is_counted)
{
	static const char answer[] = "1 hello\n";
	struct exec *exec = open_exec(EXEC_SHARED);
	int client = hall_client(&hall, 0, 0);

	support_expect(hall.main, program_input, "+1 peer=unix listen=test\n");
	no_send = true;
	ck_assert_int_eq(write(program_ends[0], answer, strlen(answer)),
			 (ssize_t)strlen(answer));
	hall_wait(&hall, has_lost, exec);
	no_send = false;
	ck_assert_uint_eq(counted(exec, "lines_lost"), 1);
	close(client);
	hall_close(&hall);
	close_program();
}
END_TEST

static bool has_no_client(void *exec)
{
	return lined_service_clients(((struct exec *)exec)->service) == 0;
}

/* Otherwise the program would get lines of somebody whom it does not know. */
START_TEST(a_client_that_cannot_be_announced_is_closed)
{
	struct exec *exec = open_exec(EXEC_SHARED);
	int client;

	no_send = true;
	client = hall_client(&hall, 0, 0);
	hall_wait(&hall, has_no_client, exec);
	no_send = false;
	close(client);
	client = hall_client(&hall, 0, 0);
	support_expect(hall.main, program_input, "+2 peer=unix listen=test\n");
	close(client);
	hall_close(&hall);
	close_program();
}
END_TEST

START_TEST(a_client_that_would_miss_output_is_closed)
{
	struct exec *exec = open_exec(EXEC_EACH);
	int client = hall_client(&hall, 0, 0);

	no_send = true;
	ck_assert_int_eq(write(program_ends[0], "hello\n", 6), 6);
	hall_wait(&hall, has_no_client, exec);
	no_send = false;
	close(client);
	hall_close(&hall);
	close_program();
}
END_TEST

static bool is_restarting(void *exec)
{
	return ((struct exec *)exec)->restarts > 0;
}

START_TEST(a_program_whose_timer_has_failed_is_started_again)
{
	struct exec *exec = open_exec(EXEC_SHARED);

	no_timer = true;
	program_ended((struct lined_program *)&programs, program_arg,
		      "exit status 1");
	close_program();
	hall_wait(&hall, is_restarting, exec);
	no_timer = false;
	lined_protocol.handle_task(hall.instances[0][0]);
	ck_assert_uint_eq(programs, 2);
	support_expect(hall.main, program_input, "hello 1 service=a\n");
	hall_close(&hall);
	close_program();
}
END_TEST

START_TEST(a_reload_without_memory_says_that_the_program_stays)
{
	static const char *const other = "/bin/other";

	open_exec(EXEC_SHARED);
	options.command.items = &other;
	options.programs = 2;
	allocation_fail(1, true);
	lined_protocol.reload(hall.instances[0][0]);
	allocation_fail(0, false);
	ck_assert_str_eq(logged, "/bin/other: Cannot allocate memory: the "
				 "program before stays\n");
	ck_assert_uint_eq(programs, 1);
	hall_close(&hall);
	close_program();
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("exec");
	TCase *tcase = support_case(suite, "memory");

	tcase_add_test(tcase,
		       a_line_that_does_not_reach_the_program_is_counted);
	tcase_add_test(tcase, a_line_that_does_not_reach_a_client_is_counted);
	tcase_add_test(tcase, a_client_that_cannot_be_announced_is_closed);
	tcase_add_test(tcase, a_client_that_would_miss_output_is_closed);
	tcase_add_test(tcase,
		       a_program_whose_timer_has_failed_is_started_again);
	tcase_add_test(tcase,
		       a_reload_without_memory_says_that_the_program_stays);
	return suite;
}

int main(void)
{
	return support_main(make);
}
