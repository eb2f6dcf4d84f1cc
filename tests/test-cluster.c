/* SPDX-License-Identifier: MIT */
/*
 * One node with a broker that the test plays: how the node handles entries of
 * other nodes, malformed ones too, and changes of its link.
 */
#include "config.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_MALLINFO2
#include <malloc.h>
#endif

#include "cluster_stage.h"

static const char *owner_of(const struct registry *registry, const char *name)
{
	struct name_node *node =
		name_set_find(&registry->replicas[0].names, name);

	return node != NULL ? node->text : NULL;
}

/* ---- names --------------------------------------------------------------- */

START_TEST(two_keys_are_never_one_name)
{
	/* The other keys would decode to the name of the first key, or to no
	 * name: they are ignored. */
	static const char *const keys[] = {"a.bob",   "a.=62ob", "a.b=6fb",
					   "a.b=6Fb", "a.b= 6b", "a.b=00b",
					   "a.",      "=61.bob"};
	struct stage stage;
	size_t i;

	stage_begin(&stage);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		stage_tell(&stage, BROKER_STORED, BROKER_NAMES, i + 1, keys[i],
			   "1 8000000000000b0b 5 6\nvalue");
	ck_assert_uint_eq(stage.registry->replicas[0].counters.names, 1);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		stage_tell(&stage, BROKER_ERASED, BROKER_NAMES, i + 100,
			   keys[i], "");
	ck_assert_uint_eq(stage.registry->replicas[0].counters.names, 0);
	ck_assert_ptr_null(owner_of(stage.registry, "bob"));
	stage_close(&stage);
}
END_TEST

START_TEST(a_service_that_is_replaced_hands_its_names_over)
{
	struct cluster_service *before;
	struct registry *old;
	struct stage stage;

	stage_begin(&stage);
	before = stage.service;
	old = stage.registry;
	stage_tell(&stage, BROKER_STORED, BROKER_NAMES, 1, "a.bob",
		   "1 8000000000000b0b 5 6\nvalue");
	ck_assert_uint_eq(old->replicas[0].counters.names, 1);
	stage.registry =
		registry_new(stage.hall.workers, 1, 0, &cluster_registry);
	ck_assert_ptr_nonnull(stage.registry);
	stage.service = cluster_add(stage.cluster, "a", 2, stage.registry);
	ck_assert_ptr_nonnull(stage.service);
	stage_tell(&stage, BROKER_STORED, BROKER_NAMES, 2, "a.carol",
		   "1 8000000000000b0b 5 6\nvalue");
	ck_assert_uint_eq(old->replicas[0].counters.names, 2);
	ck_assert_uint_eq(cluster_scope(stage.service), cluster_scope(before));
	stage.cluster->nodes.is_primary = true;
	ck_assert(cluster_service_is_primary(before));
	ck_assert(!cluster_service_is_primary(stage.service));
	cluster_show(stage.service);
	ck_assert(!cluster_service_is_primary(before));
	ck_assert(cluster_service_is_primary(stage.service));
	cluster_remove(before);
	registry_unref(old);
	ck_assert_uint_eq(stage.registry->replicas[0].counters.names, 2);
	ck_assert_str_eq(owner_of(stage.registry, "carol"), "carol");
	stage_close(&stage);
}
END_TEST

/* A reload has failed. The next reload comes before the service of the first
 * one has ended. */
