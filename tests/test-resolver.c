/* SPDX-License-Identifier: MIT */
/*
 * The resolver: several lookups at a time, one for equal names, none if no
 * caller waits any more. Lookups of names that begin with "slow" wait until the
 * test releases them.
 */
#include "config.h"

#include "resolver.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/address.h>

#include "dispatcher_priv.h"
#include "support.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool held;
	unsigned begun, running, most;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER,
	   .changed = PTHREAD_COND_INITIALIZER};

static int name_look_up(const char *host, const char *service,
			const struct addrinfo *hints, struct addrinfo **result)
{
	pthread_mutex_lock(&names.lock);
	names.begun++;
	names.running++;
	if (names.running > names.most)
		names.most = names.running;
	pthread_cond_broadcast(&names.changed);
	while (names.held && strncmp(host, "slow", 4) == 0)
		pthread_cond_wait(&names.changed, &names.lock);
	names.running--;
	pthread_mutex_unlock(&names.lock);
	*result = NULL;
	return strcmp(host, "none") == 0 ? EAI_NONAME : 0;
}

static void name_free(struct addrinfo *result)
{
}

static const struct resolver_lookup name_table = {name_look_up, name_free};

static void names_hold(bool held)
{
	pthread_mutex_lock(&names.lock);
	names.held = held;
	pthread_cond_broadcast(&names.changed);
	pthread_mutex_unlock(&names.lock);
}

static void names_wait_begun(unsigned count)
{
	pthread_mutex_lock(&names.lock);
	while (names.begun < count)
		pthread_cond_wait(&names.changed, &names.lock);
	pthread_mutex_unlock(&names.lock);
}

/* ---- a dispatcher with a resolver -------------------------------------- */

static struct lined_dispatcher *d;
static struct resolver *resolver;

struct asked {
	unsigned answers;
	int error;
	struct lined_lookup *cancels; /* the handler cancels this lookup */
};

static void setup(void)
{
	d = support_dispatcher();
	resolver = dispatcher_resolver(d);
	ck_assert_ptr_nonnull(resolver);
	resolver_set_lookup(resolver, &name_table);
	/* The mailbox keeps the dispatcher running: nothing else does. */
	lined_dispatcher_open_mailbox(d);
	names.begun = names.running = names.most = 0;
	names_hold(true);
}

static void teardown(void)
{
	names_hold(false);
	lined_dispatcher_free(d);
}

static void name_answered(void *arg, int error,
			  const struct lined_address *addresses, size_t count)
{
	struct asked *asked = arg;

	asked->answers++;
	asked->error = error;
	if (asked->cancels != NULL)
		lined_lookup_cancel(asked->cancels);
	asked->cancels = NULL;
}

static struct lined_lookup *ask(const char *host, struct asked *asked)
{
	struct lined_lookup *lookup;

	*asked = (struct asked){0};
	lookup = lined_dispatcher_look_up(d, host, 7, name_answered, asked);
	ck_assert_ptr_nonnull(lookup);
	return lookup;
}

static void ask_slow(unsigned count, struct asked *asked)
{
	char host[32];
	unsigned i;

	for (i = 0; i < count; i++) {
		snprintf(host, sizeof(host), "slow%u", i);
		ask(host, &asked[i]);
	}
}

START_TEST(a_name_that_is_slow_does_not_delay_others)
{
	struct asked slow[RESOLVER_THREADS - 1], quick[20];
	unsigned i;

	ask_slow(RESOLVER_THREADS - 1, slow);
	for (i = 0; i < 20; i++)
		ask(i % 2 == 0 ? "quick" : "none", &quick[i]);
	for (i = 0; i < 20; i++) {
		support_run_until_count(d, &quick[i].answers, 1);
		ck_assert_int_eq(quick[i].error,
				 i % 2 == 0 ? EADDRNOTAVAIL : EHOSTUNREACH);
	}
	for (i = 0; i < RESOLVER_THREADS - 1; i++)
		ck_assert_uint_eq(slow[i].answers, 0);
	names_hold(false);
	for (i = 0; i < RESOLVER_THREADS - 1; i++)
		support_run_until_count(d, &slow[i].answers, 1);
}
END_TEST

