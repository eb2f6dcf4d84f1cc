/* SPDX-License-Identifier: MIT */
/*
 * Handlers around those of the modules, see protocols.h. A client's table of
 * handlers is a copy of the protocol's own table, with a pointer to it.
 */
#include "config.h"

#include "protocols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/protocol.h>

#include "machine.h"
#include "module/module.h"
#include "net.h"
#include "peer.h"
#include "world.h"

enum { PROTOCOLS = 4 };

struct protocols_table {
	struct lined_socket_handlers handlers;
	const struct lined_socket_handlers *own;
};

static struct modules *modules;
static struct {
	const struct lined_protocol *own;
	struct lined_protocol protocol;
} protocols[PROTOCOLS];
static struct protocols_table tables[2 * PROTOCOLS];
static struct protocols_client clients[NET_FDS];

static struct protocols_client *
protocols_client(const struct lined_socket *sock)
{
	unsigned i;

	for (i = 0; clients[i].sock != sock; i++)
		must(i + 1 < NET_FDS);
	return &clients[i];
}

static void protocols_handle_close(struct lined_socket *sock, void *arg,
				   enum lined_close_reason reason, int error)
{
	const struct protocols_table *table = lined_container_of(
		lined_socket_handlers(sock), struct protocols_table, handlers);
	struct protocols_client *client = protocols_client(sock);
	struct peer *peer = client->peer;

	client->sock = NULL;
	peer->reason = reason;
	peer->closed_ns = world_now_ns();
	trace("%s %u: handle_close: %s %d", peer->kind->name, peer->id,
	      lined_close_reason_text(reason), error);
	if (++peer->closes != peer->opens)
		violated("%s %u: handle_close twice", peer->kind->name,
			 peer->id);
	if (table->own->handle_close != NULL)
		table->own->handle_close(sock, arg, reason, error);
}

static const struct lined_socket_handlers *
protocols_table(const struct lined_socket *sock)
{
	const struct lined_socket_handlers *own = lined_socket_handlers(sock);
	unsigned i;

	for (i = 0; tables[i].own != own; i++) {
		if (tables[i].own != NULL)
			continue;
		tables[i].own = own;
		tables[i].handlers = *own;
		tables[i].handlers.handle_close = protocols_handle_close;
		break;
	}
	return &tables[i].handlers;
}

static void protocols_handle_accept(struct lined_service *service,
				    struct lined_socket *sock)
{
	struct net_stream *stream = net_fd_stream(lined_socket_fd(sock));
	struct protocols_client *client = protocols_client(NULL);
	struct peer *peer = stream->tag;
	unsigned i;

	for (i = 0; &protocols[i].protocol != service->protocol; i++)
		must(i + 1 < PROTOCOLS);
	trace("%s %u: handle_accept on worker %u", peer->kind->name, peer->id,
	      service->worker->index);
	if (++peer->opens != 1)
		violated("%s %u: handle_accept twice", peer->kind->name,
			 peer->id);
	client->sock = sock;
	client->peer = peer;
	client->limit = lined_socket_group(sock)->limits.send_queue;
	protocols[i].own->handle_accept(service, sock);
	lined_socket_set_handlers(sock, protocols_table(sock),
				  lined_socket_arg(sock));
	peer->accepted_at = world_steps();
	peer->accepted_ns = world_now_ns();
	peer->client = lined_client_id(sock);
	peer->service = machine_service_key(service->service);
	if (service->service->cluster != NULL)
		peer->cluster = machine_base_port(stream->port);
}

const struct lined_protocol *protocols_find(void *arg, const char *module_dir,
					    const char *name, char *error,
					    size_t size)
{
	unsigned i;

	(void)arg, (void)module_dir;
	for (i = 0; i < PROTOCOLS && protocols[i].own != NULL; i++)
		if (strcmp(protocols[i].own->name, name) == 0)
			return &protocols[i].protocol;
	snprintf(error, size, "not in the simulation");
	return NULL;
}

void protocols_open(const char *module_dir)
{
	static const char *const names[] = {"echo", "relay", "chat"};
	char error[512];
	unsigned i;

	modules = modules_new();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct lined_protocol *own = module_load(
			modules, module_dir, names[i], error, sizeof(error));

		if (own == NULL) {
			fprintf(stderr, "%s\n", error);
			exit(2);
		}
		protocols[i].own = own;
		protocols[i].protocol = *own;
		protocols[i].protocol.handle_accept = protocols_handle_accept;
	}
}

void protocols_close(void)
{
	modules_free(modules);
}

void protocols_begin(void)
{
	memset(clients, 0, sizeof(clients));
}

void protocols_each_client(void (*visit)(struct protocols_client *client,
					 void *arg),
			   void *arg)
{
	unsigned i;

	for (i = 0; i < NET_FDS; i++)
		if (clients[i].sock != NULL)
			visit(&clients[i], arg);
}
