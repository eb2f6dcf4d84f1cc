/* SPDX-License-Identifier: MIT */
/*
 * Checks between machines, see account.h.
 */
#include "config.h"

#include "account.h"

#include <string.h>

#include "clients.h"
#include "cluster/cluster_priv.h"
#include "machine.h"
#include "peer.h"
#include "scenes.h"
#include "world.h"

/* The lines of one machine, as another one gets them. */
struct account {
	unsigned of_life, at_life; /* of the two servers */
	uint64_t since;            /* step; 0: they do not know each other */
	uint64_t missed[PEERS];    /* a bit for each line of that speaker */
};

static struct account accounts[MACHINES][MACHINES]; /* at, of */

void account_begin(void)
{
	memset(accounts, 0, sizeof(accounts));
}

static const struct node *account_node(const struct machine *at,
				       const struct machine *of)
{
	uint64_t number = of->server.env.cluster->out.number;
	const struct node *node;

	list_for_each(node, &at->server.env.cluster->nodes.list, link)
		if (node->number == number)
			return node;
	return NULL;
}

/* NULL: one of them does not run. */
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

void account_look(void)
{
	unsigned i, k;

	for (i = 0; i < machine_count; i++)
		for (k = 0; k < machine_count; k++) {
			struct account *account =
				account_of(&machines[i], &machines[k]);
			const struct node *node;

			if (account == NULL || account->since != 0)
				continue;
			node = account_node(&machines[i], &machines[k]);
			if (node != NULL && node->next_line != 0)
				account->since = world_steps();
		}
}

/* ---- lines -------------------------------------------------------------- */

static const struct machine *account_machine(const struct peer *peer)
{
	unsigned i;

	for (i = 0; i < machine_count; i++)
		if (machines[i].life == peer->service >> 32)
			return &machines[i];
	return NULL;
}

void account_miss(const struct peer *peer, const struct peer *speaker,
		  unsigned number)
{
	const struct machine *at = account_machine(peer);
	const struct machine *of = account_machine(speaker);
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

/* How many messages at least: relay makes one of lines that come together. */
static unsigned account_count_missed(const struct peer *speaker,
				     uint64_t missed)
{
	unsigned count = 0, i;
	bool before = false;

	for (i = 0; i < PEER_LINES; i++) {
		bool here = (missed >> i & 1) != 0;

		count +=
			here && (!before || speaker->kind == &chat_client_kind);
		if (scene_passes(i))
			before = here;
	}
	return count;
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
		missed += account_count_missed(&peers[i], account->missed[i]);
	if (missed > node->lost)
		violated("m%u: %u messages of m%u are missing, %llu are "
			 "counted as lost",
			 at->number, missed, of->number,
			 (unsigned long long)node->lost);
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

static uint64_t account_owner(const struct name_node *node)
{
	return lined_container_of(node, const struct registry_copy, node)
		->claim->owner;
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
		if (account_owner(x) != account_owner(y))
			violated("%s: m%u says that %s is of %llu, m%u says "
				 "of %llu",
				 a->name, machine->number, x->text,
				 (unsigned long long)account_owner(x),
				 other->number,
				 (unsigned long long)account_owner(y));
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
