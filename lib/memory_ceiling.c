/* SPDX-License-Identifier: MIT */
/*
 * Compares what all dispatchers hold with the ceiling, and closes sockets. Far
 * from the ceiling, a dispatcher reads the accounts of the others only after it
 * has grown by a share of what is free. Near the ceiling, each dispatcher finds
 * its socket that holds most; at the ceiling, the largest of these sockets is
 * closed. Allocates nothing.
 */
#include "config.h"

#include "memory_ceiling.h"

#include <stdlib.h>

#include <lined/buffer.h>

#include "buffer_priv.h"
#include "dispatcher_priv.h"

/* The least growth between two checks. */
#define STEP_MIN 4096
/* A socket that holds less is not worth closing. */
#define SHED_MIN 4096
/* How long to wait for another dispatcher whose largest socket may hold more
 * than the largest one here. */
#define SHED_WAIT_MS 50
/* How long the measured memory_longest of a dispatcher is valid. */
#define MEASURED_MS 10

void memory_init(struct memory_ceiling *memory,
		 struct lined_dispatcher **dispatchers, size_t count)
{
	size_t i;

	memory->dispatchers = dispatchers;
	memory->count = count;
	for (i = 0; i < count; i++)
		__atomic_store_n(&dispatchers[i]->memory, memory,
				 __ATOMIC_RELEASE);
}

void memory_fini(struct memory_ceiling *memory)
{
	size_t i;

	for (i = 0; i < memory->count; i++)
		memory->dispatchers[i]->memory = NULL;
	free(memory->dispatchers);
	memory->dispatchers = NULL;
	memory->count = 0;
}

uint64_t memory_limit(const struct memory_ceiling *memory)
{
	return __atomic_load_n(&memory->limit, __ATOMIC_RELAXED);
}

/* The sum of `kept` or of `held` over all dispatchers. */
static uint64_t memory_total(const struct memory_ceiling *memory, bool kept)
{
	int64_t total = 0;
	size_t i;

	for (i = 0; i < memory->count; i++) {
		const struct memory_account *account =
			&memory->dispatchers[i]->pool.memory;

		total += __atomic_load_n(kept ? &account->kept : &account->held,
					 __ATOMIC_RELAXED);
	}
	return total > 0 ? (uint64_t)total : 0;
}

uint64_t memory_held(const struct memory_ceiling *memory)
{
	return memory_total(memory, false);
}

uint64_t memory_kept(const struct memory_ceiling *memory)
{
	return memory_total(memory, true);
}

/* The last quarter below the ceiling is for sockets alone. */
static uint64_t memory_for_keepers(uint64_t limit)
{
	return limit - limit / 4;
}

static uint64_t memory_near(uint64_t limit)
{
	return limit - limit / 8;
}

bool memory_is_near(const struct memory_ceiling *memory)
{
	uint64_t limit = memory_limit(memory);

	return limit > 0 && memory_held(memory) >= memory_near(limit);
}

/* Makes a dispatcher check at the end of its turn. */
static void memory_ask(struct lined_dispatcher *d)
{
	__atomic_store_n(&d->pool.memory.check_at, INT64_MIN, __ATOMIC_SEQ_CST);
	lined_dispatcher_wake(d);
}

void memory_ask_all(struct memory_ceiling *memory)
{
	size_t i;

	for (i = 0; i < memory->count; i++)
		memory_ask(memory->dispatchers[i]);
}

void memory_set_limit(struct memory_ceiling *memory, uint64_t limit)
{
	__atomic_store_n(&memory->limit, limit, __ATOMIC_SEQ_CST);
	memory_ask_all(memory);
}

/* ---- which socket -------------------------------------------------------- */

/* The socket that holds most; NULL: none holds SHED_MIN. */
static struct lined_delegate *memory_find_longest(struct lined_dispatcher *d,
						  uint64_t *most)
{
	struct lined_delegate *found = NULL;
	size_t fd;

	*most = SHED_MIN - 1;
	for (fd = 0; fd < d->by_fd_room; fd++) {
		struct lined_delegate *delegate = d->by_fd[fd];
		uint64_t held = 0;

		if (delegate != NULL && delegate->handlers->socket_ops != NULL)
			held = delegate->handlers->socket_ops->held(delegate);
		if (held > *most) {
			*most = held;
			found = delegate;
		}
	}
	if (found == NULL)
		*most = 0;
	__atomic_store_n(&d->memory_longest, *most, __ATOMIC_RELAXED);
	__atomic_store_n(&d->memory_measured_ms, d->now_ms, __ATOMIC_RELAXED);
	return found;
}

/*
 * Asks the dispatchers that have not measured their largest socket lately. That
 * socket may hold more than the account of its dispatcher says, because a
 * message is charged to the dispatcher that sent it. True: at least one was
 * asked.
 */
