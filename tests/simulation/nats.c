/* SPDX-License-Identifier: MIT */
/*
 * The link of each machine to the nats-server, and the machine's broker; see
 * nats.h.
 */
#include "config.h"

#include "nats.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/cluster_priv.h"
#include "faults.h"
#include "nats_priv.h"
#include "world.h"

#define FRAME_MAX ((size_t)100000)

struct nats nats_of[MACHINES];

static bool answer_lost;

static const char *const nats_buckets[BROKER_BUCKETS] = {
	[BROKER_NAMES] = "names",
	[BROKER_NODES] = "nodes",
};

/* ---- events ------------------------------------------------------------- */

static void nats_emit(struct nats *nats, struct broker_event *event)
{
	must(event != NULL);
	event->connection = nats->connection;
	nats->event(nats->arg, event);
}

static void nats_emit_text(struct nats *nats, enum broker_event_kind kind,
			   const char *text, uint64_t number)
{
	struct broker_event *event =
		broker_event_new(kind, NULL, text, strlen(text));

	trace("nats: m%u: %s", nats->machine, text);
	must(event != NULL);
	event->number = number;
	nats_emit(nats, event);
}

/* ---- requests ----------------------------------------------------------- */

static struct broker_request *nats_take_request(struct broker_request **first,
						struct broker_request ***last)
{
	struct broker_request *request = *first;

	*first = request->next;
	if (*first == NULL)
		*last = first;
	return request;
}

/* Returns how many lines were in the requests. */
static uint64_t nats_drop_requests(struct nats *nats)
{
	uint64_t lines = 0;

	while (nats->first != NULL) {
		struct broker_request *request =
			nats_take_request(&nats->first, &nats->last);

		lines += request->lines;
		free(request);
	}
	nats->backlog = 0;
	return lines;
}

static void nats_drop_late(struct nats *nats)
{
	while (nats->late != NULL)
		free(nats_take_request(&nats->late, &nats->last_late));
}

/* The link is lost. Requests that were written may still reach the server.
 * Returns the number of lines in all other requests. */
static uint64_t nats_leave_requests(struct nats *nats)
{
	if (nats->late == NULL && !nats->dead && world_once_in(2))
		while (nats->first != NULL && !world_once_in(8)) {
			*nats->last_late =
				nats_take_request(&nats->first, &nats->last);
			nats->last_late = &(*nats->last_late)->next;
			*nats->last_late = NULL;
		}
	return nats_drop_requests(nats);
}

/* ---- the link ----------------------------------------------------------- */

static uint64_t nats_close_link(struct nats *nats)
{
	uint64_t unsent = nats_leave_requests(nats);
	unsigned i;

	for (i = 0; i < WAYS; i++)
		way_clear(&nats->ways[i]);
	nats->up = nats->dead = nats->subscribed = false;
	nats->retry_ns = world_now_ns() + 250 * NATS_MS_NS;
	return unsent;
}

static bool nats_connect(struct nats *nats)
{
	struct broker_event *up;

	if (nats->up || world_now_ns() < nats->retry_ns)
		return false;
	if (nats->cut || !nats_server_is_there()) {
		nats->retry_ns = world_now_ns() +
				 world_between(250, nats->cut ? 2000 : 1000) *
					 NATS_MS_NS;
		nats_emit_text(nats, BROKER_REFUSED,
			       nats->cut ? "timeout" : "no server available",
			       0);
		return true;
	}
	trace("nats: m%u connects", nats->machine);
	nats->up = true;
	nats->connection++;
	up = broker_event_new(BROKER_UP, NULL, NULL, 0);
	must(up != NULL);
	up->number = nats_server_accept(nats);
	nats_emit(nats, up);
	return true;
}

static bool nats_notice(struct nats *nats)
{
	bool lost = nats->cut && world_now_ns() > nats->notice_ns;
	uint64_t unsent;

	if (!nats->up || (!lost && (!nats->dead || nats->cut)))
		return false;
	unsent = nats_close_link(nats);
	nats_emit_text(nats, BROKER_DOWN, lost ? "stale" : "closed", unsent);
	return true;
}

static bool nats_subscribe(struct nats *nats)
{
	if (nats->subscribed)
		return false;
	return nats->subscribed = true;
}

