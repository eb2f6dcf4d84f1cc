/* SPDX-License-Identifier: MIT */
/*
 * Makes pipes and pseudo-terminals, sends requests to the keeper, and passes on
 * its reports. If the keeper itself ends, its programs have also ended.
 */
#include "config.h"

#include "threads/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "system/hardening_helper.h"
#include "system/program_keeper.h"

struct lined_program {
	struct list link;
	struct programs *programs;
	uint32_t id;
	pid_t pid;
	char *path;
	void (*ended)(struct lined_program *program, void *arg,
		      const char *how);
	void *arg;
};

/* ---- ends --------------------------------------------------------------- */

static void program_free(struct lined_program *program)
{
	list_remove(&program->link);
	free(program->path);
	free(program);
}

static void program_end(struct lined_program *program, const char *how)
{
	struct programs *programs = program->programs;

	list_remove(&program->link);
	if (program->ended != NULL) {
		worker_enter(programs->worker, programs->instance);
		program->ended(program, program->arg, how);
		worker_leave(programs->worker);
	}
	program_free(program);
}

static void program_failed(struct lined_program *program,
			   const struct keeper_report *report)
{
	static const char *const steps[] = {
		[KEEPER_FORK] = "cannot start a process",
		[KEEPER_LIMITS] = "memory, cpu-time or files",
		[KEEPER_READABLE] = "readable",
		[KEEPER_DIRECTORY] = "directory",
	};
	char how[512];

	snprintf(how, sizeof(how), "%s: %s",
		 report->step == KEEPER_EXECUTE ? program->path
						: steps[report->step],
		 strerror(report->error));
	program_end(program, how);
}

static void program_exited(struct lined_program *program, int status)
{
	char how[64];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "killed by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exit status %d",
			 WEXITSTATUS(status));
	program_end(program, how);
}

static void programs_take_report(struct programs *programs,
				 const struct keeper_report *report)
{
	struct lined_program *program;

	list_for_each(program, &programs->all, link) {
		if (program->id != report->id)
			continue;
		if (report->kind == KEEPER_STARTED)
			program->pid = report->pid;
		else if (report->kind == KEEPER_FAILED)
			program_failed(program, report);
		else
			program_exited(program, report->status);
		return;
	}
}

/* ---- the keeper --------------------------------------------------------- */

static void programs_close_keeper(struct programs *programs)
{
	if (programs->keeper.fd < 0)
		return;
	lined_dispatcher_unregister(programs->worker->dispatcher,
				    &programs->keeper);
	keeper_close(programs->keeper.fd, programs->keeper_pid);
	programs->keeper.fd = -1;
}

/* The keeper has ended. Its programs are first moved to a list of their own:
 * ended() may start new programs with a new keeper. */
static void programs_lose_keeper(struct programs *programs)
{
	struct list lost;

	programs_close_keeper(programs);
	list_init(&lost);
	while (!list_is_empty(&programs->all)) {
		struct list *first = programs->all.next;

		list_remove(first);
		list_append(&lost, first);
	}
	while (!list_is_empty(&lost))
		program_end(list_entry(lost.next, struct lined_program, link),
			    "killed with its keeper");
}

static void programs_keeper_readable(struct lined_delegate *delegate)
{
	struct programs *programs =
		lined_container_of(delegate, struct programs, keeper);
	struct keeper_report report;

	while (programs->keeper.fd >= 0) {
		if (keeper_receive(programs->keeper.fd, &report) == 0)
			programs_take_report(programs, &report);
		else if (errno == EAGAIN || errno == EINTR)
			return;
		else
			programs_lose_keeper(programs);
	}
}

static const struct lined_delegate_handlers keeper_handlers = {
	.handle_read = programs_keeper_readable,
};

static int programs_open_keeper(struct programs *programs)
{
	if (programs->keeper.fd >= 0)
		return 0;
	programs->keeper.fd = keeper_open(&programs->keeper_pid);
	if (programs->keeper.fd < 0)
		return -1;
	programs->keeper.mode = LINED_MODE_READ;
	programs->keeper.handlers = &keeper_handlers;
	if (lined_dispatcher_register(programs->worker->dispatcher,
				      &programs->keeper) == 0)
		return 0;
	keeper_close(programs->keeper.fd, programs->keeper_pid);
	programs->keeper.fd = -1;
	return -1;
}

void programs_init(struct programs *programs, struct worker *worker,
		   const struct lined_service *instance)
{
	programs->worker = worker;
	programs->instance = instance;
	list_init(&programs->all);
	programs->keeper.fd = -1;
}

void programs_end(struct programs *programs)
{
	programs_close_keeper(programs);
	while (!list_is_empty(&programs->all))
		program_free(list_entry(programs->all.next,
					struct lined_program, link));
}

