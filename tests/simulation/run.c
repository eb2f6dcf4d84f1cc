/* SPDX-License-Identifier: MIT */
/*
 * A seed: a server starts with a config, peers come and go, configs are
 * reloaded, services drain; then nothing begins any more and what is under way
 * arrives; then the server stops. The invariants that concern lined as a whole
 * are checked here, those of a conversation by the kinds of peers.
 */
#include "config.h"

#include "run.h"

#ifdef HAVE_MALLINFO2
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lined/protocol.h>

#include "clients.h"
#include "faults.h"
#include "loops.h"
#include "module/module.h"
#include "net.h"
#include "scenes.h"
#include "serve/reload_plan.h"
#include "serve/server.h"
#include "serve/service.h"
#include "world.h"

/* Steps of a seed while peers are lively, at most; steps after which what is
 * under way must have arrived; and the time for it. */
#define RUN_STEPS  3000
#define CALM_STEPS 400000
#define CALM_NS    (8 * WORLD_SECOND_NS)
/* Beside its queues: input, a window of a proxy; of a worker: its read buffer
 * and what it keeps for later, the configs. */
#define CLIENT_MEMORY 40000
#define WORKER_MEMORY 1000000
#define WAIT_NS       (WORLD_SECOND_NS / 5)

/* The services of a port. */
enum { LEDGERS = 16 };

struct ledger {
	uint16_t port;
	struct lined_counters sum;
	uint64_t refused, clients;
};

static struct {
	struct modules *modules;
	struct lined_dispatcher *main;
	struct server server;
	bool stopped;
	size_t memory_before; /* 0: not known */
	struct ledger ledgers[LEDGERS];
} run;

/* ---- the protocols ----------------------------------------------------------
 */

/*
 * The modules' tables, with handlers around theirs that count opens and
 * closes. A client's handlers are found by its table, which is a copy of the
 * protocol's own.
 */
struct watched_handlers {
	struct lined_socket_handlers handlers;
	const struct lined_socket_handlers *own;
};

struct watched_client {
	struct lined_socket *sock;
	struct peer *peer;
	size_t limit; /* the largest send-queue so far */
};

enum { WATCHED_PROTOCOLS = 4 };

static struct {
	const struct lined_protocol *own;
	struct lined_protocol protocol;
} watched[WATCHED_PROTOCOLS];
static struct watched_handlers watched_tables[2 * WATCHED_PROTOCOLS];
static struct watched_client watched_clients[NET_FDS];

static struct watched_client *watched_client(const struct lined_socket *sock)
{
	unsigned i;

	for (i = 0; watched_clients[i].sock != sock; i++)
		must(i + 1 < NET_FDS);
	return &watched_clients[i];
}

static void watched_close(struct lined_socket *sock, void *arg,
			  enum lined_close_reason reason, int error)
{
	const struct watched_handlers *handlers = lined_container_of(
		lined_socket_handlers(sock), struct watched_handlers, handlers);
	struct watched_client *client = watched_client(sock);
	struct peer *peer = client->peer;

	client->sock = NULL;
	peer->reason = reason;
	trace("%s %u: handle_close: %s %d", peer->kind->name, peer->id,
	      lined_close_reason_text(reason), error);
	if (++peer->closes != peer->opens)
		violated("%s %u: handle_close twice", peer->kind->name,
			 peer->id);
	if (handlers->own->handle_close != NULL)
		handlers->own->handle_close(sock, arg, reason, error);
}

static const struct lined_socket_handlers *
watched_table(const struct lined_socket *sock)
{
	const struct lined_socket_handlers *own = lined_socket_handlers(sock);
	unsigned i;

	for (i = 0; watched_tables[i].own != own; i++) {
		if (watched_tables[i].own != NULL)
			continue;
		watched_tables[i].own = own;
		watched_tables[i].handlers = *own;
		watched_tables[i].handlers.handle_close = watched_close;
		break;
	}
	return &watched_tables[i].handlers;
}

static void watched_accept(struct lined_service *service,
			   struct lined_socket *sock)
{
	struct net_stream *stream = net_fd_stream(lined_socket_fd(sock));
	struct watched_client *client = watched_client(NULL);
	struct peer *peer = stream->tag;
	unsigned i;

