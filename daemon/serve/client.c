/* SPDX-License-Identifier: MIT */
/*
 * Clients: made of an accepted descriptor, given to their protocol's handlers,
 * logged when they come and go. For protocols with a handle_line the loop that
 * reads lines is here.
 */
#include "config.h"

#include "serve/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lined/address.h>
#include <lined/text.h>

#include "serve/instance.h"
#include "log/log.h"
#include "socket_hold.h"

/* Of a line in the log, its NUL among it. */
#define LINE_SHOWN_MAX 1000

/* Where the protocol's part of what a socket owns begins. */
#define DATA_OFFSET                                                            \
	((sizeof(struct client) + _Alignof(max_align_t) - 1) &                 \
	 ~(_Alignof(max_align_t) - 1))

struct client *client_of(struct lined_socket *sock)
{
	return lined_socket_owner(sock);
}

struct lined_socket *client_socket(struct client *client)
{
	return lined_socket_of_owner(client);
}

struct lined_service *client_service(struct client *client)
{
	return lined_container_of(lined_socket_group(client_socket(client)),
				  struct lined_service, group);
}

void *client_data(struct client *client)
{
	if (client_service(client)->protocol->client_size == 0)
		return NULL;
	return (char *)client + DATA_OFFSET;
}

/* ---- addresses -------------------------------------------------------- */

static void pack(struct client_address *to, const struct sockaddr *from)
{
	to->family = from->sa_family;
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *v4 =
			(const struct sockaddr_in *)(const void *)from;

		memcpy(to->host, &v4->sin_addr, 4);
		to->port = v4->sin_port;
	} else if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 =
			(const struct sockaddr_in6 *)(const void *)from;

		memcpy(to->host, &v6->sin6_addr, 16);
		to->port = v6->sin6_port;
		to->scope = v6->sin6_scope_id;
	}
}

static void unpack(struct sockaddr_storage *to,
		   const struct client_address *from)
{
	memset(to, 0, sizeof(*to));
	to->ss_family = from->family;
	if (from->family == AF_INET) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)to;

		memcpy(&v4->sin_addr, from->host, 4);
		v4->sin_port = from->port;
	} else if (from->family == AF_INET6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

		memcpy(&v6->sin6_addr, from->host, 16);
		v6->sin6_port = from->port;
		v6->sin6_scope_id = from->scope;
	}
}

const char *client_peer(struct lined_socket *sock, char *text, size_t size)
{
	struct sockaddr_storage address;
	socklen_t len;

	if (!lined_socket_is_datagram(sock))
		unpack(&address, &client_of(sock)->peer);
	else if (lined_socket_peer(sock, &address, &len) < 0)
		return "udp";
	return lined_address_format((struct sockaddr *)&address, text, size);
}

const char *client_label(struct lined_socket *sock, char *text, size_t size)
{
	char peer[LINED_ADDRESS_TEXT_MAX];

	snprintf(text, size, "client %llu %s",
		 (unsigned long long)client_of(sock)->id,
		 client_peer(sock, peer, sizeof(peer)));
	return text;
}

/* ---- protocols with a handle_line ------------------------------------- */

static const struct lined_socket_handlers line_handlers;

/*
 * A block that is to come, the socket's argument until it has: an idle client
 * has none. With a handle_block, the line that asked for it is kept in it.
 */
struct awaited {
	size_t len; /* 0: it has come */
	struct lined_line line;
	char bytes[]; /* the line's text and terminator, each with a NUL */
};

/* A protocol may have put handlers of its own in place of ours. */
static bool is_ours(const struct lined_socket *sock)
{
	return lined_socket_handlers(sock) == &line_handlers;
}

static struct awaited *awaited_of(const struct lined_socket *sock)
{
	return is_ours(sock) ? lined_socket_arg(sock) : NULL;
}

/* With room for a line of so many bytes. NULL: no memory, all is as it was. */
static struct awaited *await(struct lined_socket *sock, size_t len,
			     size_t line_bytes)
{
	struct awaited *awaited =
		realloc(awaited_of(sock), sizeof(*awaited) + line_bytes + 2);

	if (awaited == NULL)
		return NULL;
	awaited->len = len;
	lined_socket_set_handlers(sock, &line_handlers, awaited);
	return awaited;
}

