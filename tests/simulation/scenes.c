/* SPDX-License-Identifier: MIT */
/*
 * Draws the configs of a scene, and lets peers come; see scenes.h.
 */
#include "config.h"

#include "scenes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clients.h"
#include "machine.h"
#include "net.h"
#include "world.h"

struct scene scene;

enum { UPSTREAMS = 3 };

/* The listener at each port of an upstream; NULL: connections are refused. */
static struct net_listener *upstreams[MACHINES][UPSTREAMS];

static uint16_t scene_upstream(unsigned machine, unsigned i)
{
	return (uint16_t)(SCENE_UPSTREAM + MACHINE_PORTS * machine + i);
}

static void scene_begin_cluster(void)
{
	scene.lease_ms = world_once_in(3) ? 15000 : world_between(1000, 5000);
	scene.troubled = !world_once_in(4);
	/* In a cluster, each machine holds lines for its own readers only. */
	scene.held = false;
	trace("%u machines, lease %u ms%s", machine_count, scene.lease_ms,
	      scene.troubled ? ", troubled" : "");
}

void scene_begin(void)
{
	unsigned i, k;

	scene.workers = world_between(1, 3);
	scene.shared = world_once_in(3);
	scene.lossy = world_once_in(3);
	scene.held = world_once_in(4);
	scene.loopback = world_once_in(3);
	scene.filtered = world_once_in(3);
	scene.backup = world_once_in(3);
	scene.faulty = world_once_in(2);
	scene.limited = world_once_in(2);
	scene.ceiling = world_once_in(4) ? world_between(20000, 300000) : 0;
	if (machine_count > 1)
		scene_begin_cluster();
	for (i = 0; i < machine_count; i++)
		for (k = 0; k < UPSTREAMS; k++)
			upstreams[i][k] = net_listen(scene_upstream(i, k));
	trace("%u workers%s%s%s%s%s%s%s%s", scene.workers,
	      scene.shared ? ", shared" : "", scene.lossy ? ", lossy" : "",
	      scene.held ? ", held" : "", scene.loopback ? ", loopback" : "",
	      scene.filtered ? ", filtered" : "",
	      scene.backup ? ", backup" : "", scene.faulty ? ", faulty" : "",
	      scene.limited ? ", limited" : "");
}

bool scene_passes(unsigned number)
{
	return !scene.filtered || number % 10 != 5;
}

/* ---- the config ---------------------------------------------------------- */

