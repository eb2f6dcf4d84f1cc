/* SPDX-License-Identifier: MIT */
/*
 * The `service "name"` sections: their keys and addresses. Other files read the
 * sections inside a service.
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

/* Why the service cannot listen on the address; NULL: it can. */
static const char *service_unfit(const struct listen_address *listen,
				 const struct conf_service *service,
				 const struct conf_node *node)
{
	uint32_t transports = LINED_TRANSPORT_STREAM;

	const struct conf_key *tls = conf_options_key(node, "tls");

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

static void service_read_address(struct conf_build *build, const char *context,
				 const struct conf_node *node,
				 const struct conf_value *value,
				 struct listen_address *listen,
				 struct conf_service *service)
{
	char error[200], quoted[CONF_QUOTED_MAX];
	const char *why = error;
	char *text = pool_strdup(build->conf->pool, value->text);

	if (text == NULL) {
		conf_build_oom(build);
		return;
	}
	if (listen_address_parse(text, listen, error, sizeof(error)) == 0)
		why = service_unfit(listen, service, node);
	if (why != NULL) {
		conf_error_in(&build->report, context, &value->place,
			      "listen %s: %s", conf_quoted(text, quoted), why);
		return;
	}
	if (listen->endpoint_count > 0 &&
	    multicast_is_group(&listen->endpoints[0]) &&
	    listen->endpoints[0].interface == 0)
		conf_warning_in(&build->report, context, &value->place,
				"listen %s: it is joined on the interface that "
				"the routes choose; ?interface=NAME says which",
				conf_quoted(text, quoted));
	service->listen_count++;
	conf_build_use(build, listen, &value->place, context);
}

static const struct conf_node *
service_find_section(const struct conf_node *node, const char *name)
{
	const struct conf_node *child = node->children;

	while (child != NULL && strcmp(child->name, name) != 0)
		child = child->next;
	return child;
}

static void service_read_listen(struct conf_build *build, const char *context,
				const struct conf_node *node,
				struct conf_service *service)
{
	const struct conf_key *key = conf_options_key(node, "listen");
	const struct conf_value *value;
	struct listen_address *listen;
	const struct conf_node *section;
	bool web = false, streams = false;

	if (key == NULL)
		return;
	if (key->count == 0) {
		conf_error_in(&build->report, context, &key->place,
			      "listen is empty");
		return;
	}
	listen = pool_array(build->conf->pool, key->count, sizeof(*listen));
	if (listen == NULL) {
		conf_build_oom(build);
		return;
	}
	service->listen = listen;
	for (value = key->values; value != NULL; value = value->next) {
		service_read_address(build, context, node, value,
				     &listen[service->listen_count], service);
		web |= strncmp(value->text, "ws:", 3) == 0 ||
		       strncmp(value->text, "wss:", 4) == 0;
		streams |= strncmp(value->text, "udp:", 4) != 0;
	}
	section = service_find_section(node, "web");
	if (section != NULL && !web)
		conf_warning_in(&build->report, context, &section->place,
				"web does nothing: no address is ws:// or "
				"wss://");
	key = conf_options_key(node, "proxy-from");
	if (key != NULL && !streams)
		conf_warning_in(&build->report, context, &key->place,
				"proxy-from does nothing: all addresses are "
				"udp://");
}

/* Call this after the protocol's options are read. */
static void service_check_listen(struct conf_build *build, const char *context,
				 const struct conf_node *node,
				 const struct conf_service *service)
{
	const struct lined_protocol *module = service->module;

	if (conf_options_key(node, "listen") != NULL ||
	    (module != NULL && service->options != NULL &&
	     module->needs_listen != NULL &&
	     !module->needs_listen(service->options)))
		return;
	conf_error_in(&build->report, context, &node->place,
		      "listen is missing");
}

/* ---- one service ----------------------------------------------------- */

static void service_read_mode(struct conf_build *build, const char *context,
			      const struct conf_node *node, const char *text,
			      struct conf_service *service)
{
	const struct conf_key *key = conf_options_key(node, "socket-mode");
	char quoted[CONF_QUOTED_MAX];
	unsigned mode = 0660;

	if (key != NULL && text != NULL &&
	    conf_value_mode(text, &mode) != CONF_VALUE_OK)
		conf_error_in(&build->report, context, &key->place,
			      "socket-mode: \"%s\" is not an octal mode "
			      "(0 to 0777)",
			      conf_quoted(text, quoted));
	service->socket_mode = mode & 0777;
}

/* Finds the protocol's section; NULL: none. Reports other sections, but not
 * misspelt names: conf_unknown_key.c reports them together with the name that
 * was probably meant. */
static struct conf_node *
service_protocol_section(struct conf_options *options, struct conf_node *node,
			 const struct conf_service *service)
{
	struct conf_node *child;
	size_t i;

	for (child = node->children; child != NULL; child = child->next) {
		bool near = false;

		for (i = 0; options->sections[i] != NULL; i++)
			near |= conf_value_distance(child->name,
						    options->sections[i]) < 3;
		for (i = 0; service_table[i].name != NULL; i++)
			near |= strcmp(child->name, service_table[i].name) == 0;
		if (near || child->used || service->protocol == NULL)
			continue;
		child->used = true;
		conf_error_in(options->report, options->context, &child->place,
			      "section \"%s\" is not that of protocol %s",
			      child->name, service->protocol);
	}
	return service->protocol == NULL
		       ? NULL
		       : conf_options_section(options, node, service->protocol);
}

static const char *service_inner_context(struct conf_build *build,
					 const char *context, const char *name)
{
	const char *inner =
		pool_printf(build->conf->pool, "%s: %s", context, name);

	if (inner == NULL)
		conf_build_oom(build);
	return inner != NULL ? inner : context;
}

/* Warns unless a line of line-length with its CRLF fits into an empty send
 * queue. */
static void service_check_queue(struct conf_build *build, const char *context,
				struct conf_node *limits,
				struct conf_node *framing,
				const struct conf_service *service)
{
	const struct conf_key *key = NULL;
	uint32_t length = service->framing.line_length;
	const char *section = "framing";
	size_t i;

	for (i = 0; i < service->class_count; i++) {
		const struct conf_class *class = &service->classes[i];
		uint32_t queue = class->bounds.sockets.send_queue;

		if (queue > 0 && queue < length + 2 &&
		    queue != service->limits.send_queue)
			conf_warning_in(&build->report, context, &class->place,
					"class \"%s\": send-queue (%u) is too "
					"small for a line of line-length (%u): "
					"it can never be sent",
					class->name, (unsigned)queue,
					(unsigned)length);
	}
	if (service->limits.send_queue == 0 ||
	    service->limits.send_queue >= length + 2)
		return;
	if (framing != NULL)
		key = conf_options_key(framing, "line-length");
	if (key == NULL)
		section = "limits";
	if (key == NULL && limits != NULL)
		key = conf_options_key(limits, "send-queue");
	/* No warning if the config sets neither key: the protocol sends no such
	 * lines. */
	if (key == NULL && build->defaults.send_queue < 0)
		return;
	conf_warning_in(&build->report, context,
			key ? &key->place : &service->place,
			"%s: send-queue (%u) is too small for a line of "
			"line-length (%u): it can never be sent",
			section, (unsigned)service->limits.send_queue,
			(unsigned)length);
}

/* Reads the sections inside a service, after loading its module, which has
 * defaults for them. */
static void service_read_sections(struct conf_build *build,
				  struct conf_options *within,
				  struct conf_node *node,
				  struct conf_service *service)
{
	struct conf_node *limits, *framing, *access, *web, *protocol;
	const char *context = within->context;
	struct conf_limits in_force = {.clients = -1};

	service->drain_timeout_ms = build->conf->drain_timeout_ms;
	limits = conf_options_section(within, node, "limits");
	framing = conf_options_section(within, node, "framing");
	access = conf_options_section(within, node, "access");
	web = conf_options_section(within, node, "web");
	protocol = service_protocol_section(within, node, service);
	conf_limits_read(build, limits,
			 service_inner_context(build, context, "limits"),
			 service, &in_force);
	conf_class_read(build, node, context, &in_force, service);
	if (limits != NULL)
		conf_class_check_penalty(
			build, limits,
			service_inner_context(build, context, "limits"),
			service);
	conf_framing_read(build, framing,
			  service_inner_context(build, context, "framing"),
			  service);
	service_check_queue(build, context, limits, framing, service);
	conf_access_read(build, access,
			 service_inner_context(build, context, "access"),
			 service);
	conf_web_read(build, web, service_inner_context(build, context, "web"),
		      service);
	if (service->module != NULL)
		conf_protocol_read(build, protocol,
				   service_inner_context(build, context,
							 service->protocol),
				   service);
}

void conf_service_find_group(struct conf_service *service)
{
	const struct group *group = NULL;

	if (service->socket_group != NULL)
		group = getgrnam(service->socket_group);
	service->socket_gid = group != NULL ? group->gr_gid : (gid_t)-1;
}

static void service_read_cluster(struct conf_build *build, const char *context,
				 const struct conf_node *node,
				 struct conf_service *service)
{
	const struct conf_key *key = conf_options_key(node, "cluster");
	const struct lined_protocol *module = service->module;

	if (module != NULL && module->flags & LINED_ONE_WORKER)
		conf_error_in(&build->report, context, &key->place,
			      "cluster: what protocol %s stores is not shared "
			      "between machines",
			      module->name);
	else if (!build->conf->cluster.is_set)
		conf_error_in(&build->report, context, &key->place,
			      "cluster = true needs a section cluster { "
			      "servers = { \"nats://HOST:PORT\" } }");
	else
		service->cluster = true;
}

static void service_read_keys(struct conf_build *build, const char *context,
			      struct conf_node *node,
			      const struct service_keys *keys,
			      struct conf_service *service)
{
	service_read_mode(build, context, node, keys->socket_mode, service);
	service->socket_owner = conf_build_text(
		build, context, node, "socket-owner", keys->socket_owner);
	service->socket_group = conf_build_text(
		build, context, node, "socket-group", keys->socket_group);
	conf_build_check_user(build, context, node, "socket-owner",
			      service->socket_owner);
	conf_build_check_group(build, context, node, "socket-group",
			       service->socket_group);
	conf_service_find_group(service);
	service->proxy_from = conf_access_networks(
		build, conf_options_key(node, "proxy-from"), context,
		&service->proxy_from_count, &service->proxy_from_unix);
	conf_tls_select(build, conf_options_key(node, "tls"), context, service);
	if (keys->cluster)
		service_read_cluster(build, context, node, service);
}

static void service_read(struct conf_build *build, struct conf_node *node,
			 struct conf_service *service)
{
	const char *sections[] = {"limits", "framing", "access", "web",
				  "class",  NULL,      NULL};
	const char *context =
		pool_printf(build->conf->pool, "service \"%s\"", node->title);
	const struct conf_key *key = conf_options_key(node, "protocol");
	struct service_keys keys;
	struct conf_options options;

	if (context == NULL) {
		conf_build_oom(build);
		context = "service";
	}
	options = conf_build_options(build, context);
	service->place = node->place;
	service->options_text = "";
	service->name = conf_option_copy(&options, node->title);
	conf_build_check_name(build, context, node, "service");
	if (key != NULL && key->count == 1)
		service->protocol = sections[5] =
			conf_option_copy(&options, key->values->text);
	options.sections = sections;
	conf_protocol_find(build, context, node, service);
	/* Addresses come first: the protocol's check may ask for them. */
	service_read_listen(build, context, node, service);
	if (service->module != NULL && service->module->options != NULL) {
		options.inner = service->protocol;
		options.inner_table = service->module->options;
	}
	service_read_sections(build, &options, node, service);
	conf_options_fill(&options, node, service_table, &keys);
	service_read_keys(build, context, node, &keys, service);
	service_check_listen(build, context, node, service);
}

void conf_services_read(struct conf_build *build)
{
	struct conf_options options = conf_build_options(build, "");
	struct conf_node *root = &build->tree.root;
	struct conf_service *services;
	struct conf_node *node;
	size_t count = 0;

	for (node = root->children; node != NULL; node = node->next)
		count += strcmp(node->name, "service") == 0;
	services = pool_array(build->conf->pool, count, sizeof(*services));
	if (services == NULL) {
		conf_build_oom(build);
		return;
	}
	build->conf->services = services;
	for (node = root->children; node != NULL; node = node->next) {
		struct conf_use **uses_end = build->uses_end;
		bool titled;

		if (strcmp(node->name, "service") != 0)
			continue;
		titled = conf_options_titled(&options, node);
		if (node->title == NULL)
			continue;
		service_read(build, node,
			     &services[build->conf->service_count++]);
		/* The repeated name is already reported. Drop this section's
		 * addresses: otherwise each would be reported as a collision,
		 * too. */
		if (!titled)
			build->uses_end = uses_end, *uses_end = NULL;
	}
}
