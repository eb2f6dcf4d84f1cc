/* SPDX-License-Identifier: MIT */
/*
 * Starts, reloads and stops the server of a machine; compares counters and
 * names, see machine.h.
 */
#include "config.h"

#include "machine.h"

#include <stdio.h>
#include <string.h>

#include "loops.h"
#include "net.h"
#include "peer.h"
#include "protocols.h"
#include "scenes.h"
#include "serve/reload_plan.h"
#include "world.h"

struct machine machines[MACHINES];
unsigned machine_count;

static unsigned machine_lives;

static struct machine *machine_of(struct server *server)
{
	return lined_container_of(server, struct machine, server);
}

void machines_begin(unsigned count)
{
	unsigned i;

	machine_count = count;
	machine_lives = 0;
	for (i = 0; i < count; i++) {
		machines[i].number = i;
		machines[i].life = 0;
		memset(machines[i].ledgers, 0, sizeof(machines[i].ledgers));
	}
}

struct machine *machine_of_port(uint16_t port)
{
	unsigned i = (port - SCENE_ECHO) % (SCENE_UPSTREAM - SCENE_ECHO) /
		     MACHINE_PORTS;

	must(i < machine_count);
	return &machines[i];
}

struct machine *machine_of_peer(const struct peer *peer)
{
	unsigned i;

	for (i = 0; i < machine_count; i++)
		if (machines[i].life == peer->service >> 32)
			return &machines[i];
	return NULL;
}

uint16_t machine_base_port(uint16_t port)
{
	return (uint16_t)(port - MACHINE_PORTS * machine_of_port(port)->number);
}

/* ---- services ------------------------------------------------------------ */

static uint16_t machine_port(const struct service *service)
{
	return lined_address_port(
		&service->conf->listen[0].endpoints[0].address.any);
}

uint64_t machine_service_key(const struct service *service)
{
	const struct machine *machine = machine_of_port(machine_port(service));

	return (uint64_t)machine->life << 32 | service->id;
}

const struct service *machine_service(const struct peer *peer)
{
	const struct machine *machine = machine_of_peer(peer);
	const struct service *service;

	if (machine == NULL)
		return NULL;
	list_for_each(service, &machine->server.services, link)
		if (machine_service_key(service) == peer->service)
			return service;
	return NULL;
}

uint64_t machine_service_of(uint16_t port)
{
	const struct server *server = &machine_of_port(port)->server;
	const struct list *const lists[] = {&server->services,
					    &server->draining};
	const struct service *service;
	uint64_t key = 0;
	unsigned i, count = 0;

	for (i = 0; i < 2; i++)
		list_for_each(service, lists[i], link)
			if (machine_port(service) == port) {
				key = machine_service_key(service);
				count++;
			}
	return count == 1 ? key : 0;
}

/* ---- counters ------------------------------------------------------------ */

