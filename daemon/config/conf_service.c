/* SPDX-License-Identifier: MIT */
/*
 * Reads the `service "name"` sections: their keys and addresses. Other files
 * read the sections inside a service.
 */
#include "config.h"

#include "config/conf_build.h"
#include "net/multicast.h"

#include <grp.h>
#include <string.h>

#include "config/conf_value.h"

struct service_keys {
	const char *protocol;
	struct lined_option_list listen, tls, proxy_from;
	const char *socket_mode, *socket_owner, *socket_group;
	bool cluster;
};

static const struct lined_option service_table[] = {
	{LINED_OPTION("protocol", STRING, struct service_keys, protocol)},
	{LINED_OPTION("listen", LIST, struct service_keys, listen)},
	{LINED_OPTION("tls", LIST, struct service_keys, tls)},
	{LINED_OPTION("proxy-from", LIST, struct service_keys, proxy_from)},
	{LINED_OPTION("socket-mode", STRING, struct service_keys, socket_mode),
	 .fallback = "0660"},
	{LINED_OPTION("socket-owner", STRING, struct service_keys,
		      socket_owner)},
	{LINED_OPTION("socket-group", STRING, struct service_keys,
		      socket_group)},
	{LINED_OPTION("cluster", BOOLEAN, struct service_keys, cluster),
	 .fallback = "false"},
	{.name = NULL},
};

/* ---- addresses ------------------------------------------------------- */

/* Returns why the service cannot listen on the address; NULL: the service can.
 */
static const char *service_unfit(const struct conf_section *section,
				 const struct listen_address *listen,
				 const struct conf_service *service)
{
	const struct conf_key *tls = conf_section_key(section, "tls");
	uint32_t transports = LINED_TRANSPORT_STREAM;

	if (listen_address_is_tls(listen) && (tls == NULL || tls->count == 0))
		return "needs tls = { \"NAME\" }";
	if (listen_address_is_tls(listen) && !tls_available())
		return "lined was built without OpenSSL (--without-openssl)";
	if (service->module == NULL || listen->kind == LISTEN_SYSTEMD)
		return NULL;
	if (service->module->transports != 0)
		transports = service->module->transports;
	if (listen->kind == LISTEN_UDP)
		return (transports & LINED_TRANSPORT_DATAGRAM) != 0
			       ? NULL
			       : "the protocol does not speak over datagrams";
	return (transports & LINED_TRANSPORT_STREAM) != 0
		       ? NULL
		       : "the protocol speaks over datagrams only";
}

static void service_read_address(const struct conf_section *section,
				 const struct conf_value *value,
				 struct listen_address *listen,
				 struct conf_service *service)
{
	char error[200], quoted[CONF_QUOTED_MAX];
	const char *why = error;
	char *text = pool_strdup(section->pool, value->text);

	if (text == NULL)
		return;
	if (listen_address_parse(text, listen, error, sizeof(error)) == 0)
		why = service_unfit(section, listen, service);
	if (why != NULL) {
		conf_error_in(section, &value->place, "listen %s: %s",
			      conf_quoted(text, quoted), why);
		return;
	}
	if (listen->endpoint_count > 0 &&
	    multicast_is_group(&listen->endpoints[0]) &&
	    listen->endpoints[0].interface == 0)
		conf_warning_in(section, &value->place,
				"listen %s: it is joined on the interface that "
				"the routes choose; ?interface=NAME says which",
				conf_quoted(text, quoted));
	service->listen_count++;
	conf_collisions_add(section->build, listen, &value->place,
			    section->context);
}

static const struct conf_node *
service_find_section(const struct conf_node *node, const char *name)
{
	const struct conf_node *child = node->children;

	while (child != NULL && strcmp(child->name, name) != 0)
		child = child->next;
	return child;
}

static void service_read_listen(const struct conf_section *section,
				struct conf_service *service)
{
	const struct conf_key *key = conf_section_key(section, "listen");
	const struct conf_node *unused =
		service_find_section(section->node, "web");
	const struct conf_value *value;
	struct listen_address *listen;
	bool web = false, streams = false;

