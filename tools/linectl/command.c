/* SPDX-License-Identifier: MIT */
/*
 * The table of commands, and what is the same for nearly all of them: ask,
 * wait, show.
 */
#include "config.h"

#include "linectl/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linectl/answer.h"
#include "linectl/error.h"
#include "linectl/json.h"
#include "common/memory.h"
#include "linectl/metrics.h"
#include "linectl/show.h"
#include "linectl/tap.h"
#include "linectl/top.h"
#include "linectl/utf8.h"

/* The daemon itself waits five seconds for a worker. */
#define PATIENCE_MS 15000

#define FILE_MAX (1024 * 1024)

enum argument { ARGUMENT_NONE, ARGUMENT_MAY_BE, ARGUMENT_MUST_BE };

struct member {
	const char *key, *kind;
	bool single;
};

#define MEMBERS 2

struct command {
	const char *usage; /* the name, and what follows it */
	const char *summary;
	enum argument argument;
	unsigned timeout_ms;
	void (*show)(const struct answer *answer, const char *argument,
		     FILE *out);
	struct member members[MEMBERS]; /* of the JSON document */
	/* In place of asking and showing. */
	enum linectl_status (*run)(const struct command_call *call);
};

static enum linectl_status run_plan(const struct command_call *call);

static const struct command commands[] = {
	{"status",
	 "the daemon and its workers",
	 ARGUMENT_NONE,
	 PATIENCE_MS,
	 show_status,
	 {{"daemon", "daemon", true}, {"workers", "worker", false}},
	 NULL},
	{"services [SERVICE]",
	 "the services, or all about one",
	 ARGUMENT_MAY_BE,
	 PATIENCE_MS,
	 show_services,
	 {{"services", "service", false}},
	 NULL},
	{"clients [SERVICE]",
	 "who is connected",
	 ARGUMENT_MAY_BE,
	 PATIENCE_MS,
	 show_clients,
	 {{"clients", "client", false}},
	 NULL},
	{"why ADDRESS",
	 "which rule or limit decides on a client from there",
	 ARGUMENT_MUST_BE,
	 PATIENCE_MS,
	 show_why,
	 {{"rulings", "ruling", false}},
	 NULL},
	{"plan FILE",
	 "what a reload of the file would do",
	 ARGUMENT_MUST_BE,
	 PATIENCE_MS,
	 show_plan,
	 {{"messages", "message", false}, {"steps", "step", false}},
	 run_plan},
	{"tap SERVICE",
	 "its lines, while they come",
	 ARGUMENT_MUST_BE,
	 0,
	 NULL,
	 {{.key = NULL}},
	 tap_run},
	{"metrics",
	 "the counters, as Prometheus reads them",
	 ARGUMENT_NONE,
	 PATIENCE_MS,
	 show_metrics,
	 {{.key = NULL}},
	 metrics_run},
	{"top",
	 "a live view of the services and workers",
	 ARGUMENT_NONE,
	 PATIENCE_MS,
	 NULL,
	 {{.key = NULL}},
	 top_run},
	{"kick ID",
	 "close a client",
	 ARGUMENT_MUST_BE,
	 PATIENCE_MS,
	 show_kick,
	 {{"kicked", "client", true}},
	 NULL},
	{"drain SERVICE",
	 "end a service, until the next reload",
	 ARGUMENT_MUST_BE,
	 0,
	 show_drain,
	 {{"drained", "drained", true}},
	 NULL},
	{"reload",
	 "read the configuration again",
	 ARGUMENT_NONE,
	 0,
	 show_reload,
	 {{"messages", "message", false}},
	 NULL},
	{"log LEVEL",
	 "log from err, warning, notice, info or debug on, until the next "
	 "reload",
	 ARGUMENT_MUST_BE,
	 PATIENCE_MS,
	 show_log,
	 {{.key = NULL}},
	 NULL},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ---- the table --------------------------------------------------------- */

static size_t name_len(const struct command *command)
{
	return strcspn(command->usage, " ");
}

const struct command *command_find(const char *name)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		if (strlen(name) == name_len(&commands[i]) &&
		    strncmp(commands[i].usage, name, strlen(name)) == 0)
			return &commands[i];
	return NULL;
}

