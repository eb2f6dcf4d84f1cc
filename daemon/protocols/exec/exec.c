/* SPDX-License-Identifier: MIT */
/*
 * exec: a protocol in any language. A program serves all clients over its
 * standard input and output (mode_shared.c), or each client has its own program
 * (mode_each.c). This file has the handlers that lined calls.
 */
#include "exec/exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lined/control.h>

#define WATCH_MS 1000

static int exec_start(struct lined_service *service)
{
	struct exec *exec = calloc(1, sizeof(*exec));

	if (exec == NULL) {
		lined_service_log(service, LINED_LOG_ERR, "%s",
				  strerror(errno));
		return -1;
	}
	exec->service = service;
	exec->options = lined_service_options(service);
	lined_service_set_data(service, exec);
	if (!lined_service_is_primary(service) ||
	    exec->options->mode == EXEC_EACH || exec_shared_start(exec) == 0)
		return 0;
	lined_service_log(service, LINED_LOG_ERR, "%s: %s",
			  exec->options->command.items[0], strerror(errno));
	free(exec);
	return -1;
}

static void exec_stop(struct lined_service *service)
{
	struct exec *exec = lined_service_data(service);

	exec_shared_stop(exec);
	/* Programs that still run after drain-timeout are killed. */
	while (exec->all != NULL)
		exec_program_free(exec->all);
	free(exec);
}

static void exec_reload(struct lined_service *service)
{
	struct exec *exec = lined_service_data(service);
	struct exec_program *program;

	exec->options = lined_service_options(service);
	exec->silent_named = false;
	for (program = exec->all; program != NULL; program = program->next)
		exec_program_reload(program, exec->options);
	if (exec->shared != NULL)
		exec_shared_reload(exec);
}

static void exec_accept(struct lined_service *service,
			struct lined_socket *sock)
{
	struct exec *exec = lined_service_data(service);
	struct exec_client *client = lined_client_data(sock);

	client->sock = sock;
	lined_socket_allow_half_close(sock, true);
	if (exec->shared != NULL)
		exec_shared_accept(exec, client);
	else
		exec_each_accept(exec, client);
}

static void exec_task(struct lined_service *service)
{
	struct exec *exec = lined_service_data(service);
	const struct exec_program *program = exec->all;

	for (; program != NULL && !exec->silent_named; program = program->next)
		exec->silent_named = exec_program_watch(program);
	if (exec->shared != NULL && !exec->draining)
		exec_shared_watch(exec);
}

static void exec_drain(struct lined_service *service)
{
	struct exec *exec = lined_service_data(service);

	exec->draining = true;
}

/* The client is idle. Mode each: ends the input of the client's program. Mode
 * shared: when all clients are idle, ends the input of all programs, and closes
 * the client when these programs have ended. */
static void exec_drain_client(struct lined_socket *sock)
{
	struct lined_service *service = lined_client_service(sock);
	struct exec *exec = lined_service_data(service);
	struct exec_client *client = lined_client_data(sock);

	if (exec->shared == NULL) {
		exec_each_drain(client);
		return;
	}
	exec->drained += !client->drained;
	client->drained = true;
	if (exec->drained >= lined_service_clients(service) &&
	    exec_shared_drain(exec))
		lined_socket_close_after_flush(sock, LINED_CLOSE_SHUTDOWN, 0);
}

static bool exec_finish(struct lined_service *service)
{
	struct exec *exec = lined_service_data(service);

	return exec->shared != NULL ? exec_shared_drain(exec)
				    : exec->programs == 0;
}

static void exec_add_memory(struct lined_socket *sock, void *arg)
{
	const struct exec_client *client = lined_client_data(sock);
	uint64_t *memory = arg;

	if (client->program != NULL)
		*memory += exec_program_memory(client->program);
}

static void exec_describe(struct lined_service *service,
			  struct lined_records *records)
{
	struct exec *exec = lined_service_data(service);
	uint64_t memory = 0;
	size_t running = exec->programs;

	if (!lined_service_is_primary(service))
		return;
	if (exec->shared != NULL)
		running = exec_shared_measure(exec, &memory);
	else
		lined_service_each_client(service, exec_add_memory, &memory);
	lined_records_add(records, "programs");
	lined_records_number(records, "running", running);
	lined_records_number(records, "programs_limit",
			     exec_options_programs(exec->options));
	lined_records_number(records, "restarts", exec->restarts);
	lined_records_number(records, "memory_bytes", memory);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "exec",
	.summary = "gives the lines of clients to a program",
	.flags = LINED_ONE_WORKER | LINED_NO_IDLE_TIMEOUT,
	.handle_accept = exec_accept,
	.options = exec_option_table,
	.options_size = sizeof(struct exec_options),
	.check_options = exec_options_check,
	.start = exec_start,
	.stop = exec_stop,
	.reload = exec_reload,
	.drain = exec_drain,
	.handle_drain = exec_drain_client,
	.finish = exec_finish,
	.handle_task = exec_task,
	.task_ms = WATCH_MS,
	.client_size = sizeof(struct exec_client),
	.describe = exec_describe,
};
