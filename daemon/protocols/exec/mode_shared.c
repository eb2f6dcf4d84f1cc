/* SPDX-License-Identifier: MIT */
/*
 * Mode shared: clients are spread over slots, each with a program that is
 * restarted when it ends. A client's line becomes "ID TEXT" on the program's
 * standard input; "ID TEXT" on its standard output becomes a line to that
 * client. lined.conf(5) has the table.
 */
#include "exec/program_slot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* If the system does not show what a program waits for, a client whose input
 * has ended is closed when the program has written nothing for the client for
 * this long. */
#define ANSWER_MS 1000
/* A program has answered when it is idle at this many checks in a row. One
 * check is not enough: output through a pseudo-terminal takes a moment to
 * arrive. */
#define ANSWER_LOOKS 2

/* The shortest and the longest delay between two checks of programs with
 * clients whose input has ended. The delay doubles until a program writes or is
 * idle. */
#define LOOK_MIN_MS 10
#define LOOK_MAX_MS 320

struct exec_shared {
	struct exec *exec;
	/* The first `count` are in use; others were in use before a reload. */
	struct exec_slot **slots;
	size_t count, room;
	char *command; /* the running programs' options, for comparing */
	struct lined_timer look_timer;
	uint32_t look_ms; /* the delay of look_timer */
};

/* ---- clients ------------------------------------------------------------ */

static void shared_look_in(struct exec_shared *shared, uint32_t delay_ms)
{
	shared->look_ms = delay_ms;
	lined_timer_start(&shared->look_timer, delay_ms, 0);
}

/* Shortens the delay before the next check. A program that writes all the time
 * does not postpone the check. */
void exec_shared_look_soon(struct exec *exec)
{
	struct exec_shared *shared = exec->shared;

	if (lined_timer_is_armed(&shared->look_timer) &&
	    shared->look_ms > LOOK_MIN_MS)
		shared_look_in(shared, LOOK_MIN_MS);
}

static void shared_client_ended(struct exec_client *client)
{
	struct exec_slot *slot = client->slot;

	if (client->ended)
		return;
	client->ended = true;
	client->told_ms = exec_now_ms(slot->exec);
	slot->ended_clients++;
	if (!lined_timer_is_armed(&slot->exec->shared->look_timer))
		shared_look_in(slot->exec->shared, LOOK_MIN_MS);
	exec_shared_look_soon(slot->exec);
}

static void shared_client_readable(struct lined_socket *sock, void *arg)
{
	struct exec_client *client = arg;
	struct exec_slot *slot = client->slot;
	enum lined_line_status status;
	struct lined_line line;

	do {
		if (!exec_slot_has_room(slot)) {
			exec_slot_queue(slot, client);
			return;
		}
		status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_READY)
			exec_slot_say(slot, client, &line);
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	if (status == LINED_LINE_CLOSED)
		shared_client_ended(client);
}

static void shared_client_closed(struct lined_socket *sock, void *arg,
				 enum lined_close_reason reason, int error)
{
	struct exec_client *client = arg;
	struct exec_slot *slot = client->slot;
	uint64_t id = lined_client_id(sock);

	exec_slot_unqueue(slot, client);
	slot->clients--;
	slot->ended_clients -= client->ended;
	exec_slot_retract(slot, client, lined_close_reason_text(reason));
	lined_table_remove(lined_service_table(slot->exec->service, SIZE_MAX),
			   &id, sizeof(id));
}

static const struct lined_socket_handlers shared_client_handlers = {
	.handle_read = shared_client_readable,
	.handle_close = shared_client_closed,
};

static struct exec_slot *shared_least_slot(const struct exec_shared *shared)
{
	struct exec_slot *least = shared->slots[0];
	size_t i;

	for (i = 1; i < shared->count; i++)
		if (shared->slots[i]->clients < least->clients)
			least = shared->slots[i];
	return least;
}

