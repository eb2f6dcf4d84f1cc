/* SPDX-License-Identifier: MIT */
/*
 * Mode shared: the clients are spread over slots, each with a program that is
 * started again when it ends. A client's line becomes "ID TEXT" on the
 * program's standard input, and "ID TEXT" on its standard output a line to that
 * client; lined.conf(5) has the table.
 *
 * While a program is away or has no room, its clients are not read. They wait
 * in a queue, and are read in its order: none is forgotten.
 */
#include "exec/answers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/text.h>
#include <lined/tls.h>

#define RESTART_MIN_MS 1000

/* The most clients that are read again in one turn. */
#define WAKE_MAX 64

/* How long a program is silent to a client whose input has ended, before that
 * client is closed, if the system does not tell what the program does. */
#define ANSWER_MS 1000

/* Between two looks at the clients whose input has ended. */
#define ENDED_STEP_MS 10

#define CLIENT_NAME_MAX 256

struct exec_shared {
	struct exec *exec;
	/* The first `count` are in use; the others were before a reload. */
	struct exec_slot **slots;
	size_t count, room;
	char *command; /* of the running programs, to compare */
	struct lined_timer ended_timer;
	size_t ended_clients;
	/* Programs that a reload has replaced, and those that drain. */
	size_t old_programs;
};

static const struct exec_program_handlers shared_handlers;

/* ---- the queue of clients that wait ------------------------------------- */

static void slot_queue(struct exec_slot *slot, struct exec_client *client)
{
	if (client->waits)
		return;
	client->waits = true;
	client->prev = slot->last;
	client->next = NULL;
	if (slot->last != NULL)
		slot->last->next = client;
	else
		slot->first = client;
	slot->last = client;
	lined_socket_pause(client->sock);
	if (slot->program != NULL && slot->program->input != NULL)
		lined_socket_want_write(slot->program->input, true);
}

static void slot_unqueue(struct exec_slot *slot, struct exec_client *client)
{
	if (!client->waits)
		return;
	client->waits = false;
	if (client->prev != NULL)
		client->prev->next = client->next;
	else
		slot->first = client->next;
	if (client->next != NULL)
		client->next->prev = client->prev;
	else
		slot->last = client->prev;
}

/* ---- what lined says ---------------------------------------------------- */

/* A name is escaped as in the log, blanks too: it is one word. */
static void client_write_name(FILE *out, const char *name)
{
	char text[4 * CLIENT_NAME_MAX + 1];
	size_t len = strlen(name);
	const char *at;

	lined_text_escape(text, sizeof(text), name,
			  len < CLIENT_NAME_MAX ? len : CLIENT_NAME_MAX);
	fputs(" name=", out);
	for (at = text; *at != '\0'; at++)
		fputs(*at == ' ' ? "\\x20" : (char[]){*at, '\0'}, out);
}