/* ---- starting ----------------------------------------------------------- */

static void ends_close(const int *ends, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

/* Opens a pseudo-terminal in raw mode: bytes arrive as written. */
static int terminal_open(int *own, int *theirs)
{
	struct termios raw;
	char name[64];

	*own = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*own < 0)
		return -1;
	if (grantpt(*own) < 0 || unlockpt(*own) < 0 ||
	    (errno = ptsname_r(*own, name, sizeof(name))) != 0)
		return -1;
	*theirs = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*theirs < 0 || tcgetattr(*theirs, &raw) < 0)
		return -1;
	cfmakeraw(&raw);
	return tcsetattr(*theirs, TCSANOW, &raw);
}

static int pipe_open(int *reads, int *writes)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*reads = ends[0];
	*writes = ends[1];
	return 0;
}

static int ends_open(const struct lined_program_spec *spec, int own[4],
		     int theirs[3])
{
	int i;

	for (i = 0; i < 3; i++)
		own[i] = theirs[i] = -1;
	own[3] = -1;
	if (pipe_open(&theirs[0], &own[0]) == 0 &&
	    (spec->terminal ? terminal_open(&own[1], &theirs[1])
			    : pipe_open(&own[1], &theirs[1])) == 0 &&
	    pipe_open(&own[2], &theirs[2]) == 0 &&
	    (!spec->keep_input ||
	     (own[3] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 0)) >= 0))
		return 0;
	i = errno;
	ends_close(own, 4);
	ends_close(theirs, 3);
	errno = i;
	return -1;
}

/* Writes the texts of a list (NULL: none), each with its NUL; returns the
 * number of texts. */
static uint32_t texts_write(FILE *out, const char *const *list)
{
	uint32_t count;

	for (count = 0; list != NULL && list[count] != NULL; count++)
		fwrite(list[count], 1, strlen(list[count]) + 1, out);
	return count;
}

static int programs_request(struct programs *programs, uint32_t id,
			    const struct lined_program_spec *spec,
			    const int theirs[3])
{
	struct keeper_request request = {
		.kind = KEEPER_START,
		.id = id,
		.watcher = helper_process(),
		.memory = spec->memory,
		.cpu_s = spec->cpu_s,
		.files = spec->files,
	};
	const char *places[] = {spec->path, spec->directory, NULL};
	char *texts = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&texts, &len);
	int result, error;

	if (out == NULL)
		return -1;
	texts_write(out, places);
	request.readable = texts_write(out, spec->readable);
	request.arguments = texts_write(out, spec->arguments);
	request.variables = texts_write(out, spec->environment);
	if (fclose(out) != 0) {
		free(texts);
		return -1;
	}
	result = keeper_send(programs->keeper.fd, &request, texts, len, theirs);
	error = errno;
	free(texts);
	errno = error;
	return result;
}

struct lined_program *
programs_start(struct programs *programs, const struct lined_program_spec *spec,
	       int ends[4],
	       void (*ended)(struct lined_program *program, void *arg,
			     const char *how),
	       void *arg)
{
	struct lined_program *program = calloc(1, sizeof(*program));
	int theirs[3], error;

	if (program == NULL)
		return NULL;
	list_init(&program->link);
	program->programs = programs;
	program->path = strdup(spec->path);
	program->ended = ended;
	program->arg = arg;
	program->id = ++programs->last_id;
	if (program->path != NULL && programs_open_keeper(programs) == 0 &&
	    ends_open(spec, ends, theirs) == 0) {
		if (programs_request(programs, program->id, spec, theirs) ==
		    0) {
			ends_close(theirs, 3);
			list_append(&programs->all, &program->link);
			return program;
		}
		error = errno;
		ends_close(theirs, 3);
		ends_close(ends, 4);
		errno = error;
	}
	error = errno;
	program_free(program);
	errno = error;
	return NULL;
}

void lined_program_signal(struct lined_program *program, int number)
{
	const struct keeper_request request = {
		.kind = KEEPER_KILL,
		.id = program->id,
		.signal = number,
	};

	keeper_send(program->programs->keeper.fd, &request, NULL, 0, NULL);
}

void lined_program_kill(struct lined_program *program)
{
	program->ended = NULL;
	lined_program_signal(program, SIGKILL);
}

int lined_program_waits(const struct lined_program *program)
{
	return program->pid > 0 ? helper_process_reads(program->pid) : -1;
}

uint64_t lined_program_memory(const struct lined_program *program)
{
	int kib = program->pid > 0 ? helper_process_memory(program->pid) : 0;

	return kib > 0 ? (uint64_t)kib * 1024 : 0;
}

pid_t lined_program_pid(const struct lined_program *program)
{
	return program->pid;
}