	for (i = 0; &watched[i].protocol != service->protocol; i++)
		must(i + 1 < WATCHED_PROTOCOLS);
	trace("%s %u: handle_accept on worker %u", peer->kind->name, peer->id,
	      service->worker->index);
	if (++peer->opens != 1)
		violated("%s %u: handle_accept twice", peer->kind->name,
			 peer->id);
	client->sock = sock;
	client->peer = peer;
	client->limit = 0;
	watched[i].own->handle_accept(service, sock);
	lined_socket_set_handlers(sock, watched_table(sock),
				  lined_socket_arg(sock));
	peer->accepted_at = world_steps();
	peer->service = service_of(service)->id;
}

static const struct lined_protocol *run_find_protocol(void *arg,
						      const char *module_dir,
						      const char *name,
						      char *error, size_t size)
{
	unsigned i;

	(void)arg, (void)module_dir;
	for (i = 0; i < WATCHED_PROTOCOLS && watched[i].own != NULL; i++)
		if (strcmp(watched[i].own->name, name) == 0)
			return &watched[i].protocol;
	snprintf(error, size, "not in the simulation");
	return NULL;
}

void run_open(const char *module_dir)
{
	static const char *const names[] = {"echo", "relay", "chat"};
	char error[512];
	unsigned i;

	/* It allocates once, which no seed is to be blamed for. */
	tzset();
	run.modules = modules_new();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct lined_protocol *own =
			module_load(run.modules, module_dir, names[i], error,
				    sizeof(error));

		if (own == NULL) {
			fprintf(stderr, "%s\n", error);
			exit(2);
		}
		watched[i].own = own;
		watched[i].protocol = *own;
		watched[i].protocol.handle_accept = watched_accept;
	}
}

void run_close(void)
{
	modules_free(run.modules);
}

/* ---- the config -------------------------------------------------------------
 */

static struct conf *run_conf(const char *text)
{
	static char files[sizeof(scene.text) + 64];
	struct conf_env env = {.find_protocol = run_find_protocol,
			       .files = files};
	struct conf_errors errors;
	struct conf *conf;

	env.files_len = (size_t)snprintf(files, sizeof(files),
					 "file %zu 1 /lined.conf\n%s",
					 strlen(text), text);
	conf_errors_init(&errors);
	conf = conf_load("/lined.conf", &env, &errors);
	if (conf == NULL)
		violated("%s", errors.errors.count > 0
				       ? errors.errors.items[0].text
				       : "no config");
	conf_errors_fini(&errors);
	return conf;
}

/* As the main thread does within a turn. With stalled, a worker does not answer
 * in time; then nothing may have changed. */
static void run_apply(struct conf *conf, bool stalled)
{
	struct reload_plan *plan = reload_plan_new(&run.server, conf);

	must(plan != NULL);
	loops_main_calls(true);
	loops_stall(stalled);
	must(server_apply(plan, NULL) == 0 || stalled);
	loops_stall(false);
	memory_set_limit(&run.server.memory, scene.ceiling);
	loops_main_calls(false);
	reload_plan_free(plan);
	conf_unref(conf);
}

static void run_reload(void)
{
	bool stalled = scene.workers > 1 && world_once_in(20);

	trace("reload%s", stalled ? ", and a worker is stuck" : "");
	run_apply(run_conf(scene_conf()), stalled);
}

static void run_drain(void)
{
	struct service *service;

	list_for_each(service, &run.server.services, link)
		if (world_once_in(6)) {
			trace("drain %s", service->name);
			loops_main_calls(true);
			server_drain(&run.server, service);
			loops_main_calls(false);
			return;
		}
}

/* ---- counters ---------------------------------------------------------------
 */

static uint16_t run_port(const struct service *service)
{
	return lined_address_port(
		&service->conf->listen[0].endpoints[0].address.any);
}

uint64_t run_service_of(uint16_t port)
{
	const struct list *const lists[] = {&run.server.services,
					    &run.server.draining};
	const struct service *service;
	uint64_t id = 0;
	unsigned i, count = 0;

	for (i = 0; i < 2; i++)
		list_for_each(service, lists[i], link)
			if (run_port(service) == port) {
				id = service->id;
				count++;
			}
	return count == 1 ? id : 0;
}