START_TEST(an_idle_thread_is_for_one_name_only)
{
	struct asked first, slow, quick;
	unsigned i;

	/* Repeated, because the thread of the first lookup may be in any
	 * state. */
	for (i = 0; i < 50; i++) {
		ask("first", &first);
		support_run_until_count(d, &first.answers, 1);
		ask("slow", &slow);
		ask("quick", &quick);
		support_run_until_count(d, &quick.answers, 1);
		ck_assert_uint_eq(slow.answers, 0);
		names_hold(false);
		support_run_until_count(d, &slow.answers, 1);
		names_hold(true);
	}
}
END_TEST

START_TEST(so_many_are_looked_up_at_a_time_and_no_more)
{
	struct asked slow[RESOLVER_THREADS * 3];
	unsigned i;

	ask_slow(RESOLVER_THREADS * 3, slow);
	names_wait_begun(RESOLVER_THREADS);
	names_hold(false);
	for (i = 0; i < RESOLVER_THREADS * 3; i++)
		support_run_until_count(d, &slow[i].answers, 1);
	ck_assert_uint_eq(names.begun, RESOLVER_THREADS * 3);
	ck_assert_uint_eq(names.most, RESOLVER_THREADS);
}
END_TEST

START_TEST(equal_names_are_looked_up_once)
{
	struct asked same[10], other;
	unsigned i;

	for (i = 0; i < 10; i++) {
		ask("slow", &same[i]);
		if (i == 4)
			names_wait_begun(1);
	}
	other = (struct asked){0};
	ck_assert_ptr_nonnull(
		lined_dispatcher_look_up(d, "slow", 8, name_answered, &other));
	names_wait_begun(2);
	names_hold(false);
	for (i = 0; i < 10; i++)
		support_run_until_count(d, &same[i].answers, 1);
	support_run_until_count(d, &other.answers, 1);
	ck_assert_uint_eq(names.begun, 2);
}
END_TEST

START_TEST(a_name_nobody_waits_for_is_not_looked_up)
{
	struct asked slow[RESOLVER_THREADS], gone[20], last;
	struct lined_lookup *lookups[20];
	unsigned i;

	ask_slow(RESOLVER_THREADS, slow);
	names_wait_begun(RESOLVER_THREADS);
	for (i = 0; i < 20; i++) {
		char host[32];

		snprintf(host, sizeof(host), "gone%u", i / 2);
		lookups[i] = ask(host, &gone[i]);
	}
	for (i = 0; i < 20; i++)
		lined_lookup_cancel(lookups[i]);
	ask("last", &last);
	names_hold(false);
	support_run_until_count(d, &last.answers, 1);
	for (i = 0; i < RESOLVER_THREADS; i++)
		support_run_until_count(d, &slow[i].answers, 1);
	for (i = 0; i < 20; i++)
		ck_assert_uint_eq(gone[i].answers, 0);
	ck_assert_uint_eq(names.begun, RESOLVER_THREADS + 1);
}
END_TEST

START_TEST(a_cancelled_one_of_several_is_not_answered)
{
	struct asked first, second, third;
	struct lined_lookup *lookup;

	ask("slow", &first);
	lookup = ask("slow", &second);
	ask("slow", &third);
	lined_lookup_cancel(lookup);
	names_hold(false);
	support_run_until_count(d, &third.answers, 1);
	ck_assert_uint_eq(first.answers, 1);
	ck_assert_uint_eq(second.answers, 0);
}
END_TEST

START_TEST(an_answer_may_cancel_the_next_one)
{
	struct asked first, second, third;

	ask("slow", &first);
	first.cancels = ask("slow", &second);
	ask("slow", &third);
	names_hold(false);
	support_run_until_count(d, &third.answers, 1);
	ck_assert_uint_eq(first.answers, 1);
	ck_assert_uint_eq(second.answers, 0);
}
END_TEST

START_TEST(an_end_does_not_wait_for_names)
{
	struct asked slow[RESOLVER_THREADS * 2];

	ask_slow(RESOLVER_THREADS * 2, slow);
	names_wait_begun(RESOLVER_THREADS);
	lined_dispatcher_free(d);
	ck_assert_uint_eq(slow[0].answers, 0);
	names_hold(false);
	d = NULL;
}
END_TEST

/* ---- lookups ------------------------------------------------------------ */

struct looked_up {
	unsigned answers;
	int error;
	size_t count;
	struct lined_address first, last;
};

