/* SPDX-License-Identifier: MIT */
/* Runs the program of a slot, and restarts it when it ends. While there is no
 * program, or the program has no room, the clients are not read: they wait in
 * a queue, and are later read in the queue's order, so that none is forgotten.
 */
#include "exec/program_slot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/text.h>
#include <lined/tls.h>

#include "exec/program_output.h"

#define RESTART_MIN_MS 1000

/* The most clients resumed in one turn. */
#define WAKE_MAX 64

static const struct exec_program_handlers slot_handlers;

/* ---- the queue of clients that wait ------------------------------------- */

void exec_slot_queue(struct exec_slot *slot, struct exec_client *client)
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

void exec_slot_unqueue(struct exec_slot *slot, struct exec_client *client)
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

/* ---- lines to the program ----------------------------------------------- */

/* Writes " key=value". The value is escaped as in the log, and blanks are
 * escaped as well: the value must stay one word. -1/ENOMEM. */
static int slot_write_value(FILE *out, const char *key, const char *value)
{
	size_t len = strlen(value);
	char *text = malloc(4 * len + 1);
	const char *at;

	if (text == NULL)
		return -1;
	lined_text_escape(text, 4 * len + 1, value, len);
	fprintf(out, " %s=", key);
	for (at = text; *at != '\0'; at++)
		fputs(*at == ' ' ? "\\x20" : (char[]){*at, '\0'}, out);
	free(text);
	return 0;
}

/* Writes "+ID ...". -1/ENOMEM. */
static int slot_write_client(FILE *out, const struct exec_client *client)
{
	struct lined_tls tls;

	fprintf(out, "+%" PRIu64, lined_client_id(client->sock));
	if (slot_write_value(out, "peer", lined_client_peer(client->sock)) <
		    0 ||
	    slot_write_value(out, "listen", lined_client_listen(client->sock)) <
		    0)
		return -1;
	if (lined_client_tls(client->sock, &tls)) {
		fprintf(out, " tls=%s", tls.version);
		if (tls.name[0] != '\0' &&
		    slot_write_value(out, "name", tls.name) < 0)
			return -1;
	}
	fputs(client->again ? " again" : "", out);
	return 0;
}

void exec_slot_announce(struct exec_slot *slot, struct exec_client *client)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool written = out != NULL && slot_write_client(out, client) == 0;

	if (out != NULL && fclose(out) != 0)
		written = false;
	if (written &&
	    exec_program_say(slot->program, &(struct iovec){text, len}, 1) == 0)
		client->announced = client->again = true;
	else
		lined_socket_close_for(client->sock, LINED_CLOSE_ERROR, ENOMEM);
	free(text);
}

void exec_slot_retract(struct exec_slot *slot, const struct exec_client *client,
		       const char *reason)
{
	char text[64];
	struct iovec piece = {text, 0};

	if (!client->announced || slot->program == NULL)
		return;
	piece.iov_len =
		(size_t)snprintf(text, sizeof(text), "-%" PRIu64 " reason=%s",
				 lined_client_id(client->sock), reason);
	if (exec_program_say(slot->program, &piece, 1) < 0 && errno == ENOMEM)
		lined_service_count(slot->exec->service, "lines_lost", 1);
}

/* Sends a client's line. CR and LF become blanks: otherwise the program would
 * take the rest of the text for another line, perhaps of another client. */
