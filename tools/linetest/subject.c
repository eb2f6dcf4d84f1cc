/* SPDX-License-Identifier: MIT */
/*
 * Starts and stops lined. How far it is, its log tells, whether it was built
 * for systemd or not: log lines are what is waited for here.
 */
#include "config.h"

#include "linetest/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lined/socket.h>

#ifdef HAVE_SYS_PRCTL_H
#include <sys/prctl.h>
#endif

#include "linetest/bytes.h"
#include "linetest/deadline.h"

/* What its log says when it serves, and when it has read its config again. */
#define SERVES   "lined "
#define RELOADED "reload: done"
#define REFUSED  "reload: refused"

/* And of each client. */
#define TAKEN   ": connected to "
#define UNTAKEN ": refused "

/* The variables by which service managers speak to what they start. */
static const char *const foreign[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC",
				      "WATCHDOG_PID",  "LISTEN_FDS",
				      "LISTEN_PID",    "LISTEN_FDNAMES"};

#ifdef HAVE_SYS_PRCTL_H
static void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}
#else
static void end_with_parent(void)
{
}
#endif

/* ---- its log ------------------------------------------------------------ */

static void add_line(struct subject *subject, const struct lined_line *line)
{
	const char *text = line->text;
	size_t len = line->len;

	if (len >= 3 && text[0] == '<' && text[2] == '>') {
		text += 3;
		len -= 3;
	}
	subject->log = memory_resize(subject->log, subject->log_count + 1,
				     sizeof(*subject->log));
	subject->log[subject->log_count] = memory_copy(text, len);
	text = subject->log[subject->log_count++];
	if (strstr(text, TAKEN) != NULL || strstr(text, UNTAKEN) != NULL)
		subject->arrivals++;
}

static void read_log(struct lined_socket *sock, void *arg)
{
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		add_line(arg, &line);
}

static void log_closed(struct lined_socket *sock, void *arg,
		       enum lined_close_reason reason, int error)
{
	struct subject *subject = arg;

	(void)sock;
	(void)reason;
	(void)error;
	subject->error = NULL;
}

static const struct lined_socket_handlers log_handlers = {
	.handle_read = read_log,
	.handle_close = log_closed,
};

static const struct lined_framing log_framing = {
	.line_length = 65536,
	.terminator = LINED_TERMINATOR_LF,
	.too_long = LINED_TOO_LONG_TRUNCATE,
	.unterminated = LINED_UNTERMINATED_DELIVER,
};

/* The first line that begins so, from a line on; NULL where there is none. */
static const char *find_line(const struct subject *subject, size_t from,
			     const char *begin)
{
	size_t i;

	for (i = from; i < subject->log_count; i++)
		if (strncmp(subject->log[i], begin, strlen(begin)) == 0)
			return subject->log[i];
	return NULL;
}

/* ---- its process -------------------------------------------------------- */

void subject_init(struct subject *subject, struct lined_dispatcher *d)
{
	memset(subject, 0, sizeof(*subject));
	subject->dispatcher = d;
}