/* Adds the counters of a service to those of its port. */
static void ledger_add(struct ledger ledgers[], const struct service *service)
{
	uint16_t port = machine_port(service);
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

static void ledger_check_equal(const struct ledger *ledger, const char *what,
			       uint64_t seen, uint64_t counted)
{
	if (seen != counted)
		violated("port %u: %s: %llu, counted %llu", ledger->port, what,
			 (unsigned long long)seen, (unsigned long long)counted);
}

static void ledger_check(const struct ledger *ledger)
{
	const struct net_totals *totals = net_totals(ledger->port);
	const struct lined_counters *sum = &ledger->sum;
	uint64_t ended = ledger->refused + ledger->clients;
	unsigned i;

	for (i = 0; i < LINED_CLOSE_REASONS; i++)
		ended += sum->closed[i];
	ledger_check_equal(ledger, "accepted", totals->accepted, ended);
	ledger_check_equal(ledger, "bytes read", totals->bytes_in,
			   sum->bytes_in);
	ledger_check_equal(ledger, "bytes written", totals->bytes_out,
			   sum->bytes_out);
	/* A proxy counts reads, not lines. */
	if (machine_base_port(ledger->port) != SCENE_GATE &&
	    sum->lines_in > totals->newlines_in)
		ledger_check_equal(ledger, "lines", totals->newlines_in,
				   sum->lines_in);
}

void machine_check_counters(const struct machine *machine)
{
	const struct server *server = &machine->server;
	struct ledger ledgers[LEDGERS];
	struct service *service;
	unsigned i;

	memcpy(ledgers, machine->ledgers, sizeof(ledgers));
	list_for_each(service, &server->services, link)
		ledger_add(ledgers, service);
	list_for_each(service, &server->draining, link)
		ledger_add(ledgers, service);
	for (i = 0; ledgers[i].port != 0; i++)
		ledger_check(&ledgers[i]);
}

/* ---- events -------------------------------------------------------------- */

static void machine_drains(struct server *server, struct service *service)
{
	(void)server, (void)service;
}

static void machine_stopped(struct server *server)
{
	machine_of(server)->stopped = true;
}

static void machine_ended(struct server *server, struct service *service)
{
	ledger_add(machine_of(server)->ledgers, service);
}

static const struct server_events machine_events = {
	.drains = machine_drains,
	.ended = machine_ended,
	.stopped = machine_stopped,
};

/* ---- the config ---------------------------------------------------------- */

static struct conf *machine_conf(const char *text)
{
	static char files[sizeof(scene.text) + 64];
	struct conf_env env = {.find_protocol = protocols_find, .files = files};
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

/* Applies the next config, as the main thread does within a turn. stalled: a
 * worker does not answer in time; the reload may fail, and then must change
 * nothing. */
static void machine_apply(struct machine *machine, bool stalled)
{
	struct conf *conf = machine_conf(scene_conf(machine->number));
	struct reload_plan *plan = reload_plan_new(&machine->server, conf);

	must(plan != NULL);
	loops_main_calls(machine->main, true);
	loops_stall(stalled);
	must(reload_apply(plan, NULL) == 0 || stalled);
	loops_stall(false);
	memory_set_limit(&machine->server.memory, scene.ceiling);
	loops_main_calls(machine->main, false);
	reload_plan_free(plan);
	conf_unref(conf);
}

void machine_reload(struct machine *machine)
{
	bool stalled = machine->server.worker_count > 1 && world_once_in(20);

	trace("reload%s", stalled ? ", and a worker is stuck" : "");
	machine_apply(machine, stalled);
}

/* ---- life ---------------------------------------------------------------- */

void machine_start(struct machine *machine)
{
	machine->main = lined_dispatcher_new();
	machine->stopped = false;
	machine->life = ++machine_lives;
	loops_add_main(machine->main);
	loops_main_calls(machine->main, true);
	must(server_init(&machine->server, machine->main, scene.workers, NULL,
			 &machine_events) == 0);
	loops_main_calls(machine->main, false);
	machine_apply(machine, false);
}

void machine_drain(struct machine *machine)
{
	struct service *service;

	list_for_each(service, &machine->server.services, link)
		if (world_once_in(6)) {
			trace("drain %s", service->name);
			loops_main_calls(machine->main, true);
			server_drain(&machine->server, service);
			loops_main_calls(machine->main, false);
			return;
		}
}

void machine_stop(struct machine *machine)
{
	loops_main_calls(machine->main, true);
	server_stop(&machine->server);
	loops_main_calls(machine->main, false);
}

uint64_t machine_memory(const struct machine *machine)
{
	return memory_held(&machine->server.memory);
}

void machine_leave_cluster(struct machine *machine)
{
	struct cluster *cluster = machine->server.env.cluster;

	loops_main_calls(machine->main, true);
	if (cluster != NULL)
		cluster_open(cluster, NULL, 0);
	loops_main_calls(machine->main, false);
}

void machine_end(struct machine *machine)
{
	machine_check_counters(machine);
	if (machine_memory(machine) > 0)
		violated("memory of nobody: %llu bytes",
			 (unsigned long long)machine_memory(machine));
	loops_main_calls(machine->main, true);
	server_fini(&machine->server);
	loops_remove_main(machine->main);
	lined_dispatcher_free(machine->main);
	machine->life = 0;
}

/* ---- names --------------------------------------------------------------- */

static void registry_check(const struct service *service)
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

uint64_t machine_name_owner(const struct name_node *node)
{
	return lined_container_of(node, const struct registry_copy, node)
		->claim->owner;
}

bool machine_owns(const struct peer *peer, const char *name)
{
	const struct service *service = machine_service(peer);
	const struct name_node *node =
		service != NULL
			? name_set_find(&service->registry->replicas[0].names,
					name)
			: NULL;

	return node != NULL && machine_name_owner(node) == peer->client;
}

static const struct peer *registry_client(uint64_t id)
{
	unsigned i;

	for (i = 0; i < peer_count; i++)
		if (peers[i].client == id && peers[i].closes < peers[i].opens)
			return &peers[i];
	return NULL;
}

static void registry_check_owners(const struct service *service)
{
	const struct name_node *node =
		name_set_from(&service->registry->replicas[0].names, "");

	for (; node != NULL; node = node->next[0])
		if (registry_client(machine_name_owner(node)) == NULL)
			violated("%s: the name %s is of %llu, who has gone",
				 service->name, node->text,
				 (unsigned long long)machine_name_owner(node));
}

void machine_check_registry(const struct machine *machine)
{
	const struct service *service;

	list_for_each(service, &machine->server.services, link) {
		registry_check(service);
		registry_check_owners(service);
	}
}