	if (key == NULL)
		return;
	if (key->count == 0) {
		conf_error_in(section, &key->place, "listen is empty");
		return;
	}
	listen = pool_array(section->pool, key->count, sizeof(*listen));
	if (listen == NULL)
		return;
	service->listen = listen;
	for (value = key->values; value != NULL; value = value->next) {
		service_read_address(section, value,
				     &listen[service->listen_count], service);
		web |= strncmp(value->text, "ws:", 3) == 0 ||
		       strncmp(value->text, "wss:", 4) == 0;
		streams |= strncmp(value->text, "udp:", 4) != 0;
	}
	if (unused != NULL && !web)
		conf_warning_in(section, &unused->place,
				"web does nothing: no address is ws:// or "
				"wss://");
	key = conf_section_key(section, "proxy-from");
	if (key != NULL && !streams)
		conf_warning_in(section, &key->place,
				"proxy-from does nothing: all addresses are "
				"udp://");
}

/* Reports that `listen` is missing, unless the protocol needs no address with
 * the options that are set. Call this after the options are read. */
static void service_check_listen(const struct conf_section *section,
				 const struct conf_service *service)
{
	const struct lined_protocol *module = service->module;

	if (conf_section_key(section, "listen") != NULL ||
	    (module != NULL && service->options != NULL &&
	     module->needs_listen != NULL &&
	     !module->needs_listen(service->options)))
		return;
	conf_error_in(section, &section->node->place, "listen is missing");
}

/* ---- one service ----------------------------------------------------- */

static void service_read_mode(const struct conf_section *section,
			      const char *text, struct conf_service *service)
{
	const struct conf_key *key = conf_section_key(section, "socket-mode");
	char quoted[CONF_QUOTED_MAX];
	unsigned mode = 0660;

	if (key != NULL && text != NULL &&
	    conf_value_mode(text, &mode) != CONF_VALUE_OK)
		conf_error_in(section, &key->place,
			      "socket-mode: \"%s\" is not an octal mode "
			      "(0 to 0777)",
			      conf_quoted(text, quoted));
	service->socket_mode = mode & 0777;
}

/* Reports sections that belong neither to the service nor to its protocol.
 * Skips misspelt names: conf_unknown_key.c reports those together with the most
 * similar known name. */
static void service_check_sections(const struct conf_section *section,
				   const struct conf_service *service)
{
	struct conf_node *child;
	size_t i;

	if (service->protocol == NULL)
		return;
	for (child = section->node->children; child != NULL;
	     child = child->next) {
		bool near = child->used;

		for (i = 0; section->sections[i] != NULL; i++)
			near |= conf_value_distance(child->name,
						    section->sections[i]) < 3;
		for (i = 0; service_table[i].name != NULL; i++)
			near |= strcmp(child->name, service_table[i].name) == 0;
		if (near)
			continue;
		child->used = true;
		conf_error_in(section, &child->place,
			      "section \"%s\" is not that of protocol %s",
			      child->name, service->protocol);
	}
}

/* Warns unless a line of line-length with its CRLF fits into an empty send
 * queue. */
static void service_check_queue(const struct conf_section *section,
				const struct conf_section *limits,
				const struct conf_section *framing,
				const struct conf_service *service)
{
	const struct conf_key *key = conf_section_key(framing, "line-length");
	uint32_t length = service->framing.line_length;
	const char *where = key != NULL ? "framing" : "limits";
	size_t i;

	for (i = 0; i < service->class_count; i++) {
		const struct conf_class *class = &service->classes[i];
		uint32_t queue = class->bounds.sockets.send_queue;

		if (queue > 0 && queue < length + 2 &&
		    queue != service->bounds.sockets.send_queue)
			conf_warning_in(section, &class->place,
					"class \"%s\": send-queue (%u) is too "
					"small for a line of line-length (%u): "
					"it can never be sent",
					class->name, (unsigned)queue,
					(unsigned)length);
	}
	if (service->bounds.sockets.send_queue == 0 ||
	    service->bounds.sockets.send_queue >= length + 2)
		return;
	if (key == NULL)
		key = conf_section_key(limits, "send-queue");
	/* No warning if the config sets neither line-length nor send-queue: the
	 * protocol does not send lines of its default line-length. */
	if (key == NULL && section->build->defaults.send_queue < 0)
		return;
	conf_warning_in(section, key ? &key->place : &service->place,
			"%s: send-queue (%u) is too small for a line of "
			"line-length (%u): it can never be sent",
			where, (unsigned)service->bounds.sockets.send_queue,
			(unsigned)length);
}

/* Reads the sections inside a service. The module must be loaded before,
 * because it has defaults for limits and framing. */