void subject_fini(struct subject *subject)
{
	size_t i;

	if (subject->pid > 0) {
		kill(subject->pid, SIGKILL);
		while (waitpid(subject->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (subject->error != NULL) {
		lined_socket_set_handlers(subject->error, NULL, NULL);
		lined_socket_close(subject->error);
	}
	for (i = 0; i < subject->log_count; i++)
		free(subject->log[i]);
	free(subject->log);
	memset(subject, 0, sizeof(*subject));
}

/* In the child: becomes lined, or says on standard error why not. */
static void become(const struct subject_settings *settings, const char *config,
		   int error)
{
	const char *argv[10];
	int argc = 0, null = open("/dev/null", O_RDWR);
	sigset_t none;
	size_t i;

	end_with_parent();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		unsetenv(foreign[i]);
	dup2(null, STDIN_FILENO);
	dup2(error, STDOUT_FILENO);
	dup2(error, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	argv[argc++] = settings->lined;
	argv[argc++] = "-c";
	argv[argc++] = config;
	argv[argc++] = "-L";
	argv[argc++] = "stderr";
	argv[argc++] = "-linfo";
	if (settings->modules != NULL) {
		argv[argc++] = "-m";
		argv[argc++] = settings->modules;
	}
	argv[argc] = NULL;
	execvp(settings->lined, (char *const *)argv);
	fprintf(stderr, "%s: %s\n", settings->lined, strerror(errno));
	_exit(127);
}

static int open_log(struct subject *subject, int fd)
{
	struct lined_socket *sock = lined_socket_new(&log_handlers, subject);

	if (sock == NULL)
		return -1;
	lined_socket_set_framing(sock, &log_framing);
	if (lined_socket_wrap(sock, fd, LINED_SOCKET_CONNECTED) < 0 ||
	    lined_dispatcher_register_socket(subject->dispatcher, sock) ==
		    NULL) {
		lined_socket_close(sock);
		return -1;
	}
	subject->error = sock;
	return 0;
}

static int spawn(struct subject *subject,
		 const struct subject_settings *settings, const char *config)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	fflush(NULL);
	subject->pid = fork();
	if (subject->pid == 0)
		become(settings, config, fds[1]);
	close(fds[1]);
	if (subject->pid < 0) {
		subject->pid = 0;
		close(fds[0]);
		return -1;
	}
	return open_log(subject, fds[0]);
}

bool subject_has_ended(struct subject *subject)
{
	struct deadline rest;
	pid_t pid;

	if (subject->pid == 0)
		return true;
	do
		pid = waitpid(subject->pid, &subject->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	subject->pid = 0;
	/* What it said last; somebody else may hold the other end open. */
	deadline_start(&rest, subject->dispatcher, 1000);
	while (subject->error != NULL && deadline_turn(&rest))
		;
	deadline_stop(&rest);
	return true;
}

char *subject_end_text(const struct subject *subject)
{
	int status = subject->status;

	if (WIFSIGNALED(status))
		return memory_format("killed by signal %d (%s)",
				     WTERMSIG(status),
				     strsignal(WTERMSIG(status)));
	return memory_format("exit status %d", WEXITSTATUS(status));
}

/* ---- starting, reloading and stopping it -------------------------------- */

static int failed(struct subject *subject, const char *what, char **error)
{
	char *end;

	if (subject->pid != 0) {
		*error = memory_format(deadline_all_are_over()
					       ? "%s: interrupted"
					       : "%s in time",
				       what);
		return -1;
	}
	end = subject_end_text(subject);
	*error = memory_format("%s: %s", what, end);
	free(end);
	return -1;
}

int subject_start(struct subject *subject,
		  const struct subject_settings *settings, const char *config,
		  uint32_t timeout_ms, char **error)
{
	size_t from = subject->log_count;
	struct deadline deadline;

	if (spawn(subject, settings, config) < 0) {
		*error = memory_format("%s: %s", settings->lined,
				       strerror(errno));
		return -1;
	}
	deadline_start(&deadline, subject->dispatcher, timeout_ms);
	while (find_line(subject, from, SERVES) == NULL &&
	       !(subject->error == NULL && subject_has_ended(subject)) &&
	       deadline_turn(&deadline))
		;
	deadline_stop(&deadline);
	if (find_line(subject, from, SERVES) != NULL)
		return 0;
	subject_has_ended(subject);
	return failed(subject, "the daemon did not start", error);
}

int subject_reload(struct subject *subject, uint32_t timeout_ms, char **error)
{
	size_t from = subject->log_count;
	struct deadline deadline;

	if (subject->pid == 0)
		return failed(subject, "the daemon had ended", error);
	kill(subject->pid, SIGHUP);
	deadline_start(&deadline, subject->dispatcher, timeout_ms);
	while (find_line(subject, from, RELOADED) == NULL &&
	       find_line(subject, from, REFUSED) == NULL &&
	       subject->error != NULL && deadline_turn(&deadline))
		;
	deadline_stop(&deadline);
	if (find_line(subject, from, RELOADED) != NULL)
		return 0;
	if (find_line(subject, from, REFUSED) != NULL) {
		*error = memory_format("the daemon refused the new config");
		return -1;
	}
	subject_has_ended(subject);
	return failed(subject, "the daemon did not reload", error);
}

size_t subject_arrivals(const struct subject *subject)
{
	return subject->arrivals;
}

void subject_stop(struct subject *subject)
{
	if (subject->pid > 0)
		kill(subject->pid, SIGTERM);
}

int subject_wait(struct subject *subject, uint32_t timeout_ms, char **error)
{
	struct deadline deadline;

	deadline_start(&deadline, subject->dispatcher, timeout_ms);
	while (!(subject->error == NULL && subject_has_ended(subject)) &&
	       deadline_turn(&deadline))
		;
	deadline_stop(&deadline);
	if (subject->pid != 0 && !subject_has_ended(subject)) {
		kill(subject->pid, SIGKILL);
		return failed(subject, "the daemon did not stop", error);
	}
	if (WIFEXITED(subject->status) && WEXITSTATUS(subject->status) == 0)
		return 0;
	return failed(subject, "the daemon ended badly", error);
}