/* Adds the counters of a service to those of its port. */
static void run_add(struct ledger ledgers[], const struct service *service)
{
	uint16_t port = run_port(service);
	uint64_t *to;
	size_t i;

	for (; ledgers->port != 0 && ledgers->port != port;)
		ledgers++;
	ledgers->port = port;
	to = (uint64_t *)(void *)&ledgers->sum;
	for (i = 0; i < sizeof(ledgers->sum) / sizeof(*to); i++)
		to[i] += service_sum(service, offsetof(struct lined_service,
						       group.counters) +
						      i * sizeof(*to));
	for (i = ADMISSION_OK + 1; i < ADMISSION_VERDICTS; i++)
		ledgers->refused += service_refused(service, i);
	ledgers->clients += admission_clients(service->admission);
}

static void run_drains(struct server *server, struct service *service)
{
	(void)server, (void)service;
}

static void run_ended(struct server *server, struct service *service)
{
	(void)server;
	run_add(run.ledgers, service);
}

static void run_stopped(struct server *server)
{
	(void)server;
	run.stopped = true;
}

static const struct server_events run_events = {
	.drains = run_drains,
	.ended = run_ended,
	.stopped = run_stopped,
};

static void run_check_equal(const struct ledger *ledger, const char *what,
			    uint64_t seen, uint64_t counted)
{
	if (seen != counted)
		violated("port %u: %s: %llu, counted %llu", ledger->port, what,
			 (unsigned long long)seen, (unsigned long long)counted);
}

/* The counters say what the network has seen. */
static void run_check_ledger(const struct ledger *ledger)
{
	const struct net_totals *totals = net_totals(ledger->port);
	const struct lined_counters *sum = &ledger->sum;
	uint64_t ended = ledger->refused + ledger->clients;
	unsigned i;

	for (i = 0; i < LINED_CLOSE_REASONS; i++)
		ended += sum->closed[i];
	run_check_equal(ledger, "accepted", totals->accepted, ended);
	run_check_equal(ledger, "bytes read", totals->bytes_in, sum->bytes_in);
	run_check_equal(ledger, "bytes written", totals->bytes_out,
			sum->bytes_out);
	/* A proxy counts the reads. */
	if (ledger->port != SCENE_GATE && sum->lines_in > totals->newlines_in)
		run_check_equal(ledger, "lines", totals->newlines_in,
				sum->lines_in);
}

static void run_check_counters(void)
{
	struct ledger ledgers[LEDGERS];
	struct service *service;
	unsigned i;

	memcpy(ledgers, run.ledgers, sizeof(ledgers));
	list_for_each(service, &run.server.services, link)
		run_add(ledgers, service);
	list_for_each(service, &run.server.draining, link)
		run_add(ledgers, service);
	for (i = 0; ledgers[i].port != 0; i++)
		run_check_ledger(&ledgers[i]);
}

/* The bytes that are allocated. Known to glibc's malloc(3) alone; a sanitizer
 * has another, says 0, and finds leaks by itself. */
static size_t run_memory(void)
{
#ifdef HAVE_MALLINFO2
	return mallinfo2().uordblks;
#else
	return 0;
#endif
}

/* What a client may have queued, and the whole process may hold. */
static void run_check_bounds(void)
{
	size_t memory = run_memory(), bound = run.memory_before;
	size_t queued, limit;
	unsigned i;

	for (i = 0; i < NET_FDS; i++) {
		struct watched_client *client = &watched_clients[i];

		if (client->sock == NULL)
			continue;
		queued = lined_socket_queued(client->sock);
		limit = lined_socket_group(client->sock)->limits.send_queue;
		if (limit > client->limit)
			client->limit = limit;
		if (queued > client->limit)
			violated(
				"%s %u: %zu bytes are queued, the limit is %zu",
				client->peer->kind->name, client->peer->id,
				queued, client->limit);
		bound += 2 * client->limit + CLIENT_MEMORY;
	}
	limit = memory_limit(&run.server.memory);
	if (limit > 0 &&
	    memory_held(&run.server.memory) > limit + CLIENT_MEMORY)
		violated("clients hold %llu bytes, the ceiling is %zu",
			 (unsigned long long)memory_held(&run.server.memory),
			 limit);
	bound += (scene.workers + 1) * WORKER_MEMORY;
	if (run.memory_before > 0 && memory > bound)
		violated("%zu bytes are in use, at most %zu should be", memory,
			 bound);
}

/* ---- steps ------------------------------------------------------------------
 */

/* Something happens; false: nothing could. */
static bool run_step(bool calm)
{
	unsigned chance = world_below(100);

	world_count_step();
	world_pass(world_below(30000));
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
	return loops_step() || net_step() || peers_act(calm);
}

