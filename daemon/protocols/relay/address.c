/* SPDX-License-Identifier: MIT */
/*
 * Parses the addresses of upstreams and push targets, and connects to them.
 * connector.c and mode_proxy.c decide which address is tried.
 */
#include "relay/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "relay/tls.h"

/* ---- the kinds ---------------------------------------------------------- */

static const char *address_parse_host(struct relay_address *address,
				      const char *rest)
{
	const char *why = lined_host_port_parse(&address->to, rest);

	if (why == NULL && address->to.kind == LINED_HOST_ANY)
		why = "the host is neither a name nor an address";
	return why;
}

static int address_connect_tcp(struct lined_socket *sock,
			       const struct relay_address *address,
			       const struct lined_address *to)
{
	if (to != NULL)
		return lined_socket_connect_to(sock, &to->any, to->len,
					       RELAY_CONNECT_MS);
	return lined_socket_connect(sock, address->to.host, address->to.port,
				    RELAY_CONNECT_MS);
}

static const char *address_parse_unix(struct relay_address *address,
				      const char *rest)
{
	if (rest[0] != '/')
		return "the path does not begin with /";
	if (lined_address_set_unix(&address->local, rest) < 0)
		return "the path is too long";
	return NULL;
}

static int address_connect_unix(struct lined_socket *sock,
				const struct relay_address *address,
				const struct lined_address *to)
{
	return lined_socket_connect_to(sock, &address->local.any,
				       address->local.len, RELAY_CONNECT_MS);
}

/* Accepts only an address, not a name: no name is looked up for a datagram. */
static const char *address_parse_udp(struct relay_address *address,
				     const char *rest)
{
	const char *why = lined_host_port_parse(&address->to, rest);

	if (why == NULL && (address->to.kind == LINED_HOST_ANY ||
			    address->to.kind == LINED_HOST_NAME))
		why = "the host is not an address";
	if (why == NULL && lined_address_set(&address->local, address->to.host,
					     address->to.port) < 0)
		why = "there is no such interface";
	return why;
}

static const char *address_parse_serial(struct relay_address *address,
					const char *rest)
{
	return relay_device_parse(&address->device, rest);
}

static const char *address_parse_fifo(struct relay_address *address,
				      const char *rest)
{
	if (strchr(rest, '?') != NULL)
		return "a FIFO has no options";
	return relay_device_parse(&address->device, rest);
}