static bool memory_ask_unknown(struct lined_dispatcher *d)
{
	bool asked = false;
	size_t i;

	for (i = 0; i < d->memory->count; i++) {
		struct lined_dispatcher *other = d->memory->dispatchers[i];
		uint64_t measured_ms = __atomic_load_n(
			&other->memory_measured_ms, __ATOMIC_RELAXED);

		if (other != d && measured_ms + MEASURED_MS < d->now_ms) {
			memory_ask(other);
			asked = true;
		}
	}
	return asked;
}

/* The other dispatcher whose largest socket holds most, and more than `most`;
 * NULL: there is none. */
static struct lined_dispatcher *memory_find_other(struct lined_dispatcher *d,
						  uint64_t most)
{
	struct lined_dispatcher *found = NULL;
	size_t i;

	for (i = 0; i < d->memory->count; i++) {
		struct lined_dispatcher *other = d->memory->dispatchers[i];
		uint64_t its = __atomic_load_n(&other->memory_longest,
					       __ATOMIC_RELAXED);

		if (other != d && its > most) {
			most = its;
			found = other;
		}
	}
	return found;
}

/* ---- closing ------------------------------------------------------------- */

/* Whether another dispatcher is to close one of its sockets first. Each socket
 * that another dispatcher closes restarts the wait for a dispatcher with a
 * larger socket, but not the wait for dispatchers that have not measured. */
static bool memory_leave_to_other(struct lined_dispatcher *d, uint64_t most)
{
	bool unknown = memory_ask_unknown(d);
	struct lined_dispatcher *other = memory_find_other(d, most);
	uint64_t closed = __atomic_load_n(&d->memory->closed, __ATOMIC_RELAXED);

	if (other == NULL && !unknown) {
		d->memory_waits_ms = 0;
		return false;
	}
	if (d->memory_waits_ms == 0 ||
	    (other != NULL && d->memory_waits_closed != closed)) {
		d->memory_waits_ms = d->now_ms;
		d->memory_waits_closed = closed;
	}
	if (most > 0 && d->now_ms - d->memory_waits_ms >= SHED_WAIT_MS)
		return false;
	if (other != NULL)
		memory_ask(other);
	return true;
}

static void memory_shed(struct lined_dispatcher *d, uint64_t limit)
{
	struct list *link;
	uint64_t most;

	/* Bytes that were queued in this turn, and that the kernel takes, are
	 * no sign of a slow reader. */
	for (link = d->dirty.next; link != &d->dirty; link = link->next)
		d->socket_ops->send_early(link);
	while (memory_held(d->memory) >= limit) {
		struct lined_delegate *delegate = memory_find_longest(d, &most);

		if (memory_leave_to_other(d, most) || delegate == NULL)
			return;
		__atomic_fetch_add(&d->memory->closed, 1, __ATOMIC_RELAXED);
		d->memory_waits_closed++;
		if (!delegate->handlers->socket_ops->shed(delegate)) {
			d->memory_awaits_close = delegate;
			memory_ask(d);
			return;
		}
	}
}

/* How far a dispatcher may grow before it reads the accounts of the others
 * again. */
static int64_t memory_step(const struct lined_dispatcher *d, uint64_t limit,
			   uint64_t held)
{
	uint64_t next = held < memory_for_keepers(limit)
				? memory_for_keepers(limit)
				: limit;
	uint64_t share =
		held < next ? (next - held) / (2 * d->memory->count) : 0;

	return share > STEP_MIN ? (int64_t)share : STEP_MIN;
}