void exec_slot_say(struct exec_slot *slot, const struct exec_client *client,
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

bool exec_slot_has_room(const struct exec_slot *slot)
{
	return slot->program != NULL && exec_program_has_room(slot->program);
}

void exec_slot_look(struct exec_slot *slot)
{
	const struct exec_program *program = slot->program;

	slot->idle = program != NULL &&
		     exec_program_is_idle(program, &slot->looks_known) &&
		     (program->output == NULL ||
		      lined_socket_is_quiet(program->output));
}

/* ---- the program -------------------------------------------------------- */

/* Resumes waiting clients, and announces those that the program has not been
 * told about. */
static void slot_wake(struct exec_slot *slot)
{
	unsigned woken;

	for (woken = 0; woken < WAKE_MAX && slot->first != NULL &&
			exec_slot_has_room(slot);
	     woken++) {
		struct exec_client *client = slot->first;

		exec_slot_unqueue(slot, client);
		if (!client->announced)
			exec_slot_announce(slot, client);
		lined_socket_resume(client->sock);
	}
	if (slot->program->input != NULL)
		lined_socket_want_write(slot->program->input,
					slot->first != NULL);
}

static void slot_writable(struct exec_program *program)
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

/* Queues a client if it belongs to the slot. slot_wake() announces the queued
 * clients to a new program, a few at a time, because there may be many. */
static void slot_queue_all(struct lined_socket *sock, void *arg)
{
	struct exec_slot *slot = arg;
	struct exec_client *client = lined_client_data(sock);

	if (client->slot != slot)
		return;
	client->announced = false;
	exec_slot_queue(slot, client);
}

int exec_slot_start(struct exec_slot *slot)
{
	struct lined_service *service = slot->exec->service;
	char hello[300];
	struct iovec piece = {hello, 0};

	slot->program =
		exec_program_start(service, slot->exec->options, NULL, true,
				   &slot_handlers, slot, &slot->exec->all);
	if (slot->program == NULL)
		return -1;
	piece.iov_len =
		(size_t)snprintf(hello, sizeof(hello), "hello 1 service=%s",
				 lined_service_name(service));
	if (exec_program_say(slot->program, &piece, 1) < 0) {
		int error = errno;

		exec_program_free(slot->program);
		slot->program = NULL;
		lined_service_count(service, "programs_ended", 1);
		errno = error;
		return -1;
	}
	lined_service_each_client(service, slot_queue_all, slot);
	slot_wake(slot);
	return 0;
}

void exec_slot_watch(struct exec_slot *slot)
{
	if (slot->program == NULL && !lined_timer_is_armed(&slot->restart))
		exec_slot_restart(slot);
}

void exec_slot_restart(struct exec_slot *slot)
{
	if (exec_slot_start(slot) == 0)
		return;
	lined_service_log(slot->exec->service, LINED_LOG_ERR,
			  "%s: %s; tried again in %u s",
			  slot->exec->options->command.items[0],
			  strerror(errno), slot->restart_ms / 1000);
	slot_restart_later(slot);
}

static void slot_on_restart(struct lined_timer *timer)
{
	exec_slot_restart(lined_container_of(timer, struct exec_slot, restart));
}

static void slot_ended(struct exec_program *program, const char *how)
{
	struct exec_slot *slot = program->owner;
	struct exec *exec = slot->exec;
	uint64_t ran_ms = exec_now_ms(exec) - program->started_ms;

	lined_service_count(exec->service, "programs_ended", 1);
	if (slot->program != program) {
		exec->old_programs--;
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

static const struct exec_program_handlers slot_handlers = {
	.readable = exec_output_read,
	.writable = slot_writable,
	.ended = slot_ended,
};

struct exec_slot *exec_slot_new(struct exec *exec)
{
	struct exec_slot *slot = calloc(1, sizeof(*slot));

	if (slot == NULL)
		return NULL;
	slot->exec = exec;
	slot->restart_ms = RESTART_MIN_MS;
	lined_service_timer(exec->service, &slot->restart, slot_on_restart);
	return slot;
}

void exec_slot_retire(struct exec_slot *slot, uint32_t wait_ms)
{
	struct exec_program *old = slot->program;

	lined_timer_stop(&slot->restart);
	slot->restart_ms = RESTART_MIN_MS;
	if (old == NULL)
		return;
	slot->program = NULL;
	slot->exec->old_programs++;
	exec_program_end(old, wait_ms);
}
