/* SPDX-License-Identifier: MIT */
/*
 * Runs in the keeper's process: starts programs, and kills them when lined
 * ends. The process has one thread, no memory shared with lined, no descriptor
 * but its socket, standard output and standard error. Each program gets its own
 * session and process group; when the program ends, the other processes of its
 * group are killed.
 */
#include "config.h"

#include "system/program_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "system/fd_message.h"
#include "system/hardening.h"
#include "system/self_spawn.h"

/* The socket, from keeper_open(). */
#define KEEPER_FD STDIN_FILENO

/* The pause between rounds of killing programs. */
#define KILL_STEP_NS 2000000

struct keeper_child {
	uint32_t id;
	pid_t pid;
};

struct keeper {
	struct keeper_child *children;
	size_t count, room;
};

/* The texts of a KEEPER_START, in the form that execve(2) takes. */
struct keeper_texts {
	const char *path, *directory;
	char **readable, **arguments, **environment;
};

static volatile sig_atomic_t child_ended;

static void keeper_note_child(int number)
{
	child_ended = 1;
}

static void keeper_report(const struct keeper_report *report)
{
	/* Blocks while lined is busy. Fails if lined has ended: the next
	 * receive notices that. */
	while (send(KEEPER_FD, report, sizeof(*report), MSG_NOSIGNAL) < 0 &&
	       errno == EINTR)
		;
}

/* ---- the new process ---------------------------------------------------- */

static int keeper_limit(int resource, uint64_t value)
{
	struct rlimit limit = {(rlim_t)value, (rlim_t)value}, now;

	if (value == 0)
		return 0;
	/* Limits are only lowered, never raised. */
	if (getrlimit(resource, &now) == 0 && now.rlim_max < limit.rlim_max)
		limit.rlim_max = limit.rlim_cur = now.rlim_max;
	return setrlimit(resource, &limit);
}

/* Executes the program; returns only if a step fails. */
static void keeper_execute(const struct keeper_request *request,
			   const struct keeper_texts *texts, int *step)
{
	*step = KEEPER_LIMITS;
	if (keeper_bind_program(request->watcher) < 0)
		return;
	*step = KEEPER_READABLE;
	if (hardening_program(texts->path, texts->readable) < 0)
		return;
	*step = KEEPER_LIMITS;
	if (keeper_limit(RLIMIT_AS, request->memory) < 0 ||
	    keeper_limit(RLIMIT_CPU, request->cpu_s) < 0 ||
	    keeper_limit(RLIMIT_NOFILE, request->files) < 0)
		return;
	*step = KEEPER_DIRECTORY;
	if (chdir(texts->directory) < 0)
		return;
	*step = KEEPER_EXECUTE;
	execve(texts->path, texts->arguments, texts->environment);
}

/* Turns a child into the program; on failure writes the step and errno to
 * `failed`. */