/* The line is borrowed, and comes again with the block. */
static void keep_line(struct lined_socket *sock, const struct lined_line *line)
{
	struct awaited *awaited = await(sock, awaited_of(sock)->len,
					line->len + line->terminator_len);
	char *text;

	if (awaited == NULL) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	text = awaited->bytes;
	awaited->line = *line;
	awaited->line.text = text;
	memcpy(text, line->text, line->len);
	text += line->len;
	*text++ = '\0';
	awaited->line.terminator = text;
	if (line->terminator_len > 0)
		memcpy(text, line->terminator, line->terminator_len);
	text[line->terminator_len] = '\0';
}

static void serve_line(struct lined_socket *sock,
		       const struct lined_protocol *protocol,
		       const struct lined_line *line)
{
	protocol->handle_line(sock, line);
	if (protocol->handle_block != NULL && awaited_of(sock) != NULL &&
	    !lined_socket_is_closed(sock))
		keep_line(sock, line);
}

/* The handler may ask for another one. */
static void serve_block(struct lined_socket *sock,
			const struct lined_protocol *protocol,
			struct awaited *awaited, const struct lined_line *block)
{
	awaited->len = 0;
	if (protocol->handle_block != NULL)
		protocol->handle_block(sock, &awaited->line, block);
	else
		protocol->handle_line(sock, block);
	if (is_ours(sock)) {
		if (awaited->len > 0)
			return;
		lined_socket_set_handlers(sock, &line_handlers, NULL);
	}
	free(awaited);
}

static void read_lines(struct lined_socket *sock, void *arg)
{
	const struct lined_protocol *protocol =
		client_service(client_of(sock))->protocol;
	struct lined_line line;
	enum lined_line_status status;
	struct awaited *awaited;

	(void)arg;
	while (is_ours(sock)) {
		awaited = awaited_of(sock);
		if (awaited == NULL)
			status = lined_socket_read_line(sock, &line);
		else
			status = lined_socket_read_block(sock, awaited->len,
							 awaited->len, &line);
		if (status == LINED_LINE_READY && awaited == NULL)
			serve_line(sock, protocol, &line);
		else if (status == LINED_LINE_READY)
			serve_block(sock, protocol, awaited, &line);
		else if (status != LINED_LINE_TOO_LONG)
			return;
		else if (protocol->handle_too_long != NULL)
			protocol->handle_too_long(sock);
	}
}

static void tell_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	const struct lined_protocol *protocol =
		client_service(client_of(sock))->protocol;

	free(arg);
	if (protocol->handle_close != NULL)
		protocol->handle_close(sock, reason, error);
}

static const struct lined_socket_handlers line_handlers = {
	.handle_read = read_lines,
	.handle_close = tell_closed,
};

int client_expect_block(struct lined_socket *client, size_t len)
{
	struct awaited *awaited;

	if (len == 0 || len > LINED_LINE_LENGTH_MAX ||
	    lined_socket_is_datagram(client) ||
	    client_service(client_of(client))->protocol->handle_line == NULL) {
		errno = EINVAL;
		return -1;
	}
	/* One that has just come, with the line that asked, is asked anew. */
	awaited = awaited_of(client);
	if (awaited != NULL) {
		awaited->len = len;
		return 0;
	}
	awaited = await(client, len, 0);
	if (awaited == NULL)
		return -1;
	awaited->line = (struct lined_line){.text = "", .terminator = ""};
	return 0;
}

/* ---- coming ----------------------------------------------------------- */

static void log_arrival(struct lined_socket *sock)
{
	struct client *client = client_of(sock);
	const struct lined_service *service = client_service(client);
	char label[LINED_ADDRESS_TEXT_MAX + 32];

	if (lined_socket_is_datagram(sock))
		return;
	log_at(conf_clients_level(service->conf),
	       "%s: service %s: connected to %s",
	       client_label(sock, label, sizeof(label)), service->name,
	       client->listen);
}