static void scene_add(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static void scene_add(const char *format, ...)
{
	size_t len = strlen(scene.text);
	va_list args;

	va_start(args, format);
	vsnprintf(scene.text + len, sizeof(scene.text) - len, format, args);
	va_end(args);
}

/* Draws one number a call: compilers evaluate arguments in different orders. */
static void scene_add_number(const char *key, unsigned low, unsigned high,
			     const char *unit)
{
	scene_add(" %s = %u%s", key, world_between(low, high), unit);
}

/* Adds the key in one of n cases. */
static void scene_maybe(unsigned n, const char *key, unsigned low,
			unsigned high, const char *unit)
{
	if (world_once_in(n))
		scene_add_number(key, low, high, unit);
}

static void scene_limits(void)
{
	scene_add(" limits {");
	scene_add_number("send-queue", 2048, 40000, "");
	if (scene.limited) {
		scene_maybe(3, "clients", 1, 8, "");
		scene_maybe(3, "clients-per-address", 1, 4, "");
		scene_maybe(4, "connect-rate-per-address", 1, 10, "");
		scene_maybe(4, "idle-timeout", 1, 4, "s");
		scene_maybe(4, "line-timeout", 1, 4, "s");
		scene_maybe(4, "first-line-timeout", 1, 2, "s");
		scene_maybe(4, "send-stall", 1, 4, "s");
		scene_maybe(4, "line-rate", 50, 500, "");
		scene_maybe(4, "line-burst", 1, 20, "");
	}
	scene_add(" }\n");
	if (scene.limited && world_once_in(3)) {
		scene_add(" class \"near\" { from = { \"10.0.0.%u\" }",
			  world_between(1, 5));
		scene_add_number("clients", 1, 4, "");
		scene_add_number("idle-timeout", 1, 4, "s");
		scene_add(" }\n");
	}
}

/* The service sometimes gets the other name: the reload then replaces it, and a
 * new service takes its port. */
static void scene_service(const char *name, const char *other,
			  const char *protocol, unsigned port)
{
	scene_add("service \"%s\" { protocol = \"%s\" "
		  "listen = { \"tcp://127.0.0.1:%u\" }\n",
		  world_once_in(8) && machine_count == 1 ? other : name,
		  protocol, port);
	if (machine_count > 1)
		scene_add(" cluster = true\n");
	scene_limits();
}

static void scene_hub(const char *name, const char *other, unsigned port)
{
	bool history = world_once_in(2);

	scene_service(name, other, "relay", port);
	scene_add(" relay { history = %u", history ? world_between(1, 30) : 0);
	if (scene.shared)
		scene_add(" topic = \"shared\"");
	if (scene.lossy)
		scene_add(" slow = \"%s\"",
			  world_once_in(2) ? "drop-oldest" : "drop-newest");
	if (scene.loopback)
		scene_add(" loopback = true");
	if (scene.filtered)
		scene_add(" filter = { 'deny ^L[0-9]+[.][0-9]*5 ' }");
	if (world_once_in(3))
		scene_add(" dedupe = 10s");
	if (scene.held)
		scene_add(" hold = 4000");
	scene_add(" } }\n");
}

static void scene_feed(unsigned first)
{
	scene_service("feed", "news", "relay", SCENE_FEED + first);
	scene_add(" relay { mode = \"upstream\"");
	scene_add_number("retry-min", 100, 500, "ms");
	scene_add_number("retry-max", 500, 2000, "ms");
	scene_add(" upstream = { \"tcp://127.0.0.1:%u\"",
		  SCENE_UPSTREAM + first);
	if (scene.backup)
		scene_add(", \"tcp://127.0.0.1:%u\"", SCENE_BACKUP + first);
	scene_add(" }");
	if (world_once_in(3))
		scene_add(" stale-timeout = 2s");
	if (world_once_in(2))
		scene_add(" subscribe-only = false up-hold = %u",
			  world_once_in(2) ? 0 : 5000);
	scene_add(" } }\n");
}

const char *scene_conf(unsigned machine)
{
	unsigned first = MACHINE_PORTS * machine;

	scene.text[0] = '\0';
	scene_add_number("drain-timeout", 100, 3000, "ms");
	/* The default depends on the memory of the machine. */
	scene_add(" memory = 0\n");
	if (machine_count > 1)
		scene_add("cluster { servers = { \"nats://127.0.0.1:4222\"%s } "
			  "name = \"m%u\" lease = %ums }\n",
			  world_once_in(8) ? ", \"nats://127.0.0.1:4223\"" : "",
			  machine, scene.lease_ms);
	if (!world_once_in(10)) {
		scene_service("echo", "mirror", "echo", SCENE_ECHO + first);
		scene_add("}\n");
	}
	if (!world_once_in(10))
		scene_hub("hub", "forum", SCENE_HUB + first);
	if (!world_once_in(3))
		scene_hub("annex", "porch", SCENE_ANNEX + first);
	if (!world_once_in(10)) {
		scene_service("lobby", "salon", "chat", SCENE_LOBBY + first);
		scene_add(" chat { flood-rate = 0 history = %u } }\n",
			  world_once_in(2) ? 0 : world_between(1, 20));
	}
	if (!world_once_in(5))
		scene_feed(first);
	if (!world_once_in(5)) {
		scene_service("gate", "door", "relay", SCENE_GATE + first);
		scene_add(" relay { mode = \"proxy\" upstream = { "
			  "\"tcp://127.0.0.1:%u\" } } }\n",
			  SCENE_ECHO_SERVER + first);
	}
	return scene.text;
}

/* ---- peers --------------------------------------------------------------- */

void scene_client(void)
{
	uint16_t first = 0;

	if (machine_count > 1)
		first = (uint16_t)(MACHINE_PORTS * world_below(machine_count));
	switch (world_below(10)) {
	case 0:
	case 1:
		peer_connect(&echo_client_kind, first + SCENE_ECHO);
		break;
	case 2:
	case 3:
		peer_connect(&hub_client_kind, first + SCENE_HUB);
		break;
	case 4:
		peer_connect(&hub_client_kind, first + SCENE_ANNEX);
		break;
	case 5:
		peer_connect(&feed_client_kind, first + SCENE_FEED);
		break;
	case 6:
		peer_connect(&gate_client_kind, first + SCENE_GATE);
		break;
	default:
		peer_connect(&chat_client_kind, first + SCENE_LOBBY);
		break;
	}
}

static void scene_toggle(uint16_t port, struct net_listener **listener)
{
	if (world_once_in(3)) {
		trace("port %u is cut off", port);
		net_cut(port, true);
	} else if (*listener != NULL && world_once_in(2)) {
		(*listener)->mute = !(*listener)->mute;
		trace("port %u %s", port,
		      (*listener)->mute ? "does not answer" : "answers");
	} else if (*listener != NULL) {
		trace("port %u refuses", port);
		net_unlisten(*listener);
		*listener = NULL;
	} else {
		trace("port %u is there", port);
		*listener = net_listen(port);
	}
}

static bool scene_accept(unsigned machine, unsigned i, bool calm)
{
	struct net_listener **listener = &upstreams[machine][i];
	uint16_t port = scene_upstream(machine, i);
	struct net_stream *stream;
	struct peer *peer;

	if (scene.faulty && !calm && world_once_in(400))
		scene_toggle(port, listener);
	if (scene.faulty && (calm || world_once_in(400)))
		net_cut(port, false);
	stream = *listener != NULL ? net_accept(*listener) : NULL;
	if (stream == NULL)
		return false;
	peer = peer_accepted(i == SCENE_ECHO_SERVER - SCENE_UPSTREAM
				     ? &echo_server_kind
				     : &upstream_kind,
			     stream);
	if (peer != NULL && peer->kind == &upstream_kind) {
		peer->service = machine_service_of(
			(uint16_t)(SCENE_FEED + MACHINE_PORTS * machine));
		peer->cluster = machine_count > 1 ? SCENE_FEED : 0;
	}
	return true;
}

bool scene_upstreams(bool calm)
{
	bool done = false;
	unsigned i, k;

	for (i = 0; i < machine_count; i++)
		for (k = 0; k < UPSTREAMS; k++)
			done |= scene_accept(i, k, calm);
	return done;
}

void scene_end(void)
{
	unsigned i, k;

	for (i = 0; i < machine_count; i++)
		for (k = 0; k < UPSTREAMS; k++)
			if (upstreams[i][k] != NULL)
				net_unlisten(upstreams[i][k]);
}
