/* SPDX-License-Identifier: MIT */
/*
 * The registry: one winner a name, one order on all workers, names that die
 * with their owner. To be run under a thread sanitizer as well.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lined/bus.h>
#include <lined/registry.h>

#include "serve/service_instance.h"
#include "support.h"
#include "worker_fixture.h"

/* ---- a protocol that does what its clients say --------------------------- */

static void answer(struct lined_socket *client, void *arg, bool won)
{
	lined_socket_send(client, won ? "won\n" : "lost\n", won ? 4 : 5);
}

/* Two claims in one go: the second is answered second. */
static void claim_two(struct lined_socket *client, const char *name)
{
	struct lined_service *service = lined_client_service(client);

	must(lined_registry_claim(service, client, name, "1", 1, answer,
				  NULL) == 0);
	must(lined_registry_claim(service, client, "second", "2", 2, answer,
				  NULL) == 0);
}

/*
 * "c NAME" claims, "2 NAME" claims that and "second", "r NAME" releases, "x
 * NAME" claims and closes, "d NAME" claims and releases; everything else comes
 * back.
 */
static void obey(struct lined_socket *client, const struct lined_line *line)
{
	struct lined_service *service = lined_client_service(client);
	const char *name = line->text + 2;

	switch (line->text[0]) {
	case 'c':
	case 'd':
	case 'x':
		must(lined_registry_claim(service, client, name, name,
					  strlen(name), answer, NULL) == 0);
		if (line->text[0] == 'd')
			lined_registry_release(service, client, name);
		if (line->text[0] == 'x')
			lined_socket_close(client);
		break;
	case '2':
		claim_two(client, name);
		break;
	case 'r':
		lined_registry_release(service, client, name);
		break;
	default:
		lined_socket_send_line(client, line);
		break;
	}
}

static const struct lined_protocol claiming = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "claiming",
	.handle_line = obey,
};

/* ---- what tests ask ------------------------------------------------------ */

static struct hall hall;

/* Waits for the text on a client's other end. */
static void expect(int fd, const char *text)
{
	uint64_t end_ms = support_now_ms() + SUPPORT_WATCHDOG_MS;
	char got[256];
	size_t len = 0;

	while (len < strlen(text)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		ck_assert_msg(support_now_ms() < end_ms, "got only \"%.*s\"",
			      (int)len, got);
		lined_dispatcher_poll(hall.main, 1);
		if (poll(&p, 1, 1) <= 0)
			continue;
		n = read(fd, got + len, strlen(text) - len);
		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	got[len] = '\0';
	ck_assert_str_eq(got, text);
}

static void ask(int fd, const char *text, const char *answer_text)
{
	support_puts(fd, text);
	expect(fd, answer_text);
}

/* Waits until the client has been closed; closes the other end. */
static void expect_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	while (poll(&p, 1, 1) == 0)
		lined_dispatcher_poll(hall.main, 1);
	ck_assert_int_eq(read(fd, &byte, 1), 0);
	close(fd);
}

struct listing {
	const char *prefix;
	char text[256];
};

static void add_entry(const struct lined_registry_entry *entry, void *arg)
{
	struct listing *listing = arg;
	size_t len = strlen(listing->text);

	snprintf(listing->text + len, sizeof(listing->text) - len,
		 "%s=%.*s:%u ", entry->name, (int)entry->value_len,
		 (const char *)entry->value, (unsigned)entry->owner);
}

static void make_list(struct lined_service *service, void *arg)
{
	struct listing *listing = arg;

	listing->text[0] = '\0';
	lined_registry_list(service, listing->prefix, add_entry, listing);
}

struct expected {
	unsigned worker;
	struct listing listing;
	const char *text;
};

static bool is_listed(void *arg)
{
	struct expected *expected = arg;

	hall_call(&hall, 0, expected->worker, make_list, &expected->listing);
	return strcmp(expected->listing.text, expected->text) == 0;
}

/* Waits until this is what is listed on every worker. */
static void expect_list(const char *prefix, const char *text)
{
	struct expected expected = {
		.listing.prefix = prefix,
		.text = text,
	};

	for (; expected.worker < hall.count; expected.worker++)
		if (hall.instances[0][expected.worker] != NULL)
			hall_wait(&hall, is_listed, &expected);
}