static void keeper_become(const struct keeper_request *request,
			  const struct keeper_texts *texts, const int fds[3],
			  int failed)
{
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	struct rlimit core = {0, 0};
	int failure[2], number, i;
	sigset_t none;

	setsid();
	for (number = 1; number < NSIG; number++)
		sigaction(number, &usual, NULL); /* fails for SIGKILL */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The received descriptors are all above 2. */
	for (i = 0; i < 3; i++)
		dup2(fds[i], i);
	setrlimit(RLIMIT_CORE, &core);
	keeper_execute(request, texts, &failure[0]);
	failure[1] = errno;
	if (write(failed, failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

/* ---- requests ----------------------------------------------------------- */

static bool keeper_has_room(struct keeper *keeper)
{
	size_t room = keeper->room > 0 ? keeper->room * 2 : 16;
	struct keeper_child *children;

	if (keeper->count < keeper->room)
		return true;
	children = reallocarray(keeper->children, room, sizeof(*children));
	if (children == NULL)
		return false;
	keeper->children = children;
	keeper->room = room;
	return true;
}

/* Returns the pid; -1: *report says why. */
static pid_t keeper_fork(const struct keeper_request *request,
			 const struct keeper_texts *texts, const int fds[3],
			 struct keeper_report *report)
{
	int failure[2], channel[2];
	pid_t pid;

	report->step = KEEPER_FORK;
	if (pipe2(channel, O_CLOEXEC) < 0) {
		report->error = errno;
		return -1;
	}
	pid = fork();
	if (pid == 0)
		keeper_become(request, texts, fds, channel[1]);
	report->error = errno;
	close(channel[1]);
	if (pid > 0 &&
	    read(channel[0], failure, sizeof(failure)) == sizeof(failure)) {
		report->step = failure[0];
		report->error = failure[1];
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(channel[0]);
	return pid;
}

static void keeper_start(struct keeper *keeper,
			 const struct keeper_request *request,
			 const struct keeper_texts *texts, const int fds[3],
			 struct keeper_report *report)
{
	report->error = ENOMEM;
	report->pid = keeper_has_room(keeper)
			      ? keeper_fork(request, texts, fds, report)
			      : -1;
	if (report->pid < 0)
		return;
	report->kind = KEEPER_STARTED;
	keeper->children[keeper->count].id = request->id;
	keeper->children[keeper->count++].pid = report->pid;
}

/* Takes `count` texts before `end` into a list and moves *at after them. NULL:
 * not enough texts, or no memory. */
static char **keeper_take_texts(char **at, char *end, size_t count)
{
	char **list = NULL;
	size_t i;

	/* Each text has at least its NUL. */
	if (count <= (size_t)(end - *at))
		list = reallocarray(NULL, count + 1, sizeof(*list));
	for (i = 0; list != NULL && i < count; i++) {
		char *nul = memchr(*at, '\0', (size_t)(end - *at));

		if (nul == NULL) {
			free(list);
			return NULL;
		}
		list[i] = *at;
		*at = nul + 1;
	}
	if (list != NULL)
		list[count] = NULL;
	return list;
}

static void keeper_take_start(struct keeper *keeper,
			      const struct keeper_request *request, char *at,
			      char *end, const int fds[3])
{
	struct keeper_report report = {
		.kind = KEEPER_FAILED, .id = request->id, .step = KEEPER_FORK};
	struct keeper_texts texts = {0};
	char **places = keeper_take_texts(&at, end, 2);

	texts.readable = keeper_take_texts(&at, end, request->readable);
	texts.arguments = keeper_take_texts(&at, end, request->arguments);
	texts.environment = keeper_take_texts(&at, end, request->variables);
	if (fds[2] >= 0 && places != NULL && texts.readable != NULL &&
	    texts.arguments != NULL && texts.environment != NULL) {
		texts.path = places[0];
		texts.directory = places[1];
		keeper_start(keeper, request, &texts, fds, &report);
	} else {
		/* Received descriptors are lost if this process has no free
		 * descriptors. */
		report.error = fds[2] < 0 ? EMFILE : ENOMEM;
	}
	keeper_report(&report);
	free(places);
	free(texts.readable);
	free(texts.arguments);
	free(texts.environment);
}

static void keeper_signal(const struct keeper *keeper,
			  const struct keeper_request *request)
{
	size_t i;

	for (i = 0; i < keeper->count; i++)
		if (keeper->children[i].id == request->id)
			kill(-keeper->children[i].pid, request->signal);
}

/* False: lined has ended. */
static bool keeper_take_request(struct keeper *keeper)
{
	static _Alignas(struct keeper_request) char text[KEEPER_REQUEST_MAX];
	const struct keeper_request *request = (const void *)text;
	int fds[FD_MESSAGE_MAX];
	ssize_t n = fd_message_receive(KEEPER_FD, text, sizeof(text), fds);

	if (n < (ssize_t)sizeof(*request))
		return false;
	if (request->kind == KEEPER_KILL)
		keeper_signal(keeper, request);
	else
		keeper_take_start(keeper, request, text + sizeof(*request),
				  text + n, fds);
	fd_message_close(fds);
	return true;
}

/* ---- ends --------------------------------------------------------------- */

/* Reports the end of a child. Adopted orphans are not in the list and not
 * reported. */
static void keeper_forget(struct keeper *keeper, pid_t pid, int status)
{
	struct keeper_report report = {
		.kind = KEEPER_ENDED, .pid = pid, .status = status};
	size_t i;

	for (i = 0; i < keeper->count; i++) {
		if (keeper->children[i].pid != pid)
			continue;
		report.id = keeper->children[i].id;
		keeper->children[i] = keeper->children[--keeper->count];
		keeper_report(&report);
		return;
	}
}

static void keeper_reap(struct keeper *keeper)
{
	siginfo_t info;
	int status;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			return;
		/* Kill the group before waitpid(2): when the child is reaped,
		 * another group may get its number. */
		kill(-info.si_pid, SIGKILL);
		if (waitpid(info.si_pid, &status, 0) == info.si_pid)
			keeper_forget(keeper, info.si_pid, status);
	}
}

/* Kills all programs and all their descendants until none is left. */
static void keeper_end_all(struct keeper *keeper)
{
	const struct timespec step = {.tv_nsec = KILL_STEP_NS};
	size_t i;

	for (;;) {
		for (i = 0; i < keeper->count; i++)
			kill(-keeper->children[i].pid, SIGKILL);
		keeper_kill_children();
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0)
			return;
		nanosleep(&step, NULL);
	}
}

int keeper_main(void)
{
	const struct sigaction action = {.sa_handler = keeper_note_child};
	struct pollfd ready = {.fd = KEEPER_FD, .events = POLLIN};
	struct keeper keeper = {0};
	sigset_t blocked, none;
	int fd;

	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigaction(SIGCHLD, &action, NULL);
	/* A signal to the process group is meant for lined: programs may
	 * continue to answer until lined has drained and ends the keeper. */
	self_heed_signals(SIG_IGN);
	/* Fill the standard descriptors, so that received descriptors are above
	 * them. */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fcntl(KEEPER_FD, F_SETFD, FD_CLOEXEC);
	if (chdir("/") < 0)
		return EXIT_FAILURE;
	keeper_settle();
	for (;;) {
		int n = ppoll(&ready, 1, NULL, &none);

		if (child_ended) {
			child_ended = 0;
			keeper_reap(&keeper);
		}
		if (n > 0 && !keeper_take_request(&keeper))
			break;
	}
	keeper_end_all(&keeper);
	free(keeper.children);
	return EXIT_SUCCESS;
}