static void slot_announce(struct exec_slot *slot, struct exec_client *client)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct lined_tls tls;

	if (out == NULL) {
		lined_socket_close_for(client->sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	fprintf(out, "+%" PRIu64 " peer=%s listen=%s",
		lined_client_id(client->sock), lined_client_peer(client->sock),
		lined_client_listen(client->sock));
	if (lined_client_tls(client->sock, &tls)) {
		fprintf(out, " tls=%s", tls.version);
		if (tls.name[0] != '\0')
			client_write_name(out, tls.name);
	}
	fputs(client->again ? " again" : "", out);
	if (fclose(out) == 0) {
		struct iovec piece = {text, len};

		exec_program_say(slot->program, &piece, 1);
		client->announced = client->again = true;
	} else {
		lined_socket_close_for(client->sock, LINED_CLOSE_ERROR, ENOMEM);
	}
	free(text);
}

static void slot_retract(struct exec_slot *slot,
			 const struct exec_client *client, const char *reason)
{
	char text[64];
	struct iovec piece = {text, 0};

	if (!client->announced || slot->program == NULL)
		return;
	piece.iov_len =
		(size_t)snprintf(text, sizeof(text), "-%" PRIu64 " reason=%s",
				 lined_client_id(client->sock), reason);
	exec_program_say(slot->program, &piece, 1);
}

/* In the text of a line, CR and LF would end it for the program, and the rest
 * could pass for the line of another client. */
static void slot_say(struct exec_slot *slot, const struct exec_client *client,
		     const struct lined_line *line)
{
	char id[24], *copy = NULL;
	struct iovec pieces[2] = {{id, 0},
				  {(void *)(uintptr_t)line->text, line->len}};
	size_t i;

	pieces[0].iov_len = (size_t)snprintf(id, sizeof(id), "%" PRIu64 " ",
					     lined_client_id(client->sock));
	if (memchr(line->text, '\n', line->len) != NULL ||
	    memchr(line->text, '\r', line->len) != NULL) {
		copy = malloc(line->len);
		if (copy == NULL) {
			lined_service_count(slot->exec->service, "lines_lost",
					    1);
			return;
		}
		for (i = 0; i < line->len; i++)
			copy[i] = line->text[i] == '\n' || line->text[i] == '\r'
					  ? ' '
					  : line->text[i];
		pieces[1].iov_base = copy;
	}
	exec_program_ask(slot->program, pieces, 2);
	free(copy);
}

/* ---- clients ------------------------------------------------------------ */

static bool slot_has_room(const struct exec_slot *slot)
{
	return slot->program != NULL && exec_program_has_room(slot->program);
}

static void shared_client_ended(struct exec_client *client)
{
	struct exec_shared *shared = client->slot->exec->shared;

	if (client->ended)
		return;
	client->ended = true;
	client->told_ms = exec_now_ms(client->slot->exec);
	if (shared->ended_clients++ == 0)
		lined_timer_start(&shared->ended_timer, ENDED_STEP_MS,
				  ENDED_STEP_MS);
}

static void shared_client_readable(struct lined_socket *sock, void *arg)
{
	struct exec_client *client = arg;
	struct exec_slot *slot = client->slot;
	enum lined_line_status status;
	struct lined_line line;

	do {
		if (!slot_has_room(slot)) {
			slot_queue(slot, client);
			return;
		}
		status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_READY)
			slot_say(slot, client, &line);
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

	(void)error;
	slot_unqueue(slot, client);
	slot->clients--;
	if (client->ended && --slot->exec->shared->ended_clients == 0)
		lined_timer_stop(&slot->exec->shared->ended_timer);
	slot_retract(slot, client, lined_close_reason_text(reason));
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
	if (slot_has_room(slot))
		slot_announce(slot, client);
	else
		slot_queue(slot, client);
}

/* Looks if the program has read all that it was told and waits for more, twice:
 * what it writes to a pseudo-terminal takes a moment to arrive. known: false if
 * the system does not tell. */
static bool slot_has_answered(struct exec_slot *slot, bool *known)
{
	*known = true;
	if (slot->program == NULL ||
	    !exec_program_is_idle(slot->program, known) ||
	    (slot->program->output != NULL &&
	     !lined_socket_is_quiet(slot->program->output))) {
		slot->idle_looks = 0;
		return false;
	}
	return ++slot->idle_looks > 1;
}

/* The clients whose input has ended are closed when the program has answered;
 * if that cannot be known, when it has been silent to them for some time. */
static void shared_close_ended(struct lined_socket *sock, void *arg)
{
	struct exec_client *client = lined_client_data(sock);
	struct exec_slot *slot = client->slot;
	const bool *known = arg;

	if (client->ended && !client->waits && slot->idle_looks > 1 &&
	    (*known || exec_now_ms(slot->exec) - client->told_ms >= ANSWER_MS))
		lined_socket_close_after_flush(sock, LINED_CLOSE_PEER, 0);
}

static void shared_ended_timer(struct lined_timer *timer)
{
	struct exec_shared *shared =
		lined_container_of(timer, struct exec_shared, ended_timer);
	bool all_known = true, known;
	size_t i;

	for (i = 0; i < shared->count; i++) {
		slot_has_answered(shared->slots[i], &known);
		all_known &= known;
	}
	lined_service_each_client(shared->exec->service, shared_close_ended,
				  &all_known);
}

/* ---- programs ----------------------------------------------------------- */

/* Lets clients that wait be read again, and announces those of which the
 * program does not know. */
static void slot_wake(struct exec_slot *slot)
{
	unsigned woken;

	for (woken = 0;
	     woken < WAKE_MAX && slot->first != NULL && slot_has_room(slot);
	     woken++) {
		struct exec_client *client = slot->first;

		slot_unqueue(slot, client);
		if (!client->announced)
			slot_announce(slot, client);
		lined_socket_resume(client->sock);
	}
	if (slot->program->input != NULL)
		lined_socket_want_write(slot->program->input,
					slot->first != NULL);
}

static void shared_writable(struct exec_program *program)
{
	struct exec_slot *slot = program->owner;

	if (slot->program == program)
		slot_wake(slot);
}

static void slot_restart_later(struct exec_slot *slot)
{
	uint32_t max = (uint32_t)slot->exec->options->restart_max_ms;

	lined_timer_start(&slot->restart, slot->restart_ms, 0);
	slot->restart_ms =
		slot->restart_ms < max / 2 ? slot->restart_ms * 2 : max;
}

/* Its clients wait until the new program knows of them: a crowd is not
 * announced at once. */
static void slot_queue_all(struct lined_socket *sock, void *arg)
{
	struct exec_slot *slot = arg;
	struct exec_client *client = lined_client_data(sock);

	if (client->slot != slot)
		return;
	client->announced = false;
	slot_queue(slot, client);
}

static int slot_start(struct exec_slot *slot)
{
	struct lined_service *service = slot->exec->service;
	char hello[300];
	struct iovec piece = {hello, 0};

	slot->program =
		exec_program_start(service, slot->exec->options, NULL, true,
				   &shared_handlers, slot, &slot->exec->all);
	if (slot->program == NULL)
		return -1;
	piece.iov_len =
		(size_t)snprintf(hello, sizeof(hello), "hello 1 service=%s",
				 lined_service_name(service));
	exec_program_say(slot->program, &piece, 1);
	lined_service_each_client(service, slot_queue_all, slot);
	slot_wake(slot);
	return 0;
}

static void slot_restart(struct lined_timer *timer)
{
	struct exec_slot *slot =
		lined_container_of(timer, struct exec_slot, restart);

	if (slot_start(slot) == 0)
		return;
	lined_service_log(slot->exec->service, LINED_LOG_ERR,
			  "%s: %s; tried again in %u s",
			  slot->exec->options->command.items[0],
			  strerror(errno), slot->restart_ms / 1000);
	slot_restart_later(slot);
}

static void shared_ended(struct exec_program *program, const char *how)
{
	struct exec_slot *slot = program->owner;
	struct exec *exec = slot->exec;
	uint64_t ran_ms = exec_now_ms(exec) - program->started_ms;

	lined_service_count(exec->service, "programs_ended", 1);
	if (slot->program != program) {
		exec->shared->old_programs--;
		return;
	}
	slot->program = NULL;
	if (exec->draining)
		return;
	exec->restarts++;
	if (ran_ms >= (uint64_t)exec->options->restart_max_ms)
		slot->restart_ms = RESTART_MIN_MS;
	lined_service_log(exec->service, LINED_LOG_WARNING,
			  "program ended after %" PRIu64 " s: %s; started "
			  "again in %u s",
			  ran_ms / 1000, how, slot->restart_ms / 1000);
	slot_restart_later(slot);
}

static const struct exec_program_handlers shared_handlers = {
	.readable = exec_answers_read,
	.writable = shared_writable,
	.ended = shared_ended,
};

/* ---- start, reload, drain, stop ----------------------------------------- */

/* All that a running program depends on, as one text to compare; to be freed.
 */
static char *options_text(const struct exec_options *options)
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
	fprintf(out, "%s %d %zu %" PRId64 " %" PRId64 " %" PRId64 "\n",
		options->directory, (int)options->stdout_kind,
		exec_options_programs(options), options->memory,
		options->cpu_time_ms, options->files);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static struct exec_slot *slot_new(struct exec *exec)
{
	struct exec_slot *slot = calloc(1, sizeof(*slot));

	if (slot == NULL)
		return NULL;
	slot->exec = exec;
	slot->restart_ms = RESTART_MIN_MS;
	lined_service_timer(exec->service, &slot->restart, slot_restart);
	return slot;
}

/* Sets how many slots are in use. -1: no memory. */
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
		slots[shared->room] = slot_new(shared->exec);
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
	int error = ENOMEM;

	if (shared == NULL)
		return -1;
	exec->shared = shared;
	shared->exec = exec;
	lined_service_timer(exec->service, &shared->ended_timer,
			    shared_ended_timer);
	shared->command = options_text(exec->options);
	if (shared->command != NULL &&
	    shared_set_count(shared, exec_options_programs(exec->options)) ==
		    0) {
		for (i = 0; i < shared->count; i++)
			if (slot_start(shared->slots[i]) < 0)
				break;
		if (i == shared->count)
			return 0;
		error = errno;
	}
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
	lined_timer_stop(&shared->ended_timer);
	free(shared->slots);
	free(shared->command);
	free(shared);
	exec->shared = NULL;
}