/* ---- claims, on one worker and on several ------------------------------- */

static const unsigned workers_of[] = {1, 2, HALL_WORKERS};
#define WORKERS workers_of[_i]

START_TEST(the_first_claim_wins)
{
	int a, b;

	hall_open(&hall, WORKERS, &claiming, NULL);
	a = hall_client(&hall, 0, 0);
	b = hall_client(&hall, 0, hall.count - 1);
	ask(a, "c alice\n", "won\n");
	ask(b, "c alice\n", "lost\n");
	ask(a, "c alice\n", "lost\n"); /* not even its owner's again */
	expect_list("", "alice=alice:1 ");
	close(a);
	close(b);
	hall_close(&hall);
}
END_TEST

/* The claim once, and a copy for each worker. */
START_TEST(a_name_is_charged_until_it_is_free)
{
	uint64_t before, most;
	int a;

	hall_open(&hall, WORKERS, &claiming, NULL);
	a = hall_client(&hall, 0, hall.count - 1);
	ask(a, "hello\n", "hello\n");
	before = memory_kept(&hall.memory);
	ask(a, "c alice\n", "won\n");
	expect_list("", "alice=alice:1 ");
	most = memory_kept(&hall.memory);
	ck_assert_uint_ge(most,
			  before + sizeof(struct registry_claim) +
				  hall.count * sizeof(struct registry_copy));
	ask(a, "c alice\n", "lost\n");
	ck_assert_uint_eq(memory_kept(&hall.memory), most);
	support_puts(a, "r alice\n");
	expect_list("", "");
	ck_assert_uint_eq(memory_kept(&hall.memory), before);
	ask(a, "c bob\n", "won\n");
	close(a);
	expect_list("", "");
	hall_wait_held(&hall, 0, 0);
	hall_close(&hall);
}
END_TEST

START_TEST(lines_wait_for_the_answer)
{
	int a, b;

	hall_open(&hall, WORKERS, &claiming, NULL);
	a = hall_client(&hall, 0, 0);
	b = hall_client(&hall, 0, hall.count - 1);
	ask(a, "1\nc x\n2 y\n3\nc x\n4\n", "1\nwon\nwon\nwon\n3\nlost\n4\n");
	ask(b, "1\nc x\n3\nc z\n4\nr z\nc z\n5\n",
	    "1\nlost\n3\nwon\n4\nwon\n5\n");
	close(a);
	close(b);
	hall_close(&hall);
}
END_TEST

START_TEST(a_released_name_is_free)
{
	int a, b;

	hall_open(&hall, WORKERS, &claiming, NULL);
	a = hall_client(&hall, 0, hall.count - 1);
	b = hall_client(&hall, 0, 0);
	ask(a, "c x\n", "won\n");
	ask(b, "r x\nr y\nc x\n", "lost\n"); /* not b's to release */
	support_puts(a, "r x\n");
	expect_list("", "");
	ask(b, "c x\n", "won\n");
	expect_list("", "x=x:2 ");
	close(a);
	close(b);
	hall_close(&hall);
}
END_TEST

START_TEST(a_release_may_overtake_the_answer)
{
	int a, b;

	hall_open(&hall, WORKERS, &claiming, NULL);
	a = hall_client(&hall, 0, hall.count - 1);
	b = hall_client(&hall, 0, 0);
	ask(a, "d x\nd x\n", "won\nwon\n");
	expect_list("", "");
	ask(b, "c x\n", "won\n");
	ask(a, "d x\n1\n", "lost\n1\n"); /* lost: there is nothing to release */
	expect_list("", "x=x:2 ");
	close(a);
	close(b);
	hall_close(&hall);
}
END_TEST

START_TEST(names_die_with_their_owner)
{
	int a, b;

	hall_open(&hall, WORKERS, &claiming, NULL);
	a = hall_client(&hall, 0, hall.count - 1);
	b = hall_client(&hall, 0, 0);
	ask(a, "c x\nc y\nc z\nr y\n1\n", "won\nwon\nwon\n1\n");
	expect_list("", "x=x:1 z=z:1 ");
	close(a);
	expect_list("", "");
	ask(b, "c x\n", "won\n");
	close(b);
	hall_close(&hall);
}
END_TEST

