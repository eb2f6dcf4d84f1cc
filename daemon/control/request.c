/* SPDX-License-Identifier: MIT */
/*
 * Carries questions and answers between the client's thread and the main one,
 * and knows which clients wait. Where both are one thread what is sent is
 * deferred, so that nothing is answered within the call that asked.
 */
#include "config.h"

#include "control/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/client.h"
#include "control/requests.h"
#include "serve/instance.h"
#include "serve/server.h"
#include "serve/service.h"
#include "socket_hold.h"

/* Tells the main thread that nobody waits any more. Made with the question,
 * since there must be one. */
struct question_stop {
	struct lined_message message;
	struct control *control;
	uint64_t id;
};

/* Of this thread's clients. */
static _Thread_local struct list asked;

static void carry(struct lined_dispatcher *from, struct lined_dispatcher *to,
		  struct lined_message *message)
{
	if (from == to)
		lined_dispatcher_defer(to, message);
	else if (lined_dispatcher_post(to, message) < 0)
		message->cancel(message);
}

static void question_free(struct question *question)
{
	answer_fini(&question->last.answer);
	free(question->stop);
	free(question->memory);
	free(question);
}

/* ---- stopping ----------------------------------------------------------- */

static void stop_came(struct lined_message *message)
{
	struct question_stop *stop =
		lined_container_of(message, struct question_stop, message);

	control_stop(stop->control, stop->id);
	free(stop);
}

static void stop_cancelled(struct lined_message *message)
{
	free(lined_container_of(message, struct question_stop, message));
}

static void send_stop(struct question *question)
{
	struct question_stop *stop = question->stop;

	if (stop == NULL)
		return;
	question->stop = NULL;
	carry(question->asker, question->control->server->dispatcher,
	      &stop->message);
}

void question_client_gone(struct client *client)
{
	struct question *question, *next;

	if (asked.next == NULL)
		return;
	list_for_each_safe(question, next, &asked, asked) {
		if (question->client != client)
			continue;
		question->client = NULL;
		list_remove(&question->asked);
		send_stop(question);
	}
}

void lined_control_stop(struct lined_socket *sock)
{
	struct question *question;

	if (asked.next == NULL)
		return;
	list_for_each(question, &asked, asked) {
		if (question->client != client_of(sock) ||
		    question->kind != LINED_ASK_TAP)
			continue;
		question->stopped = true;
		send_stop(question);
	}
}

/* ---- asking ------------------------------------------------------------- */

static void question_came(struct lined_message *message)
{
	struct question *question =
		lined_container_of(message, struct question, coming);

	control_asked(question->control, question);
}

static void question_cancelled(struct lined_message *message)
{
	struct question *question =
		lined_container_of(message, struct question, coming);

	if (question->client != NULL)
		list_remove(&question->asked);
	question_free(question);
}

/* Argument and text, each with a NUL behind. */
static int copy_texts(struct question *question,
		      const struct lined_question *from)
{
	size_t len = strlen(from->argument);

	question->memory = malloc(len + 1 + from->text_len + 1);
	if (question->memory == NULL)
		return -1;
	memcpy(question->memory, from->argument, len + 1);
	if (from->text_len > 0)
		memcpy(question->memory + len + 1, from->text, from->text_len);
	question->memory[len + 1 + from->text_len] = '\0';
	question->argument = question->memory;
	question->text = question->memory + len + 1;
	question->text_len = from->text_len;
	return 0;
}

static struct question *question_new(struct control *control,
				     const struct lined_question *from)
{
	struct question *question = calloc(1, sizeof(*question));

	if (question == NULL)
		return NULL;
	question->stop = calloc(1, sizeof(*question->stop));
	if (question->stop == NULL || copy_texts(question, from) < 0) {
		question_free(question);
		return NULL;
	}
	question->control = control;
	question->id = atomic_fetch_add(&control->questions, 1) + 1;
	question->kind = from->kind;
	question->coming.handler = question_came;
	question->coming.cancel = question_cancelled;
	question->stop->message.handler = stop_came;
	question->stop->message.cancel = stop_cancelled;
	question->stop->control = control;
	question->stop->id = question->id;
	list_init(&question->open);
	atomic_init(&question->waiting, 0);
	atomic_init(&question->lost, 0);
	return question;
}

