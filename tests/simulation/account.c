/* SPDX-License-Identifier: MIT */
/*
 * Checks what one machine gets of the others, see account.h.
 */
#include "config.h"

#include "account.h"

#include <string.h>

#include "cluster/cluster_priv.h"
#include "machine.h"
#include "peer.h"
#include "world.h"

/* The lines of one machine (of) that another one (at) should get. */
struct account {
	unsigned of_life, at_life; /* the lives of the two servers */
	uint64_t since;            /* the step from which `at` knows `of`; 0: it
				    * does not */
	uint64_t missed[PEERS];    /* by speaker: a bit for each line */
};

/* The frames that a machine gets from one node: `number` is the node's number,
 * `next` the number of the line that should come next. */
struct account_frames {
	uint64_t number, next;
	uint64_t lines; /* lines that came or should have come */
};

enum { ACCOUNT_NODES = 32 };

static struct account accounts[MACHINES][MACHINES]; /* [at][of] */
static struct {
	bool is, was; /* primary */
} primacy[MACHINES];
static struct {
	unsigned life;
	uint64_t opened_us; /* when the machine has joined */
	uint64_t received;  /* lines received before that */
	struct account_frames of[ACCOUNT_NODES];
} frames_at[MACHINES];

void account_begin(void)
{
	memset(accounts, 0, sizeof(accounts));
	memset(primacy, 0, sizeof(primacy));
	memset(frames_at, 0, sizeof(frames_at));
}

static const struct node *account_find(const struct cluster *cluster,
				       uint64_t number)
{
	const struct node *node;

	list_for_each(node, &cluster->nodes.list, link)
		if (node->number == number)
			return node;
	return NULL;
}

static const struct node *account_node(const struct machine *at,
				       const struct machine *of)
{
	return account_find(at->server.env.cluster,
			    of->server.env.cluster->out.number);
}

/* NULL: one of the two machines does not run. */
static struct account *account_of(const struct machine *at,
				  const struct machine *of)
{
	struct account *account = &accounts[at->number][of->number];

	if (at == of || at->life == 0 || of->life == 0)
		return NULL;
	if (account->at_life != at->life || account->of_life != of->life)
		*account = (struct account){.at_life = at->life,
					    .of_life = of->life};
	return account;
}

static void account_look_primary(unsigned i)
{
	const struct cluster *cluster = machines[i].server.env.cluster;
	bool is = machines[i].life != 0 && cluster != NULL &&
		  cluster->nodes.is_primary;

	primacy[i].was |= primacy[i].is && !is;
	primacy[i].is = is;
}

bool account_was_primary(const struct machine *machine)
{
	return primacy[machine->number].was;
}

void account_look(void)
{
	unsigned i, k;

	for (i = 0; i < machine_count; i++) {
		account_look_primary(i);
		for (k = 0; k < machine_count; k++) {
			struct account *account =
				account_of(&machines[i], &machines[k]);
			const struct node *node;

			if (account == NULL)
				continue;
			node = account_node(&machines[i], &machines[k]);
			if (node == NULL || node->next_line == 0)
				account->since = 0;
			else if (account->since == 0)
				account->since = world_steps();
		}
	}
}

/* ---- lines -------------------------------------------------------------- */

void account_miss(const struct peer *peer, const struct peer *speaker,
		  unsigned number)
{
	const struct machine *at = machine_of_peer(peer);
	const struct machine *of = machine_of_peer(speaker);
	struct account *account;

	if (peer_is_near(peer, speaker))
		peer_misses(peer, speaker, number);
	account = at != NULL && of != NULL ? account_of(at, of) : NULL;
	if (account == NULL || account->since == 0 ||
	    speaker->spoken_at[number] <= account->since)
		return;
	trace("%s %u on m%u: line %u of %u on m%u is missing", peer->kind->name,
	      peer->id, at->number, number, speaker->id, of->number);
	account->missed[speaker->id] |= UINT64_C(1) << number;
}

static void account_check_lines(const struct machine *at,
				const struct machine *of)
{
	const struct account *account = account_of(at, of);
	const struct node *node = account_node(at, of);
	unsigned i, missed = 0;

	if (node == NULL || node->gone || node->missing)
		violated("m%u does not see m%u", at->number, of->number);
	for (i = 0; i < PEERS; i++)
		missed += (unsigned)__builtin_popcountll(account->missed[i]);
	if (missed > node->lost)
		violated("m%u: %u lines of m%u are missing, %llu are "
			 "counted as lost",
			 at->number, missed, of->number,
			 (unsigned long long)node->lost);
}

/* ---- frames ------------------------------------------------------------- */

static struct account_frames *account_frames(const struct cluster *cluster,
					     uint64_t number)
{
	struct machine *machine;
	unsigned i = 0;

	for (machine = machines;
	     machine->life == 0 || machine->server.env.cluster != cluster;)
		must(++machine < machines + machine_count);
	if (frames_at[machine->number].life != machine->life ||
	    frames_at[machine->number].opened_us != cluster->opened_us) {
		memset(&frames_at[machine->number], 0, sizeof(frames_at[0]));
		frames_at[machine->number].life = machine->life;
		frames_at[machine->number].opened_us = cluster->opened_us;
		frames_at[machine->number].received = cluster->received;
	}
	for (;; i++) {
		struct account_frames *frames =
			&frames_at[machine->number].of[i];

		must(i < ACCOUNT_NODES);
		if (frames->number == 0)
			frames->number = number;
		if (frames->number == number)
			return frames;
	}
}

