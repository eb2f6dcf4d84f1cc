/* SPDX-License-Identifier: MIT */
/*
 * main() of lined(8): runs the daemon, or one of its helper processes, and
 * exits with the result.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmdline.h"
#include "daemon.h"
#include "net/broker.h"
#include "reload.h"
#include "system/crash.h"
#include "system/hardening_helper.h"
#include "system/program_keeper.h"
#include "system/self_spawn.h"

/* Opens /dev/null for each closed standard descriptor: otherwise a client's
 * socket could become descriptor 2 and receive the log. */
static void fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Returns an error if help or version could not be written, e.g. to a full
 * disk. */
static enum exit_code flush_shown(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_STOPPED;
	fprintf(stderr, "lined: standard output: %s\n", strerror(errno));
	return EXIT_NOT_STARTED;
}

int main(int argc, char **argv)
{
	struct cmdline cmdline;
	enum exit_code code;

	if (self_is(SELF_KEEPER, argc, argv))
		return keeper_main();
	if (self_is(SELF_HELPER, argc, argv))
		return helper_main();
	fill_standard_fds();
	if (self_is(SELF_CONFIG_READER, argc, argv))
		_exit(reload_child_main()); /* without freeing memory */
	switch (cmdline_parse(&cmdline, argc, argv)) {
	case CMDLINE_SHOWN:
		exit(flush_shown());
	case CMDLINE_WRONG:
		exit(EXIT_BAD_USAGE);
	case CMDLINE_RUN:
		break;
	}
	code = cmdline.check ? daemon_check(&cmdline) : daemon_run(&cmdline);
	crash_watch_end();
	/* A broker's thread still runs code of libnats: exit() would unload the
	 * library. */
	if (broker_is_left())
		_exit(code);
	exit(code);
}
