/* SPDX-License-Identifier: MIT */
/*
 * Watches of the registry: all workers see each change, and in the same order.
 * To be run under a thread sanitizer as well.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lined/bus.h>
#include <lined/registry.h>

#include "claims_fixture.h"
#include "support.h"

struct watcher {
	struct lined_service *service;
	struct lined_registry_watch *watch;
	char text[256];
	struct watcher *watch_too, *unwatch;
};

static void changed(const struct lined_registry_entry *entry, bool here,
		    void *arg);

static void begin_watch(struct lined_service *service, void *arg)
{
	struct watcher *watcher = arg;

	watcher->service = service;
	watcher->watch = lined_registry_watch(service, "n/", changed, watcher);
	must(watcher->watch != NULL);
}

static void changed(const struct lined_registry_entry *entry, bool here,
		    void *arg)
{
	struct watcher *watcher = arg;
	size_t len = strlen(watcher->text);
	struct lined_registry_entry found;

	must(watcher->watch != NULL);
	must(lined_registry_find(watcher->service, entry->name, &found) ==
	     here);
	snprintf(watcher->text + len, sizeof(watcher->text) - len, "%c%s ",
		 here ? '+' : '-', entry->name);
	if (watcher->watch_too != NULL)
		begin_watch(watcher->service, watcher->watch_too);
	watcher->watch_too = NULL;
	if (watcher->unwatch != NULL) {
		lined_registry_unwatch(watcher->unwatch->watch);
		watcher->unwatch->watch = NULL;
	}
	watcher->unwatch = NULL;
}

START_TEST(a_watch_is_told_of_each_change)
{
	struct watcher watchers[HALL_WORKERS] = {{.watch = NULL}};
	unsigned w;
	int a;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	for (w = 0; w < claims_hall.count; w++)
		hall_call(&claims_hall, 0, w, begin_watch, &watchers[w]);
	a = hall_client(&claims_hall, 0, claims_hall.count - 1);
	claims_ask(a, "c n/a\nc m/a\nc n/b\nr n/a\nc n/a\n",
		   "won\nwon\nwon\nwon\n");
	close(a);
	claims_expect_list("", "");
	hall_close(&claims_hall);
	for (w = 0; w < claims_hall.count; w++) {
		const char *text = watchers[w].text;

		/* The names of a closed client are released in any order. */
		ck_assert(strcmp(text, "+n/a +n/b -n/a +n/a -n/a -n/b ") == 0 ||
			  strcmp(text, "+n/a +n/b -n/a +n/a -n/b -n/a ") == 0);
	}
}
END_TEST

START_TEST(a_watcher_may_watch_and_unwatch)
{
	struct watcher first = {.watch = NULL}, second = {.watch = NULL},
		       third = {.watch = NULL};
	int a;

	hall_open(&claims_hall, 1, &claiming, NULL);
	begin_watch(claims_hall.instances[0][0], &first);
	begin_watch(claims_hall.instances[0][0], &second);
	first.unwatch = &second;
	first.watch_too = &third;
	a = hall_client(&claims_hall, 0, 0);
	claims_ask(a, "c n/a\n", "won\n");
	ck_assert_str_eq(first.text, "+n/a ");
	ck_assert_str_eq(second.text, "");
	ck_assert_str_eq(third.text, "");
	first.unwatch = &first;
	claims_ask(a, "c n/b\n", "won\n");
	claims_ask(a, "c n/c\n", "won\n");
	ck_assert_str_eq(first.text, "+n/a +n/b ");
	ck_assert_str_eq(third.text, "+n/b +n/c ");
	lined_registry_unwatch(NULL);
	close(a);
	hall_close(&claims_hall);
}
END_TEST

START_TEST(an_instance_that_ends_watches_no_more)
{
	struct watcher watcher = {.watch = NULL}, kept = {.watch = NULL};
	int a;

	hall_open(&claims_hall, 2, &claiming, NULL);
	hall_call(&claims_hall, 0, 0, begin_watch, &watcher);
	hall_call(&claims_hall, 0, 0, begin_watch, &kept);
	a = hall_client(&claims_hall, 0, 1);
	hall_end_instance(&claims_hall, 0, 0); /* the primary */
	claims_ask(a, "c n/a\n1\n", "won\n1\n");
	close(a);
	hall_close(&claims_hall);
	ck_assert_str_eq(watcher.text, "");
	ck_assert_str_eq(kept.text, "");
}
END_TEST

/* ---- many changes -------------------------------------------------------- */

enum { NAMES = 5, ROUNDS = 40 };

/* A hash of the changes that a worker has seen, and the current owners. */
struct witness {
	struct lined_service *service;
	uint64_t hash;
	unsigned changes;
	bool here[NAMES];
};

static void witness_change(const struct lined_registry_entry *entry, bool here,
			   void *arg)
{
	struct witness *witness = arg;
	unsigned name = (unsigned)atoi(entry->name);

	must(name < NAMES);
	must(witness->here[name] != here);
	witness->here[name] = here;
	witness->hash =
		(witness->hash ^ (entry->owner * NAMES * 2 + name * 2 + here)) *
		1099511628211u;
	hall_count(&witness->changes);
}

static void begin_witness(struct lined_service *service, void *arg)
{
	must(lined_registry_watch(service, "", witness_change, arg) != NULL);
}

