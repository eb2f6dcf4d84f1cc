/* SPDX-License-Identifier: MIT */
/*
 * Runs a seed. First machines start, peers come and go, configs are reloaded,
 * services drain. Then nothing new begins, and what is under way arrives. At
 * the end the machines stop. Invariants of lined as a whole are checked here
 * and in machine.c, those of a conversation by the kinds of peers.
 */
#include "config.h"

#include "run.h"

#ifdef HAVE_MALLINFO2
#include <malloc.h>
#endif
#include <time.h>

#include "account.h"
#include "faults.h"
#include "loops.h"
#include "machine.h"
#include "nats.h"
#include "net.h"
#include "peer.h"
#include "protocols.h"
#include "scenes.h"
#include "world.h"

/* The most steps of the lively phase; the most steps until everything under way
 * has arrived; and the time for this. */
#define RUN_STEPS  3000
#define CALM_STEPS 400000
#define CALM_NS    (8 * WORLD_SECOND_NS)
/* The memory of a client beside its queues (input, a proxy's window), and of a
 * worker (read buffer, memory kept for reuse, configs). */
#define CLIENT_MEMORY 40000
#define WORKER_MEMORY 1000000
/* The time from the last heal until all machines know the same names; if an
 * answer was lost, the machine first has to ask again. */
#define AGREE_NS     (5 * WORLD_SECOND_NS)
#define ASK_AGAIN_NS (25 * WORLD_SECOND_NS)
#define WAIT_NS      (WORLD_SECOND_NS / 5)

static unsigned run_machines = 1;
static size_t run_memory_before; /* bytes; 0: not known */

/* ---- bounds -------------------------------------------------------------- */

/* The bytes that are allocated, as glibc's malloc(3) counts them. A sanitizer
 * has its own malloc(3), which reports 0, and finds leaks itself. */
static size_t run_memory(void)
{
#ifdef HAVE_MALLINFO2
	return mallinfo2().uordblks;
#else
	return 0;
#endif
}

/* Checks the queue of a client, and adds the client's limit to the bound for
 * the process. */
static void run_check_client(struct protocols_client *client, void *bound)
{
	size_t queued = lined_socket_queued(client->sock);
	size_t limit = lined_socket_group(client->sock)->limits.send_queue;

	if (limit > client->limit)
		client->limit = limit;
	if (queued > client->limit)
		violated("%s %u: %zu bytes are queued, the limit is %zu",
			 client->peer->kind->name, client->peer->id, queued,
			 client->limit);
	*(size_t *)bound += 2 * client->limit + CLIENT_MEMORY;
}

static void run_check_ceiling(const struct memory_ceiling *memory)
{
	size_t limit = memory_limit(memory);

	if (limit > 0 && memory_held(memory) > limit + CLIENT_MEMORY)
		violated("clients hold %llu bytes, the ceiling is %zu",
			 (unsigned long long)memory_held(memory), limit);
}

static void run_check_bounds(void)
{
	size_t memory = run_memory(), bound = run_memory_before;
	unsigned i;

	protocols_each_client(run_check_client, &bound);
	for (i = 0; i < machine_count; i++)
		if (machines[i].life != 0)
			run_check_ceiling(&machines[i].server.memory);
	bound += machine_count * (scene.workers + 1) * WORKER_MEMORY;
	if (run_memory_before > 0 && memory > bound)
		violated("%zu bytes are in use, at most %zu should be", memory,
			 bound);
}

/* ---- steps --------------------------------------------------------------- */

/* Makes one step. False: nothing could happen. */
static bool run_step(bool calm)
{
	unsigned chance = world_below(100);

	world_count_step();
	world_pass(world_below(30000));
	account_look();
	if (machine_count > 1 && world_once_in(4) && nats_step())
		return true;
	if (chance < 45 && loops_step())
		return true;
	if (chance < 70 && net_step())
		return true;
	if (scene_upstreams(calm))
		return true;
	if (chance < 95 && peers_act(calm))
		return true;
	if (!calm && world_once_in(8))
		world_pass(world_below(20) * 1000000ull);
	return loops_step() || net_step() || peers_act(calm) ||
	       (machine_count > 1 && nats_step());
}

/* Moves the clock to the next timer, if it is due soon. */
static void run_wait(void)
{
	uint64_t now_ns = world_now_ns(), due_ns = loops_due_ns();

	if (due_ns > now_ns + WAIT_NS)
		due_ns = now_ns + WAIT_NS;
	world_pass(due_ns > now_ns ? due_ns - now_ns : 1000000);
}

static struct machine *run_machine(void)
{
	return &machines[machine_count > 1 ? world_below(machine_count) : 0];
}

static void run_stop(struct machine *machine, bool calm)
{
	unsigned steps = 0;

	trace("stop");
	loops_wake();
	machine_stop(machine);
	while (!machine->stopped) {
		if (steps++ == CALM_STEPS)
			violated("it does not stop");
		if (world_once_in(100))
			world_pass(10 * 1000000);
		if (!run_step(calm))
			run_wait();
	}
	/* The last names of the cluster are removed by messages to the
	 * workers. */
	machine_leave_cluster(machine);
	for (steps = 0; machine_memory(machine) > 0 && steps < CALM_STEPS;
	     steps++)
		if (!run_step(calm))
			run_wait();
	machine_end(machine);
}

