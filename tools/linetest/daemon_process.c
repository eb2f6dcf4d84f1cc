/* SPDX-License-Identifier: MIT */
/*
 * Starts, reloads and stops lined. Lines of its log tell when it serves or has
 * reloaded; a notification would depend on a build for systemd.
 */
#include "config.h"

#include "linetest/daemon_process.h"

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

/* How lined's log lines begin when it serves, and after a reload. */
#define SERVES   "lined "
#define RELOADED "reload: done"
#define REFUSED  "reload: refused"

/* Parts of the line that lined logs about each client. */
#define ACCEPTED ": connected to "
#define REFUSES  ": refused "

/* A daemon that is tested must not notify the service manager of linetest, nor
 * take its sockets. */
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

/* ---- the log ------------------------------------------------------------ */

static void process_add_line(struct daemon_process *process,
			     const struct lined_line *line)
{
	const char *text = line->text;
	size_t len = line->len;

	if (len >= 3 && text[0] == '<' && text[2] == '>') {
		text += 3;
		len -= 3;
	}
	process->log = memory_resize(process->log, process->log_count + 1,
				     sizeof(*process->log));
	process->log[process->log_count] = memory_copy(text, len);
	text = process->log[process->log_count++];
	if (strstr(text, ACCEPTED) != NULL || strstr(text, REFUSES) != NULL)
		process->arrivals++;
}

static void process_readable(struct lined_socket *sock, void *arg)
{
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		process_add_line(arg, &line);
}

static void process_closed(struct lined_socket *sock, void *arg,
			   enum lined_close_reason reason, int error)
{
	struct daemon_process *process = arg;

	process->error = NULL;
}

static const struct lined_socket_handlers log_handlers = {
	.handle_read = process_readable,
	.handle_close = process_closed,
};

static const struct lined_framing log_framing = {
	.line_length = 65536,
	.terminator = LINED_TERMINATOR_LF,
	.too_long = LINED_TOO_LONG_TRUNCATE,
	.unterminated = LINED_UNTERMINATED_DELIVER,
};

/* The first log line from an index on that begins with `begin`, or NULL. */
static const char *process_find_line(const struct daemon_process *process,
				     size_t from, const char *begin)
{
	size_t i;

	for (i = from; i < process->log_count; i++)
		if (strncmp(process->log[i], begin, strlen(begin)) == 0)
			return process->log[i];
	return NULL;
}

/* ---- the process -------------------------------------------------------- */

void daemon_process_init(struct daemon_process *process,
			 struct lined_dispatcher *d)
{
	memset(process, 0, sizeof(*process));
	process->dispatcher = d;
}

