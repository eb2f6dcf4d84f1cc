/* SPDX-License-Identifier: MIT */
/*
 * linectl(1): reads the command line, connects to the control socket, runs the
 * command and exits.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linectl/command.h"
#include "linectl/control_socket.h"
#include "linectl/error.h"
#include "linectl/json.h"

struct options {
	const char *socket;
	bool json;
	unsigned long lines;
	const char *lines_text; /* the argument of the option */
	bool wrong;             /* getopt_long() has printed why */
};

static const struct option longs[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"lines", required_argument, NULL, 'n'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	puts("usage: linectl [-j] [-s SOCKET] [-n N] COMMAND [ARGUMENT]\n"
	     "\n"
	     "  -s, --socket SOCKET  the control socket "
	     "(" CONTROL_SOCKET ")\n"
	     "  -j, --json           print one JSON document\n"
	     "  -n, --lines N        tap: end after N lines\n"
	     "  -V, --version        print the version\n"
	     "  -h, --help           print this\n");
	command_list(stdout);
	printf("  %-20s %s\n", "help", "print this");
}

/* Fails if output could not be written, for instance to a full disk. */
static enum linectl_status flush_output(enum linectl_status status)
{
	if (fflush(stdout) == EOF || ferror(stdout)) {
		fprintf(stderr, "linectl: standard output: %s\n",
			strerror(errno));
		return LINECTL_REFUSED;
	}
	return status;
}

static void exit_misused(const struct options *options, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

static void exit_misused(const struct options *options, const char *format, ...)
{
	va_list arguments;
	char text[512];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (options->json)
		json_error(stdout, text);
	if (!options->wrong)
		error_print(text);
	fputs("linectl -h shows the commands and options\n", stderr);
	exit(LINECTL_USAGE);
}

static void options_take_lines(struct options *options)
{
	const char *text = options->lines_text;
	char *end;

	if (text == NULL)
		return;
	errno = 0;
	options->lines = strtoul(text, &end, 10);
	if (text[0] < '1' || text[0] > '9' || *end != '\0' || errno != 0)
		exit_misused(options, "-n: \"%s\" is no number of lines", text);
}

static void options_take(struct options *options, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "s:jn:Vh", longs, NULL)) !=
	       -1) {
		switch (option) {
		case 's':
			options->socket = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		case 'n':
			options->lines_text = optarg;
			break;
		case 'V':
			puts("linectl " PACKAGE_VERSION);
			exit(flush_output(LINECTL_DONE));
		case 'h':
			print_help();
			exit(flush_output(LINECTL_DONE));
		default:
			options->wrong = true;
			break;
		}
	}
	/* Errors are reported after all options are read, because --json
	 * decides how they are shown. */
	if (options->wrong)
		exit_misused(options,
			     "an option is unknown or without its value");
	options_take_lines(options);
}

/* Exits if the command is missing or unknown, if it takes another number of
 * arguments, or if it is "help". */
static const struct command *find_command(const struct options *options,
					  int argc, char **argv)
{
	const struct command *command;
	const char *wrong;

	if (argc == 0)
		exit_misused(options, "no command is named");
	if (strcmp(argv[0], "help") == 0) {
		print_help();
		exit(flush_output(LINECTL_DONE));
	}
	command = command_find(argv[0]);
	if (command == NULL)
		exit_misused(options, "unknown command \"%s\"", argv[0]);
	wrong = command_misused(command, argc - 1);
	if (wrong != NULL)
		exit_misused(options, "%s: %s (usage: linectl %s)", argv[0],
			     wrong, command_usage(command));
	return command;
}

int main(int argc, char **argv)
{
	struct options options = {.socket = CONTROL_SOCKET};
	struct command_call call = {.argument = ""};
	enum linectl_status status;
	char *error;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	options_take(&options, argc, argv);
	call.command = find_command(&options, argc - optind, argv + optind);
	if (argc - optind > 1)
		call.argument = argv[optind + 1];
	call.json = options.json;
	call.lines = options.lines;
	call.control = control_socket_open(options.socket, &error);
	if (call.control == NULL) {
		status = error_report(options.json, LINECTL_NO_DAEMON, error);
		free(error);
		return status;
	}
	status = command_run(&call);
	control_socket_close(call.control);
	return flush_output(status);
}