START_TEST(a_service_whose_reload_failed_shows_nothing)
{
	struct cluster_service *failed, *other;
	struct registry *registries[2];
	struct stage stage;
	size_t i;

	stage_begin(&stage);
	for (i = 0; i < 2; i++) {
		registries[i] = registry_new(stage.hall.workers, 1, 0,
					     &cluster_registry);
		ck_assert_ptr_nonnull(registries[i]);
	}
	failed = cluster_add(stage.cluster, "a", 2, registries[0]);
	other = cluster_add(stage.cluster, "b", 3, registries[1]);
	ck_assert(failed != NULL && other != NULL);
	stage.cluster->nodes.is_primary = true;
	stage_tell(&stage, BROKER_STORED, BROKER_NAMES, 1, "b.carol",
		   "1 8000000000000b0b 5 6\nvalue");
	ck_assert_ptr_null(owner_of(registries[1], "carol"));
	cluster_show(other);
	ck_assert_str_eq(owner_of(registries[1], "carol"), "carol");
	ck_assert(cluster_service_is_primary(other));
	ck_assert(cluster_service_is_primary(stage.service));
	ck_assert(!cluster_service_is_primary(failed));
	stage_tell(&stage, BROKER_STORED, BROKER_NAMES, 2, "a.bob",
		   "1 8000000000000b0b 5 6\nvalue");
	ck_assert_str_eq(owner_of(stage.registry, "bob"), "bob");
	cluster_remove(failed);
	cluster_remove(other);
	for (i = 0; i < 2; i++)
		registry_unref(registries[i]);
	ck_assert_str_eq(owner_of(stage.registry, "bob"), "bob");
	stage_close(&stage);
}
END_TEST

#ifdef HAVE_MALLINFO2
START_TEST(a_service_that_was_removed_is_freed)
{
	struct stage stage;
	size_t before = 0, i;

	stage_begin(&stage);
	for (i = 0; i < 1100; i++) {
		struct registry *registry = registry_new(stage.hall.workers, 1,
							 0, &cluster_registry);

		ck_assert_ptr_nonnull(registry);
		cluster_remove(cluster_add(stage.cluster, "b", 2, registry));
		registry_unref(registry);
		if (i == 100)
			before = mallinfo2().uordblks;
	}
	ck_assert_uint_le(mallinfo2().uordblks, before + 10000);
	stage_close(&stage);
}
END_TEST
#endif

/* Makes a claim for a client that does not exist in the test. */
static struct registry_claim *claim(struct stage *stage, const char *name)
{
	struct registry_claim *made =
		registry_claim_new(stage->registry, 0, name, "v", 1);

	ck_assert_ptr_nonnull(made);
	made->owner = 7;
	cluster_registry.claim(made);
	stage_turn(stage);
	return made;
}

START_TEST(a_lost_answer_is_asked_for_again)
{
	struct registry_claim *alice;
	struct stage stage;
	uint64_t tag, late_us = cluster_now_us() + 60000000;
	char text[128];

	stage_begin(&stage);
	nodes_tick(&stage.cluster->nodes, late_us);
	tag = stage.cluster->nodes.own.tag;
	ck_assert_uint_ne(tag, 0);
	nodes_tick(&stage.cluster->nodes, 2 * late_us);
	ck_assert_uint_gt(stage.cluster->nodes.own.tag, tag);
	tag = stage.cluster->nodes.primary_lease.tag;
	ck_assert_uint_ne(tag, 0);
	nodes_tick(&stage.cluster->nodes, 3 * late_us);
	ck_assert_uint_gt(stage.cluster->nodes.primary_lease.tag, tag);

	alice = claim(&stage, "alice");
	ck_assert_int_eq(stage_broker.last->kind, BROKER_STORE);
	tag = stage_broker.last->tag;
	names_ask_again(&stage.cluster->names);
	ck_assert_uint_eq(stage_broker.last->tag, tag);
	names_ask_again(&stage.cluster->names);
	ck_assert_uint_gt(stage_broker.last->tag, tag);
	snprintf(text, sizeof(text), "%s", stage_broker.last->data);
	stage_answer(&stage, BROKER_DONE, stage_broker.last->tag, 3);
	stage_tell(&stage, BROKER_STORED, BROKER_NAMES, 3, "a.alice", text);
	ck_assert(alice->won);
	cluster_registry.release(alice);
	stage_close(&stage);
	registry_claim_unref(alice);
}
END_TEST

static void note_revision(const struct lined_registry_entry *entry, bool here,
			  void *arg)
{
	struct stage *stage = arg;

	(void)entry, (void)here;
	stage->seen = atomic_load(&stage->cluster->out.revision);
}