void daemon_process_fini(struct daemon_process *process)
{
	size_t i;

	if (process->pid > 0) {
		kill(process->pid, SIGKILL);
		while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (process->error != NULL) {
		lined_socket_set_handlers(process->error, NULL, NULL);
		lined_socket_close(process->error);
	}
	for (i = 0; i < process->log_count; i++)
		free(process->log[i]);
	free(process->log);
	memset(process, 0, sizeof(*process));
}

/* In the child: executes lined, or writes the reason of the failure to standard
 * error. */
static void process_exec(const struct daemon_settings *settings,
			 const char *config, int error)
{
	const char *argv[11];
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
	if (settings->build_modules != NULL) {
		argv[argc++] = "-m";
		argv[argc++] = settings->build_modules;
	}
	argv[argc] = NULL;
	execvp(settings->lined, (char *const *)argv);
	fprintf(stderr, "%s: %s\n", settings->lined, strerror(errno));
	_exit(127);
}

static int process_spawn(struct daemon_process *process,
			 const struct daemon_settings *settings,
			 const char *config)
{
	int fds[2];
	struct lined_socket *sock;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	fflush(NULL);
	process->pid = fork();
	if (process->pid == 0)
		process_exec(settings, config, fds[1]);
	close(fds[1]);
	if (process->pid < 0) {
		process->pid = 0;
		close(fds[0]);
		return -1;
	}
	sock = lined_socket_new(&log_handlers, process);
	if (sock == NULL)
		return -1;
	lined_socket_set_framing(sock, &log_framing);
	if (lined_socket_wrap(sock, fds[0], LINED_SOCKET_CONNECTED) < 0 ||
	    lined_dispatcher_register_socket(process->dispatcher, sock) ==
		    NULL) {
		lined_socket_close(sock);
		return -1;
	}
	process->error = sock;
	return 0;
}

bool daemon_process_has_ended(struct daemon_process *process)
{
	pid_t pid;

	if (process->pid == 0)
		return true;
	do
		pid = waitpid(process->pid, &process->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	process->pid = 0;
	/* Read the rest of the log, but for a second at most: a child of the
	 * daemon may keep its standard error open. */
	deadline_wait_until(process->dispatcher, 1000, process->error == NULL);
	return true;
}

char *daemon_process_end_text(const struct daemon_process *process)
{
	int status = process->status;

	if (WIFSIGNALED(status))
		return memory_format("killed by signal %d (%s)",
				     WTERMSIG(status),
				     strsignal(WTERMSIG(status)));
	return memory_format("exit status %d", WEXITSTATUS(status));
}

/* Whether the daemon has ended. Makes a system call only when standard error
 * was closed: cheap enough for each turn. */
static bool process_is_over(struct daemon_process *process)
{
	return process->error == NULL && daemon_process_has_ended(process);
}

/* ---- starting, reloading and stopping ----------------------------------- */

static int process_failed(struct daemon_process *process, const char *what,
			  char **error)
{
	char *end;

	if (process->pid != 0) {
		*error = memory_format(deadline_all_are_over()
					       ? "%s: interrupted"
					       : "%s in time",
				       what);
		return -1;
	}
	end = daemon_process_end_text(process);
	*error = memory_format("%s: %s", what, end);
	free(end);
	return -1;
}

int daemon_process_start(struct daemon_process *process,
			 const struct daemon_settings *settings,
			 const char *config, uint32_t timeout_ms, char **error)
{
	size_t from = process->log_count;

	if (process_spawn(process, settings, config) < 0) {
		*error = memory_format("%s: %s", settings->lined,
				       strerror(errno));
		return -1;
	}
	deadline_wait_until(process->dispatcher, timeout_ms,
			    process_find_line(process, from, SERVES) != NULL ||
				    process_is_over(process));
	if (process_find_line(process, from, SERVES) != NULL)
		return 0;
	daemon_process_has_ended(process);
	return process_failed(process, "the daemon did not start", error);
}

int daemon_process_reload(struct daemon_process *process, uint32_t timeout_ms,
			  char **error)
{
	size_t from = process->log_count;

	if (process->pid == 0)
		return process_failed(process, "the daemon had ended", error);
	kill(process->pid, SIGHUP);
	deadline_wait_until(
		process->dispatcher, timeout_ms,
		process_find_line(process, from, RELOADED) != NULL ||
			process_find_line(process, from, REFUSED) != NULL ||
			process->error == NULL);
	if (process_find_line(process, from, RELOADED) != NULL)
		return 0;
	if (process_find_line(process, from, REFUSED) != NULL) {
		*error = memory_format("the daemon refused the new config");
		return -1;
	}
	daemon_process_has_ended(process);
	return process_failed(process, "the daemon did not reload", error);
}

void daemon_process_stop(struct daemon_process *process)
{
	if (process->pid > 0)
		kill(process->pid, SIGTERM);
}

int daemon_process_wait(struct daemon_process *process, uint32_t timeout_ms,
			char **error)
{
	deadline_wait_until(process->dispatcher, timeout_ms,
			    process_is_over(process));
	if (process->pid != 0 && !daemon_process_has_ended(process)) {
		kill(process->pid, SIGKILL);
		return process_failed(process, "the daemon did not stop",
				      error);
	}
	if (WIFEXITED(process->status) && WEXITSTATUS(process->status) == 0)
		return 0;
	return process_failed(process, "the daemon failed", error);
}
