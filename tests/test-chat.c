/* SPDX-License-Identifier: MIT */
/*
 * Chat on several workers, one of which is stopped at a bad moment. The
 * transcripts and test_chat.py test everything else that clients see.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lined/bus.h>

#include "chat/chat.h"
#include "chat/command.h"
#include "chat/event.h"
#include "chat/member.h"
#include "chat/room.h"
#include "serve/service_instance.h"
#include "support.h"
#include "threads/registry.h"
#include "worker_fixture.h"

/* The workers: 0 is the primary; one has the newcomer, one those who speak. */
enum { NEWCOMERS = 1, SPEAKERS = 2, WORKERS = 3 };

#define GREETING "* You are guest1. /help lists the commands.\n"

extern const struct lined_protocol lined_protocol;

static const struct chat_options plain = {
	.motd = "",
	.default_room = "den",
	.password = "",
	.flood_burst = 20,
};

static const struct chat_options with_history = {
	.motd = "",
	.default_room = "den",
	.password = "",
	.flood_burst = 20,
	.history = 10,
};

/* Sends a line to the room, as if a member on this worker had sent it. */
static void say(struct lined_service *service, void *text)
{
	const struct chat_event event = {
		.kind = CHAT_EVENT_MESSAGE,
		.from = 1000,
		.rooms = "den",
		.name = "alice",
	};

	must(chat_event_send(lined_service_data(service), &event,
			     "[den] <alice> %s", (const char *)text) == 0);
}

static void set_topic(struct lined_service *service, void *text)
{
	const struct chat_event event = {
		.kind = CHAT_EVENT_TOPIC,
		.from = 1000,
		.rooms = "den",
		.name = "alice",
	};

	must(chat_event_send(lined_service_data(service), &event,
			     "* alice set the topic of den: %s",
			     (const char *)text) == 0);
}

/* Connects a client while events that happened before are still on their way to
 * its worker. */
static int come_late(struct hall *hall, const struct chat_options *options,
		     void (*happen)(struct lined_service *service, void *arg))
{
	char old[] = "old", new[] = "new";
	struct hall_stop stop;
	int newcomer;

	hall_open(hall, WORKERS, &lined_protocol, options);
	hall_stop_behind(hall, 0, SPEAKERS, happen, old, &stop);
	newcomer = hall_client(hall, 0, NEWCOMERS);
	support_expect(hall->main, newcomer, GREETING "* guest1 joined den\n");
	hall_let_go(hall, &stop);
	hall_call(hall, 0, SPEAKERS, say, new);
	return newcomer;
}

START_TEST(what_was_said_before_one_came_is_not_heard)
{
	struct hall hall;
	int newcomer = come_late(&hall, &plain, say);

	support_expect(hall.main, newcomer, "[den] <alice> new\n");
	close(newcomer);
	hall_close(&hall);
}
END_TEST

START_TEST(it_is_history_where_there_is_one)
{
	static const char form[] = "[den 00:00] <alice> old\n";
	struct hall hall;
	int newcomer = come_late(&hall, &with_history, say);
	char line[sizeof(form)] = "";
	size_t i;

	/* The workers run on their own threads: this thread may just wait. */
	ck_assert_int_eq(recv(newcomer, line, strlen(form), MSG_WAITALL),
			 (ssize_t)strlen(form));
	for (i = 0; line[i] != '\0'; i++)
		if (isdigit((unsigned char)line[i]))
			line[i] = '0';
	ck_assert_str_eq(line, form);
	support_expect(hall.main, newcomer, "[den] <alice> new\n");
	close(newcomer);
	hall_close(&hall);
}
END_TEST

START_TEST(a_topic_of_before_is_told_as_one)
{
	struct hall hall;
	int newcomer = come_late(&hall, &plain, set_topic);

	support_expect(hall.main, newcomer,
		       "* topic of den: old\n[den] <alice> new\n");
	close(newcomer);
	hall_close(&hall);
}
END_TEST

static size_t lines_kept(struct chat *chat)
{
	const struct chat_room *room = chat_room_next(chat, "");
	size_t lines = 0;

	for (; room != NULL; room = chat_room_next(chat, room->name))
		lines += room->history.count;
	return lines;
}

static void give_up(struct lined_service *service, void *arg)
{
	static const char *const rooms[] = {"one", "two", "three"};
	struct chat *chat = lined_service_data(service);
	struct chat_event event = {.kind = CHAT_EVENT_MESSAGE};

	for (size_t i = 0; i < 3; i++) {
		event.rooms = rooms[i];
		event.buffer = lined_buffer_new("said\n", 5);
		must(chat_room_get(chat, rooms[i]) != NULL);
		must(event.buffer != NULL);
		chat_room_remember(chat, &event);
		lined_buffer_unref(event.buffer);
	}
	must(lines_kept(chat) == 3);
	lined_protocol.give_up(service, 1, true);
	must(lines_kept(chat) == 2);
	lined_protocol.give_up(service, 6, true);
	must(lines_kept(chat) == 0);
}

