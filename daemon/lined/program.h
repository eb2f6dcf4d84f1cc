/* SPDX-License-Identifier: MIT */
/*
 * Programs that a protocol starts: their standard input, output and error are
 * descriptors of the protocol. A program runs in its own session and process
 * group, with only the given environment and these descriptors, and cannot gain
 * rights. When lined ends, even in a crash, all remaining programs and their
 * descendants are killed.
 *
 * Thread: the instance's worker.
 */
#ifndef LINED_PROGRAM_H
#define LINED_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lined/api.h>
#include <lined/service.h>

LINED_BEGIN_DECLS

struct lined_program;

/* The caller keeps ownership of all members. */
struct lined_program_spec {
	const char *path; /* absolute path of the file */
	/* NULL-terminated: argv[] and "NAME=value". */
	const char *const *arguments, *const *environment;
	const char *directory; /* working directory */
	/*
	 * NULL-terminated paths of files and directories. The program can read
	 * these and what is below them, its own file, the system's programs and
	 * libraries, /dev and /proc. Such a list needs Landlock. NULL or an
	 * empty list: any file that the user can read.
	 */
	const char *const *readable;
	/* Limits set by setrlimit(2); 0: as lined's. */
	uint64_t memory; /* bytes of address space */
	uint64_t cpu_s;  /* seconds of CPU time */
	uint64_t files;  /* open descriptors */
	/* Standard output is a pseudo-terminal in raw mode; otherwise a pipe. C
	 * programs write each line to a terminal at once, but only full blocks
	 * to a pipe. */
	bool terminal;
	/* The caller also gets the read end of standard input, to read what the
	 * program has not read when it ends. */
	bool keep_input;
};

/* The directories in which lined_program_find() searches. */
#define LINED_PROGRAM_PATH                                                     \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * Finds the file of a command. The command is an absolute path, or a name that
 * is searched in LINED_PROGRAM_PATH. Writes the path. -1 with errno: ENOENT,
 * EACCES (not a regular file, or not executable for this user), EISDIR, EINVAL
 * (a relative path), ENAMETOOLONG.
 */
LINED_API int lined_program_find(const char *command, char *path, size_t size);

/*
 * Starts a program. The caller then owns the descriptors in ends[], for
 * lined_socket_wrap(): ends[0] to ends[2] are the caller's ends of standard
 * input, output and error; ends[3] is the read end of standard input (-1
 * without keep_input). ended() is called once, later; then the program is
 * freed. `how` says how the program ended or why it could not be started: "exit
 * status 1", "killed by signal 9 (Killed)", "/bin/x: No such file or
 * directory". NULL with errno: ENOMEM, EMSGSIZE (paths, arguments and
 * environment together need more than 64 KiB), EAGAIN, EMFILE, or an error of
 * posix_spawn(3), pipe(2) or posix_openpt(3).
 */
LINED_API struct lined_program *
lined_program_start(struct lined_service *service,
		    const struct lined_program_spec *spec, int ends[4],
		    void (*ended)(struct lined_program *program, void *arg,
				  const char *how),
		    void *arg);

/* Closes a client with LINED_CLOSE_LIMIT because no more programs may run. The
 * refusal is logged, and counted in the service's refusals as `programs`. */
LINED_API void lined_program_refuse(struct lined_socket *client);

/* Sends a signal to the program's process group. */
LINED_API void lined_program_signal(struct lined_program *program, int number);

/* Kills the program's process group. ended() is not called. */
LINED_API void lined_program_kill(struct lined_program *program);

/* 1: the program sleeps in read(2) of its standard input; 0: it does not; -1:
 * unknown, because the system does not say, the program has not started yet, or
 * it waits for one of several events, as in poll(2). */
LINED_API int lined_program_waits(const struct lined_program *program);

/* The program's resident memory in bytes; 0: unknown. */
LINED_API uint64_t lined_program_memory(const struct lined_program *program);

/* The program's process id; 0: not known yet. */
LINED_API pid_t lined_program_pid(const struct lined_program *program);

LINED_END_DECLS

#endif