/* A program that is replaced still says what it has to say. */
static void slot_retire(struct exec_slot *slot, uint32_t wait_ms)
{
	struct exec_program *old = slot->program;

	lined_timer_stop(&slot->restart);
	slot->restart_ms = RESTART_MIN_MS;
	if (old == NULL)
		return;
	slot->program = NULL;
	slot->exec->shared->old_programs++;
	exec_program_end(old, wait_ms);
}

static void shared_move_client(struct lined_socket *sock, void *arg)
{
	struct exec_shared *shared = arg;
	struct exec_client *client = lined_client_data(sock);
	size_t i;

	for (i = 0; i < shared->count; i++)
		if (client->slot == shared->slots[i])
			return;
	slot_unqueue(client->slot, client);
	client->slot->clients--;
	client->slot = shared_least_slot(shared);
	client->slot->clients++;
	lined_socket_resume(sock);
}

void exec_shared_reload(struct exec *exec)
{
	struct exec_shared *shared = exec->shared;
	char *command = options_text(exec->options);
	size_t i;

	if (command == NULL || strcmp(command, shared->command) == 0 ||
	    shared_set_count(shared, exec_options_programs(exec->options)) <
		    0) {
		free(command);
		return;
	}
	free(shared->command);
	shared->command = command;
	for (i = 0; i < shared->room; i++)
		slot_retire(shared->slots[i],
			    lined_service_drain_ms(exec->service));
	lined_service_each_client(exec->service, shared_move_client, shared);
	for (i = 0; i < shared->count; i++)
		slot_restart(&shared->slots[i]->restart);
}

void exec_shared_watch(struct exec *exec)
{
	size_t i;

	for (i = 0; i < exec->shared->count; i++)
		if (exec->shared->slots[i]->program != NULL)
			exec_program_watch(exec->shared->slots[i]->program);
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
	bool ended = shared->old_programs == 0;
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
