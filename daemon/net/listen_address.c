/* SPDX-License-Identifier: MIT */
/*
 * Reads listen addresses, compares them, and says which connections reach them.
 * listener.c opens them; conf_service.c checks whether a protocol can be served
 * at an address.
 */
#include "config.h"

#include "net/listen_address.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <lined/address.h>

#include "fail.h"
#include "net/multicast.h"
#include "system/fd_close.h"

/* Longest host, port and query. */
#define LISTEN_TEXT_MAX 512

static const struct {
	const char *prefix;
	enum listen_kind kind;
} kinds[] = {
	{"tcp://", LISTEN_TCP},       {"tls://", LISTEN_TLS},
	{"udp://", LISTEN_UDP},       {"unix://", LISTEN_UNIX},
	{"ws://", LISTEN_WS},         {"wss://", LISTEN_WSS},
	{"systemd:", LISTEN_SYSTEMD}, {"systemd+tls:", LISTEN_SYSTEMD_TLS},
};

/* The name follows systemd's rule for FileDescriptorName=. */
static int listen_parse_systemd(const char *name, struct listen_address *listen,
				char *error, size_t size)
{
	const char *p;

	if (*name == '\0')
		return fail_text(error, size, "the name is missing");
	if (strlen(name) > 255)
		return fail_text(error, size, "the name is too long");
	for (p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == ':')
			return fail_text(
				error, size,
				"a name has neither spaces nor colons");
	listen->name = name;
	return 0;
}