/* A history does not give up a line of each room to free a single byte. */
START_TEST(histories_give_up_about_as_much_as_is_asked)
{
	struct hall hall;

	hall_open(&hall, 1, &lined_protocol, &with_history);
	hall_call(&hall, 0, 0, give_up, NULL);
	hall_close(&hall);
}
END_TEST

static void remember(struct chat *chat, const char *text)
{
	struct chat_event event = {.kind = CHAT_EVENT_MESSAGE, .rooms = "one"};

	event.buffer = lined_buffer_new(text, strlen(text));
	must(chat_room_get(chat, "one") != NULL && event.buffer != NULL);
	chat_room_remember(chat, &event);
	lined_buffer_unref(event.buffer);
}

static void fill_memory(struct lined_service *service, void *arg)
{
	struct chat *chat = lined_service_data(service);

	remember(chat, "1");
	remember(chat, "2");
	must(lines_kept(chat) == 2);
	lined_service_charge(service, 80000);
	remember(chat, "3");
	must(lines_kept(chat) == 2);
	lined_service_charge(service, -80000);
	remember(chat, "4");
	must(lines_kept(chat) == 3);
}

START_TEST(history_does_not_grow_where_memory_is_short)
{
	struct hall hall;

	hall_open(&hall, 1, &lined_protocol, &with_history);
	memory_set_limit(&hall.memory, 100000);
	hall_call(&hall, 0, 0, fill_memory, NULL);
	hall_close(&hall);
}
END_TEST

/* Opens the hall with one client. Returns the other end of the client, which
 * has been greeted. */
static int open_with_client(struct hall *hall)
{
	int client;

	hall_open(hall, WORKERS, &lined_protocol, &plain);
	client = hall_client(hall, 0, NEWCOMERS);
	support_expect(hall->main, client, GREETING "* guest1 joined den\n");
	return client;
}

/* Publishes any bytes on the topic of chat, as a faulty node could. */
static void publish(struct lined_service *service, void *text)
{
	struct lined_buffer *buffer = lined_buffer_new(text, strlen(text));

	must(buffer != NULL && lined_bus_publish(service, "chat", buffer) == 0);
	lined_buffer_unref(buffer);
}

START_TEST(a_text_that_is_no_line_is_refused)
{
	static const char *const texts[] = {
		"m 1 1 3e8 0 0 den alice\n",
		"m 1 1 3e8 0 0 den alice\ncut",
		"m 1 1 3e8 0 0 den alice\ntwo\nlines\n",
		"m 1 1 3e8 0 0 den alice\n\033[2J\n",
		"m 1 1 3e8 0 0 den\nfew words\n",
		"m 1 1 3e8 0 0 den alice, and no text",
		"m 1 x 3e8 0 0 den alice\nno number\n",
		"u 1 1 3e8 1 60 . \033[2J\n\n",
		"m 1 1 3e8 0 0 den \033[2J\nof nobody\n",
		"m 1 1 3e8 0 0 den alice\ngood\n",
	};
	char text[64];
	struct hall hall;
	int client;
	size_t i;

	client = open_with_client(&hall);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		strcpy(text, texts[i]);
		hall_call(&hall, 0, SPEAKERS, publish, text);
	}
	support_expect(hall.main, client, "good\n");
	close(client);
	hall_close(&hall);
}
END_TEST

/* A stamp in the year 2112. */
#define LATER_STAMP (UINT64_C(1) << 52)

/* Sets the last stamp as if the clock had been set back after a later event. */
static void set_clock_back(struct lined_service *service, void *arg)
{
	struct chat *chat = lined_service_data(service);

	chat->last_stamp = LATER_STAMP;
}

static void get_stamp(struct lined_service *service, void *stamp)
{
	const struct chat *chat = lined_service_data(service);

	*(uint64_t *)stamp = chat->last_stamp;
}