/* A line about a change must carry the revision of the change, so that no node
 * handles the line before the change. */
START_TEST(a_worker_that_learns_of_a_change_publishes_with_its_revision)
{
	struct lined_registry_watch *watch;
	struct registry_member member;
	struct stage stage;

	stage_begin(&stage);
	registry_join(stage.registry, 0, &member, stage.hall.instances[0][0]);
	watch = registry_watch(&member, "", note_revision, &stage);
	ck_assert_ptr_nonnull(watch);
	stage_tell(&stage, BROKER_STORED, BROKER_NAMES, 5, "a.alice",
		   "1 b0b 1 7\n");
	ck_assert_uint_eq(stage.seen, 5);
	stage_tell(&stage, BROKER_ERASED, BROKER_NAMES, 6, "a.alice", NULL);
	ck_assert_uint_eq(stage.seen, 6);
	lined_registry_unwatch(watch);
	registry_member_leave(&member);
	registry_member_fini(&member);
	stage_close(&stage);
}
END_TEST

/* The broker has connected again, and the node does not know it yet. If the
 * buckets are new ones, a purge with an old revision would remove a name that
 * is in use. */
START_TEST(a_request_for_the_connection_before_is_not_sent)
{
	struct stage stage;
	struct nodes *nodes;
	size_t before;

	stage_begin(&stage);
	nodes = &stage.cluster->nodes;
	before = stage_broker.requests - stage_broker.frames;
	stage_broker.connection++;
	nodes_tick(nodes, cluster_now_us() + nodes->lease_us / 5 * 2);
	ck_assert_uint_eq(stage_broker.requests - stage_broker.frames, before);
	stage_broker.connection--;
	nodes_tick(nodes, cluster_now_us() + nodes->lease_us / 5 * 4);
	ck_assert_uint_gt(stage_broker.requests - stage_broker.frames, before);
	ck_assert_uint_eq(stage_broker.last->connection,
			  stage_broker.connection);
	stage_close(&stage);
}
END_TEST

/* The broker sends an answer that does not fit the request. */
START_TEST(an_answer_that_cannot_be_is_not_repeated)
{
	struct stage stage;
	size_t before;

	stage_open(&stage);
	ck_assert_int_eq(cluster_open(stage.cluster, &stage_settings, 60000),
			 0);
	stage_broker.connection++;
	stage_tell(&stage, BROKER_UP, 0, 0, NULL, NULL);
	stage_tell(&stage, BROKER_LISTED, BROKER_NAMES, 0, NULL, NULL);
	stage_tell(&stage, BROKER_LISTED, BROKER_NODES, 0, NULL, NULL);
	before = stage_broker.requests;
	stage_answer(&stage, BROKER_FAILED, stage_broker.last->tag, 0);
	ck_assert_uint_eq(stage_broker.requests, before);
	stage_answer(&stage, BROKER_DONE, stage_broker.last->tag, 1);
	ck_assert(stage_report(&stage).up);
	/* No request has the tag 0. */
	stage_answer(&stage, BROKER_FAILED, 0, 9);
	ck_assert(stage_report(&stage).up);
	stage_close(&stage);
}
END_TEST

/* ---- life ---------------------------------------------------------------- */

static bool is_decided(void *claim)
{
	return ((struct registry_claim *)claim)->won;
}

static bool is_open(void *arg)
{
	return stage_broker.event != NULL;
}

START_TEST(a_node_without_a_broker_serves_alone_and_tries_again)
{
	struct registry_claim *alice;
	struct stage stage;

	stage_open(&stage);
	stage_broker.refuses = true;
	ck_assert_int_eq(cluster_open(stage.cluster, &stage_settings, 1000), 0);
	alice = claim(&stage, "alice");
	hall_wait(&stage.hall, is_decided, alice);
	stage_broker.refuses = false;
	hall_wait(&stage.hall, is_open, NULL);
	stage_join(&stage, 0);
	cluster_registry.release(alice);
	stage_close(&stage);
	registry_claim_unref(alice);
}
END_TEST