static void lookup_answered(void *arg, int error,
			    const struct lined_address *addresses, size_t count)
{
	struct looked_up *looked_up = arg;

	looked_up->answers++;
	looked_up->error = error;
	looked_up->count = count;
	if (count == 0)
		return;
	looked_up->first = addresses[0];
	looked_up->last = addresses[count - 1];
}

/* Returns more addresses than lib/ uses, from 192.0.2.1 on. */
static int many_look_up(const char *host, const char *service,
			const struct addrinfo *hints, struct addrinfo **result)
{
	int i;

	if (strcmp(host, "many") != 0)
		return strcmp(host, "later") == 0 ? EAI_AGAIN : EAI_NONAME;
	*result = NULL;
	for (i = LINED_LOOKUP_MAX + 1; i > 0; i--) {
		struct addrinfo *info = calloc(1, sizeof(*info));
		struct lined_address *address = calloc(1, sizeof(*address));
		char text[20];

		ck_assert(info != NULL && address != NULL);
		snprintf(text, sizeof(text), "192.0.2.%d", i);
		ck_assert_int_eq(lined_address_set(address, text,
						   (uint16_t)atoi(service)),
				 0);
		info->ai_addr = &address->any;
		info->ai_addrlen = address->len;
		info->ai_next = *result;
		*result = info;
	}
	return 0;
}

static void many_free(struct addrinfo *result)
{
	struct addrinfo *next;

	for (; result != NULL; result = next) {
		next = result->ai_next;
		free(result->ai_addr);
		free(result);
	}
}

static const struct resolver_lookup many_table = {many_look_up, many_free};

START_TEST(a_lookup_gives_all_addresses_or_an_errno)
{
	static const struct {
		const char *host;
		int error;
		size_t count;
	} cases[] = {
		{"many", 0, LINED_LOOKUP_MAX},
		{"later", EAGAIN, 0},
		{"none", EHOSTUNREACH, 0},
	};
	char text[LINED_ADDRESS_TEXT_MAX];
	struct looked_up looked_up;
	size_t i;

	resolver_set_lookup(resolver, &many_table);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		looked_up = (struct looked_up){0};
		ck_assert_ptr_nonnull(lined_dispatcher_look_up(
			d, cases[i].host, 7, lookup_answered, &looked_up));
		support_run_until_count(d, &looked_up.answers, 1);
		ck_assert_int_eq(looked_up.error, cases[i].error);
		ck_assert_uint_eq(looked_up.count, cases[i].count);
		if (cases[i].count == 0)
			continue;
		ck_assert_str_eq(lined_address_format(&looked_up.first.any,
						      text, sizeof(text)),
				 "192.0.2.1:7");
		ck_assert_str_eq(lined_address_format(&looked_up.last.any, text,
						      sizeof(text)),
				 "192.0.2.16:7");
	}
}
END_TEST

START_TEST(a_cancelled_lookup_is_not_answered)
{
	struct looked_up cancelled = {0}, other = {0};
	struct lined_lookup *lookup = lined_dispatcher_look_up(
		d, "slow", 7, lookup_answered, &cancelled);

	ck_assert_ptr_nonnull(lookup);
	ck_assert_ptr_nonnull(lined_dispatcher_look_up(
		d, "slow", 7, lookup_answered, &other));
	lined_lookup_cancel(lookup);
	lined_lookup_cancel(NULL);
	names_hold(false);
	support_run_until_count(d, &other.answers, 1);
	ck_assert_uint_eq(cancelled.answers, 0);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("resolver");
	TCase *tcase = tcase_create("resolver");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_name_that_is_slow_does_not_delay_others);
	tcase_add_test(tcase, an_idle_thread_is_for_one_name_only);
	tcase_add_test(tcase, so_many_are_looked_up_at_a_time_and_no_more);
	tcase_add_test(tcase, equal_names_are_looked_up_once);
	tcase_add_test(tcase, a_name_nobody_waits_for_is_not_looked_up);
	tcase_add_test(tcase, a_cancelled_one_of_several_is_not_answered);
	tcase_add_test(tcase, an_answer_may_cancel_the_next_one);
	tcase_add_test(tcase, an_end_does_not_wait_for_names);
	tcase_add_test(tcase, a_lookup_gives_all_addresses_or_an_errno);
	tcase_add_test(tcase, a_cancelled_lookup_is_not_answered);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return support_main(make);
}