/* To the next timer, if it is due soon. */
static void run_wait(void)
{
	uint64_t now_ns = world_now_ns(), due_ns = loops_due_ns();

	if (due_ns > now_ns + WAIT_NS)
		due_ns = now_ns + WAIT_NS;
	world_pass(due_ns > now_ns ? due_ns - now_ns : 1000000);
}

static void run_lively(struct run_counts *counts)
{
	unsigned steps = world_between(RUN_STEPS / 4, RUN_STEPS), i;

	for (i = 0; i < steps; i++) {
		if (world_once_in(40))
			scene_client();
		if (world_once_in(700)) {
			counts->reloads++;
			run_reload();
		}
		if (world_once_in(1500))
			run_drain();
		if (i % 64 == 0)
			run_check_bounds();
		if (world_once_in(300))
			world_pass(world_below(1500) * 1000000ull);
		if (!run_step(false) && world_once_in(4))
			run_wait();
	}
}

/* Until nothing moves but timers; these get some time. */
static void run_calm(void)
{
	uint64_t end_ns = world_now_ns() + CALM_NS;
	unsigned steps = 0;
	bool moved = true;

	trace("nothing begins any more");
	while (moved || world_now_ns() < end_ns) {
		if (steps++ == CALM_STEPS)
			violated("it does not come to rest");
		moved = run_step(true);
		if (!moved)
			run_wait();
	}
}

/* The same names on every worker. */
static void run_check_registry(const struct service *service)
{
	const struct registry *registry = service->registry;
	size_t i;

	for (i = 1; i < registry->count; i++) {
		const struct name_node *a, *b;

		a = name_set_from(&registry->replicas[0].names, "");
		b = name_set_from(&registry->replicas[i].names, "");
		while (a != NULL && b != NULL &&
		       strcmp(a->text, b->text) == 0) {
			a = a->next[0];
			b = b->next[0];
		}
		if (a != NULL || b != NULL)
			violated("%s: worker 0 knows the name %s, worker %zu "
				 "knows %s",
				 service->name, a != NULL ? a->text : "-", i,
				 b != NULL ? b->text : "-");
	}
}

static void run_settled(void)
{
	const struct service *service;
	unsigned i;

	list_for_each(service, &run.server.services, link)
		run_check_registry(service);

	run_check_counters();
	for (i = 0; i < peer_count; i++)
		if (peers[i].kind->settled != NULL && peers[i].opens > 0)
			peers[i].kind->settled(&peers[i]);
}

static void run_stop(bool calm)
{
	unsigned steps = 0;

	trace("stop");
	loops_main_calls(true);
	server_stop(&run.server);
	loops_main_calls(false);
	while (!run.stopped) {
		if (steps++ == CALM_STEPS)
			violated("it does not stop");
		if (world_once_in(100))
			world_pass(10 * 1000000);
		if (!run_step(calm))
			run_wait();
	}
	run_check_counters();
	if (memory_held(&run.server.memory) > 0)
		violated("memory of nobody: %llu bytes",
			 (unsigned long long)memory_held(&run.server.memory));
	loops_main_calls(true);
	server_fini(&run.server);
	loops_set_main(NULL);
	lined_dispatcher_free(run.main);
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

uint64_t run_seed(uint64_t seed, bool shown, struct run_counts *counts)
{
	static bool warm;
	size_t before;
	bool rests;

	trace_begin(seed, shown);
	world_begin(seed);
	net_begin();
	net_fds_begin();
	loops_begin();
	peers_begin();
	faults_begin();
	memset(run.ledgers, 0, sizeof(run.ledgers));
	memset(watched_clients, 0, sizeof(watched_clients));
	run.stopped = false;
	before = run.memory_before = warm ? run_memory() : 0;
	scene_begin();
	run.main = lined_dispatcher_new();
	loops_set_main(run.main);
	loops_main_calls(true);
	must(server_init(&run.server, run.main, scene.workers, NULL,
			 &run_events) == 0);
	loops_main_calls(false);
	run_apply(run_conf(scene_conf()), false);
	run_lively(counts);
	rests = !world_once_in(4);
	if (rests) {
		run_calm();
		run_settled();
	}
	run_stop(rests);
	scene_end();
	faults_end();
	run_check_left(before);
	warm = true;
	counts->steps += world_steps();
	return trace_hash();
}
