/* SPDX-License-Identifier: MIT */
/* The table of options, and their check. */
#include "exec/options.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lined/program.h>

#define PROGRAMS_SHARED   1
#define PROGRAMS_EACH     100
#define PROGRAMS_MAX      10000
#define KILL_AFTER_MAX_MS (3600 * 1000)

static const char *const modes[] = {"shared", "each", NULL};
static const char *const stdout_kinds[] = {"pty", "pipe", NULL};

const struct lined_option exec_option_table[] = {
	{LINED_OPTION("command", LIST, struct exec_options, command)},
	{LINED_OPTION("mode", CHOICE, struct exec_options, mode),
	 .fallback = "shared", .choices = modes, .restarts = true},
	{LINED_OPTION("programs", INTEGER, struct exec_options, programs),
	 .fallback = "0", .min = 0, .max = PROGRAMS_MAX},
	{LINED_OPTION("stdout", CHOICE, struct exec_options, stdout_kind),
	 .fallback = "pty", .choices = stdout_kinds},
	{LINED_OPTION("environment", LIST, struct exec_options, environment)},
	{LINED_OPTION("directory", STRING, struct exec_options, directory),
	 .fallback = "/"},
	{LINED_OPTION("readable", LIST, struct exec_options, readable)},
	{LINED_OPTION("restart-max", DURATION, struct exec_options,
		      restart_max_ms),
	 .fallback = "1m", .min = 1000, .max = 86400000},
	{LINED_OPTION("kill-after", DURATION, struct exec_options,
		      kill_after_ms),
	 .fallback = "5s", .min = 1, .max = KILL_AFTER_MAX_MS},
	{LINED_OPTION("memory", SIZE, struct exec_options, memory)},
	{LINED_OPTION("cpu-time", DURATION, struct exec_options, cpu_time_ms)},
	{LINED_OPTION("files", INTEGER, struct exec_options, files)},
	{0},
};

static void options_check_command(struct lined_check *check,
				  const struct exec_options *options)
{
	const char *command =
		options->command.count > 0 ? options->command.items[0] : "";
	char path[PATH_MAX];

	if (command[0] == '\0')
		lined_check_error(check, "command",
				  "it is missing: command = "
				  "{ \"/path/of/a/program\", \"argument\" }");
	else if (lined_program_find(command, path, sizeof(path)) == 0)
		return;
	else if (errno == EINVAL)
		lined_check_error(check, "command",
				  "%s: a path must be absolute", command);
	else if (errno == ENOENT && strchr(command, '/') == NULL)
		lined_check_error(check, "command",
				  "%s: not found in " LINED_PROGRAM_PATH,
				  command);
	else if (errno == EACCES)
		lined_check_error(check, "command",
				  "%s: not executable for the user that runs "
				  "lined: chmod +x, and x for the directories "
				  "above it",
				  command);
	else
		lined_check_error(check, "command", "%s: %s", command,
				  strerror(errno));
}

static void options_check_environment(struct lined_check *check,
				      const struct exec_options *options)
{
	size_t i;

	for (i = 0; i < options->environment.count; i++) {
		const char *item = options->environment.items[i];

		if (item[0] == '=' || strchr(item, '=') == NULL)
			lined_check_error(check, "environment",
					  "\"%s\" is not NAME=VALUE", item);
	}
}

static void options_check_readable(struct lined_check *check,
				   const struct exec_options *options)
{
	size_t i;

	for (i = 0; i < options->readable.count; i++) {
		const char *path = options->readable.items[i];

		if (path[0] != '/')
			lined_check_error(check, "readable",
					  "%s: a path must be absolute", path);
		else if (access(path, F_OK) < 0)
			lined_check_error(check, "readable", "%s: %s", path,
					  strerror(errno));
	}
}

void exec_options_check(struct lined_check *check, const void *arg)
{
	const struct exec_options *options = arg;
	struct stat st;

	options_check_command(check, options);
	options_check_environment(check, options);
	options_check_readable(check, options);
	if (options->directory[0] != '/')
		lined_check_error(check, "directory",
				  "%s: a path must be absolute",
				  options->directory);
	else if (stat(options->directory, &st) < 0)
		lined_check_error(check, "directory", "%s: %s",
				  options->directory, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		lined_check_error(check, "directory", "%s: no directory",
				  options->directory);
	if (options->cpu_time_ms % 1000 != 0)
		lined_check_error(check, "cpu-time", "whole seconds only");
	if (options->mode == EXEC_EACH &&
	    lined_check_is_set(check, "restart-max"))
		lined_check_warning(check, "restart-max",
				    "without effect in mode each");
}

size_t exec_options_programs(const struct exec_options *options)
{
	if (options->programs > 0)
		return (size_t)options->programs;
	return options->mode == EXEC_SHARED ? PROGRAMS_SHARED : PROGRAMS_EACH;
}
