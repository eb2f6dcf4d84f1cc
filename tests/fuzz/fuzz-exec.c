/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer's input is the standard output of a shared program of exec with
 * two clients, written in pieces. Sanitizers check the memory. A libFuzzer
 * target only. tests/fuzz/run has the linker put the functions below in place
 * of those that start programs.
 */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lined/program.h>
#include <lined/protocol.h>

#include "exec/options.h"
#include "log/log.h"
#include "worker_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lined_program *
__wrap_lined_program_start(struct lined_service *service,
			   const struct lined_program_spec *spec, int ends[4],
			   void (*ended)(struct lined_program *program,
					 void *arg, const char *how),
			   void *arg);
int __wrap_lined_program_waits(const struct lined_program *program);
uint64_t __wrap_lined_program_memory(const struct lined_program *program);
void __wrap_lined_program_signal(struct lined_program *program, int number);
void __wrap_lined_program_kill(struct lined_program *program);
pid_t __wrap_lined_program_pid(const struct lined_program *program);

extern const struct lined_protocol lined_protocol;

/* The program's ends of its standard input, output and error. */
static int theirs[2][3];
static unsigned programs;

struct lined_program *
__wrap_lined_program_start(struct lined_service *service,
			   const struct lined_program_spec *spec, int ends[4],
			   void (*ended)(struct lined_program *program,
					 void *arg, const char *how),
			   void *arg)
{
	int i, pair[2];

	(void)service;
	(void)ended;
	(void)arg;
	must(programs < 2); /* one for each service of the hall */
	for (i = 0; i < 3; i++) {
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		ends[i] = pair[0];
		theirs[programs][i] = pair[1];
	}
	ends[3] = spec->keep_input ? dup(theirs[programs][0]) : -1;
	return (struct lined_program *)&theirs[programs++];
}

int __wrap_lined_program_waits(const struct lined_program *program)
{
	(void)program;
	return -1;
}

uint64_t __wrap_lined_program_memory(const struct lined_program *program)
{
	(void)program;
	return 0;
}

void __wrap_lined_program_signal(struct lined_program *program, int number)
{
	(void)program;
	(void)number;
}

void __wrap_lined_program_kill(struct lined_program *program)
{
	(void)program;
}

pid_t __wrap_lined_program_pid(const struct lined_program *program)
{
	(void)program;
	return 0;
}

static struct hall hall;

static void open_hall(void)
{
	static const char *const words[] = {"/bin/sh"};
	static const struct exec_options options = {
		.command = {1, words},
		.mode = EXEC_SHARED,
		.stdout_kind = EXEC_STDOUT_PIPE,
		.restart_max_ms = 60000,
		.kill_after_ms = 60000,
		.directory = "/",
	};

	if (hall.main != NULL)
		return;
	log_set_level(LINED_LOG_ERR);
	hall_open(&hall, 1, &lined_protocol, &options);
	must(programs == 2);
}

static void hear(int fd)
{
	static char text[1 << 16];

	while (recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

static void turn(const int fds[2])
{
	must(lined_dispatcher_poll(hall.main, 0) >= 0);
	hear(fds[0]);
	hear(fds[1]);
	hear(theirs[0][0]);
}

static void say(const int fds[2], const void *text, size_t len)
{
	(void)!send(theirs[0][1], text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	turn(fds);
}

static bool are_gone(void *arg)
{
	(void)arg;
	hear(theirs[0][0]);
	return lined_service_clients(hall.instances[0][0]) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t first = 1;
	char text[64];
	int fds[2];

	open_hall();
	fds[0] = hall_client(&hall, 0, 0);
	fds[1] = hall_client(&hall, 0, 0);
	turn(fds);
	/* Each piece begins with a byte that gives its length. In a piece, 'A'
	 * and 'B' stand for the clients' numbers, which the fuzzer cannot
	 * know. */
	while (size > 1) {
		char said[2 * 256];
		size_t n = 0, len = 1 + *data++, i;

		size--;
		len = len < size ? len : size;
		for (i = 0; i < len && n + 24 < sizeof(said); i++)
			if (data[i] == 'A' || data[i] == 'B')
				n += (size_t)snprintf(
					said + n, 24, "%llu",
					(unsigned long long)(first + data[i] -
							     'A'));
			else
				said[n++] = (char)data[i];
		say(fds, said, n);
		data += len;
		size -= len;
	}
	/* Closes both clients, even if the text before is incomplete. */
	say(fds, text,
	    (size_t)snprintf(text, sizeof(text), "\n-%llu\n-%llu\n",
			     (unsigned long long)first,
			     (unsigned long long)first + 1));
	first = hall.clients + 1;
	close(fds[0]);
	close(fds[1]);
	hall_wait(&hall, are_gone, NULL);
	return 0;
}