static void service_read_sections(const struct conf_section *section,
				  struct conf_service *service)
{
	struct conf_section limits = conf_section_inner(section, "limits");
	struct conf_section framing = conf_section_inner(section, "framing");
	struct conf_section access = conf_section_inner(section, "access");
	struct conf_section web = conf_section_inner(section, "web");
	struct conf_section protocol = *section;
	struct conf_limits in_force = {.clients = -1};

	service->drain_timeout_ms = section->build->conf->drain_timeout_ms;
	service_check_sections(section, service);
	if (service->protocol != NULL)
		protocol = conf_section_inner(section, service->protocol);
	conf_limits_read(&limits, service, &in_force);
	conf_class_read(section, &in_force, service);
	conf_class_check_penalty(&limits, service);
	conf_framing_read(&framing, service);
	service_check_queue(section, &limits, &framing, service);
	conf_access_read(&access, service);
	conf_web_read(&web, service);
	if (service->module != NULL)
		conf_protocol_read(&protocol, service);
}

void conf_service_find_group(struct conf_service *service)
{
	const struct group *group = NULL;

	if (service->socket_group != NULL)
		group = getgrnam(service->socket_group);
	service->socket_gid = group != NULL ? group->gr_gid : (gid_t)-1;
}

static void service_read_cluster(const struct conf_section *section,
				 struct conf_service *service)
{
	const struct conf_place *place = conf_section_place(section, "cluster");
	const struct lined_protocol *module = service->module;

	if (module != NULL && module->flags & LINED_ONE_WORKER)
		conf_error_in(section, place,
			      "cluster: what protocol %s stores is not shared "
			      "between machines",
			      module->name);
	else if (!section->build->conf->cluster.is_set)
		conf_error_in(section, place,
			      "cluster = true needs a section cluster { "
			      "servers = { \"nats://HOST:PORT\" } }");
	else
		service->cluster = true;
}

static void service_read_keys(const struct conf_section *section,
			      struct conf_service *service)
{
	struct service_keys keys;

	conf_section_fill(section, service_table, &keys);
	service_read_mode(section, keys.socket_mode, service);
	service->socket_owner =
		conf_section_text(section, "socket-owner", keys.socket_owner);
	service->socket_group =
		conf_section_text(section, "socket-group", keys.socket_group);
	conf_build_check_user(section, "socket-owner", service->socket_owner);
	conf_build_check_group(section, "socket-group", service->socket_group);
	conf_service_find_group(service);
	service->proxy_from = conf_access_networks(section, "proxy-from",
						   &service->proxy_from_count,
						   &service->proxy_from_unix);
	conf_tls_select(section, service);
	if (keys.cluster)
		service_read_cluster(section, service);
}

static void service_read(struct conf_section *section,
			 struct conf_service *service)
{
	const char *sections[] = {"limits", "framing", "access", "web",
				  "class",  NULL,      NULL};
	const struct conf_key *key = conf_section_key(section, "protocol");

	service->place = section->node->place;
	service->options_text = "";
	service->name = conf_option_copy(section, section->node->title);
	conf_build_check_name(section);
	if (key != NULL && key->count == 1)
		service->protocol = sections[5] =
			conf_option_copy(section, key->values->text);
	section->sections = sections;
	conf_protocol_find(section, service);
	/* Addresses come first: the protocol's check may ask for them. */
	service_read_listen(section, service);
	if (service->module != NULL && service->module->options != NULL) {
		section->inner = service->protocol;
		section->inner_table = service->module->options;
	}
	service_read_sections(section, service);
	service_read_keys(section, service);
	service_check_listen(section, service);
}

void conf_services_read(const struct conf_section *root)
{
	struct conf_build *build = root->build;
	struct conf_service *services;
	struct conf_node *node;

	services = pool_array(root->pool, conf_section_count(root, "service"),
			      sizeof(*services));
	if (services == NULL)
		return;
	build->conf->services = services;
	for (node = root->node->children; node != NULL; node = node->next) {
		struct conf_use **uses_end = build->uses_end;
		struct conf_section section;
		bool titled;

		if (strcmp(node->name, "service") != 0)
			continue;
		titled = conf_section_check_title(root, node);
		if (node->title == NULL)
			continue;
		section = conf_section_titled(root, node);
		service_read(&section, &services[build->conf->service_count++]);
		/* The title is already reported as repeated or empty. Drop this
		 * section's addresses: otherwise they could be reported as
		 * collisions, too. */
		if (!titled)
			build->uses_end = uses_end, *uses_end = NULL;
	}
}