START_TEST(a_claim_of_who_is_gone_is_released)
{
	int a, i;

	hall_open(&hall, WORKERS, &claiming, NULL);
	for (i = 0; i < 20; i++) {
		a = hall_client(&hall, 0, (unsigned)i % hall.count);
		support_puts(a, "x name\n");
		expect_end(a);
	}
	a = hall_client(&hall, 0, 0);
	ask(a, "c name\n", "won\n");
	close(a);
	hall_close(&hall);
}
END_TEST

START_TEST(services_have_names_of_their_own)
{
	int a, b;

	hall_open(&hall, WORKERS, &claiming, NULL);
	a = hall_client(&hall, 0, 0);
	b = hall_client(&hall, 1, hall.count - 1);
	ask(a, "c x\n", "won\n");
	ask(b, "c x\n", "won\n");
	expect_list("", "x=x:1 ");
	close(a);
	close(b);
	hall_close(&hall);
}
END_TEST

START_TEST(a_list_is_sorted_and_by_prefix)
{
	int a;

	hall_open(&hall, WORKERS, &claiming, NULL);
	a = hall_client(&hall, 0, hall.count - 1);
	ask(a, "c n/bob\nc r/den\nc n/al\nc n\nc n0\nc m/z\n",
	    "won\nwon\nwon\nwon\nwon\nwon\n");
	expect_list("n/", "n/al=n/al:1 n/bob=n/bob:1 ");
	expect_list("r/den", "r/den=r/den:1 ");
	expect_list("r/den/", "");
	expect_list("n", "n=n:1 n/al=n/al:1 n/bob=n/bob:1 n0=n0:1 ");
	close(a);
	hall_close(&hall);
}
END_TEST

/* ---- arguments, on the test's own thread --------------------------------- */

static void never(struct lined_socket *client, void *arg, bool won)
{
	must(false);
}

static void take_client(struct lined_socket *client, void *arg)
{
	*(struct lined_socket **)arg = client;
}

START_TEST(a_bad_claim_gets_no_answer)
{
	static char name[LINED_REGISTRY_NAME_MAX + 2];
	static char value[LINED_REGISTRY_VALUE_MAX + 1];
	struct lined_socket *client;
	struct lined_service *service;
	int fd;

	hall_open(&hall, 1, &claiming, NULL);
	fd = hall_client(&hall, 0, 0);
	service = hall.instances[0][0];
	lined_service_each_client(service, take_client, &client);
	memset(name, 'x', LINED_REGISTRY_NAME_MAX + 1);
	support_fails(lined_registry_claim(service, client, name, NULL, 0,
					   never, NULL),
		      EINVAL);
	support_fails(
		lined_registry_claim(service, client, "", "", 0, never, NULL),
		EINVAL);
	support_fails(lined_registry_claim(service, client, "x", value,
					   sizeof(value), never, NULL),
		      EINVAL);
	ask(fd, "1\n", "1\n"); /* and the client does not wait for an answer */
	close(fd);
	hall_close(&hall);
}
END_TEST

static void set_true(struct lined_socket *client, void *arg, bool won)
{
	must(won);
	*(bool *)arg = true;
}

START_TEST(a_value_is_any_bytes)
{
	static char name[LINED_REGISTRY_NAME_MAX + 1];
	static char value[LINED_REGISTRY_VALUE_MAX];
	struct lined_socket *client;
	struct lined_registry_entry entry;
	bool answered = false;
	int fd;

	hall_open(&hall, 1, &claiming, NULL);
	fd = hall_client(&hall, 0, 0);
	lined_service_each_client(hall.instances[0][0], take_client, &client);
	memset(name, 'x', LINED_REGISTRY_NAME_MAX);
	value[7] = 'v';
	ck_assert_int_eq(lined_registry_claim(hall.instances[0][0], client,
					      name, value, sizeof(value),
					      set_true, &answered),
			 0);
	ck_assert(!answered);
	ck_assert(!lined_registry_find(hall.instances[0][0], name, &entry));
	support_run_until_set(hall.main, &answered);
	ck_assert(lined_registry_find(hall.instances[0][0], name, &entry));
	ck_assert_str_eq(entry.name, name);
	ck_assert_uint_eq(entry.owner, lined_client_id(client));
	ck_assert_uint_eq(entry.value_len, sizeof(value));
	ck_assert_mem_eq(entry.value, value, sizeof(value));
	close(fd);
	hall_close(&hall);
}
END_TEST

