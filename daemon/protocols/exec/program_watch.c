/* SPDX-License-Identifier: MIT */
/*
 * Asks the system about a program: whether it waits for input, its memory,
 * and whether it has answered. Changes nothing; may log.
 */
#include "exec/program.h"

#include <sys/ioctl.h>

/* A program counts as silent after this long without an answer. */
#define SILENT_MS 2000

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