static bool is_open_again(void *arg)
{
	return stage_broker.event != NULL && stage_broker.opens == 2;
}

/* Nodes with different leases may both have found the bucket empty. The broker
 * says which lease the bucket has. */
START_TEST(a_node_with_another_lease_makes_both_connect_anew)
{
	struct stage stage;

	stage_open(&stage);
	ck_assert_int_eq(cluster_open(stage.cluster, &stage_settings, 1000), 0);
	stage_join(&stage, 0);
	stage_tell(&stage, BROKER_STORED, BROKER_NODES, 2, "n.node-b",
		   "1 8000000000000b0b 1.0 1000");
	ck_assert(!stage.cluster->nodes.lease_differs);
	stage_tell(&stage, BROKER_STORED, BROKER_NODES, 3, "n.node-c",
		   "1 8000000000000b0c 1.0 3000");
	hall_wait(&stage.hall, is_open_again, NULL);
	stage_broker.connection = 0;
	stage_join(&stage, 0);
	ck_assert(!stage.cluster->nodes.lease_differs);
	stage_close(&stage);
}
END_TEST

/* Lets the time of two renewals of the other node pass without a renewal. */
static void miss(struct stage *stage)
{
	ck_assert(stage->whole);
	nodes_tick(&stage->cluster->nodes,
		   cluster_now_us() + stage->cluster->nodes.lease_us / 5 * 4);
	ck_assert(!stage->whole);
}

START_TEST(a_node_that_is_missing_may_leave_or_be_started_again)
{
	struct stage stage;

	stage_begin(&stage);
	stage_meet(&stage);
	miss(&stage);
	stage_tell(&stage, BROKER_ERASED, BROKER_NODES, 3, "n.node-b", "");
	ck_assert(stage.whole);
	stage_meet(&stage);
	miss(&stage);
	stage_tell(&stage, BROKER_STORED, BROKER_NODES, 4, "n.node-b",
		   "1 8000000000000b0c 1.0");
	ck_assert(stage.whole);
	stage_close(&stage);
}
END_TEST

/* Nodes that were cut off together do not come back at the same moment. */
START_TEST(a_node_that_is_back_waits_for_the_others)
{
	struct nodes *nodes;
	struct stage stage;

	stage_begin(&stage);
	nodes = &stage.cluster->nodes;
	stage_meet(&stage);
	ck_assert(stage.whole);
	stage_tell(&stage, BROKER_DOWN, 0, 0, NULL, "gone");
	ck_assert(!stage.whole);
	stage_join(&stage, 0);
	ck_assert(!stage.whole);
	stage_meet(&stage);
	ck_assert(stage.whole);
	stage_tell(&stage, BROKER_DOWN, 0, 0, NULL, "gone");
	stage_join(&stage, 0);
	stage_tell(&stage, BROKER_DOWN, 0, 0, NULL, "gone");
	stage_join(&stage, 0);
	nodes_tick(nodes, cluster_now_us() + nodes->lease_us / 10 * 9);
	ck_assert(!stage.whole);
	nodes_tick(nodes, cluster_now_us() + nodes->lease_us / 10 * 11);
	ck_assert(stage.whole);
	ck_assert_uint_eq(stage_report(&stage).nodes, 0);
	stage_close(&stage);
}
END_TEST

/* Whether the node's last request was to become the primary (BROKER_STORE), or
 * to resign (BROKER_ERASE). */
static bool asks(enum broker_request_kind kind)
{
	const struct broker_request *last = stage_broker.last;

	return last->kind == kind && last->bucket == BROKER_NODES &&
	       strcmp(last->key, "primary") == 0;
}

static void become_primary(struct stage *stage)
{
	struct nodes *nodes = &stage->cluster->nodes;

	nodes_tick(nodes, cluster_now_us());
	ck_assert(asks(BROKER_STORE));
	stage_answer(stage, BROKER_DONE, stage_broker.last->tag, 7);
	ck_assert(cluster_is_primary(stage->cluster));
}

