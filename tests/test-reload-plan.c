/* SPDX-License-Identifier: MIT */
/*
 * The plan of a reload, for services that the test makes: which services are
 * kept, which addresses open, move and close, and how many comparisons the plan
 * takes.
 */
#include "config.h"

#include "serve/reload_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/listener.h"
#include "serve/server.h"
#include "serve/service.h"
#include "support.h"

/* This program is linked with --wrap=strcmp, to count comparisons of names and
 * paths. */
static size_t comparisons;
int __real_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b);

int __wrap_strcmp(const char *a, const char *b)
{
	comparisons++;
	return __real_strcmp(a, b);
}

static const struct lined_protocol echo, chat;

/* A config with several services, each with its own address. */
struct config {
	struct conf conf;
	struct conf_service *services;
	struct listen_address *addresses;
	char (*texts)[40];
};

static void config_init(struct config *config, size_t count)
{
	char error[100];
	size_t i;

	memset(config, 0, sizeof(*config));
	config->services = calloc(count + 1, sizeof(*config->services));
	config->addresses = calloc(count + 1, sizeof(*config->addresses));
	config->texts = calloc(count + 1, sizeof(*config->texts));
	for (i = 0; i < count; i++) {
		struct conf_service *service = &config->services[i];

		snprintf(config->texts[i], sizeof(config->texts[i]),
			 "unix:///run/s%05zu", i);
		ck_assert_int_eq(listen_address_parse(config->texts[i],
						      &config->addresses[i],
						      error, sizeof(error)),
				 0);
		service->name = config->texts[i] + strlen("unix:///run/");
		service->protocol = "echo";
		service->module = &echo;
		service->options_text = "";
		service->listen = &config->addresses[i];
		service->listen_count = 1;
	}
	atomic_init(&config->conf.refs, 1);
	config->conf.services = config->services;
	config->conf.service_count = count;
}

static void config_fini(struct config *config)
{
	free(config->services);
	free(config->addresses);
	free(config->texts);
}

/* A server that runs a config. */
struct running {
	struct server server;
	struct service *services;
	struct listener *listeners;
};

static void running_init(struct running *running, struct config *config)
{
	size_t count = config->conf.service_count, i;

	memset(running, 0, sizeof(*running));
	running->services = calloc(count + 1, sizeof(*running->services));
	running->listeners = calloc(count + 1, sizeof(*running->listeners));
	list_init(&running->server.services);
	running->server.conf = running->server.start_conf = &config->conf;
	for (i = 0; i < count; i++) {
		struct service *service = &running->services[i];
		struct listener *listener = &running->listeners[i];

		service->conf = &config->services[i];
		service->name = config->texts[i] + strlen("unix:///run/");
		list_init(&service->listeners);
		listener->service = service;
		listener->text = config->texts[i];
		listener->address = config->addresses[i];
		listener->open = true;
		list_append(&service->listeners, &listener->link);
		list_append(&running->server.services, &service->link);
	}
}

static void running_fini(struct running *running)
{
	free(running->services);
	free(running->listeners);
}

START_TEST(what_stays_the_same_is_kept)
{
	struct config before, after;
	struct running running;
	struct reload_plan *plan;
	size_t i;

	config_init(&before, 3);
	config_init(&after, 3);
	running_init(&running, &before);
	plan = reload_plan_new(&running.server, &after.conf);
	ck_assert_uint_eq(plan->count, 3);
	for (i = 0; i < 3; i++) {
		const struct reload_service *service = &plan->services[i];

		ck_assert_ptr_eq(service->running, &running.services[i]);
		ck_assert(service->kept);
		ck_assert_uint_eq(service->changes, 0);
		ck_assert(!service->mode_changes);
		ck_assert_int_eq(service->listen[0].action, RELOAD_LISTEN_KEEP);
		ck_assert_ptr_eq(
			reload_plan_next_service(plan, &running.services[i]),
			service);
	}
	ck_assert(plan->restart_keys[0] == NULL && !plan->drain_timeout);
	reload_plan_free(plan);
	running_fini(&running);
	config_fini(&before);
	config_fini(&after);
}
END_TEST