/* ---- watches ------------------------------------------------------------- */

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

	hall_open(&hall, WORKERS, &claiming, NULL);
	for (w = 0; w < hall.count; w++)
		hall_call(&hall, 0, w, begin_watch, &watchers[w]);
	a = hall_client(&hall, 0, hall.count - 1);
	ask(a, "c n/a\nc m/a\nc n/b\nr n/a\nc n/a\n", "won\nwon\nwon\nwon\n");
	close(a);
	expect_list("", "");
	hall_close(&hall);
	for (w = 0; w < hall.count; w++) {
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

	hall_open(&hall, 1, &claiming, NULL);
	begin_watch(hall.instances[0][0], &first);
	begin_watch(hall.instances[0][0], &second);
	first.unwatch = &second;
	first.watch_too = &third;
	a = hall_client(&hall, 0, 0);
	ask(a, "c n/a\n", "won\n");
	ck_assert_str_eq(first.text, "+n/a ");
	ck_assert_str_eq(second.text, "");
	ck_assert_str_eq(third.text, "");
	first.unwatch = &first;
	ask(a, "c n/b\n", "won\n");
	ask(a, "c n/c\n", "won\n");
	ck_assert_str_eq(first.text, "+n/a +n/b ");
	ck_assert_str_eq(third.text, "+n/b +n/c ");
	lined_registry_unwatch(NULL);
	close(a);
	hall_close(&hall);
}
END_TEST

START_TEST(an_instance_that_ends_watches_no_more)
{
	struct watcher watcher = {.watch = NULL}, kept = {.watch = NULL};
	int a;

	hall_open(&hall, 2, &claiming, NULL);
	hall_call(&hall, 0, 0, begin_watch, &watcher);
	hall_call(&hall, 0, 0, begin_watch, &kept);
	a = hall_client(&hall, 0, 1);
	hall_end_instance(&hall, 0, 0); /* the primary */
	ask(a, "c n/a\n1\n", "won\n1\n");
	close(a);
	hall_close(&hall);
	ck_assert_str_eq(watcher.text, "");
	ck_assert_str_eq(kept.text, "");
}
END_TEST

/* ---- many at once -------------------------------------------------------- */

enum { CROWD = 200, NAMES = 5, ROUNDS = 40 };

START_TEST(of_many_who_claim_a_name_one_wins)
{
	static int fds[CROWD];
	char answer_text[6];
	unsigned i, won = 0;

	hall_open(&hall, WORKERS, &claiming, NULL);
	for (i = 0; i < CROWD; i++)
		fds[i] = hall_client(&hall, 0, i % hall.count);
	for (i = 0; i < CROWD; i++)
		support_puts(fds[i], "c alice\n");
	for (i = 0; i < CROWD; i++) {
		expect(fds[i], ""); /* a turn for one worker */
		while (poll(&(struct pollfd){.fd = fds[i], .events = POLLIN}, 1,
			    1) == 0)
			lined_dispatcher_poll(hall.main, 1);
		ck_assert_int_gt(read(fds[i], answer_text, 1), 0);
		won += answer_text[0] == 'w';
		expect(fds[i], answer_text[0] == 'w' ? "on\n" : "ost\n");
	}
	ck_assert_uint_eq(won, 1);
	for (i = 0; i < CROWD; i++)
		close(fds[i]);
	expect_list("", "");
	hall_close(&hall);
}
END_TEST