/* Reads answers until the line "end" has come back. */
static void read_to_end(int fd)
{
	char byte, before = '\0';

	for (;; before = byte) {
		ck_assert_int_eq(read(fd, &byte, 1), 1);
		/* "won" and "lost" have no d. */
		if (before == 'd' && byte == '\n')
			return;
	}
}

START_TEST(all_workers_see_the_same_changes_in_the_same_order)
{
	struct witness witnesses[HALL_WORKERS] = {{.hash = 0}};
	int fds[20];
	unsigned i, k, w;

	hall_open(&claims_hall, HALL_WORKERS, &claiming, NULL);
	for (w = 0; w < claims_hall.count; w++)
		hall_call(&claims_hall, 0, w, begin_witness, &witnesses[w]);
	for (i = 0; i < 20; i++)
		fds[i] = hall_client(&claims_hall, 0, i % claims_hall.count);
	for (k = 0; k < ROUNDS; k++)
		for (i = 0; i < 20; i++) {
			char text[64];

			snprintf(text, sizeof(text), "c %u\nr %u\nd %u\nc %u\n",
				 (i + k) % NAMES, (i + k + 1) % NAMES,
				 (i * 3 + k) % NAMES, (i + 2 * k) % NAMES);
			support_puts(fds[i], text);
		}
	for (i = 0; i < 20; i++) {
		if (i % 2 == 0)
			support_puts(fds[i], "end\n");
		else
			close(fds[i]); /* while answers are under way */
	}
	for (i = 0; i < 20; i += 2) {
		read_to_end(fds[i]);
		close(fds[i]);
	}
	claims_expect_list("", "");
	hall_close(&claims_hall);
	/* The number depends on the order of the claims: 36 to 390 were
	 * seen. */
	ck_assert_uint_gt(witnesses[0].changes, 2 * NAMES);
	for (w = 1; w < HALL_WORKERS; w++) {
		ck_assert_uint_eq(witnesses[w].changes, witnesses[0].changes);
		ck_assert_uint_eq(witnesses[w].hash, witnesses[0].hash);
	}
}
END_TEST

/* If a worker that has seen a change sends a message, its receiver must find
 * the change done. */
enum { CHANGES = 300 };

struct rumour {
	struct lined_service *service;
	unsigned heard;
};

static void spread_change(const struct lined_registry_entry *entry, bool here,
			  void *arg)
{
	struct rumour *rumour = arg;
	char text[32];
	int len = snprintf(text, sizeof(text), "%c%s", here ? '+' : '-',
			   entry->name);
	struct lined_buffer *buffer = lined_buffer_new(text, (size_t)len + 1);

	must(buffer != NULL);
	must(lined_bus_publish(rumour->service, "news", buffer) == 0);
	lined_buffer_unref(buffer);
}

static void hear_change(void *arg, struct lined_buffer *message)
{
	struct rumour *rumour = arg;
	const char *text = lined_buffer_data(message);
	struct lined_registry_entry entry;

	must(lined_registry_find(rumour->service, text + 1, &entry) ==
	     (text[0] == '+'));
	hall_count(&rumour->heard);
}

static void begin_to_spread(struct lined_service *service, void *arg)
{
	struct rumour *rumour = arg;

	rumour->service = service;
	must(lined_registry_watch(service, "n/", spread_change, rumour) !=
	     NULL);
}

static void begin_to_hear(struct lined_service *service, void *arg)
{
	struct rumour *rumour = arg;

	rumour->service = service;
	must(lined_bus_subscribe(service, "news", hear_change, rumour) != NULL);
}

START_TEST(who_hears_of_a_change_finds_it_done)
{
	struct rumour rumours[HALL_WORKERS] = {{.heard = 0}};
	unsigned claimant = (unsigned)_i, i, w;
	int fd;

	hall_open(&claims_hall, HALL_WORKERS, &claiming, NULL);
	hall_call(&claims_hall, 0, claimant, begin_to_spread,
		  &rumours[claimant]);
	for (w = 0; w < claims_hall.count; w++)
		if (w != claimant)
			hall_call(&claims_hall, 0, w, begin_to_hear,
				  &rumours[w]);
	fd = hall_client(&claims_hall, 0, claimant);
	for (i = 0; i < CHANGES; i++) {
		char text[32];

		snprintf(text, sizeof(text), "c n/%u\n", i);
		support_puts(fd, text);
		claims_expect(fd, "won\n");
	}
	for (i = 0; i < CHANGES; i++) {
		char text[32];

		snprintf(text, sizeof(text), "r n/%u\n.\n", i);
		support_puts(fd, text);
		claims_expect(fd, ".\n");
	}
	for (w = 0; w < claims_hall.count; w++)
		if (w != claimant)
			hall_wait_count(&claims_hall, &rumours[w].heard,
					2 * CHANGES);
	close(fd);
	hall_close(&claims_hall);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("registry-watch");
	TCase *tcase;

	tcase = support_case(suite, "watches");
	tcase_add_loop_test(tcase, a_watch_is_told_of_each_change, 0,
			    CLAIMS_VARIANTS);
	tcase_add_test(tcase, a_watcher_may_watch_and_unwatch);
	tcase_add_test(tcase, an_instance_that_ends_watches_no_more);

	tcase = support_case(suite, "many");
	tcase_add_test(tcase,
		       all_workers_see_the_same_changes_in_the_same_order);
	tcase_add_loop_test(tcase, who_hears_of_a_change_finds_it_done, 0,
			    HALL_WORKERS);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
