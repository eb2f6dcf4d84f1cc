/* SPDX-License-Identifier: MIT */
/* Runs a process, and reads and writes its sockets. Also keeps the read end of
 * its standard input: lines that a program has not read when it ends are still
 * in the pipe and can be counted. */
#include "exec/program.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The most bytes before a line's text: an id, or a list of ids. */
#define PREFIX_MAX 65536

#define ERROR_LINE_MAX 1000

/* How long to read the output of a process that has ended, in case another
 * process holds the output open. */
#define OUTPUT_MS 500

/* A program counts as silent after this long without an answer. */
#define SILENT_MS 2000

/* ---- ending ------------------------------------------------------------- */

static void program_close_socket(struct lined_socket **sock)
{
	if (*sock == NULL)
		return;
	/* The socket closes later in the turn, perhaps after program and group
	 * are freed. */
	lined_socket_set_group(*sock, NULL);
	lined_socket_set_handlers(*sock, NULL, NULL);
	lined_socket_close(*sock);
	*sock = NULL;
}

void exec_program_free(struct exec_program *program)
{
	lined_timer_stop(&program->timer);
	if (program->process != NULL)
		lined_program_kill(program->process);
	program_close_socket(&program->input);
	program_close_socket(&program->output);
	program_close_socket(&program->errors);
	program_close_socket(&program->unread);
	if (program->input_end >= 0)
		close(program->input_end);
	if (program->prev != NULL)
		program->prev->next = program->next;
	else
		*program->all = program->next;
	if (program->next != NULL)
		program->next->prev = program->prev;
	free(program->how);
	free(program);
}

static void program_check_end(struct exec_program *program)
{
	if (program->process != NULL || program->output != NULL ||
	    program->errors != NULL || program->unread != NULL)
		return;
	program->handlers->ended(program, program->how != NULL ? program->how
							       : "it ended");
	exec_program_free(program);
}

static void program_on_timer(struct lined_timer *timer)
{
	struct exec_program *program =
		lined_container_of(timer, struct exec_program, timer);

	if (program->process == NULL) {
		program_close_socket(&program->output);
		program_close_socket(&program->errors);
		program_close_socket(&program->unread);
		program_check_end(program);
		return;
	}
	lined_program_signal(program->process,
			     program->kill_step == 0 ? SIGTERM : SIGKILL);
	/* SIGCONT: a stopped process handles SIGTERM only when continued. */
	if (program->kill_step++ == 0)
		lined_program_signal(program->process, SIGCONT);
	lined_timer_start(timer, program->kill_after_ms, 0);
}

void exec_program_end_input(struct exec_program *program)
{
	program->ending = true;
	if (program->input != NULL)
		lined_socket_close_after_flush(program->input,
					       LINED_CLOSE_LOCAL, UINT32_MAX);
}

void exec_program_end(struct exec_program *program, uint32_t wait_ms)
{
	exec_program_end_input(program);
	if (program->process != NULL && !lined_timer_is_armed(&program->timer))
		lined_timer_start(&program->timer, wait_ms, 0);
}

/* ---- the sockets -------------------------------------------------------- */

static void program_on_writable(struct lined_socket *sock, void *arg)
{
	struct exec_program *program = arg;

	program->handlers->writable(program);
}

static void program_on_closed(struct lined_socket *sock, void *arg,
			      enum lined_close_reason reason, int error)
{
	struct exec_program *program = arg;

	/* Nothing more can come from the program. */
	if (sock == program->output && program->process != NULL)
		exec_program_end(program, program->kill_after_ms);
	if (sock == program->input)
		program->input = NULL;
	else if (sock == program->output)
		program->output = NULL;
	else if (sock == program->errors)
		program->errors = NULL;
	else
		program->unread = NULL;
	program_check_end(program);
}

static const struct lined_socket_handlers input_handlers = {
	.handle_write = program_on_writable,
	.handle_close = program_on_closed,
};

static void program_on_output(struct lined_socket *sock, void *arg)
{
	struct exec_program *program = arg;

	program->spoke = true;
	program->handlers->readable(program);
}

static const struct lined_socket_handlers output_handlers = {
	.handle_read = program_on_output,
	.handle_close = program_on_closed,
};

static void program_on_errors(struct lined_socket *sock, void *arg)
{
	struct exec_program *program = arg;
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		if (line.len > 0)
			lined_service_log(program->service, LINED_LOG_WARNING,
					  "program says: %.*s%s", (int)line.len,
					  line.text,
					  line.truncated ? "..." : "");
}

static const struct lined_socket_handlers error_handlers = {
	.handle_read = program_on_errors,
	.handle_close = program_on_closed,
};

/* Counts the unread lines of clients: they begin with an id, and lined's own
 * lines do not. An empty line counts, too: it is the end of a line that was
 * read without its LF. */
