/* SPDX-License-Identifier: MIT */
/*
 * The names of three nodes, with a bucket in memory. The bucket sends answers
 * and changes to the nodes in any order, and each node may be cut off from the
 * bucket at any time. With every seed, each name has one owner at the end, and
 * all nodes agree.
 */
#include "config.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/name_claims.h"

#define NODES  3
#define KEYS   4
#define CLAIMS 400
#define QUEUE  65536

/* A request under way to the bucket, or an event under way to a node. */
struct item {
	enum { STORE, ERASE, STORED, ERASED, ANSWER } kind;
	unsigned key;
	struct names_value value;
	uint64_t expected, tag, revision;
	bool done;
};

struct queue {
	struct item items[QUEUE];
	size_t first, last;
};

struct claim {
	struct node *node;
	unsigned key;
	uint64_t since;
	enum { CLAIM_NEW, CLAIM_ASKED, CLAIM_HELD, CLAIM_OVER } state;
};

struct node {
	struct names names;
	bool up;
	struct queue out, in;
	const struct claim *shown[KEYS]; /* by key: the claim of another node
					  * that is shown */
	struct claim *held[KEYS];
};

static struct node nodes[NODES];
static struct claim claims[CLAIMS];
static size_t claim_count;
static struct {
	uint64_t revision;
	uint64_t last[KEYS]; /* by key: its last revision */
	bool stored[KEYS];
	struct names_value value[KEYS];
} bucket;
static const char *const keys[KEYS] = {"s.a", "s.b", "s.c", "s.d"};
static uint64_t seed;