void memory_check(struct lined_dispatcher *d)
{
	struct memory_ceiling *memory =
		__atomic_load_n(&d->memory, __ATOMIC_ACQUIRE);
	uint64_t limit, held, most;
	int64_t unasked = INT64_MAX;
	bool asked;

	if (d->memory_shedding || d->memory_awaits_close != NULL)
		return;
	/* Must precede the reading of the limit: a later change of the limit
	 * sets check_at again, and is not missed. */
	asked = __atomic_exchange_n(&d->pool.memory.check_at, unasked,
				    __ATOMIC_SEQ_CST) == INT64_MIN;
	if (memory == NULL)
		return;
	limit = __atomic_load_n(&memory->limit, __ATOMIC_SEQ_CST);
	if (limit == 0)
		return;
	held = memory_held(memory);
	if (held >= memory_for_keepers(limit)) {
		d->memory_asks_keepers = true;
		d->memory_was_asked |= asked;
	}
	d->memory_shedding = true;
	if (held < limit)
		d->memory_waits_ms = 0;
	if (held >= limit)
		memory_shed(d, limit);
	else if (held >= memory_near(limit))
		memory_find_longest(d, &most);
	d->memory_shedding = false;
	/* Leaves check_at as it is if another thread has asked meanwhile. */
	__atomic_compare_exchange_n(&d->pool.memory.check_at, &unasked,
				    d->pool.memory.held +
					    memory_step(d, limit, held),
				    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void dispatcher_hold(struct lined_dispatcher *d, int64_t bytes)
{
	memory_charge(&d->pool.memory, bytes);
}

/* ---- keepers ------------------------------------------------------------- */

static void memory_count_kept(struct lined_dispatcher *d, int64_t bytes)
{
	struct memory_account *account = &d->pool.memory;

	__atomic_store_n(&account->kept, account->kept + bytes,
			 __ATOMIC_RELAXED);
}

void dispatcher_charge(struct lined_dispatcher *d, int64_t bytes)
{
	memory_charge(&d->pool.memory, bytes);
	memory_count_kept(d, bytes);
}

void dispatcher_keep(struct lined_dispatcher *d, struct lined_buffer *buffer)
{
	lined_buffer_ref(buffer);
	memory_charge(&d->pool.memory, buffer_charge(buffer));
	if (buffer->keeps++ == 0)
		memory_count_kept(d, buffer_cost(buffer));
}

void dispatcher_unkeep(struct lined_dispatcher *d, struct lined_buffer *buffer)
{
	memory_charge(&d->pool.memory, -buffer_discharge(buffer));
	if (--buffer->keeps == 0)
		memory_count_kept(d, -buffer_cost(buffer));
	lined_buffer_unref(buffer);
}

bool dispatcher_may_keep(const struct lined_dispatcher *d, uint64_t bytes)
{
	const struct memory_ceiling *memory =
		__atomic_load_n(&d->memory, __ATOMIC_ACQUIRE);
	uint64_t limit = memory != NULL ? memory_limit(memory) : 0;
	uint64_t most = memory_for_keepers(limit);

	return limit == 0 ||
	       (bytes <= most && memory_held(memory) <= most - bytes);
}

void dispatcher_add_keeper(struct lined_dispatcher *d,
			   struct memory_keeper *keeper)
{
	list_append(&d->keepers, &keeper->link);
}

void dispatcher_remove_keeper(struct memory_keeper *keeper)
{
	list_remove(&keeper->link);
}

static uint64_t memory_over(uint64_t bytes, uint64_t most)
{
	return bytes > most ? bytes - most : 0;
}

/* Asks the keepers to give up memory, until measure() returns at most `most`.
 * In the first round each keeper is asked for an equal share. */
static void
memory_ask_keepers(struct lined_dispatcher *d,
		   uint64_t (*measure)(const struct memory_ceiling *memory),
		   uint64_t most, bool spare)
{
	struct memory_keeper *keeper, *next;
	uint64_t count = 0, share;
	int round;

	list_for_each(keeper, &d->keepers, link)
		count++;
	if (count == 0)
		return;
	share = memory_over(measure(d->memory), most) / count + 1;
	for (round = 0; round < 2; round++) {
		list_for_each_safe(keeper, next, &d->keepers, link) {
			uint64_t over = memory_over(measure(d->memory), most);

			if (over == 0)
				return;
			keeper->give_up(keeper,
					round == 0 && share < over ? share
								   : over,
					spare);
		}
	}
}

/* Makes keepers give up memory above their part of the ceiling. True: other
 * dispatchers are to be asked, too. */
static bool memory_give_up(struct lined_dispatcher *d, uint64_t limit)
{
	uint64_t most = memory_for_keepers(limit);
	int64_t before = d->pool.memory.kept, freed;

	if (memory_held(d->memory) <= most)
		return false;
	memory_ask_keepers(d, memory_held, most, true);
	if (memory_held(d->memory) > most)
		memory_ask_keepers(d, memory_kept, most, false);
	freed = before - d->pool.memory.kept;
	if (freed > 0)
		__atomic_fetch_add(&d->memory->given_up, (uint64_t)freed,
				   __ATOMIC_RELAXED);
	return memory_held(d->memory) > most && memory_kept(d->memory) > 0;
}

void memory_check_turn(struct lined_dispatcher *d)
{
	struct memory_ceiling *memory =
		__atomic_load_n(&d->memory, __ATOMIC_ACQUIRE);
	uint64_t limit = memory != NULL ? memory_limit(memory) : 0;
	bool asked = d->memory_was_asked ||
		     __atomic_load_n(&d->pool.memory.check_at,
				     __ATOMIC_SEQ_CST) == INT64_MIN;
	size_t i;

	d->memory_asks_keepers = false;
	/* A dispatcher that was asked does not ask others: two would ask each
	 * other for ever. */
	if (limit > 0 && memory_give_up(d, limit) && !asked)
		for (i = 0; i < memory->count; i++)
			if (memory->dispatchers[i] != d)
				memory_ask(memory->dispatchers[i]);
	memory_check(d);
	d->memory_asks_keepers = d->memory_was_asked = false;
}