START_TEST(a_node_that_stops_leaves_it_to_others_to_be_primary)
{
	struct nodes *nodes;
	struct stage stage;
	uint64_t now_us = cluster_now_us();
	size_t before;

	stage_begin(&stage);
	nodes = &stage.cluster->nodes;
	stage_meet(&stage);
	become_primary(&stage);
	/* A renewal is under way. */
	nodes_tick(nodes, now_us + nodes->lease_us / 2);
	ck_assert(asks(BROKER_STORE));
	cluster_retire(stage.cluster);
	ck_assert(asks(BROKER_ERASE));
	stage_answer(&stage, BROKER_DONE, nodes->primary_lease.tag, 8);
	ck_assert(asks(BROKER_ERASE));
	ck_assert_uint_eq(stage_broker.last->expected, 8);
	before = stage_broker.requests;
	stage_tell(&stage, BROKER_ERASED, BROKER_NODES, 9, "primary", "");
	nodes_tick(nodes, now_us + nodes->lease_us / 4 * 3);
	ck_assert(!asks(BROKER_STORE));
	ck_assert_uint_le(stage_broker.requests, before + 1);
	/* No other node is the primary yet. */
	ck_assert(cluster_is_primary(stage.cluster));
	stage_tell(&stage, BROKER_STORED, BROKER_NODES, 10, "primary",
		   "8000000000000b0b");
	ck_assert(!cluster_is_primary(stage.cluster));
	stage_close(&stage);
}
END_TEST

START_TEST(a_node_that_stops_stays_primary_where_it_is_alone)
{
	struct stage stage;
	size_t before;

	stage_begin(&stage);
	become_primary(&stage);
	before = stage_broker.requests;
	cluster_retire(stage.cluster);
	ck_assert_uint_eq(stage_broker.requests, before);
	ck_assert(cluster_is_primary(stage.cluster));
	stage_close(&stage);
}
END_TEST

START_TEST(what_the_broker_of_before_has_told_is_forgotten)
{
	struct broker_event *up;
	struct stage stage;

	stage_begin(&stage);
	up = broker_event_new(BROKER_UP, NULL, NULL, 0);
	ck_assert_ptr_nonnull(up);
	up->connection = stage_broker.connection;
	stage_broker.event(stage_broker.arg, up);
	ck_assert_int_eq(cluster_open(stage.cluster, &stage_settings, 60000),
			 0);
	stage_turn(&stage);
	ck_assert_str_eq(stage_report(&stage).state, "cut off");
	stage_broker.connection = 0;
	stage_join(&stage, 0);
	stage_close(&stage);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cluster");
	TCase *names = support_case(suite, "names");
	TCase *life = support_case(suite, "life");

	tcase_add_test(names, a_service_that_is_replaced_hands_its_names_over);
	tcase_add_test(names, a_service_whose_reload_failed_shows_nothing);
#ifdef HAVE_MALLINFO2
	tcase_add_test(names, a_service_that_was_removed_is_freed);
#endif
	tcase_add_test(names, a_lost_answer_is_asked_for_again);
	tcase_add_test(names, a_request_for_the_connection_before_is_not_sent);
	tcase_add_test(names, an_answer_that_cannot_be_is_not_repeated);
	tcase_add_test(
		names,
		a_worker_that_learns_of_a_change_publishes_with_its_revision);
	tcase_add_test(life,
		       a_node_without_a_broker_serves_alone_and_tries_again);
	tcase_add_test(life, a_node_with_another_lease_makes_both_connect_anew);
	tcase_add_test(life,
		       a_node_that_is_missing_may_leave_or_be_started_again);
	tcase_add_test(life, a_node_that_is_back_waits_for_the_others);
	tcase_add_test(life, what_the_broker_of_before_has_told_is_forgotten);
	tcase_add_test(life,
		       a_node_that_stops_leaves_it_to_others_to_be_primary);
	tcase_add_test(life, a_node_that_stops_stays_primary_where_it_is_alone);
	tcase_add_test(names, two_keys_are_never_one_name);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