void exec_shared_accept(struct exec *exec, struct exec_client *client)
{
	struct exec_slot *slot = shared_least_slot(exec->shared);
	uint64_t id = lined_client_id(client->sock);
	struct lined_table_entry entry = {.tag = (uintptr_t)client};

	if (lined_table_put(lined_service_table(exec->service, SIZE_MAX), &id,
			    sizeof(id), &entry) < 0) {
		lined_socket_close_for(client->sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	client->slot = slot;
	slot->clients++;
	lined_socket_set_handlers(client->sock, &shared_client_handlers,
				  client);
	if (exec_slot_has_room(slot))
		exec_slot_announce(slot, client);
	else
		exec_slot_queue(slot, client);
}

/* Closes the client if its input has ended and its program has answered. If the
 * system does not show what the program waits for, the last answer counts as
 * complete when ANSWER_MS have passed without output to the client. */
static void shared_close_ended(struct lined_socket *sock, void *arg)
{
	struct exec_client *client = lined_client_data(sock);
	struct exec_slot *slot = client->slot;

	if (!client->ended)
		return;
	if (!slot->idle)
		client->idle_looks = 0;
	else if (client->idle_looks < ANSWER_LOOKS)
		client->idle_looks++;
	if (client->idle_looks == ANSWER_LOOKS && !client->waits &&
	    (slot->looks_known ||
	     exec_now_ms(slot->exec) - client->told_ms >= ANSWER_MS)) {
		/* Close after flushing: the client may read its answers slowly.
		 */
		client->ended = false;
		slot->ended_clients--;
		lined_socket_close_after_flush(sock, LINED_CLOSE_PEER, 0);
	}
}

static void shared_look(struct lined_timer *timer)
{
	struct exec_shared *shared =
		lined_container_of(timer, struct exec_shared, look_timer);
	uint32_t next_ms = shared->look_ms < LOOK_MAX_MS ? shared->look_ms * 2
							 : LOOK_MAX_MS;
	bool none = true;
	size_t i;

	for (i = 0; i < shared->count; i++) {
		struct exec_slot *slot = shared->slots[i];

		if (slot->ended_clients == 0)
			continue;
		none = false;
		exec_slot_look(slot);
		if (slot->idle && slot->looks_known)
			next_ms = LOOK_MIN_MS;
	}
	if (none)
		return;
	lined_service_each_client(shared->exec->service, shared_close_ended,
				  NULL);
	shared_look_in(shared, next_ms);
}

/* ---- start, reload, drain, stop ----------------------------------------- */

/* Joins all options on which a running program depends into a text for
 * comparing. The caller frees the text. */
static char *shared_options_text(const struct exec_options *options)
{
	char *text = NULL;
	size_t len = 0, i;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	for (i = 0; i < options->command.count; i++)
		fprintf(out, "%s\n", options->command.items[i]);
	for (i = 0; i < options->environment.count; i++)
		fprintf(out, "\t%s\n", options->environment.items[i]);
	for (i = 0; i < options->readable.count; i++)
		fprintf(out, " %s\n", options->readable.items[i]);
	fprintf(out, "%s %d %zu %" PRId64 " %" PRId64 " %" PRId64 "\n",
		options->directory, (int)options->stdout_kind,
		exec_options_programs(options), options->memory,
		options->cpu_time_ms, options->files);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* Sets the number of slots in use. -1: no memory. */
static int shared_set_count(struct exec_shared *shared, size_t count)
{
	struct exec_slot **slots = shared->slots;

	if (count > shared->room) {
		slots = realloc(slots, count * sizeof(struct exec_slot *));
		if (slots == NULL)
			return -1;
		shared->slots = slots;
	}
	while (shared->room < count) {
		slots[shared->room] = exec_slot_new(shared->exec);
		if (slots[shared->room] == NULL)
			return -1;
		shared->room++;
	}
	shared->count = count;
	return 0;
}

int exec_shared_start(struct exec *exec)
{
	struct exec_shared *shared = calloc(1, sizeof(*shared));
	size_t i;
	int error;

	if (shared == NULL)
		return -1;
	exec->shared = shared;
	shared->exec = exec;
	lined_service_timer(exec->service, &shared->look_timer, shared_look);
	shared->command = shared_options_text(exec->options);
	if (shared->command == NULL ||
	    shared_set_count(shared, exec_options_programs(exec->options)) < 0)
		goto fail;
	for (i = 0; i < shared->count; i++)
		if (exec_slot_start(shared->slots[i]) < 0)
			goto fail;
	return 0;
fail:
	error = errno;
	exec_shared_stop(exec);
	errno = error;
	return -1;
}

void exec_shared_stop(struct exec *exec)
{
	struct exec_shared *shared = exec->shared;
	size_t i;

	if (shared == NULL)
		return;
	for (i = 0; i < shared->room; i++) {
		struct exec_slot *slot = shared->slots[i];

		lined_timer_stop(&slot->restart);
		if (slot->program != NULL)
			exec_program_free(slot->program);
		free(slot);
	}
	lined_timer_stop(&shared->look_timer);
	free(shared->slots);
	free(shared->command);
	free(shared);
	exec->shared = NULL;
}

static void shared_move_client(struct lined_socket *sock, void *arg)
{
	struct exec_shared *shared = arg;
	struct exec_client *client = lined_client_data(sock);
	size_t i;

	for (i = 0; i < shared->count; i++)
		if (client->slot == shared->slots[i])
			return;
	exec_slot_unqueue(client->slot, client);
	client->slot->clients--;
	client->slot->ended_clients -= client->ended;
	client->slot = shared_least_slot(shared);
	client->slot->clients++;
	client->slot->ended_clients += client->ended;
	lined_socket_resume(sock);
}

void exec_shared_reload(struct exec *exec)
{
	struct exec_shared *shared = exec->shared;
	char *command = shared_options_text(exec->options);
	size_t i;

	if (command != NULL && strcmp(command, shared->command) == 0) {
		free(command);
		return;
	}
	if (command == NULL ||
	    shared_set_count(shared, exec_options_programs(exec->options)) <
		    0) {
		lined_service_log(exec->service, LINED_LOG_ERR,
				  "%s: %s: the program before stays",
				  exec->options->command.items[0],
				  strerror(errno));
		free(command);
		return;
	}
	free(shared->command);
	shared->command = command;
	for (i = 0; i < shared->room; i++)
		exec_slot_retire(shared->slots[i],
				 lined_service_drain_ms(exec->service));
	lined_service_each_client(exec->service, shared_move_client, shared);
	for (i = 0; i < shared->count; i++)
		exec_slot_restart(shared->slots[i]);
}

void exec_shared_watch(struct exec *exec)
{
	size_t i;

	for (i = 0; i < exec->shared->count; i++)
		exec_slot_watch(exec->shared->slots[i]);
}

size_t exec_shared_measure(const struct exec *exec, uint64_t *memory)
{
	size_t running = 0, i;

	for (i = 0; i < exec->shared->count; i++) {
		const struct exec_slot *slot = exec->shared->slots[i];

		if (slot->program == NULL)
			continue;
		*memory += exec_program_memory(slot->program);
		running++;
	}
	return running;
}

bool exec_shared_drain(struct exec *exec)
{
	struct exec_shared *shared = exec->shared;
	bool ended = exec->old_programs == 0;
	size_t i;

	for (i = 0; i < shared->count; i++) {
		lined_timer_stop(&shared->slots[i]->restart);
		if (shared->slots[i]->program == NULL)
			continue;
		ended = false;
		exec_program_end(shared->slots[i]->program, UINT32_MAX);
	}
	return ended;
}