static int address_wrap(struct lined_socket *sock, int fd)
{
	int error;

	if (fd < 0)
		return -1;
	if (lined_socket_wrap(sock, fd, LINED_SOCKET_CONNECTED) == 0) {
		lined_socket_pause(sock);
		return 0;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int address_open_serial(struct lined_socket *sock,
			       const struct relay_address *address,
			       const struct lined_address *to)
{
	return address_wrap(sock, relay_device_open_serial(&address->device));
}

static int address_open_fifo(struct lined_socket *sock,
			     const struct relay_address *address,
			     const struct lined_address *to)
{
	return address_wrap(sock, relay_device_open_fifo(&address->device));
}

static const struct relay_scheme address_schemes[] = {
	{"tcp://", RELAY_USE_UPSTREAM | RELAY_USE_PROXY | RELAY_USE_PUSH,
	 address_parse_host, address_connect_tcp},
	{"tls://", RELAY_USE_UPSTREAM | RELAY_USE_PROXY | RELAY_USE_PUSH,
	 address_parse_host, address_connect_tcp},
	{"unix://", RELAY_USE_UPSTREAM | RELAY_USE_PROXY | RELAY_USE_PUSH,
	 address_parse_unix, address_connect_unix},
	{"udp://", RELAY_USE_PUSH, address_parse_udp, NULL},
	{"serial://", RELAY_USE_UPSTREAM, address_parse_serial,
	 address_open_serial},
	{"fifo://", RELAY_USE_UPSTREAM, address_parse_fifo, address_open_fifo},
};

#define SCHEMES (sizeof(address_schemes) / sizeof(address_schemes[0]))

/* ---- reading ------------------------------------------------------------ */

static const char *address_use_name(enum relay_use use)
{
	return use == RELAY_USE_PUSH ? "push" : "upstream";
}

/* Writes an error that lists the kinds of address for this use. */
static void address_refuse_scheme(enum relay_use use, const char *text,
				  char *error, size_t size)
{
	char kinds[128] = "";
	size_t i, len = 0;

	for (i = 0; i < SCHEMES; i++)
		if (address_schemes[i].uses & use)
			len += (size_t)snprintf(kinds + len,
						sizeof(kinds) - len, " %s",
						address_schemes[i].prefix);
	snprintf(error, size, "%s \"%s\": it begins with none of%s",
		 address_use_name(use), text, kinds);
}

static const struct relay_scheme *address_find_scheme(enum relay_use use,
						      const char *text)
{
	size_t i;

	for (i = 0; i < SCHEMES; i++)
		if (address_schemes[i].uses & use &&
		    strncmp(text, address_schemes[i].prefix,
			    strlen(address_schemes[i].prefix)) == 0)
			return &address_schemes[i];
	return NULL;
}

int relay_address_parse(enum relay_use use, const char *text,
			struct relay_address *address, char *error, size_t size)
{
	const struct relay_scheme *scheme = address_find_scheme(use, text);
	const char *why;

	memset(address, 0, sizeof(*address));
	if (scheme == NULL) {
		address_refuse_scheme(use, text, error, size);
		return -1;
	}
	address->scheme = scheme;
	why = scheme->parse(address, text + strlen(scheme->prefix));
	if (why == NULL && strlen(text) >= sizeof(address->text))
		why = "it is too long";
	if (why != NULL) {
		snprintf(error, size, "%s \"%s\": %s", address_use_name(use),
			 text, why);
		return -1;
	}
	strcpy(address->text, text);
	return 0;
}

bool relay_address_is_tls(const struct relay_address *address)
{
	return strcmp(address->scheme->prefix, "tls://") == 0;
}

bool relay_address_is_source(const struct relay_address *address)
{
	return strcmp(address->scheme->prefix, "fifo://") == 0;
}

bool relay_address_is_name(const struct relay_address *address)
{
	return address->to.host[0] != '\0' &&
	       address->to.kind == LINED_HOST_NAME;
}

int relay_address_socket(const struct relay_address *address,
			 struct lined_address *to)
{
	*to = address->local;
	return address->to.host[0] != '\0'
		       ? lined_address_set(to, address->to.host,
					   address->to.port)
		       : 0;
}

int relay_address_type(const struct relay_address *address)
{
	return address->scheme->connect != NULL ? SOCK_STREAM : SOCK_DGRAM;
}

const char *relay_address_host(const struct relay_address *address)
{
	if (address->device.path[0] != '\0')
		return address->device.path;
	return address->to.host[0] != '\0' ? address->to.host : "unix";
}

/* ---- connecting --------------------------------------------------------- */

/* Whether the service itself listens on the address. relay_options_check() has
 * refused such addresses, but could not check names. */
static bool address_is_own_service(const struct lined_service *service,
				   const struct relay_address *address,
				   const struct lined_address *to)
{
	struct lined_address own;

	if (to == NULL && (relay_address_is_name(address) ||
			   relay_address_socket(address, &own) < 0))
		return false;
	if (to == NULL)
		to = &own;
	return to->len > 0 &&
	       lined_service_listens(service, &to->any,
				     relay_address_type(address));
}

static int address_use_tls(struct lined_socket *sock,
			   const struct relay_address *address,
			   const struct relay_tls *tls)
{
	if (!relay_address_is_tls(address))
		return 0;
	/* A reload added tls://, but the files could not be read. */
	if (tls->client == NULL) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	return lined_socket_use_tls(sock, tls->client,
				    tls->name[0] != '\0' ? tls->name
							 : address->to.host,
				    RELAY_CONNECT_MS);
}

struct lined_socket *relay_address_connect(
	struct lined_service *service, const struct relay_address *address,
	const struct lined_address *to, const struct relay_tls *tls,
	const struct lined_socket_handlers *handlers, void *arg)
{
	struct lined_framing framing = *lined_service_framing(service);
	struct lined_socket *sock;
	int error;

	if (address_is_own_service(service, address, to)) {
		errno = ELOOP;
		return NULL;
	}
	sock = lined_socket_new(NULL, NULL);
	if (sock == NULL)
		return NULL;
	framing.unterminated = LINED_UNTERMINATED_DROP;
	lined_socket_set_framing(sock, &framing);
	lined_socket_set_group(sock, lined_service_group(service));
	if (address_use_tls(sock, address, tls) == 0 &&
	    address->scheme->connect(sock, address, to) == 0 &&
	    lined_dispatcher_register_socket(lined_service_dispatcher(service),
					     sock) != NULL) {
		lined_socket_set_handlers(sock, handlers, arg);
		return sock;
	}
	error = errno;
	lined_socket_close(sock);
	errno = error;
	return NULL;
}

static bool address_is_own(const struct lined_socket *sock)
{
	struct sockaddr_storage own, peer;
	socklen_t own_len, peer_len;

	return lined_socket_local(sock, &own, &own_len) == 0 &&
	       lined_socket_peer(sock, &peer, &peer_len) == 0 &&
	       lined_address_equal((struct sockaddr *)&own,
				   (struct sockaddr *)&peer);
}

/* Errors are ignored, here and for keep-alive: the connection works without
 * these options, and a UNIX socket has none. */
static void address_set_user_timeout(struct lined_socket *sock)
{
	(void)lined_tcp_user_timeout(
		lined_socket_fd(sock),
		lined_socket_group(sock)->limits.send_stall_ms);
}

bool relay_address_connected(struct lined_socket *sock)
{
	if (address_is_own(sock)) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ECONNREFUSED);
		return false;
	}
	(void)lined_tcp_keepalive(lined_socket_fd(sock));
	address_set_user_timeout(sock);
	return true;
}