START_TEST(the_later_topic_wins_while_the_clock_is_behind)
{
	char one[] = "one", two[] = "two";
	struct hall hall;
	uint64_t stamp;
	int client;

	client = open_with_client(&hall);
	hall_call(&hall, 0, SPEAKERS, set_clock_back, NULL);
	hall_call(&hall, 0, SPEAKERS, set_topic, one);
	hall_call(&hall, 0, SPEAKERS, set_topic, two);
	support_expect(hall.main, client,
		       "* alice set the topic of den: one\n"
		       "* alice set the topic of den: two\n");
	hall_call(&hall, 0, SPEAKERS, get_stamp, &stamp);
	ck_assert_uint_eq(stamp, LATER_STAMP + 2);
	support_puts(client, "/topic\n");
	support_expect(hall.main, client, "* topic of den: two\n");
	close(client);
	hall_close(&hall);
}
END_TEST

/* No later topic could have a higher stamp. */
START_TEST(a_stamp_that_no_clock_has_is_refused)
{
	char bad[] = "t 1 ffffffffffffffff 3e8 0 0 den alice\n"
		     "* alice set the topic of den: bad\n";
	char good[] = "good";
	struct hall hall;
	int client;

	client = open_with_client(&hall);
	hall_call(&hall, 0, SPEAKERS, publish, bad);
	hall_call(&hall, 0, SPEAKERS, set_topic, good);
	support_expect(hall.main, client,
		       "* alice set the topic of den: good\n");
	support_puts(client, "/topic\n");
	support_expect(hall.main, client, "* topic of den: good\n");
	close(client);
	hall_close(&hall);
}
END_TEST

struct lined_buffer *__real_lined_buffer_alloc(size_t len, char **data);
struct lined_buffer *__wrap_lined_buffer_alloc(size_t len, char **data);

/* Set on the worker whose allocations must fail. */
static _Thread_local bool has_no_memory;

struct lined_buffer *__wrap_lined_buffer_alloc(size_t len, char **data)
{
	return has_no_memory ? NULL : __real_lined_buffer_alloc(len, data);
}

static void say_without_memory(struct lined_service *service, void *text)
{
	const struct chat_event event = {.kind = CHAT_EVENT_MESSAGE,
					 .from = 1000,
					 .rooms = "den",
					 .name = "alice"};

	has_no_memory = true;
	must(chat_event_send(lined_service_data(service), &event, "%s",
			     (const char *)text) == -1);
	has_no_memory = false;
}

START_TEST(a_message_without_memory_is_an_error_and_the_next_one_is_heard)
{
	char one[] = "one", two[] = "two";
	struct hall hall;
	int client;

	client = open_with_client(&hall);
	hall_call(&hall, 0, SPEAKERS, say_without_memory, one);
	hall_call(&hall, 0, SPEAKERS, say, two);
	support_expect(hall.main, client, "[den] <alice> two\n");
	close(client);
	hall_close(&hall);
}
END_TEST

#define LAST_GUEST "guest18446744073709551615"

/* The claim of a client of another node. */
static struct registry_claim *elsewhere;

static void claim(struct lined_service *service, const char *entry,
		  const char *value)
{
	elsewhere = registry_claim_new(service->registry.replica->registry,
				       REGISTRY_ELSEWHERE, entry, value,
				       strlen(value));
	must(elsewhere != NULL);
	elsewhere->owner = UINT64_C(1) << 40;
	registry_copies_init(elsewhere);
	registry_claim_ref(elsewhere);
	elsewhere->copies[0].add.handler(&elsewhere->copies[0].add);
}

static void come(struct lined_service *service, void *nickname)
{
	claim(service, "n/" LAST_GUEST, nickname);
}

static void join(struct lined_service *service, void *seat)
{
	claim(service, seat, "");
}

static void go(struct lined_service *service, void *arg)
{
	registry_claim_ref(elsewhere);
	elsewhere->copies[0].remove.handler(&elsewhere->copies[0].remove);
	registry_claim_unref(elsewhere);
}

static void ask_for_guest(struct hall *hall, int client, const char *answer)
{
	char text[128];

	support_write(client, "/ignore " LAST_GUEST "\n",
		      strlen("/ignore " LAST_GUEST "\n"));
	snprintf(text, sizeof(text), "%s" LAST_GUEST "\n", answer);
	support_expect(hall->main, client, text);
}

START_TEST(a_name_of_another_node_is_a_nickname)
{
	char good[] = LAST_GUEST, bad[] = "a\033[2Jb";
	struct hall hall;
	int client;

	hall_open(&hall, 1, &lined_protocol, &plain);
	hall_call(&hall, 0, 0, come, good);
	client = hall_client(&hall, 0, 0);
	support_expect(hall.main, client, GREETING "* guest1 joined den\n");
	ask_for_guest(&hall, client, "* you ignore ");
	hall_call(&hall, 0, 0, go, NULL);
	hall_call(&hall, 0, 0, come, bad);
	ask_for_guest(&hall, client, "! no such nickname: ");
	hall_call(&hall, 0, 0, go, NULL);
	close(client);
	hall_close(&hall);
}
END_TEST