/* Starts a machine that does not run, and stops one that runs; half of those
 * die, so that the others hear no farewell. */
static void run_turn_machine(struct machine *machine)
{
	if (machine->life == 0) {
		trace("m%u starts", machine->number);
		machine_start(machine);
		return;
	}
	trace("m%u stops", machine->number);
	if (world_once_in(2))
		nats_lose_machine(machine->number);
	run_stop(machine, false);
}

static void run_lively_cluster(void)
{
	struct machine *machine = run_machine();

	if (world_once_in(60))
		scene_client();
	if (!scene.troubled)
		return;
	if (world_once_in(machine->life == 0 ? 100 : 1500))
		run_turn_machine(machine);
	if (world_once_in(150))
		nats_trouble();
	if (world_once_in(150))
		world_pass(world_below(3000) * 1000000ull);
}

static void run_lively(struct run_counts *counts)
{
	unsigned steps = world_between(RUN_STEPS / 4, RUN_STEPS), i;

	for (i = 0; i < steps; i++) {
		if (world_once_in(40))
			scene_client();
		if (machine_count > 1)
			run_lively_cluster();
		if (world_once_in(700)) {
			struct machine *machine = run_machine();

			counts->reloads++;
			if (machine->life != 0)
				machine_reload(machine);
		}
		if (world_once_in(1500)) {
			struct machine *machine = run_machine();

			if (machine->life != 0)
				machine_drain(machine);
		}
		if (world_once_in(100))
			loops_rest();
		if (i % 64 == 0)
			run_check_bounds();
		if (world_once_in(300))
			world_pass(world_below(1500) * 1000000ull);
		if (!run_step(false) && world_once_in(4))
			run_wait();
	}
}

/* Runs until nothing moves but timers, and at least for this time. */
static void run_calm(uint64_t ns)
{
	uint64_t end_ns = world_now_ns() + ns;
	unsigned steps = 0;
	bool moved = true;

	while (moved || world_now_ns() < end_ns) {
		if (steps++ == CALM_STEPS)
			violated("it does not come to rest");
		moved = run_step(true);
		if (!moved)
			run_wait();
	}
}

/* Starts all machines and heals all links. */
static void run_heal(void)
{
	unsigned i;

	for (i = 0; i < machine_count; i++)
		if (machines[i].life == 0)
			machine_start(&machines[i]);
	nats_heal();
	run_calm(nats_lost_answer() ? ASK_AGAIN_NS : AGREE_NS);
	account_check_names();
	run_calm(scene.lease_ms * 1000000ull);
}

static void run_settle(void)
{
	unsigned i;

	trace("nothing begins any more");
	loops_wake();
	if (machine_count > 1)
		run_heal();
	run_calm(CALM_NS);
	for (i = 0; i < machine_count; i++) {
		machine_check_registry(&machines[i]);
		machine_check_counters(&machines[i]);
	}
	for (i = 0; i < peer_count; i++)
		if (peers[i].kind->settled != NULL && peers[i].opens > 0)
			peers[i].kind->settled(&peers[i]);
	if (machine_count > 1)
		account_check();
}

static void run_check_left(size_t before)
{
	size_t after = run_memory();
	unsigned i;

	for (i = 0; i < peer_count; i++)
		if (peers[i].opens != peers[i].closes)
			violated("%s %u: no handle_close", peers[i].kind->name,
				 peers[i].id);
	for (i = 0; i < peer_count; i++)
		if (peers[i].stream != NULL)
			peer_leave(&peers[i], false);
	while (net_step())
		;
	if (net_fds_open() > 0 || net_count() > 0 || loops_count() > 0)
		violated("left: %u descriptors, %u streams, %u loops",
			 net_fds_open(), net_count(), loops_count());
	if (before > 0 && after != before)
		violated("left: %zu bytes of memory", after - before);
}

static void run_begin(uint64_t seed, bool shown)
{
	trace_begin(seed, shown);
	world_begin(seed);
	net_begin();
	net_fds_begin();
	loops_begin();
	peers_begin();
	protocols_begin();
	faults_begin();
	machines_begin(run_machines);
	nats_begin();
	account_begin();
}

void run_set_machines(unsigned count)
{
	run_machines = count;
}

uint64_t run_seed(uint64_t seed, bool shown, struct run_counts *counts)
{
	static bool warm;
	size_t before;
	bool rests;
	unsigned i;

	/* tzset() allocates once, which must not count for a seed. */
	tzset();
	run_begin(seed, shown);
	before = run_memory_before = warm ? run_memory() : 0;
	scene_begin();
	for (i = 0; i < machine_count; i++)
		machine_start(&machines[i]);
	run_lively(counts);
	rests = !world_once_in(4);
	if (rests)
		run_settle();
	for (i = 0; i < machine_count; i++)
		if (machines[i].life != 0)
			run_stop(&machines[i], rests);
	scene_end();
	nats_end();
	faults_end();
	run_check_left(before);
	warm = true;
	counts->steps += world_steps();
	return trace_hash();
}