void relay_address_limits_changed(struct lined_socket *sock)
{
	if (sock == NULL)
		return;
	lined_socket_limits_changed(sock);
	if (lined_socket_is_connected(sock))
		address_set_user_timeout(sock);
}

const char *relay_address_error_text(int error)
{
	switch (error) {
	case ELOOP:
		return "it is an address of this service itself";
	case ENOTTY:
		return "it is no serial line";
	case ESPIPE:
		return "it is no FIFO";
	default:
		return strerror(error);
	}
}

const char *relay_address_close_text(const struct relay_address *address,
				     const struct lined_socket *sock,
				     enum lined_close_reason reason, int error,
				     bool connected)
{
	bool looked_up = !connected && relay_address_is_name(address);

	if (sock != NULL && lined_socket_tls_error(sock)[0] != '\0')
		return lined_socket_tls_error(sock);
	if (looked_up && error == EHOSTUNREACH)
		return "the name is not known, or there is no route to it";
	if (looked_up && error == EAGAIN)
		return "the name cannot be looked up now";
	switch (reason) {
	case LINED_CLOSE_PEER:
		return address->device.path[0] != '\0' ? "the device has gone"
						       : "closed by the peer";
	case LINED_CLOSE_TIMEOUT:
		return connected ? "no line within stale-timeout"
				 : "no answer in 10 s";
	case LINED_CLOSE_TOO_LONG:
		return "a line is over line-length";
	case LINED_CLOSE_SLOW:
		return error == ETIMEDOUT
			       ? "it takes nothing within send-stall"
			       : "memory is full, and its queue the longest";
	default:
		return error != 0 ? relay_address_error_text(error)
				  : lined_close_reason_text(reason);
	}
}