int lined_control_ask(struct lined_socket *sock,
		      const struct lined_question *from,
		      void (*answered)(struct lined_socket *client, void *arg,
				       const struct lined_answer *answer),
		      void *arg)
{
	struct client *client = client_of(sock);
	struct lined_service *instance = client_service(client);
	struct control *control = service_of(instance)->server->control;
	struct question *question = question_new(control, from);

	if (question == NULL)
		return -1;
	question->client = client;
	question->asker = instance->worker->dispatcher;
	question->answered = answered;
	question->arg = arg;
	question->known =
		credentials_get(lined_socket_fd(sock), &question->by) == 0;
	if (asked.next == NULL)
		list_init(&asked);
	list_append(&asked, &question->asked);
	if (question->kind != LINED_ASK_TAP)
		socket_hold(sock, CLIENT_HOLD_QUESTION);
	carry(question->asker, control->server->dispatcher, &question->coming);
	return 0;
}

/* ---- answering ---------------------------------------------------------- */

static void tell_client(struct question_delivery *delivery)
{
	struct question *question = delivery->question;
	struct lined_service *instance = client_service(question->client);
	struct lined_socket *sock = client_socket(question->client);
	struct lined_answer view;

	answer_view(&delivery->answer, delivery->last, &view);
	if (delivery->last) {
		question->client = NULL;
		list_remove(&question->asked);
		if (question->kind != LINED_ASK_TAP)
			socket_unhold(sock, CLIENT_HOLD_QUESTION);
	}
	worker_enter(instance->worker, instance);
	question->answered(sock, question->arg, &view);
	worker_leave(instance->worker);
}

static void delivery_free(struct question_delivery *delivery)
{
	if (delivery->last) {
		question_free(delivery->question);
		return;
	}
	answer_fini(&delivery->answer);
	free(delivery);
}

static void delivery_came(struct lined_message *message)
{
	struct question_delivery *delivery =
		lined_container_of(message, struct question_delivery, message);
	struct question *question = delivery->question;

	if (!delivery->last)
		atomic_fetch_sub_explicit(&question->waiting, 1,
					  memory_order_relaxed);
	/* Lines that were on their way when the tap was stopped are not
	 * wanted any more. */
	if (question->client != NULL && (delivery->last || !question->stopped))
		tell_client(delivery);
	delivery_free(delivery);
}

static void delivery_cancelled(struct lined_message *message)
{
	struct question_delivery *delivery =
		lined_container_of(message, struct question_delivery, message);

	if (delivery->last && delivery->question->client != NULL)
		list_remove(&delivery->question->asked);
	delivery_free(delivery);
}

int question_answer(struct question *question, struct lined_dispatcher *from,
		    struct answer *answer, bool last)
{
	struct question_delivery *delivery = &question->last;

	if (!last) {
		delivery = calloc(1, sizeof(*delivery));
		if (delivery == NULL) {
			answer_fini(answer);
			return -1;
		}
		atomic_fetch_add_explicit(&question->waiting, 1,
					  memory_order_relaxed);
	}
	delivery->message.handler = delivery_came;
	delivery->message.cancel = delivery_cancelled;
	delivery->question = question;
	delivery->answer = *answer;
	delivery->last = last;
	memset(answer, 0, sizeof(*answer));
	carry(from, question->asker, &delivery->message);
	return 0;
}

/* ---- rights ------------------------------------------------------------- */

enum lined_right lined_client_right(const struct lined_socket *client)
{
	struct lined_service *instance = lined_client_service(client);
	int fd = lined_socket_fd(client);
	struct credentials peer;
	gid_t gid = instance->conf->socket_gid;

	if (credentials_get(fd, &peer) < 0)
		return LINED_RIGHT_NONE;
	if (peer.uid == 0 || peer.uid == geteuid())
		return LINED_RIGHT_CHANGE;
	if (gid != (gid_t)-1 && credentials_in_group(fd, &peer, gid))
		return LINED_RIGHT_LOOK;
	return LINED_RIGHT_NONE;
}

const char *lined_client_identity(const struct lined_socket *client)
{
	static _Thread_local char text[64];
	struct credentials peer;

	if (credentials_get(lined_socket_fd(client), &peer) < 0)
		return "unknown";
	snprintf(text, sizeof(text), "uid %ld, pid %ld", (long)peer.uid,
		 (long)peer.pid);
	return text;
}