static int listen_parse_unix(const char *path, struct listen_address *listen,
			     char *error, size_t size)
{
	size_t len = strlen(path);

	if (path[0] != '/')
		return fail_text(error, size,
				 "the path is not absolute (unix:///path)");
	if (path[len - 1] == '/')
		return fail_text(error, size, "the path is a directory");
	if (len >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		snprintf(error, size, "the path is longer than %zu bytes",
			 sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
		return -1;
	}
	listen->path = path;
	return 0;
}

static int listen_add_endpoint(struct listen_address *listen, const char *host,
			       uint16_t port, bool optional)
{
	struct listen_endpoint *endpoint =
		&listen->endpoints[listen->endpoint_count];

	if (lined_address_set(&endpoint->address, host, port) < 0)
		return -1;
	endpoint->optional = optional;
	listen->endpoint_count++;
	return 0;
}

static int listen_add_both(struct listen_address *listen, const char *v4,
			   const char *v6, uint16_t port)
{
	return listen_add_endpoint(listen, v4, port, false) < 0
		       ? -1
		       : listen_add_endpoint(listen, v6, port, true);
}

/* ---- multicast -------------------------------------------------------- */

/* Reads "source=ADDRESS&interface=NAME". Returns NULL, or what is wrong. */
static const char *listen_read_query(struct listen_endpoint *endpoint,
				     char *query)
{
	char *at, *next = query;

	while ((at = strsep(&next, "&")) != NULL) {
		if (strncmp(at, "source=", 7) == 0) {
			if (lined_address_set(&endpoint->source, at + 7, 0) < 0)
				return "source is not a numeric address";
			if (endpoint->source.any.sa_family !=
			    endpoint->address.any.sa_family)
				return "source is of the other family";
		} else if (strncmp(at, "interface=", 10) == 0) {
			endpoint->interface = if_nametoindex(at + 10);
			if (endpoint->interface == 0)
				return "no such network interface";
		} else {
			return "behind ? are source=ADDRESS and "
			       "interface=NAME, with & between";
		}
	}
	return NULL;
}

/* Checks a multicast group and reads its query (NULL: none). Returns NULL, or
 * why the address cannot be used. */
static const char *listen_check_group(const struct listen_address *listen,
				      struct listen_endpoint *endpoint,
				      char *query)
{
	struct sockaddr_in6 *in6 = (void *)&endpoint->address.storage;
	unsigned scope;
	const char *why;

	if (!multicast_is_group(endpoint))
		return query != NULL ? "? is for a multicast group of udp://"
				     : NULL;
	if (listen->kind != LISTEN_UDP)
		return "a multicast group is for udp://";
	why = query != NULL ? listen_read_query(endpoint, query) : NULL;
	if (why != NULL || in6->sin6_family != AF_INET6)
		return why;
	scope = in6->sin6_scope_id;
	if (scope != 0 && endpoint->interface != 0 &&
	    scope != endpoint->interface)
		return "it names two interfaces";
	if (scope != 0)
		endpoint->interface = scope;
	if (endpoint->interface == 0 &&
	    IN6_IS_ADDR_MC_LINKLOCAL(&in6->sin6_addr))
		return "the interface is missing: [ff02::1%eth0]";
	in6->sin6_scope_id = endpoint->interface;
	return NULL;
}

static int listen_parse_host(const char *text, struct listen_address *listen,
			     char *error, size_t size)
{
	struct lined_host_port to;
	const char *why = lined_host_port_parse(&to, text);

	if (why != NULL)
		return fail_text(error, size, why);
	if (to.kind == LINED_HOST_ANY)
		return listen_add_both(listen, "0.0.0.0", "::", to.port);
	if (strcmp(to.host, "localhost") == 0)
		return listen_add_both(listen, "127.0.0.1", "::1", to.port);
	if (listen_add_endpoint(listen, to.host, to.port, false) < 0)
		return fail_text(error, size,
				 errno == ENODEV
					 ? "no such network interface"
					 : "the host is not a numeric address, "
					   "localhost or *");
	if (lined_address_is_mapped(&listen->endpoints[0].address.any))
		return fail_text(error, size, "write an IPv4 address as IPv4");
	return 0;
}

static int listen_parse_inet(const char *text, struct listen_address *listen,
			     char *error, size_t size)
{
	char copy[LISTEN_TEXT_MAX], *query;
	const char *why;

	if (strlen(text) >= sizeof(copy))
		return fail_text(error, size, "it is too long");
	strcpy(copy, text);
	query = strchr(copy, '?');
	if (query != NULL)
		*query++ = '\0';
	if (listen_parse_host(copy, listen, error, size) < 0)
		return -1;
	why = listen_check_group(listen, &listen->endpoints[0], query);
	return why != NULL ? fail_text(error, size, why) : 0;
}

/* Reads HOST:PORT and the path of a URL ("/" if missing). */
static int listen_parse_web(const char *text, struct listen_address *listen,
			    char *error, size_t size)
{
	const char *path = strchr(text, '/'), *at;
	char host[LINED_HOST_MAX + 16];
	size_t len = path != NULL ? (size_t)(path - text) : strlen(text);

	listen->web_path = path != NULL ? path : "/";
	for (at = listen->web_path; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~' || strchr("?#\"<>\\", *at) != NULL)
			return fail_text(error, size,
					 "the path has a character that "
					 "paths of URLs do not have");
	if (len >= sizeof(host))
		return fail_text(error, size, "the host is too long");
	memcpy(host, text, len);
	host[len] = '\0';
	return listen_parse_host(host, listen, error, size);
}

int listen_address_parse(const char *text, struct listen_address *listen,
			 char *error, size_t size)
{
	size_t i, len;

	memset(listen, 0, sizeof(*listen));
	listen->text = text;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		len = strlen(kinds[i].prefix);
		if (strncmp(text, kinds[i].prefix, len) != 0)
			continue;
		listen->kind = kinds[i].kind;
		switch (listen->kind) {
		case LISTEN_UNIX:
			return listen_parse_unix(text + len, listen, error,
						 size);
		case LISTEN_SYSTEMD:
		case LISTEN_SYSTEMD_TLS:
			return listen_parse_systemd(text + len, listen, error,
						    size);
		case LISTEN_WS:
		case LISTEN_WSS:
			return listen_parse_web(text + len, listen, error,
						size);
		default:
			return listen_parse_inet(text + len, listen, error,
						 size);
		}
	}
	return fail_text(
		error, size,
		"an address begins with tcp://, tls://, udp://, unix://, "
		"ws://, wss://, systemd: or systemd+tls:");
}

bool listen_address_is_web(const struct listen_address *listen)
{
	return listen->web_path != NULL;
}

bool listen_address_is_tls(const struct listen_address *listen)
{
	return listen->kind == LISTEN_TLS || listen->kind == LISTEN_WSS ||
	       listen->kind == LISTEN_SYSTEMD_TLS;
}

static const struct sockaddr *
listen_endpoint_at(const struct listen_address *listen, size_t i)
{
	return &listen->endpoints[i].address.any;
}

/* Compares source and interface. */
static int endpoint_compare_group(const struct listen_endpoint *a,
				  const struct listen_endpoint *b)
{
	if (a->interface != b->interface)
		return a->interface < b->interface ? -1 : 1;
	if (a->source.len != b->source.len)
		return a->source.len < b->source.len ? -1 : 1;
	return memcmp(&a->source.any, &b->source.any, a->source.len);
}

static int endpoint_compare(const struct sockaddr *a, const struct sockaddr *b)
{
	const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
	const struct sockaddr_in6 *x6 = (const void *)a, *y6 = (const void *)b;

	if (a->sa_family != b->sa_family)
		return a->sa_family < b->sa_family ? -1 : 1;
	if (lined_address_port(a) != lined_address_port(b))
		return lined_address_port(a) < lined_address_port(b) ? -1 : 1;
	if (a->sa_family == AF_INET)
		return memcmp(&x->sin_addr, &y->sin_addr, sizeof(x->sin_addr));
	if (x6->sin6_scope_id != y6->sin6_scope_id)
		return x6->sin6_scope_id < y6->sin6_scope_id ? -1 : 1;
	return memcmp(&x6->sin6_addr, &y6->sin6_addr, sizeof(x6->sin6_addr));
}

int listen_address_compare(const struct listen_address *a,
			   const struct listen_address *b)
{
	size_t i;
	int order;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->path != NULL)
		return strcmp(a->path, b->path);
	if (a->name != NULL)
		return strcmp(a->name, b->name);
	if (a->web_path != NULL && strcmp(a->web_path, b->web_path) != 0)
		return strcmp(a->web_path, b->web_path);
	if (a->endpoint_count != b->endpoint_count)
		return a->endpoint_count < b->endpoint_count ? -1 : 1;
	for (i = 0; i < a->endpoint_count; i++) {
		order = endpoint_compare(listen_endpoint_at(a, i),
					 listen_endpoint_at(b, i));
		if (order == 0)
			order = endpoint_compare_group(&a->endpoints[i],
						       &b->endpoints[i]);
		if (order != 0)
			return order;
	}
	return 0;
}