START_TEST(what_is_not_in_the_config_ends_and_closes)
{
	struct config before, after;
	struct running running;
	struct reload_plan *plan;

	config_init(&before, 2);
	config_init(&after, 1);
	running_init(&running, &before);
	after.conf.drain_timeout_ms = 5;
	after.conf.user = "nobody";
	plan = reload_plan_new(&running.server, &after.conf);
	ck_assert_ptr_null(
		reload_plan_next_service(plan, &running.services[1]));
	ck_assert_ptr_null(
		reload_plan_next_listen(plan, &running.listeners[1]));
	ck_assert(plan->drain_timeout);
	ck_assert_str_eq(plan->restart_keys[0], "user");
	ck_assert_ptr_null(plan->restart_keys[1]);
	reload_plan_free(plan);
	running_fini(&running);
	config_fini(&before);
	config_fini(&after);
}
END_TEST

START_TEST(an_address_moves_and_a_new_one_opens)
{
	struct config before, after;
	struct running running;
	struct reload_plan *plan;
	struct listen_address moved;

	config_init(&before, 2);
	config_init(&after, 3);
	running_init(&running, &before);
	moved = after.addresses[0];
	after.addresses[0] = after.addresses[2];
	after.addresses[2] = moved;
	plan = reload_plan_new(&running.server, &after.conf);
	ck_assert_int_eq(plan->services[0].listen[0].action,
			 RELOAD_LISTEN_OPEN);
	ck_assert_ptr_null(plan->services[2].running);
	ck_assert_int_eq(plan->services[2].listen[0].action,
			 RELOAD_LISTEN_TAKE);
	ck_assert_ptr_eq(plan->services[2].listen[0].from,
			 &running.listeners[0]);
	ck_assert_uint_eq(plan->services[0].changes, CONF_CHANGE_LISTEN);
	reload_plan_free(plan);
	running_fini(&running);
	config_fini(&before);
	config_fini(&after);
}
END_TEST

START_TEST(another_protocol_takes_the_address_of_the_one_before)
{
	struct config before, after;
	struct running running;
	struct reload_plan *plan;

	config_init(&before, 1);
	config_init(&after, 1);
	running_init(&running, &before);
	after.services[0].module = &chat;
	plan = reload_plan_new(&running.server, &after.conf);
	ck_assert_ptr_eq(plan->services[0].running, &running.services[0]);
	ck_assert(!plan->services[0].kept);
	ck_assert_int_eq(plan->services[0].listen[0].action,
			 RELOAD_LISTEN_TAKE);
	reload_plan_free(plan);
	running_fini(&running);
	config_fini(&before);
	config_fini(&after);
}
END_TEST

START_TEST(an_internal_service_is_none_of_the_operators)
{
	struct config before, after;
	struct running running;
	struct reload_plan *plan;

	config_init(&before, 1);
	config_init(&after, 1);
	before.services[0].internal = true;
	running_init(&running, &before);
	plan = reload_plan_new(&running.server, &after.conf);
	ck_assert_ptr_null(plan->services[0].running);
	ck_assert_ptr_null(
		reload_plan_next_service(plan, &running.services[0]));
	reload_plan_free(plan);
	running_fini(&running);
	config_fini(&before);
	config_fini(&after);
}
END_TEST

static size_t comparisons_of(size_t count)
{
	struct config before, after;
	struct running running;
	struct service *service;

	config_init(&before, count);
	config_init(&after, count);
	running_init(&running, &before);
	comparisons = 0;
	{
		struct reload_plan *plan =
			reload_plan_new(&running.server, &after.conf);

		list_for_each(service, &running.server.services, link)
			ck_assert_ptr_nonnull(
				reload_plan_next_service(plan, service));
		reload_plan_free(plan);
	}
	running_fini(&running);
	config_fini(&before);
	config_fini(&after);
	return comparisons;
}

/* Four times the services make 4.9 times the work if it is n log n, 16 times if
 * it is n squared. */
START_TEST(the_cost_does_not_grow_with_the_square)
{
	ck_assert_uint_gt(comparisons_of(500), 500);
	ck_assert_uint_lt(comparisons_of(2000), 6 * comparisons_of(500));
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("reload_plan");
	TCase *tcase = support_case(suite, "reload_plan");

	tcase_add_test(tcase, what_stays_the_same_is_kept);
	tcase_add_test(tcase, what_is_not_in_the_config_ends_and_closes);
	tcase_add_test(tcase, an_address_moves_and_a_new_one_opens);
	tcase_add_test(tcase,
		       another_protocol_takes_the_address_of_the_one_before);
	tcase_add_test(tcase, an_internal_service_is_none_of_the_operators);
	tcase_add_test(tcase, the_cost_does_not_grow_with_the_square);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
