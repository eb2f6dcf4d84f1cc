/* SPDX-License-Identifier: MIT */
/*
 * Messages to the same thread: when and in which order they are handled, that
 * they cost no wakeup, and that they can be taken back.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <lined/dispatcher.h>

#include "dispatcher_priv.h"
#include "support.h"

#define NOTES_MAX 32

/* The handled messages, a letter for each. */
struct notes {
	struct lined_dispatcher *dispatcher;
	char text[NOTES_MAX];
	size_t len;
};

struct note {
	struct lined_message message;
	struct notes *notes;
	char letter;
	struct note *next;  /* deferred by the handler */
	struct note *other; /* taken back by the handler */
};

static void write_down(struct lined_message *message)
{
	struct note *note = lined_container_of(message, struct note, message);
	struct notes *notes = note->notes;

	ck_assert_uint_lt(notes->len, NOTES_MAX - 1);
	notes->text[notes->len++] = note->letter;
	if (note->next != NULL)
		lined_dispatcher_defer(notes->dispatcher, &note->next->message);
	if (note->other != NULL)
		lined_dispatcher_undefer(notes->dispatcher,
					 &note->other->message);
}

static void write_down_cancelled(struct lined_message *message)
{
	struct note *note = lined_container_of(message, struct note, message);

	note->notes->text[note->notes->len++] = '-';
}

static struct note note_of(struct notes *notes, char letter)
{
	return (struct note){
		.message.handler = write_down,
		.message.cancel = write_down_cancelled,
		.notes = notes,
		.letter = letter,
	};
}

static void defer(struct note *note)
{
	lined_dispatcher_defer(note->notes->dispatcher, &note->message);
}

START_TEST(deferred_messages_are_handled_in_order)
{
	struct notes notes = {.dispatcher = support_dispatcher()};
	struct note a = note_of(&notes, 'a'), b = note_of(&notes, 'b'),
		    c = note_of(&notes, 'c');

	defer(&a);
	defer(&b);
	defer(&c);
	ck_assert_str_eq(notes.text, "");
	/* -1: a turn with something deferred does not wait. */
	ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1), 0);
	ck_assert_str_eq(notes.text, "abc");
	lined_dispatcher_free(notes.dispatcher);
}
END_TEST

START_TEST(what_a_deferred_message_defers_is_for_the_next_turn)
{
	struct notes notes = {.dispatcher = support_dispatcher()};
	struct note a = note_of(&notes, 'a'), b = note_of(&notes, 'b');

	a.next = &b;
	b.next = &a;
	defer(&a);
	ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1), 1);
	ck_assert_str_eq(notes.text, "a");
	ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1), 1);
	ck_assert_str_eq(notes.text, "ab");
	lined_dispatcher_free(notes.dispatcher);
	ck_assert_str_eq(notes.text, "ab-");
}
END_TEST

START_TEST(posted_messages_come_before_deferred_ones)
{
	struct notes notes = {.dispatcher = support_dispatcher()};
	struct note a = note_of(&notes, 'a'), b = note_of(&notes, 'b'),
		    c = note_of(&notes, 'c');

	lined_dispatcher_open_mailbox(notes.dispatcher);
	b.next = &c; /* deferred in the message phase: handled in this turn */
	defer(&a);
	ck_assert_int_eq(lined_dispatcher_post(notes.dispatcher, &b.message),
			 0);
	ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1), 1);
	ck_assert_str_eq(notes.text, "bac");
	lined_dispatcher_free(notes.dispatcher);
}
END_TEST

struct deferring_timer {
	struct lined_timer timer;
	struct note *note;
	unsigned fired;
};

static void defer_late(struct lined_timer *timer)
{
	struct deferring_timer *d =
		lined_container_of(timer, struct deferring_timer, timer);

	d->fired++;
	defer(d->note);
}

START_TEST(what_a_late_phase_defers_is_not_left_waiting)
{
	struct notes notes = {.dispatcher = support_dispatcher()};
	struct note a = note_of(&notes, 'a');
	struct deferring_timer timer = {.note = &a};

	lined_timer_init(&timer.timer, notes.dispatcher, defer_late);
	ck_assert_int_eq(lined_timer_start(&timer.timer, 1, 0), 0);
	while (timer.fired == 0)
		ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1),
				 1);
	ck_assert_str_eq(notes.text, "");
	ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1), 0);
	ck_assert_str_eq(notes.text, "a");
	lined_dispatcher_free(notes.dispatcher);
}
END_TEST

START_TEST(deferring_does_not_wake)
{
	struct notes notes = {.dispatcher = support_dispatcher()};
	struct note a = note_of(&notes, 'a');

	defer(&a);
	ck_assert(!atomic_load(&notes.dispatcher->mailbox.signalled));
	lined_dispatcher_free(notes.dispatcher);
	ck_assert_str_eq(notes.text, "-");
}
END_TEST

START_TEST(a_message_can_be_taken_back)
{
	struct notes notes = {.dispatcher = support_dispatcher()};
	struct note a = note_of(&notes, 'a'), b = note_of(&notes, 'b'),
		    c = note_of(&notes, 'c');

	defer(&a);
	defer(&b);
	lined_dispatcher_undefer(notes.dispatcher, &b.message);
	lined_dispatcher_undefer(notes.dispatcher, &c.message);
	defer(&c);
	ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1), 0);
	ck_assert_str_eq(notes.text, "ac");
	lined_dispatcher_free(notes.dispatcher);
}
END_TEST

START_TEST(a_handler_may_take_back_what_is_due_after_it)
{
	struct notes notes = {.dispatcher = support_dispatcher()};
	struct note a = note_of(&notes, 'a'), b = note_of(&notes, 'b'),
		    c = note_of(&notes, 'c');

	a.other = &c;
	b.next = &c;
	defer(&a);
	defer(&b);
	defer(&c);
	ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1), 1);
	ck_assert_str_eq(notes.text, "ab");
	ck_assert_int_eq(lined_dispatcher_poll(notes.dispatcher, -1), 0);
	ck_assert_str_eq(notes.text, "abc");
	lined_dispatcher_free(notes.dispatcher);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("defer");
	TCase *tcase = support_case(suite, "defer");

	tcase_add_test(tcase, deferred_messages_are_handled_in_order);
	tcase_add_test(tcase,
		       what_a_deferred_message_defers_is_for_the_next_turn);
	tcase_add_test(tcase, posted_messages_come_before_deferred_ones);
	tcase_add_test(tcase, what_a_late_phase_defers_is_not_left_waiting);
	tcase_add_test(tcase, deferring_does_not_wake);
	tcase_add_test(tcase, a_message_can_be_taken_back);
	tcase_add_test(tcase, a_handler_may_take_back_what_is_due_after_it);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
