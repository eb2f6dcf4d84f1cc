/* SPDX-License-Identifier: MIT */
/*
 * Reads the command line with getopt_long(3).
 */
#include "config.h"

#include "cmdline.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: lined [-c FILE] [-t] [-d] [-l LEVEL]\n"
	"             [-L auto|stderr|syslog|journal] [-m MODULE_DIR]\n"
	"             [--pid-file FILE] [--notify-fd N] [-V] [-h]\n"
	"\n"
	"  -c, --config FILE       the configuration (" CONFIG_FILE ")\n"
	"  -t, --check             check the configuration and exit: 0 if it\n"
	"                          is valid, 1 if it is not\n"
	"  -d, --daemon            run in the background once started\n"
	"  -l, --log-level LEVEL   err, warning, notice, info or debug\n"
	"  -L, --log TARGET        stderr, syslog, journal or auto: stderr on "
	"a\n"
	"                          terminal, else journal or syslog if there "
	"is\n"
	"                          one, else stderr\n"
	"  -m, --module-dir DIR    look for protocol modules here first, then\n"
	"                          in " MODULE_DIR "\n"
	"      --pid-file FILE     write the number of the process to FILE\n"
	"      --notify-fd N       write a newline to descriptor N once "
	"started,\n"
	"                          for s6 and its like\n"
	"  -V, --version           the version and the build options\n"
	"  -h, --help              this text\n"
	"\n"
	"Signals: TERM and INT stop (a second one at once), HUP reloads, USR1\n"
	"logs the counters. See lined(8) and lined.conf(5).\n";

enum cmdline_long {
	CMDLINE_PID_FILE = 256,
	CMDLINE_NOTIFY_FD,
};

static const struct option long_options[] = {
	{"pid-file", required_argument, NULL, CMDLINE_PID_FILE},
	{"notify-fd", required_argument, NULL, CMDLINE_NOTIFY_FD},
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, 't'},
	{"daemon", no_argument, NULL, 'd'},
	{"log-level", required_argument, NULL, 'l'},
	{"log", required_argument, NULL, 'L'},
	{"module-dir", required_argument, NULL, 'm'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void cmdline_print_version(void)
{
	printf("lined %s\n", PACKAGE_VERSION);
#ifdef HAVE_EPOLL
	printf("pollers: epoll poll\n");
#else
	printf("pollers: poll\n");
#endif
#ifdef HAVE_LIBSYSTEMD
	printf("systemd: yes\n");
#else
	printf("systemd: no\n");
#endif
	printf("modules: %s\n", MODULE_DIR);
}

static int cmdline_refuse(const char *what, const char *value,
			  const char *choices)
{
	fprintf(stderr, "lined: %s: \"%s\" is not one of %s\n", what, value,
		choices);
	return -1;
}

static int cmdline_set_level(struct cmdline *cmdline, const char *text)
{
	int level = log_level_from_text(text);

	if (level < 0)
		return cmdline_refuse("log level", text,
				      "err, warning, notice, info, debug");
	cmdline->log_level = (enum lined_log_level)level;
	cmdline->log_level_given = true;
	return 0;
}

static int cmdline_set_target(struct cmdline *cmdline, const char *text)
{
	int target = log_target_from_text(text);

	if (target < 0)
		return cmdline_refuse("log target", text,
				      "auto, stderr, syslog, journal");
	cmdline->log_target = (enum log_target)target;
	cmdline->log_target_given = true;
	return 0;
}

/* Reads a descriptor's number, at least 3, and sets FD_CLOEXEC. -1: the error
 * was printed. */
static int cmdline_set_notify_fd(struct cmdline *cmdline, const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || fd <= STDERR_FILENO ||
	    fd > INT_MAX) {
		fprintf(stderr,
			"lined: --notify-fd: \"%s\" is not a descriptor from 3 "
			"on\n",
			text);
		return -1;
	}
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) {
		fprintf(stderr, "lined: --notify-fd: descriptor %ld: %s\n", fd,
			strerror(errno));
		return -1;
	}
	cmdline->notify_fd = (int)fd;
	return 0;
}

/* Makes a path absolute, because a detached process runs in "/". -1: the error
 * was printed. */
static int cmdline_absolute(const char **path)
{
	char *here, *whole;

	if (*path == NULL || (*path)[0] == '/')
		return 0;
	here = getcwd(NULL, 0);
	if (here == NULL ||
	    asprintf(&whole, "%s/%s", strcmp(here, "/") != 0 ? here : "",
		     *path) < 0) {
		fprintf(stderr, "lined: working directory: %s\n",
			strerror(errno));
		free(here);
		return -1;
	}
	free(here);
	*path = whole;
	return 0;
}

static int cmdline_make_absolute(struct cmdline *cmdline)
{
	size_t i;

	if (cmdline_absolute(&cmdline->config) < 0 ||
	    cmdline_absolute(&cmdline->pid_file) < 0)
		return -1;
	for (i = 0; i < cmdline->module_dir_count; i++)
		if (cmdline_absolute(&cmdline->module_dirs[i]) < 0)
			return -1;
	return 0;
}

/* Handles one option. -1: the option is invalid, and the error was printed. For
 * '?', getopt_long(3) has printed it. */
static int cmdline_take(struct cmdline *cmdline, int option)
{
	switch (option) {
	case 'c':
		cmdline->config = optarg;
		return 0;
	case 't':
		cmdline->check = true;
		return 0;
	case 'd':
		cmdline->detach = true;
		return 0;
	case 'l':
		return cmdline_set_level(cmdline, optarg);
	case 'L':
		return cmdline_set_target(cmdline, optarg);
	case 'm':
		if (cmdline->module_dir_count == CMDLINE_MODULE_DIRS_MAX) {
			fprintf(stderr, "lined: more than %d -m\n",
				CMDLINE_MODULE_DIRS_MAX);
			return -1;
		}
		cmdline->module_dirs[cmdline->module_dir_count++] = optarg;
		return 0;
	case CMDLINE_PID_FILE:
		cmdline->pid_file = optarg;
		return 0;
	case CMDLINE_NOTIFY_FD:
		return cmdline_set_notify_fd(cmdline, optarg);
	default:
		return -1;
	}
}

enum cmdline_result cmdline_parse(struct cmdline *cmdline, int argc,
				  char **argv)
{
	int option;

	memset(cmdline, 0, sizeof(*cmdline));
	cmdline->config = CONFIG_FILE;
	cmdline->notify_fd = -1;
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:tdl:L:m:Vh", long_options,
				     NULL)) != -1) {
		if (option == 'V') {
			cmdline_print_version();
			return CMDLINE_SHOWN;
		}
		if (option == 'h') {
			fputs(help, stdout);
			return CMDLINE_SHOWN;
		}
		if (cmdline_take(cmdline, option) < 0)
			goto usage;
	}
	if (optind == argc) {
		if (cmdline->detach && !cmdline->check &&
		    cmdline_make_absolute(cmdline) < 0)
			return CMDLINE_WRONG;
		return CMDLINE_RUN;
	}
	fprintf(stderr, "lined: \"%s\": lined takes no operands\n",
		argv[optind]);
usage:
	fputs("lined -h shows the options\n", stderr);
	return CMDLINE_WRONG;
}