/* The changes as one worker sees them, as a hash, and who has what. */
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

	hall_open(&hall, HALL_WORKERS, &claiming, NULL);
	for (w = 0; w < hall.count; w++)
		hall_call(&hall, 0, w, begin_witness, &witnesses[w]);
	for (i = 0; i < 20; i++)
		fds[i] = hall_client(&hall, 0, i % hall.count);
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
			close(fds[i]); /* with answers on their way */
	}
	for (i = 0; i < 20; i += 2) {
		read_to_end(fds[i]);
		close(fds[i]);
	}
	expect_list("", "");
	hall_close(&hall);
	/* How many depends on who comes first: 36 to 390 were seen. */
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

	hall_open(&hall, HALL_WORKERS, &claiming, NULL);
	hall_call(&hall, 0, claimant, begin_to_spread, &rumours[claimant]);
	for (w = 0; w < hall.count; w++)
		if (w != claimant)
			hall_call(&hall, 0, w, begin_to_hear, &rumours[w]);
	fd = hall_client(&hall, 0, claimant);
	for (i = 0; i < CHANGES; i++) {
		char text[32];

		snprintf(text, sizeof(text), "c n/%u\n", i);
		support_puts(fd, text);
		expect(fd, "won\n");
	}
	for (i = 0; i < CHANGES; i++) {
		char text[32];

		snprintf(text, sizeof(text), "r n/%u\n.\n", i);
		support_puts(fd, text);
		expect(fd, ".\n");
	}
	for (w = 0; w < hall.count; w++)
		if (w != claimant)
			hall_wait_count(&hall, &rumours[w].heard, 2 * CHANGES);
	close(fd);
	hall_close(&hall);
}
END_TEST

/* The daemon ends with claims and releases on their way. */
START_TEST(ending_with_claims_on_their_way_loses_no_memory)
{
	struct hall_stop stop;
	int fds[HALL_WORKERS];
	unsigned i;

	hall_open(&hall, HALL_WORKERS, &claiming, NULL);
	for (i = 0; i < hall.count; i++)
		fds[i] = hall_client(&hall, 0, i);
	for (i = 0; i < hall.count; i++) {
		char text[16];

		snprintf(text, sizeof(text), "c n/%u\n", i);
		support_puts(fds[i], text);
		expect(fds[i], "won\n");
	}
	hall_stop(&hall, 0, &stop); /* who decides */
	for (i = 1; i < hall.count; i++)
		support_puts(fds[i], "c more\n");
	for (i = 1; i < hall.count; i++)
		hall_end_instance(&hall, 0, i);
	hall_let_go(&hall, &stop);
	for (i = 0; i < hall.count; i++)
		close(fds[i]);
	hall_close(&hall);
}
END_TEST

static Suite *make_suite(void)
{
	const int variants = sizeof(workers_of) / sizeof(workers_of[0]);
	Suite *suite = suite_create("registry");
	TCase *tcase;

	tcase = support_case(suite, "claims");
	tcase_add_loop_test(tcase, the_first_claim_wins, 0, variants);
	tcase_add_loop_test(tcase, a_name_is_charged_until_it_is_free, 0,
			    variants);
	tcase_add_loop_test(tcase, lines_wait_for_the_answer, 0, variants);
	tcase_add_loop_test(tcase, a_released_name_is_free, 0, variants);
	tcase_add_loop_test(tcase, a_release_may_overtake_the_answer, 0,
			    variants);
	tcase_add_loop_test(tcase, names_die_with_their_owner, 0, variants);
	tcase_add_loop_test(tcase, a_claim_of_who_is_gone_is_released, 0,
			    variants);
	tcase_add_loop_test(tcase, services_have_names_of_their_own, 0,
			    variants);
	tcase_add_loop_test(tcase, a_list_is_sorted_and_by_prefix, 0, variants);
	tcase_add_test(tcase, a_bad_claim_gets_no_answer);
	tcase_add_test(tcase, a_value_is_any_bytes);

	tcase = support_case(suite, "watches");
	tcase_add_loop_test(tcase, a_watch_is_told_of_each_change, 0, variants);
	tcase_add_test(tcase, a_watcher_may_watch_and_unwatch);
	tcase_add_test(tcase, an_instance_that_ends_watches_no_more);

	tcase = support_case(suite, "many");
	tcase_add_loop_test(tcase, of_many_who_claim_a_name_one_wins, 0,
			    variants);
	tcase_add_test(tcase,
		       all_workers_see_the_same_changes_in_the_same_order);
	tcase_add_loop_test(tcase, who_hears_of_a_change_finds_it_done, 0,
			    HALL_WORKERS);
	tcase_add_test(tcase, ending_with_claims_on_their_way_loses_no_memory);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