/* A request arrives at the server. */
static bool nats_request(struct nats *nats)
{
	struct broker_request *request;

	if (nats->first == NULL)
		return false;
	request = nats_take_request(&nats->first, &nats->last);
	nats->backlog -= request->len;
	nats_server_take(nats, request, true);
	return true;
}

static bool nats_late_request(struct nats *nats)
{
	if (nats->late == NULL || nats->cut || !nats_server_is_there())
		return false;
	trace("nats: m%u: a late request", nats->machine);
	nats_server_take(nats, nats_take_request(&nats->late, &nats->last_late),
			 false);
	return true;
}

/* ---- steps -------------------------------------------------------------- */

static void nats_trace_event(const struct nats *nats,
			     const struct broker_event *event)
{
	struct frame frame;

	if (event->kind == BROKER_STORED || event->kind == BROKER_ERASED)
		trace("nats: m%u is told: %s %llu %s %.*s", nats->machine,
		      nats_buckets[event->bucket],
		      (unsigned long long)event->revision, event->key,
		      (int)strcspn(event->text, "\n"), event->text);
	else if (event->kind == BROKER_LISTED)
		trace("nats: m%u is told: %s are listed", nats->machine,
		      nats_buckets[event->bucket]);
	else if (event->kind != BROKER_FRAME)
		trace("nats: m%u gets an answer", nats->machine);
	else if (frame_read(&frame, event->text, event->len))
		trace("nats: m%u gets a frame %c of %llx: %llu + %u",
		      nats->machine, (char)frame.kind,
		      (unsigned long long)frame.number,
		      (unsigned long long)frame.line, frame.lines);
}

static bool nats_deliver(struct nats *nats, unsigned i)
{
	struct broker_event *event;

	if (nats->ways[i].first == NULL)
		return false;
	event = way_take(&nats->ways[i]);
	nats_trace_event(nats, event);
	if (faults_spoil_event(event))
		free(event);
	else
		nats_emit(nats, event);
	return true;
}

static bool nats_step_link(struct nats *nats)
{
	enum { REQUEST = WAYS, TELL, ALL = TELL + BROKER_BUCKETS };
	unsigned from = world_below(ALL), k;

	if (!nats->subscribed && world_once_in(2))
		return nats_subscribe(nats);
	for (k = 0; k < ALL; k++) {
		unsigned i = (from + k) % ALL;

		if (i < WAYS       ? nats_deliver(nats, i)
		    : i == REQUEST ? nats_request(nats)
				   : nats_server_tell(nats, i - TELL))
			return true;
	}
	return nats_subscribe(nats);
}

static bool nats_step_machine(struct nats *nats)
{
	if (world_now_ns() < nats->slow_ns)
		return false;
	if (nats->late != NULL && world_once_in(3) && nats_late_request(nats))
		return true;
	if (nats->settings == NULL)
		return nats_late_request(nats);
	if (nats_connect(nats) || nats_notice(nats))
		return true;
	return (nats->up && !nats->cut && !nats->dead &&
		nats_step_link(nats)) ||
	       nats_late_request(nats);
}

bool nats_step(void)
{
	unsigned from = world_below(machine_count), i;

	for (i = 0; i < machine_count; i++)
		if (nats_step_machine(&nats_of[(from + i) % machine_count]))
			return true;
	return false;
}

/* ---- trouble ------------------------------------------------------------ */

static void nats_set_cut(struct nats *nats, bool cut)
{
	if (nats->cut == cut)
		return;
	trace("nats: the link of m%u is %s", nats->machine,
	      cut ? "cut" : "whole again");
	nats->cut = cut;
	nats->notice_ns =
		world_now_ns() + world_between(2000, 3000) * NATS_MS_NS;
}

/* Loses a frame or an answer. Events of a watch are never lost: a watch repeats
 * what was missed. */
static void nats_lose_event(struct nats *nats)
{
	unsigned i = world_once_in(4) ? WAY_ANSWERS : WAY_FRAMES;
	struct way *way = &nats->ways[i];

	if (!nats->up || nats->dead || way->first == NULL)
		return;
	free(way_take(way));
	answer_lost |= i == WAY_ANSWERS;
	nats_emit_text(nats, BROKER_TROUBLE, "this node is too slow", 0);
}

