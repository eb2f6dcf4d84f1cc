/* SPDX-License-Identifier: MIT */
/*
 * lined(8). Reads the command line and exits; the daemon is in daemon.c.
 */
#include "config.h"

#include <stdlib.h>

#include "daemon.h"
#include "options.h"

int main(int argc, char **argv)
{
	struct options options;

	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_SHOWN:
		exit(EXIT_STOPPED);
	case OPTIONS_WRONG:
		exit(EXIT_BAD_USAGE);
	case OPTIONS_RUN:
		break;
	}
	exit(options.check ? daemon_check(&options) : daemon_run(&options));
}