static unsigned any(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static unsigned key_of(const char *key)
{
	return (unsigned)(key[2] - 'a');
}

static void put(struct queue *queue, const struct item *item)
{
	ck_assert_uint_lt(queue->last, QUEUE);
	queue->items[queue->last++] = *item;
}

static struct item *take(struct queue *queue)
{
	return queue->first < queue->last ? &queue->items[queue->first++]
					  : NULL;
}

/* ---- the calls of a table ----------------------------------------------- */

static struct node *node_of(struct names *names)
{
	return lined_container_of(names, struct node, names);
}

static void on_store(struct names *names, const char *key,
		     const struct names_value *value, uint64_t expected,
		     uint64_t tag)
{
	put(&node_of(names)->out, &(struct item){.kind = STORE,
						 .key = key_of(key),
						 .value = *value,
						 .expected = expected,
						 .tag = tag});
}

static void on_erase(struct names *names, const char *key, uint64_t expected,
		     uint64_t tag)
{
	put(&node_of(names)->out, &(struct item){.kind = ERASE,
						 .key = key_of(key),
						 .expected = expected,
						 .tag = tag});
}

static void on_won(struct names *names, void *arg)
{
	struct claim *claim = arg;
	struct node *node = node_of(names);

	ck_assert_int_eq(claim->state, CLAIM_ASKED);
	ck_assert_ptr_null(node->held[claim->key]);
	ck_assert_ptr_null(node->shown[claim->key]);
	claim->state = CLAIM_HELD;
	node->held[claim->key] = claim;
}

static void on_refused(struct names *names, void *arg)
{
	struct claim *claim = arg;

	ck_assert_int_eq(claim->state, CLAIM_ASKED);
	claim->state = CLAIM_OVER;
}

static void on_released(struct names *names, void *arg)
{
	struct claim *claim = arg;
	struct node *node = node_of(names);

	ck_assert_int_eq(claim->state, CLAIM_HELD);
	ck_assert_ptr_eq(node->held[claim->key], claim);
	claim->state = CLAIM_OVER;
	node->held[claim->key] = NULL;
}

static void *on_came(struct names *names, const char *key,
		     const struct names_value *value)
{
	struct node *node = node_of(names);
	unsigned k = key_of(key);

	ck_assert_ptr_null(node->held[k]);
	ck_assert_ptr_null(node->shown[k]);
	node->shown[k] = &claims[value->owner];
	return (void *)(uintptr_t)node->shown[k];
}

static void on_gone(struct names *names, void *handle)
{
	const struct claim *claim = handle;
	struct node *node = node_of(names);

	ck_assert_ptr_eq(node->shown[claim->key], claim);
	node->shown[claim->key] = NULL;
}

static const struct names_ops ops = {
	.store = on_store,
	.erase = on_erase,
	.won = on_won,
	.refused = on_refused,
	.released = on_released,
	.lost = on_released,
	.came = on_came,
	.gone = on_gone,
};

/* ---- the bucket --------------------------------------------------------- */

static void bucket_tell(const struct item *item)
{
	size_t i;

	for (i = 0; i < NODES; i++)
		if (nodes[i].up)
			put(&nodes[i].in, item);
}

static void bucket_serve(struct node *node)
{
	const struct item *item = take(&node->out);
	struct item answer = {.kind = ANSWER};

	if (item == NULL)
		return;
	answer.tag = item->tag;
	answer.done = item->expected == bucket.last[item->key];
	if (answer.done) {
		struct item change = *item;

		bucket.last[item->key] = ++bucket.revision;
		bucket.stored[item->key] = item->kind == STORE;
		bucket.value[item->key] = item->value;
		change.kind = item->kind == STORE ? STORED : ERASED;
		change.revision = bucket.revision;
		/* The answer comes before or after the event of the watch. */
		answer.revision = bucket.revision;
		if (any(2) == 0) {
			put(&node->in, &answer);
			bucket_tell(&change);
			return;
		}
		bucket_tell(&change);
	}
	answer.revision = bucket.last[item->key];
	put(&node->in, &answer);
}

/* A reported change is shown at once, even if this node has asked for the name:
 * changes of different names keep their order. */
static void check_shown(const struct node *node, const struct item *item)
{
	const struct claim *told = NULL;

	if (item->kind == STORED && item->value.node != node->names.node)
		told = &claims[item->value.owner];
	if (item->kind != ANSWER && node->held[item->key] == NULL)
		ck_assert_ptr_eq(node->shown[item->key], told);
}

static void node_serve(struct node *node)
{
	const struct item *item = take(&node->in);

	if (item == NULL)
		return;
	if (item->kind == STORED)
		names_stored(&node->names, keys[item->key], item->revision,
			     &item->value);
	else if (item->kind == ERASED)
		names_erased(&node->names, keys[item->key], item->revision);
	else
		names_answered(&node->names, item->tag, item->revision,
			       item->done);
	check_shown(node, item);
}

static void node_part(struct node *node)
{
	if (!node->up)
		return;
	/* Some of the sent requests are executed without an answer, the others
	 * are lost. */
	while (any(2) == 0 && node->out.first < node->out.last)
		bucket_serve(node);
	node->up = false;
	node->in.first = node->in.last = node->out.first = node->out.last = 0;
	names_part(&node->names);
	if (any(3) == 0)
		names_forget(&node->names);
}

static void node_join(struct node *node)
{
	uint64_t revision;
	unsigned k;

	if (node->up)
		return;
	node->up = true;
	names_begin(&node->names);
	/* A watch sends the entries in the order of their revisions. */
	for (revision = 1; revision <= bucket.revision; revision++)
		for (k = 0; k < KEYS; k++)
			if (bucket.last[k] != revision)
				continue;
			else if (bucket.stored[k])
				names_stored(&node->names, keys[k], revision,
					     &bucket.value[k]);
			else
				names_erased(&node->names, keys[k], revision);
	names_join(&node->names);
}

/* nats-server is started again, and has lost its memory. */
static void bucket_restart(void)
{
	size_t i;

	for (i = 0; i < NODES; i++)
		node_part(&nodes[i]);
	memset(&bucket, 0, sizeof(bucket));
}

/* ---- the cases ---------------------------------------------------------- */

static void claim_any(struct node *node)
{
	struct claim *claim = &claims[claim_count];
	struct names_value value = {.owner = claim_count, .data = "", .len = 0};

	if (claim_count == CLAIMS)
		return;
	claim_count++;
	claim->node = node;
	claim->key = any(KEYS);
	claim->state = CLAIM_ASKED;
	value.since = claim->since = 1000 + claim_count / 3;
	ck_assert_int_eq(
		names_claim(&node->names, keys[claim->key], &value, claim), 0);
}

static void release_any(void)
{
	struct claim *claim;

	if (claim_count == 0)
		return;
	claim = &claims[any((unsigned)claim_count)];
	if (claim->state == CLAIM_ASKED || claim->state == CLAIM_HELD)
		names_release(&claim->node->names, keys[claim->key], claim);
}

static void settle(void)
{
	bool moved = true;
	size_t i, steps = 0;

	for (i = 0; i < NODES; i++)
		node_join(&nodes[i]);
	while (moved) {
		moved = false;
		for (i = 0; i < NODES; i++) {
			moved |= nodes[i].out.first < nodes[i].out.last ||
				 nodes[i].in.first < nodes[i].in.last;
			bucket_serve(&nodes[i]);
			node_serve(&nodes[i]);
		}
		ck_assert_uint_lt(++steps, QUEUE);
	}
}

static void check_agreement(void)
{
	const struct claim *owner;
	size_t i;
	unsigned k;

	for (i = 0; i < claim_count; i++)
		ck_assert(claims[i].state == CLAIM_HELD ||
			  claims[i].state == CLAIM_OVER);
	for (k = 0; k < KEYS; k++) {
		owner = bucket.stored[k] ? &claims[bucket.value[k].owner]
					 : NULL;
		for (i = 0; i < NODES; i++) {
			const struct claim *here = nodes[i].held[k] != NULL
							   ? nodes[i].held[k]
							   : nodes[i].shown[k];

			ck_assert_ptr_eq(here, owner);
		}
	}
}

static void step(void)
{
	struct node *node = &nodes[any(NODES)];

	switch (any(12)) {
	case 0:
	case 1:
		claim_any(node);
		break;
	case 2:
		release_any();
		break;
	case 3:
		if (any(8) == 0)
			node_part(node);
		break;
	case 4:
		node_join(node);
		break;
	case 5:
		if (any(60) == 0)
			bucket_restart();
		break;
	case 6:
	case 7:
	case 8:
		bucket_serve(node);
		break;
	default:
		node_serve(node);
		break;
	}
}

static void run(uint64_t number)
{
	size_t i;

	seed = number;
	claim_count = 0;
	memset(&bucket, 0, sizeof(bucket));
	for (i = 0; i < NODES; i++) {
		memset(nodes[i].held, 0, sizeof(nodes[i].held));
		memset(nodes[i].shown, 0, sizeof(nodes[i].shown));
		nodes[i].in.first = nodes[i].in.last = 0;
		nodes[i].out.first = nodes[i].out.last = 0;
		nodes[i].up = false;
		names_init(&nodes[i].names, &ops, i + 10);
	}
	for (i = 0; i < 1000; i++)
		step();
	settle();
	check_agreement();
	for (i = 0; i < claim_count; i++)
		if (claims[i].state == CLAIM_HELD)
			names_release(&claims[i].node->names,
				      keys[claims[i].key], &claims[i]);
	settle();
	check_agreement();
	for (i = 0; i < NODES; i++) {
		ck_assert(list_is_empty(&nodes[i].names.all));
		names_fini(&nodes[i].names);
	}
}

START_TEST(nodes_agree_after_any_cuts)
{
	const char *only = getenv("NAMES_SEED");
	uint64_t number;

	if (only != NULL)
		run(strtoull(only, NULL, 10));
	for (number = 1; only == NULL && number <= 2000; number++)
		run(number);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("names");
	TCase *tcase = support_case(suite, "nodes");

	tcase_add_test(tcase, nodes_agree_after_any_cuts);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