static const struct {
	const char *seat, *answer;
} seats[] = {
	{"m/hall/10000000000", "* rooms: den (1) hall (1)\n"},
	{"m/\033[2J/10000000000", "* rooms: den (1)\n"},
	{"m/Hall/10000000000", "* rooms: den (1)\n"},
	{"m//10000000000", "* rooms: den (1)\n"},
	{"m/a_name_of_32_bytes_and_then_some_more/10000000000",
	 "* rooms: den (1)\n"},
};

START_TEST(a_room_of_another_node_is_a_room)
{
	char seat[64];
	struct hall hall;
	int client;

	hall_open(&hall, 1, &lined_protocol, &plain);
	client = hall_client(&hall, 0, 0);
	support_expect(hall.main, client, GREETING "* guest1 joined den\n");
	strcpy(seat, seats[_i].seat);
	hall_call(&hall, 0, 0, join, seat);
	support_puts(client, "/rooms\n");
	support_expect(hall.main, client, seats[_i].answer);
	hall_call(&hall, 0, 0, go, NULL);
	support_puts(client, "/rooms\n");
	support_expect(hall.main, client, "* rooms: den (1)\n");
	close(client);
	hall_close(&hall);
}
END_TEST

#define ROOMS 10000

/* Makes rooms with one member each, and lists them. */
static void ask_for_rooms(struct lined_service *service, void *arg)
{
	struct chat *chat = lined_service_data(service);
	struct chat_member *member = *(struct chat_member **)chat->members;
	char line[] = "/rooms", name[16];
	unsigned i;

	(void)arg;
	for (i = 0; i < ROOMS; i++) {
		snprintf(name, sizeof(name), "room%05u", ROOMS - 1 - i);
		must(chat_room_get(chat, name) != NULL);
		chat_room_find(chat, name)->count = 1;
	}
	chat_command(member, line);
	must(member->list != NULL && member->list_size < 64 * 1024);
}

/* If a worker listed all of them in one turn, its other clients would have to
 * wait. */
START_TEST(many_rooms_are_listed_over_several_turns)
{
	char item[32], *line = NULL;
	struct hall hall;
	size_t size = 0;
	unsigned seen = 0;
	FILE *answer;
	int client;

	client = open_with_client(&hall);
	hall_call(&hall, 0, NEWCOMERS, ask_for_rooms, NULL);
	/* The workers run on their own threads: this thread may just wait. */
	answer = fdopen(dup(client), "r");
	ck_assert_ptr_nonnull(answer);
	while (seen < ROOMS && getline(&line, &size, answer) > 0) {
		char *at = line + strlen("* rooms:");

		ck_assert_mem_eq(line, "* rooms:", strlen("* rooms:"));
		for (; *at == ' '; at += strlen(item)) {
			snprintf(item, sizeof(item), " room%05u (1)", seen);
			if (strncmp(at, " den (1)", 8) == 0)
				strcpy(item, " den (1)");
			else
				seen++;
			ck_assert_mem_eq(at, item, strlen(item));
		}
		ck_assert_str_eq(at, "\n");
	}
	ck_assert_uint_eq(seen, ROOMS);
	fclose(answer);
	free(line);
	close(client);
	hall_close(&hall);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("chat");
	TCase *tcase = support_case(suite, "a newcomer");
	TCase *histories = support_case(suite, "histories");
	TCase *events = support_case(suite, "events");
	TCase *lists = support_case(suite, "lists");

	tcase_add_test(tcase, what_was_said_before_one_came_is_not_heard);
	tcase_add_test(tcase, it_is_history_where_there_is_one);
	tcase_add_test(tcase, a_topic_of_before_is_told_as_one);
	tcase_add_test(histories, histories_give_up_about_as_much_as_is_asked);
	tcase_add_test(histories, history_does_not_grow_where_memory_is_short);
	tcase_add_test(events, a_name_of_another_node_is_a_nickname);
	tcase_add_loop_test(events, a_room_of_another_node_is_a_room, 0,
			    (int)(sizeof(seats) / sizeof(seats[0])));
	tcase_add_test(events, a_text_that_is_no_line_is_refused);
	tcase_add_test(events, a_stamp_that_no_clock_has_is_refused);
	tcase_add_test(
		events,
		a_message_without_memory_is_an_error_and_the_next_one_is_heard);
	tcase_add_test(events, the_later_topic_wins_while_the_clock_is_behind);
	tcase_add_test(lists, many_rooms_are_listed_over_several_turns);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
