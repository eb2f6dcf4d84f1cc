/* SPDX-License-Identifier: MIT */
/*
 * Replaces stderr by a pipe, and /dev/log by a socket.
 */
#include "config.h"

#include "log_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

/* ---- /dev/log -------------------------------------------------------- */

int syslog_reader = -1;
static struct sockaddr_un syslog_address = {.sun_family = AF_UNIX};
char syslog_text[4096];

/* Connections to /dev/log go to the test's socket. */
int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_un *to = (const struct sockaddr_un *)address;

	if (to->sun_family == AF_UNIX && strcmp(to->sun_path, "/dev/log") == 0)
		return (int)syscall(SYS_connect, fd, &syslog_address,
				    sizeof(syslog_address));
	return (int)syscall(SYS_connect, fd, address, len);
}

void serve_syslog(int type)
{
	static const struct timeval patience = {.tv_sec = 10};

	snprintf(syslog_address.sun_path, sizeof(syslog_address.sun_path),
		 "/tmp/lined-test-log-%ld", (long)getpid());
	syslog_reader = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(syslog_reader, 0);
	ck_assert_int_eq(bind(syslog_reader, (struct sockaddr *)&syslog_address,
			      sizeof(syslog_address)),
			 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(syslog_reader, 1), 0);
	setsockopt(syslog_reader, SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
}

void end_syslog(void)
{
	if (syslog_reader < 0)
		return;
	close(syslog_reader);
	syslog_reader = -1;
	unlink(syslog_address.sun_path);
}

const char *read_syslog(int fd)
{
	ssize_t n = recv(fd, syslog_text, sizeof(syslog_text) - 1, 0);
	char *head, *name, *process, *text;

	ck_assert_int_gt(n, 0);
	syslog_text[n] = '\0';
	head = strchr(syslog_text, '>');
	ck_assert_ptr_nonnull(head);
	/* "Nov  9 12:00:00 " */
	name = head + 1 + 16;
	process = strchr(name, '[');
	ck_assert_ptr_nonnull(process);
	ck_assert_int_eq(strtol(process + 1, &text, 10), getpid());
	memmove(process, text + 1, strlen(text));
	memmove(head + 1, name, strlen(name) + 1);
	return syslog_text;
}

/* ---- stderr ---------------------------------------------------------- */

static int true_stderr = -1;
int out = -1;
char got[LOG_FIXTURE_MAX];

void use_stderr(int fd, int read_end)
{
	if (true_stderr < 0)
		true_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(true_stderr, 0);
	if (out >= 0)
		close(out);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	out = read_end;
}

static void use_pipe(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	use_stderr(fds[1], fds[0]);
}

static void end_stderr(void)
{
	if (true_stderr < 0)
		return;
	dup2(true_stderr, STDERR_FILENO);
	close(true_stderr);
	true_stderr = -1;
}

const char *read_all(void)
{
	size_t len = 0;
	ssize_t n;

	end_stderr();
	while (len < sizeof(got) - 1 &&
	       (n = read(out, got + len, sizeof(got) - 1 - len)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	close(out);
	out = -1;
	return got;
}

void read_more(size_t *len)
{
	ssize_t n;

	support_wait_readable(out);
	n = read(out, got + *len, sizeof(got) - 1 - *len);
	ck_assert_int_gt(n, 0);
	*len += (size_t)n;
	got[*len] = '\0';
}

const char *read_until(const char *text)
{
	size_t len = 0;

	do {
		read_more(&len);
	} while (strstr(got, text) == NULL);
	return got;
}

unsigned count_of(const char *text, const char *part)
{
	unsigned count = 0;

	while ((text = strstr(text, part)) != NULL) {
		count++;
		text += strlen(part);
	}
	return count;
}

void open_to(enum log_target target, enum lined_log_level level)
{
	const struct log_settings settings = {
		.target = target,
		.facility = LOG_LOCAL3,
		.level = level,
		.ident = "lined",
	};

	ck_assert_int_eq(log_open(&settings), 0);
}

void open_stderr(void)
{
	open_to(LOG_TARGET_STDERR, LINED_LOG_INFO);
}

static void fixture_end(void)
{
	end_stderr();
	if (out >= 0)
		close(out);
	out = -1;
	end_syslog();
}

TCase *log_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, use_pipe, fixture_end);
	return tcase;
}