static void log_line(const char *subject, const struct lined_line *line)
{
	char text[LINE_SHOWN_MAX];

	lined_text_escape(text, sizeof(text), line->text, line->len);
	log_debug("%s: line: %s", subject, text);
}

void client_line_came(struct lined_socket *sock, const struct lined_line *line)
{
	const struct lined_service *service = client_service(client_of(sock));
	char label[LINED_ADDRESS_TEXT_MAX + 32];

	if (log_enabled(LINED_LOG_DEBUG))
		log_line(client_label(sock, label, sizeof(label)), line);
	if (service->tapped != NULL)
		service->tapped(sock, line);
}

/* ---- sockets that a protocol opens ------------------------------------- */

struct lined_service *client_opened_by(struct lined_socket *sock)
{
	return lined_container_of(lined_socket_group(sock),
				  struct lined_service, own_group);
}

const char *client_opened_peer(struct lined_socket *sock, char *text,
			       size_t size)
{
	struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
	socklen_t len;

	lined_socket_peer(sock, &peer, &len);
	return lined_address_format((struct sockaddr *)&peer, text, size);
}

void client_opened_line_came(struct lined_socket *sock,
			     const struct lined_line *line)
{
	const struct lined_service *service = client_opened_by(sock);
	char peer[LINED_ADDRESS_TEXT_MAX], label[LINED_ADDRESS_TEXT_MAX + 128];

	if (log_enabled(LINED_LOG_DEBUG)) {
		snprintf(label, sizeof(label), "service %s: peer %s",
			 service->name,
			 client_opened_peer(sock, peer, sizeof(peer)));
		log_line(label, line);
	}
	if (service->opened_tapped != NULL)
		service->opened_tapped(sock, line);
}

static struct lined_socket *make_socket(const struct lined_protocol *protocol,
					const struct client_arrival *arrival)
{
	size_t size = sizeof(struct client);
	struct sockaddr_storage own;
	struct lined_socket *sock;
	struct client *client;
	socklen_t len;

	if (protocol->client_size > 0)
		size = DATA_OFFSET + protocol->client_size;
	sock = lined_socket_new_owned(NULL, NULL, size);
	if (sock == NULL)
		return NULL;
	client = client_of(sock);
	list_init(&client->link);
	client->id = arrival->id;
	client->listen = arrival->listen;
	client->entry = arrival->entry;
	pack(&client->peer, (const struct sockaddr *)&arrival->address);
	if (lined_socket_wrap(sock, arrival->fd,
			      arrival->datagram ? LINED_SOCKET_UDP_BOUND
						: LINED_SOCKET_CONNECTED) < 0) {
		lined_socket_close(sock);
		return NULL;
	}
	if (arrival->datagram && lined_socket_local(sock, &own, &len) == 0)
		pack(&client->peer, (const struct sockaddr *)&own);
	return sock;
}

int client_start(struct lined_service *service,
		 const struct client_arrival *arrival)
{
	const struct lined_protocol *protocol = service->protocol;
	struct lined_socket *sock = make_socket(protocol, arrival);
	int error = errno;

	if (sock == NULL) {
		close(arrival->fd);
		errno = error;
		return -1;
	}
	lined_socket_set_framing(sock, &service->conf->framing);
	if (lined_dispatcher_register_socket(service->worker->dispatcher,
					     sock) == NULL) {
		error = errno;
		lined_socket_close(sock); /* and its descriptor */
		errno = error;
		return -1;
	}
	lined_socket_set_group(sock, &service->group);
	if (arrival->datagram) {
		list_append(&service->datagrams, &client_of(sock)->link);
	} else {
		list_append(&service->clients, &client_of(sock)->link);
		service->client_count++;
	}
	if (bus_member_is_held(&service->bus))
		socket_hold(sock, CLIENT_HOLD_BUS);
	log_arrival(sock);
	if (protocol->handle_line != NULL)
		lined_socket_set_handlers(sock, &line_handlers, NULL);
	if (protocol->handle_accept != NULL) {
		worker_enter(service->worker, service);
		protocol->handle_accept(service, sock);
		worker_leave(service->worker);
	}
	return 0;
}
