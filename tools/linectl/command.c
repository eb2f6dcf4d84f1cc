/* SPDX-License-Identifier: MIT */
/*
 * The table of commands, and the steps of nearly all of them: send a request,
 * wait, show the answer.
 */
#include "config.h"

#include "linectl/command.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"
#include "linectl/control_answer.h"
#include "linectl/json.h"
#include "linectl/metrics.h"
#include "linectl/plan.h"
#include "linectl/show.h"
#include "linectl/tap.h"
#include "linectl/top.h"
#include "linectl/utf8.h"

/* How long to wait for an answer. The daemon itself waits up to 5 s for a
 * worker. */
#define PATIENCE_MS 15000

/* A member of the JSON document: the record, or all records, of a kind. */
struct member {
	const char *key, *kind;
	bool single;
};

#define MEMBERS 6

struct command {
	/* The name, and the argument; an optional argument is in brackets. */
	const char *usage;
	const char *summary;
	void (*show)(struct answer *answer, const char *argument, FILE *out);
	struct member members[MEMBERS];
	/* A second request, whose records are added to the answer. It may fail,
	 * because an older daemon does not know the request. */
	const char *also;
	/* For commands that need more than requests and show(); else NULL. */
	enum linectl_status (*run)(const struct command_call *call);
	bool has_no_timeout; /* the answer may take any time */
};

static enum linectl_status run_plan(const struct command_call *call);

static const struct command commands[] = {
	{
		.usage = "status",
		.summary = "the daemon and its workers",
		.show = show_status,
		.members = {{"daemon", "daemon", true},
			    {"workers", "worker", false},
			    {"tls", "tls", false},
			    {"programs", "programs", false},
			    {"cluster", "cluster", false},
			    {"nodes", "node", false}},
		.also = "programs\n",
	},
	{
		.usage = "services [SERVICE]",
		.summary = "the services, or all about one",
		.show = show_services,
		.members = {{"services", "service", false}},
	},
	{
		.usage = "clients [SERVICE]",
		.summary = "the clients that are connected",
		.show = show_clients,
		.members = {{"clients", "client", false}},
	},
	{
		.usage = "upstreams",
		.summary = "the upstreams of relay, and which ones are good",
		.show = show_upstreams,
		.members = {{"upstreams", "upstream", false}},
	},
	{
		.usage = "cluster",
		.summary = "this node of the cluster, and the others",
		.show = show_cluster,
		.members = {{"cluster", "cluster", true},
			    {"nodes", "node", false}},
	},
	{
		.usage = "why ADDRESS",
		.summary = "which rule or limit decides on a client from there",
		.show = show_why,
		.members = {{"rulings", "ruling", false}},
	},
	{
		.usage = "plan FILE",
		.summary = "what a reload of the file would do",
		.show = show_plan,
		.members = {{"messages", "message", false},
			    {"steps", "step", false}},
		.run = run_plan,
	},
	{
		.usage = "tap SERVICE",
		.summary = "the lines that its clients send, live",
		.run = tap_run,
	},
	{
		.usage = "metrics",
		.summary = "the counters, in the format of Prometheus",
		.run = metrics_run,
	},
	{
		.usage = "top",
		.summary = "a live view of the services and workers",
		.run = top_run,
	},
	{
		.usage = "kick ID",
		.summary = "close a client",
		.show = show_kick,
		.members = {{"kicked", "client", true}},
	},
	{
		.usage = "forgive ADDRESS",
		.summary = "end the penalties of an address",
		.show = show_forgive,
		.members = {{"forgiven", "forgiven", false}},
	},
	{
		.usage = "drain SERVICE",
		.summary = "end a service, until the next reload",
		.show = show_drain,
		.members = {{"drained", "drained", true}},
		.has_no_timeout = true,
	},
	{
		.usage = "reload",
		.summary = "read the configuration again",
		.show = show_reload,
		.members = {{"messages", "message", false}},
		.has_no_timeout = true,
	},
	{
		.usage = "log LEVEL",
		.summary = "log from err, warning, notice, info or debug on, "
			   "until the next reload",
		.show = show_log,
	},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ---- the table --------------------------------------------------------- */

static size_t command_name_len(const struct command *command)
{
	return strcspn(command->usage, " ");
}

const struct command *command_find(const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; i < COMMANDS; i++)
		if (len == command_name_len(&commands[i]) &&
		    memcmp(commands[i].usage, name, len) == 0)
			return &commands[i];
	return NULL;
}

const char *command_misused(const struct command *command, int arguments)
{
	const char *argument = strchr(command->usage, ' ');

	if (argument != NULL && argument[1] != '[' && arguments == 0)
		return "an argument is missing";
	if (arguments > (argument != NULL ? 1 : 0))
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

/* ---- requests and answers ---------------------------------------------- */

static void command_write_json(const struct command *command,
			       const struct answer *answer)
{
	bool first = true;
	size_t i;

	fputs("{", stdout);
	if (answer->end != ANSWER_OK) {
		fputs("\"error\":", stdout);
		json_string(stdout, answer->error, strlen(answer->error));
		first = false;
	}
	for (i = 0; i < MEMBERS && command->members[i].key != NULL; i++)
		json_member(stdout, &first, command->members[i].key,
			    command->members[i].kind,
			    command->members[i].single, answer->records,
			    answer->count);
	fputs("}\n", stdout);
}

/* Prints the answer and frees it. */
static enum linectl_status command_finish(const struct command_call *call,
					  struct answer *answer)
{
	enum linectl_status status = error_status(answer->end);

	if (call->json) {
		command_write_json(call->command, answer);
	} else {
		char *argument = utf8_shown(call->argument);

		show_messages(answer);
		if (answer->end == ANSWER_OK || answer->count > 0)
			call->command->show(answer, argument, stdout);
		free(argument);
	}
	if (answer->end != ANSWER_OK)
		error_print(answer->error);
	answer_fini(answer);
	return status;
}

enum linectl_status command_run(const struct command_call *call)
{
	struct answer answer = {.count = 0};
	char *request;

	/* A line break in the argument would end the request. */
	if (strchr(call->argument, '\n') != NULL)
		return error_report(call->json, LINECTL_USAGE,
				    "the argument has a line break in it");
	if (call->command->run != NULL)
		return call->command->run(call);
	request =
		memory_format("%.*s %s\n", (int)command_name_len(call->command),
			      call->command->usage, call->argument);
	control_socket_get(call->control, request, strlen(request),
			   call->command->has_no_timeout ? 0 : PATIENCE_MS,
			   &answer);
	free(request);
	if (call->command->also != NULL && answer.end == ANSWER_OK) {
		control_socket_get(call->control, call->command->also,
				   strlen(call->command->also), PATIENCE_MS,
				   &answer);
		answer.end = ANSWER_OK;
	}
	return command_finish(call, &answer);
}

static enum linectl_status run_plan(const struct command_call *call)
{
	enum linectl_status status;
	struct answer answer = {.count = 0};
	char *error;

	if (plan_get(&answer, call->control, call->argument, PATIENCE_MS,
		     &error) == 0)
		return command_finish(call, &answer);
	status = error_report(call->json, LINECTL_REFUSED, error);
	free(error);
	return status;
}