/* Whether the cluster looks at the line numbers in the frame. */
static bool account_follows(const struct cluster *cluster,
			    const struct frame *frame)
{
	const char *name = cluster->nodes.name;

	if (frame->kind == FRAME_HELLO)
		return frame->len != strlen(name) ||
		       memcmp(frame->data, name, frame->len) != 0;
	return frame->kind == FRAME_LINES &&
	       cluster->nodes.state != NODES_PROBING;
}

void __real_cluster_frames_take(struct cluster *cluster,
				struct broker_event *event);
void __wrap_cluster_frames_take(struct cluster *cluster,
				struct broker_event *event);

void __wrap_cluster_frames_take(struct cluster *cluster,
				struct broker_event *event)
{
	struct account_frames *frames;
	struct frame frame;

	if (frame_read(&frame, event->text, event->len) &&
	    account_follows(cluster, &frame)) {
		const struct node *node = account_find(cluster, frame.number);

		frames = account_frames(cluster, frame.number);
		/* The numbers count from the first frame after which the
		 * machine knows the node. */
		if (node == NULL || node->next_line == 0)
			frames->next = frame.line;
		if (frame.line >= frames->next) {
			frames->lines +=
				frame.line + frame.lines - frames->next;
			frames->next = frame.line + frame.lines;
		}
	}
	__real_cluster_frames_take(cluster, event);
}

/* Checks that each line of other nodes was received or counted as lost, but not
 * both. */
static void account_check_frames(const struct machine *machine,
				 const struct cluster_report *report)
{
	uint64_t lines = frames_at[machine->number].received;
	unsigned i;

	if (frames_at[machine->number].life != machine->life)
		return;
	for (i = 0; i < ACCOUNT_NODES; i++)
		lines += frames_at[machine->number].of[i].lines;
	if (report->received + report->lost != lines)
		violated("m%u: %llu lines received, %llu lost, of %llu",
			 machine->number, (unsigned long long)report->received,
			 (unsigned long long)report->lost,
			 (unsigned long long)lines);
}

/* ---- names -------------------------------------------------------------- */

static const struct service *account_service(const struct machine *machine,
					     const char *name)
{
	const struct service *service;

	list_for_each(service, &machine->server.services, link)
		if (service->cluster != NULL &&
		    strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

static void account_check_service(const struct machine *machine,
				  const struct service *a,
				  const struct machine *other,
				  const struct service *b)
{
	const struct name_node *x =
		name_set_from(&a->registry->replicas[0].names, "");
	const struct name_node *y =
		name_set_from(&b->registry->replicas[0].names, "");

	while (x != NULL && y != NULL && strcmp(x->text, y->text) == 0) {
		if (machine_name_owner(x) != machine_name_owner(y))
			violated("%s: m%u says that %s is of %llu, m%u says "
				 "of %llu",
				 a->name, machine->number, x->text,
				 (unsigned long long)machine_name_owner(x),
				 other->number,
				 (unsigned long long)machine_name_owner(y));
		x = x->next[0];
		y = y->next[0];
	}
	if (x != NULL || y != NULL)
		violated("%s: m%u knows the name %s, m%u knows %s", a->name,
			 machine->number, x != NULL ? x->text : "-",
			 other->number, y != NULL ? y->text : "-");
}

void account_check_names(void)
{
	const struct service *a, *b;
	unsigned i, k;

	for (i = 0; i < machine_count; i++)
		list_for_each(a, &machines[i].server.services, link)
			for (k = i + 1; k < machine_count; k++) {
				if (a->cluster == NULL)
					continue;
				b = account_service(&machines[k], a->name);
				if (b != NULL)
					account_check_service(&machines[i], a,
							      &machines[k], b);
			}
}

/* ---- at rest ------------------------------------------------------------ */

static void account_check_rest(const struct machine *machine)
{
	const struct cluster *cluster = machine->server.env.cluster;
	struct cluster_report report;
	size_t i;

	cluster_describe(cluster, &report);
	if (!report.up || !report.is_whole)
		violated("m%u is %s%s", machine->number, report.state,
			 report.is_whole ? "" : ", and not whole");
	if (report.waiting != 0 || report.backlog != 0)
		violated("m%u: %llu lines wait, %zu bytes have not left",
			 machine->number, (unsigned long long)report.waiting,
			 report.backlog);
	account_check_frames(machine, &report);
	if (!list_is_empty(&cluster->names.pending) ||
	    !list_is_empty(&cluster->names.awaiting))
		violated("m%u: a name is still being decided", machine->number);
	for (i = 0; i < cluster->count; i++)
		if (cluster->ends[i].lines > 0)
			violated("m%u, worker %zu: %u lines were not sent",
				 machine->number, i, cluster->ends[i].lines);
	if (cluster->out.next_line - 1 != report.sent + report.unsent)
		violated("m%u: %llu lines sent, %llu not, of %llu",
			 machine->number, (unsigned long long)report.sent,
			 (unsigned long long)report.unsent,
			 (unsigned long long)cluster->out.next_line - 1);
}

void account_check(void)
{
	unsigned primaries = 0, i, k;

	for (i = 0; i < machine_count; i++) {
		account_check_rest(&machines[i]);
		primaries += cluster_is_primary(machines[i].server.env.cluster);
		for (k = 0; k < machine_count; k++)
			if (k != i)
				account_check_lines(&machines[i], &machines[k]);
	}
	if (primaries != 1)
		violated("%u machines are the primary", primaries);
	account_check_names();
}
