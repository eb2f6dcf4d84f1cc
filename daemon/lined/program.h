/* SPDX-License-Identifier: MIT */
/*
 * Programs that a protocol starts: their standard input, output and error are
 * descriptors of the protocol. A program runs in a session and a process group
 * of its own, with the environment that is given and no other descriptor, and
 * cannot gain rights. When lined ends, however it ends, all that is left of its
 * programs and of what they have started is killed.
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

/* Everything is borrowed for the call. */
struct lined_program_spec {
	const char *path; /* of the file, absolute */
	/* NULL-terminated: argv[] and "NAME=value". */
	const char *const *arguments, *const *environment;
	const char *directory; /* to run in */
	/*
	 * NULL-terminated paths of files and directories. The program can read
	 * these and what is below them, besides its own file and those of the
	 * system's programs. NULL: any file that the user can read. Needs
	 * Landlock.
	 */
	const char *const *readable;
	/* Limits of setrlimit(2); 0: those of lined. */
	uint64_t memory; /* bytes of address space */
	uint64_t cpu_s;  /* seconds of CPU time */
	uint64_t files;  /* open descriptors */
	/* Standard output is a pseudo-terminal in raw mode, or else a pipe: a C
	 * program writes each line at once to a terminal, and only full blocks
	 * to a pipe. */
	bool terminal;
	/* The caller gets the read end of the standard input, too: what the
	 * program has not read when it ends is still there. */
	bool keep_input;
};

/*
 * Finds the file of a command: a path with a slash, or a name that is looked up
 * in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin and /bin.
 * Writes its path. -1 with errno: ENOENT, EACCES (not executable for this
 * user), EINVAL (a relative path), ENAMETOOLONG.
 */
LINED_API int lined_program_find(const char *command, char *path, size_t size);

/*
 * Starts a program. The protocol's ends of its standard input, output and error
 * are stored in ends[0] to ends[2], with keep_input the read end in ends[3] (-1
 * without), and belong to the caller, for lined_socket_wrap(). ended() is
 * called later, once: `how` says how the program ended or why it could not be
 * started, "exit status 1", "killed by signal 9",
 * "/bin/x: No such file or directory"; the program is freed after it. NULL with
 * errno: ENOMEM, EMSGSIZE (arguments and environment exceed 60 KB), EAGAIN,
 * EMFILE, or of posix_spawn(3), pipe(2) and posix_openpt(3).
 */
LINED_API struct lined_program *
lined_program_start(struct lined_service *service,
		    const struct lined_program_spec *spec, int ends[4],
		    void (*ended)(struct lined_program *program, void *arg,
				  const char *how),
		    void *arg);

/* Closes a client with LINED_CLOSE_LIMIT, because no more programs may run.
 * This is logged, and counted among the service's refusals as `programs`. */
LINED_API void lined_program_refuse(struct lined_socket *client);

/* Sends a signal to the program's process group. */
LINED_API void lined_program_signal(struct lined_program *program, int number);

/* Kills the program's process group; ended() is not called. */
LINED_API void lined_program_kill(struct lined_program *program);

/* Whether it sleeps in read(2) of its standard input: 1, 0; -1: not known,
 * because the system does not tell, it has not started yet, or it waits for one
 * of several events, as in poll(2). */
LINED_API int lined_program_waits(const struct lined_program *program);

/* Its resident memory in bytes; 0: not known. */
LINED_API uint64_t lined_program_memory(const struct lined_program *program);

/* Its process; 0: not known yet. */
LINED_API pid_t lined_program_pid(const struct lined_program *program);

LINED_END_DECLS

#endif