static void program_on_unread(struct lined_socket *sock, void *arg)
{
	struct exec_program *program = arg;
	enum lined_line_status status;
	struct lined_line line;

	do {
		status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_READY &&
		    (line.len == 0 ||
		     (line.text[0] >= '0' && line.text[0] <= '9')))
			lined_service_count(program->service, "lines_unread",
					    1);
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
}

static const struct lined_socket_handlers unread_handlers = {
	.handle_read = program_on_unread,
	.handle_close = program_on_closed,
};

/* Makes *sock from the descriptor; closes the descriptor on failure. */
static int program_wrap(struct exec_program *program,
			struct lined_socket **sock, int fd,
			const struct lined_socket_handlers *handlers,
			const struct lined_framing *framing)
{
	struct lined_dispatcher *d = lined_service_dispatcher(program->service);

	*sock = lined_socket_new(handlers, program);
	if (*sock == NULL ||
	    lined_socket_wrap(*sock, fd, LINED_SOCKET_CONNECTED) < 0) {
		close(fd);
		program_close_socket(sock);
		return -1;
	}
	lined_socket_set_framing(*sock, framing);
	if (sock == &program->input)
		lined_socket_set_group(*sock, &program->group);
	if (lined_dispatcher_register_socket(d, *sock) != NULL)
		return 0;
	program_close_socket(sock);
	return -1;
}

/* Counts the lines that the program has not read. Must be called after the
 * program's end: the pipe's read end, which the program shares, becomes
 * non-blocking. */
static void program_count_unread(struct exec_program *program)
{
	const struct lined_framing framing = {
		.line_length = LINED_LINE_LENGTH_MAX,
		.unterminated = LINED_UNTERMINATED_DELIVER,
	};
	int fd = program->input_end;

	program->input_end = -1;
	if (program_wrap(program, &program->unread, fd, &unread_handlers,
			 &framing) == 0 &&
	    program->input != NULL)
		lined_socket_close_after_flush(program->input,
					       LINED_CLOSE_LOCAL, 0);
}

static void program_process_ended(struct lined_program *process, void *arg,
				  const char *how)
{
	struct exec_program *program = arg;

	program->process = NULL;
	program->how = strdup(how);
	if (program->input_end >= 0)
		program_count_unread(program);
	else
		program_close_socket(&program->input);
	lined_timer_start(&program->timer, OUTPUT_MS, 0);
	program_check_end(program);
}

static struct lined_framing
program_output_framing(const struct exec_program *program)
{
	const struct lined_framing *framing =
		lined_service_framing(program->service);

	return (struct lined_framing){
		.line_length = framing->line_length + PREFIX_MAX,
		.too_long = framing->too_long,
	};
}

static int program_wrap_all(struct exec_program *program, const int ends[4])
{
	struct lined_framing output = program_output_framing(program);
	struct lined_framing errors = {
		.line_length = ERROR_LINE_MAX,
		.too_long = LINED_TOO_LONG_TRUNCATE,
		.unterminated = LINED_UNTERMINATED_DELIVER,
	};
	int failed = 0;

	failed |= program_wrap(program, &program->input, ends[0],
			       &input_handlers, &output);
	failed |= program_wrap(program, &program->output, ends[1],
			       &output_handlers, &output);
	failed |= program_wrap(program, &program->errors, ends[2],
			       &error_handlers, &errors);
	program->input_end = ends[3];
	return failed;
}

/* ---- starting ----------------------------------------------------------- */

/* Joins three parts into a NULL-terminated list, which the caller frees; the
 * texts are not copied. */
static const char **program_join_list(const char *first,
				      const struct lined_option_list *second,
				      const char *const *third)
{
	size_t count = 0, i;
	const char **list;

	while (third != NULL && third[count] != NULL)
		count++;
	list = calloc(second->count + count + 2, sizeof(*list));
	if (list == NULL)
		return NULL;
	count = 0;
	if (first != NULL)
		list[count++] = first;
	for (i = 0; i < second->count; i++)
		list[count++] = second->items[i];
	for (i = 0; third != NULL && third[i] != NULL; i++)
		list[count++] = third[i];
	return list;
}