/* The server ends, and is there again after a while, with empty buckets. */
static void nats_end_server(void)
{
	unsigned i;

	trace("nats: the server ends");
	nats_server_die(world_below(2000) * NATS_MS_NS);
	for (i = 0; i < machine_count; i++) {
		nats_of[i].dead = nats_of[i].up;
		nats_drop_late(&nats_of[i]);
	}
}

/* Cuts or heals all links, as if the server were stopped (SIGSTOP) and
 * continued. */
static void nats_cut_all(bool cut)
{
	unsigned i;

	for (i = 0; i < machine_count; i++)
		nats_set_cut(&nats_of[i], cut);
}

void nats_trouble(void)
{
	struct nats *nats = &nats_of[world_below(machine_count)];

	switch (world_below(16)) {
	case 0:
		nats_end_server();
		break;
	case 1:
	case 2:
	case 3:
		nats_lose_event(nats);
		break;
	case 4:
		nats_cut_all(!nats->cut);
		break;
	case 5:
	case 6:
	case 7:
		nats->slow_ns = world_now_ns() + world_below(1500) * NATS_MS_NS;
		break;
	default:
		nats_set_cut(nats, !nats->cut);
		break;
	}
}

void nats_heal(void)
{
	unsigned i;

	nats_server_come_back();
	nats_cut_all(false);
	for (i = 0; i < machine_count; i++)
		nats_of[i].slow_ns = 0;
}

bool nats_lost_answer(void)
{
	return answer_lost;
}

void nats_lose_machine(unsigned machine)
{
	struct nats *nats = &nats_of[machine];

	if (nats->settings == NULL)
		return;
	trace("nats: m%u is lost", machine);
	nats_close_link(nats);
	nats->retry_ns = UINT64_MAX;
}

/* ---- the broker --------------------------------------------------------- */

static void *nats_open(const struct broker_settings *settings,
		       uint32_t lease_ms,
		       void (*event)(void *arg, struct broker_event *event),
		       void *arg)
{
	struct nats *nats = &nats_of[settings->name[1] - '0'];

	must(nats->settings == NULL);
	nats->settings = settings;
	nats->event = event;
	nats->arg = arg;
	nats->lease_ns = lease_ms * NATS_MS_NS;
	nats->retry_ns = 0;
	return nats;
}

static uint64_t nats_close(void *broker)
{
	struct nats *nats = broker;

	while (nats->up && !nats->cut && !nats->dead && nats_request(nats))
		;
	nats->settings = NULL;
	return nats_close_link(nats);
}

static bool nats_send(void *broker, struct broker_request *request)
{
	struct nats *nats = broker;

	if (!nats->up || (request->kind != BROKER_SEND &&
			  request->connection != nats->connection)) {
		free(request);
		return false;
	}
	request->next = NULL;
	nats->backlog += request->len;
	*nats->last = request;
	nats->last = &request->next;
	return true;
}

static size_t nats_backlog(const void *broker)
{
	return ((const struct nats *)broker)->backlog;
}

static size_t nats_frame_max(const void *broker)
{
	return FRAME_MAX;
}

/* Takes the place of the broker that speaks to a nats-server. */
extern const struct broker_ops __wrap_broker_nats;
bool __wrap_broker_available(void);

const struct broker_ops __wrap_broker_nats = {
	.open = nats_open,
	.close = nats_close,
	.send = nats_send,
	.backlog = nats_backlog,
	.frame_max = nats_frame_max,
};

bool __wrap_broker_available(void)
{
	return true;
}

/* ---- a world ------------------------------------------------------------ */

void nats_begin(void)
{
	unsigned i, k;

	memset(nats_of, 0, sizeof(nats_of));
	for (i = 0; i < machine_count; i++) {
		struct nats *nats = &nats_of[i];

		nats->machine = i;
		nats->last = &nats->first;
		nats->last_late = &nats->late;
		for (k = 0; k < WAYS; k++)
			nats->ways[k].last = &nats->ways[k].first;
	}
	answer_lost = false;
	nats_server_begin();
}

void nats_end(void)
{
	unsigned i;

	for (i = 0; i < machine_count; i++)
		nats_drop_late(&nats_of[i]);
	nats_server_die(0);
}