const char *command_misused(const struct command *command, int arguments)
{
	if (command->argument == ARGUMENT_MUST_BE && arguments == 0)
		return "an argument is missing";
	if (arguments > (command->argument == ARGUMENT_NONE ? 0 : 1))
		return "too many arguments";
	return NULL;
}

const char *command_usage(const struct command *command)
{
	return command->usage;
}

void command_list(FILE *out)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-20s %s\n", commands[i].usage,
			commands[i].summary);
}

/* ---- asking and showing ------------------------------------------------ */

static void write_json(const struct command *command,
		       const struct answer *answer)
{
	bool first = true;
	size_t i;

	fputs("{", stdout);
	if (answer->end != ANSWER_OK) {
		fputs("\"error\":", stdout);
		json_string(stdout, answer->error);
		first = false;
	}
	for (i = 0; i < MEMBERS && command->members[i].key != NULL; i++)
		json_member(stdout, &first, command->members[i].key,
			    command->members[i].kind,
			    command->members[i].single, answer->records,
			    answer->count);
	fputs("}\n", stdout);
}

static void show(const struct command_call *call, const struct answer *answer)
{
	char *argument = utf8_shown(call->argument);

	show_messages(answer);
	if (answer->end == ANSWER_OK || answer->count > 0)
		call->command->show(answer, argument, stdout);
	free(argument);
}

static enum linectl_status finish(const struct command_call *call,
				  const struct answer *answer)
{

	if (call->json)
		write_json(call->command, answer);
	else
		show(call, answer);
	if (answer->end == ANSWER_OK)
		return LINECTL_DONE;
	error_print(answer->error);
	return answer->end == ANSWER_REFUSED ? LINECTL_REFUSED
					     : LINECTL_NO_DAEMON;
}

static enum linectl_status ask(const struct command_call *call,
			       const char *request, size_t len)
{
	enum linectl_status status;
	struct answer answer;

	answer_get(&answer, call->control, request, len,
		   call->command->timeout_ms);
	status = finish(call, &answer);
	answer_fini(&answer);
	return status;
}

enum linectl_status command_run(const struct command_call *call)
{
	enum linectl_status status;
	char *request;

	if (strchr(call->argument, '\n') != NULL) {
		static const char error[] =
			"an argument with a line break in it names nothing";

		if (call->json)
			json_error(stdout, error);
		error_print(error);
		return LINECTL_USAGE;
	}
	if (call->command->run != NULL)
		return call->command->run(call);
	request = memory_format("%.*s %s\n", (int)name_len(call->command),
				call->command->usage, call->argument);
	status = ask(call, request, strlen(request));
	free(request);
	return status;
}

/* ---- plan -------------------------------------------------------------- */

/* The whole file; NULL and errno. */
static char *read_file(int fd, size_t *len)
{
	char *text = memory_new(FILE_MAX + 1, 1);
	ssize_t n;

	*len = 0;
	while ((n = read(fd, text + *len, FILE_MAX + 1 - *len)) > 0)
		*len += (size_t)n;
	if (n == 0 && *len <= FILE_MAX)
		return text;
	if (n == 0)
		errno = EFBIG;
	free(text);
	return NULL;
}

static char *open_and_read(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	int error;

	if (fd < 0)
		return NULL;
	text = read_file(fd, len);
	error = errno;
	close(fd);
	errno = error;
	return text;
}

/* The file goes with the request: the daemon may not see it where it lies, or
 * may see what the caller does not. */
static enum linectl_status run_plan(const struct command_call *call)
{
	char *path = realpath(call->argument, NULL), *text = NULL, *head;
	enum linectl_status status;
	size_t len = 0, head_len;

	if (path != NULL && strchr(path, '\n') == NULL)
		text = open_and_read(path, &len);
	if (text == NULL) {
		head = memory_format("%s: %s", call->argument, strerror(errno));
		if (call->json)
			json_error(stdout, head);
		error_print(head);
		free(head);
		free(path);
		return LINECTL_REFUSED;
	}
	head = memory_format("plan %zu %s\n", len, path);
	head_len = strlen(head);
	head = realloc(head, head_len + len + 1);
	if (head == NULL)
		exit(LINECTL_REFUSED);
	memcpy(head + head_len, text, len);
	status = ask(call, head, head_len + len);
	free(head);
	free(text);
	free(path);
	return status;
}