bool listen_address_equal(const struct listen_address *a,
			  const struct listen_address *b)
{
	return listen_address_compare(a, b) == 0;
}

bool listen_endpoints_overlap(const struct sockaddr *a,
			      const struct sockaddr *b)
{
	return lined_address_equal(a, b) ||
	       (a->sa_family == b->sa_family &&
		lined_address_port(a) == lined_address_port(b) &&
		(lined_address_is_any(a) || lined_address_is_any(b)));
}

bool listen_address_overlap(const struct listen_address *a,
			    const struct listen_address *b)
{
	size_t i, j;

	if (a->path != NULL && b->path != NULL)
		return strcmp(a->path, b->path) == 0;
	if (a->name != NULL && b->name != NULL)
		return strcmp(a->name, b->name) == 0;
	if ((a->kind == LISTEN_UDP) != (b->kind == LISTEN_UDP))
		return false;
	for (i = 0; i < a->endpoint_count; i++)
		for (j = 0; j < b->endpoint_count; j++)
			if (listen_endpoints_overlap(listen_endpoint_at(a, i),
						     listen_endpoint_at(b, j)))
				return true;
	return false;
}

/* ---- connections to lined itself ----------------------------------------- */

/* Tries to bind to the address: this works only for an address of this host. */
bool listen_is_of_host(const struct sockaddr *address)
{
	struct lined_address own = {.len = sizeof(struct sockaddr_in)};
	bool local;
	int fd;

	if (address->sa_family == AF_INET6)
		own.len = sizeof(struct sockaddr_in6);
	memcpy(&own.storage, address, own.len);
	/* sin6_port is at the same offset. */
	((struct sockaddr_in *)&own.storage)->sin_port = 0;
	fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	local = fd >= 0 && bind(fd, &own.any, own.len) == 0;
	fd_close(fd);
	return local;
}

static bool listen_endpoint_is_reached(const struct sockaddr *endpoint,
				       const struct sockaddr *address)
{
	if (lined_address_equal(endpoint, address))
		return true;
	return endpoint->sa_family == address->sa_family &&
	       lined_address_port(endpoint) == lined_address_port(address) &&
	       lined_address_is_any(endpoint) && listen_is_of_host(address);
}

bool listen_addresses_are_reached(const struct listen_address *listen,
				  size_t count, const struct sockaddr *address,
				  int type)
{
	const struct sockaddr_un *path = (const void *)address;
	size_t i, k;

	for (i = 0; i < count; i++, listen++) {
		if ((listen->kind == LISTEN_UDP) != (type == SOCK_DGRAM))
			continue;
		if (listen->path != NULL && address->sa_family == AF_UNIX &&
		    strncmp(listen->path, path->sun_path,
			    sizeof(path->sun_path)) == 0)
			return true;
		for (k = 0; k < listen->endpoint_count; k++)
			if (listen_endpoint_is_reached(
				    listen_endpoint_at(listen, k), address))
				return true;
	}
	return false;
}