static int program_launch(struct exec_program *program,
			  const struct exec_options *options,
			  const char *const *variables, bool keep_unread)
{
	char path[PATH_MAX];
	struct lined_program_spec spec = {
		.path = path,
		.directory = options->directory,
		.memory = (uint64_t)options->memory,
		.cpu_s = (uint64_t)options->cpu_time_ms / 1000,
		.files = (uint64_t)options->files,
		.terminal = options->stdout_kind == EXEC_STDOUT_PTY,
		.keep_input = keep_unread,
	};
	const char **arguments, **environment, **readable;
	int ends[4], error;

	if (lined_program_find(options->command.items[0], path, sizeof(path)) <
	    0)
		return -1;
	arguments = program_join_list(NULL, &options->command, NULL);
	environment = program_join_list("PATH=" LINED_PROGRAM_PATH,
					&options->environment, variables);
	readable = program_join_list(NULL, &options->readable, NULL);
	if (arguments != NULL && environment != NULL && readable != NULL) {
		spec.arguments = arguments;
		spec.environment = environment;
		spec.readable = options->readable.count > 0 ? readable : NULL;
		program->process =
			lined_program_start(program->service, &spec, ends,
					    program_process_ended, program);
	}
	error = errno;
	free(arguments);
	free(environment);
	free(readable);
	errno = error;
	if (program->process == NULL)
		return -1;
	return program_wrap_all(program, ends);
}

struct exec_program *
exec_program_start(struct lined_service *service,
		   const struct exec_options *options,
		   const char *const *variables, bool keep_unread,
		   const struct exec_program_handlers *handlers, void *owner,
		   struct exec_program **all)
{
	struct exec_program *program = calloc(1, sizeof(*program));
	int error;

	if (program == NULL)
		return NULL;
	program->service = service;
	program->handlers = handlers;
	program->owner = owner;
	program->input_end = -1;
	program->all = all;
	program->next = *all;
	if (*all != NULL)
		(*all)->prev = program;
	*all = program;
	program->kill_after_ms = (uint32_t)options->kill_after_ms;
	program->started_ms =
		lined_dispatcher_now_ms(lined_service_dispatcher(service));
	program->spoke = true;
	lined_service_timer(service, &program->timer, program_on_timer);
	if (program_launch(program, options, variables, keep_unread) == 0) {
		lined_service_count(service, "programs_started", 1);
		return program;
	}
	error = errno;
	exec_program_free(program);
	errno = error;
	return NULL;
}

void exec_program_reload(struct exec_program *program,
			 const struct exec_options *options)
{
	struct lined_framing output = program_output_framing(program);

	program->kill_after_ms = (uint32_t)options->kill_after_ms;
	if (program->output != NULL)
		lined_socket_set_framing(program->output, &output);
}

/* ---- input -------------------------------------------------------------- */

bool exec_program_has_room(const struct exec_program *program)
{
	return program->input != NULL && !program->ending &&
	       lined_socket_is_writeable(program->input);
}

int exec_program_say(struct exec_program *program, const struct iovec *pieces,
		     size_t count)
{
	struct iovec all[8];

	if (program->input == NULL) {
		errno = EPIPE;
		return -1;
	}
	memcpy(all, pieces, count * sizeof(*pieces));
	all[count].iov_base = (void *)(uintptr_t) "\n";
	all[count].iov_len = 1;
	return lined_socket_sendv(program->input, all, count + 1);
}

void exec_program_ask(struct exec_program *program, const struct iovec *pieces,
		      size_t count)
{
	if (exec_program_say(program, pieces, count) < 0 && errno == ENOMEM)
		lined_service_count(program->service, "lines_lost", 1);
	program->asked_ms = lined_dispatcher_now_ms(
		lined_service_dispatcher(program->service));
	program->spoke = false;
}

/* ---- the process as the system shows it ---------------------------------- */

bool exec_program_is_idle(const struct exec_program *program, bool *known)
{
	int unread = 0, waits;

	*known = true;
	if (program->input == NULL || program->process == NULL)
		return true;
	if (lined_socket_queued(program->input) > 0 ||
	    ioctl(lined_socket_fd(program->input), FIONREAD, &unread) < 0 ||
	    unread > 0)
		return false;
	waits = lined_program_waits(program->process);
	*known = waits >= 0;
	return waits != 0;
}

uint64_t exec_program_memory(const struct exec_program *program)
{
	return program->process != NULL ? lined_program_memory(program->process)
					: 0;
}

bool exec_program_watch(const struct exec_program *program)
{
	uint64_t now_ms = lined_dispatcher_now_ms(
		lined_service_dispatcher(program->service));
	bool known;

	if (program->spoke || program->ending || program->input == NULL ||
	    program->process == NULL ||
	    now_ms - program->asked_ms < SILENT_MS ||
	    !exec_program_is_idle(program, &known) || !known)
		return false;
	lined_service_log(
		program->service, LINED_LOG_WARNING,
		"program %d has read a line, says nothing and waits for the "
		"next one: if it should have answered, it keeps its output in "
		"a buffer: flush it after each line (python3 -u, perl -e "
		"'$| = 1', sed -u, grep --line-buffered, mawk -W interactive)",
		(int)lined_program_pid(program->process));
	return true;
}
