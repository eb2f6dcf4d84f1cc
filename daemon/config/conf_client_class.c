/* SPDX-License-Identifier: MIT */
/*
 * The `class` sections: limits for clients from some networks. A service has
 * its own classes, then those of `defaults`. If both have a class of the same
 * name, the two are one class: keys in the service override keys in `defaults`.
 */
#include "config.h"

#include "config/conf_build.h"

#include <string.h>

/* A network of a class, kept to find duplicates. */
struct class_network {
	struct class_network *next;
	struct lined_network network;
	const struct conf_node *node;
	struct conf_place place;
};

static size_t class_count(const struct conf_node *parent)
{
	const struct conf_node *node;
	size_t count = 0;

	for (node = parent->children; node != NULL; node = node->next)
		count += strcmp(node->name, "class") == 0;
	return count;
}

/* Adds a network to the list; reports a network that is already in the list. */
static void class_note_network(struct conf_build *build, const char *context,
			       const struct conf_node *node,
			       const struct conf_value *value,
			       struct class_network **list)
{
	char text[LINED_NETWORK_TEXT_MAX];
	struct lined_network network;
	struct class_network *at;

	if (lined_network_parse(&network, value->text) == LINED_NETWORK_BAD)
		return; /* reported already */
	for (at = *list; at != NULL; at = at->next) {
		if (!lined_network_equal(&at->network, &network))
			continue;
		conf_error_in(
			&build->report, context, &value->place,
			"from: %s is in class \"%s\" already at %s:%u",
			lined_network_format(&network, text, sizeof(text)),
			at->node->title, at->place.file, at->place.line);
		return;
	}
	at = pool_alloc(build->tree.pool, sizeof(*at));
	if (at == NULL) {
		conf_build_oom(build);
		return;
	}
	*at = (struct class_network){*list, network, node, value->place};
	*list = at;
}

static void class_read_from(struct conf_build *build, const char *context,
			    const struct conf_node *node,
			    struct class_network **list,
			    struct conf_networks *from)
{
	const struct conf_key *key = conf_options_key(node, "from");
	const struct conf_value *value;

	*from = (struct conf_networks){NULL, 0};
	if (key == NULL)
		return;
	from->items =
		conf_access_networks(build, key, context, &from->count, NULL);
	if (key->count == 0)
		conf_error_in(&build->report, context, &key->place,
			      "from is empty: it lists the networks of the "
			      "class");
	for (value = key->values; value != NULL; value = value->next)
		class_note_network(build, context, node, value, list);
}

static const char *class_context(struct conf_build *build, const char *context,
				 const struct conf_node *node)
{
	const char *inner = pool_printf(build->conf->pool, "%s: class \"%s\"",
					context, node->title);

	if (inner == NULL)
		conf_build_oom(build);
	return inner;
}

/* The class of this name in `defaults`; NULL: none. */
static const struct conf_class_keys *
class_default(const struct conf_build *build, const char *name)
{
	size_t i;

	for (i = 0; i < build->default_class_count; i++)
		if (strcmp(build->default_classes[i].node->title, name) == 0)
			return &build->default_classes[i];
	return NULL;
}

/* Reads the keys of a section. NULL, and reported: the section has no title. */
static const char *class_read_keys(struct conf_build *build,
				   const char *context, struct conf_node *node,
				   struct class_network **list,
				   struct conf_class_keys *keys)
{
	struct conf_options options = conf_build_options(build, context);
	struct conf_limits none = {.clients = -1};
	const char *inner = NULL;

	conf_options_titled(&options, node);
	if (node->title != NULL && node->title[0] != '\0')
		inner = class_context(build, context, node);
	if (inner == NULL)
		return NULL;
	conf_build_check_name(build, inner, node, "class");
	keys->node = node;
	conf_limits_read_class(build, node, inner, &keys->limits);
	class_read_from(build, inner, node, list, &keys->from);
	if (class_default(build, node->title) == NULL &&
	    conf_options_key(node, "from") == NULL)
		conf_error_in(&build->report, inner, &node->place,
			      "from is missing: it lists the networks of the "
			      "class");
	if (class_default(build, node->title) == NULL &&
	    conf_limits_overlay(&none, &keys->limits) == 0)
		conf_warning_in(&build->report, inner, &node->place,
				"it sets no limit, and does nothing");
	return inner;
}

void conf_class_read_defaults(struct conf_build *build,
			      struct conf_node *defaults)
{
	struct class_network *list = NULL;
	struct conf_node *node;

	build->default_classes =
		pool_array(build->tree.pool, class_count(defaults),
			   sizeof(*build->default_classes));
	if (build->default_classes == NULL) {
		conf_build_oom(build);
		return;
	}
	for (node = defaults->children; node != NULL; node = node->next)
		if (strcmp(node->name, "class") == 0 &&
		    class_read_keys(build, "defaults", node, &list,
				    &build->default_classes
					     [build->default_class_count]) !=
			    NULL)
			build->default_class_count++;
}

/* ---- the classes of a service ------------------------------------------- */

/* Adds a class with the limits of `weaker`, overridden by the section in
 * `defaults` and by the one in the service; either section may be NULL. */
static void class_add(struct conf_build *build, const char *context,
		      const struct conf_class_keys *default_keys,
		      const struct conf_class_keys *keys,
		      const struct conf_limits *weaker,
		      struct conf_service *service, struct conf_class *class)
{
	const struct conf_class_keys *first =
		keys != NULL ? keys : default_keys;
	struct conf_limits limits = *weaker, own = *weaker;
	struct admission_counts *counts;

	own.clients = own.handshakes = -1;
	if (default_keys != NULL) {
		conf_limits_overlay(&limits, &default_keys->limits);
		conf_limits_overlay(&own, &default_keys->limits);
	}
	if (keys != NULL) {
		conf_limits_overlay(&limits, &keys->limits);
		conf_limits_overlay(&own, &keys->limits);
	}
	class->name = pool_strdup(build->conf->pool, first->node->title);
	class->place = first->node->place;
	class->from = keys != NULL && keys->from.count > 0 ? keys->from
		      : default_keys != NULL               ? default_keys->from
					     : (struct conf_networks){NULL, 0};
	conf_limits_store(build, keys != NULL ? keys->node : NULL, context,
			  &limits, &class->bounds);
	counts = pool_array(build->conf->pool, 1, sizeof(*counts));
	if (class->name == NULL || counts == NULL) {
		conf_build_oom(build);
		return;
	}
	atomic_init(&counts->clients, 0);
	atomic_init(&counts->handshakes, 0);
	class->bounds.admission.own_clients = own.clients >= 0 ? counts : NULL;
	class->bounds.admission.own_handshakes =
		own.handshakes >= 0 ? counts : NULL;
	service->class_count++;
}

static void class_check_use(struct conf_build *build, const char *context,
			    const struct conf_node *node,
			    const struct conf_service *service)
{
	size_t i;

	for (i = 0; i < service->listen_count; i++)
		if (service->listen[i].path == NULL)
			return;
	if (service->listen_count > 0)
		conf_warning_in(&build->report, context, &node->place,
				"it does nothing: all addresses are unix://");
}

/* Reads the service's own classes. */
static void class_read_own(struct conf_build *build, struct conf_node *parent,
			   const char *context,
			   const struct conf_limits *limits,
			   struct conf_service *service,
			   struct conf_class *classes)
{
	struct class_network *list = NULL;
	struct conf_class_keys keys;
	struct conf_node *node;
	const char *inner;

	for (node = parent->children; node != NULL; node = node->next) {
		if (strcmp(node->name, "class") != 0)
			continue;
		inner = class_read_keys(build, context, node, &list, &keys);
		if (inner == NULL)
			continue;
		class_check_use(build, inner, node, service);
		class_add(build, inner, class_default(build, node->title),
			  &keys, limits, service,
			  &classes[service->class_count]);
	}
}

static bool class_is_own(const struct conf_service *service, size_t own,
			 const char *name)
{
	size_t i;

	for (i = 0; i < own; i++)
		if (strcmp(service->classes[i].name, name) == 0)
			return true;
	return false;
}

void conf_class_read(struct conf_build *build, struct conf_node *node,
		     const char *context, const struct conf_limits *limits,
		     struct conf_service *service)
{
	size_t count = class_count(node) + build->default_class_count, i, own;
	struct lined_limits *sockets;
	struct conf_class *classes;

	if (count == 0)
		return;
	if (count > CONF_CLASSES_MAX) {
		conf_error_in(&build->report, context, &node->place,
			      "%zu classes, with those of defaults: %d are the "
			      "most",
			      count, CONF_CLASSES_MAX);
		return;
	}
	classes = pool_array(build->conf->pool, count, sizeof(*classes));
	sockets = pool_array(build->conf->pool, count, sizeof(*sockets));
	if (classes == NULL || sockets == NULL) {
		conf_build_oom(build);
		return;
	}
	service->classes = classes;
	service->class_limits = sockets;
	class_read_own(build, node, context, limits, service, classes);
	own = service->class_count;
	for (i = 0; i < build->default_class_count; i++) {
		const struct conf_class_keys *keys = &build->default_classes[i];

		if (!class_is_own(service, own, keys->node->title))
			class_add(build, context, keys, NULL, limits, service,
				  &classes[service->class_count]);
	}
	for (i = 0; i < service->class_count; i++)
		sockets[i] = classes[i].bounds.sockets;
}

/* Warns of penalty keys that have no effect: neither the service nor a class
 * has penalties, or no client of the service can be penalized. */
void conf_class_check_penalty(struct conf_build *build,
			      const struct conf_node *limits,
			      const char *context,
			      const struct conf_service *service)
{
	const char *const keys[] = {"penalty-max", "exempt"};
	const struct conf_key *key = conf_options_key(limits, "penalty");
	bool used = service->penalty.first_ms > 0, streams = false;
	size_t i;

	for (i = 0; i < service->class_count; i++)
		used |= service->classes[i].bounds.penalty.first_ms > 0;
	for (i = 0; i < service->listen_count; i++)
		streams |= service->listen[i].kind != LISTEN_UDP &&
			   service->listen[i].path == NULL;
	if (key != NULL && service->penalty.first_ms > 0 &&
	    service->listen_count > 0 && !streams)
		conf_warning_in(&build->report, context, &key->place,
				"penalty does nothing: all addresses are "
				"udp:// or unix://");
	for (i = 0; i < 2; i++) {
		key = conf_options_key(limits, keys[i]);
		if (key != NULL && !used)
			conf_warning_in(&build->report, context, &key->place,
					"%s does nothing without penalty",
					key->name);
	}
}

/* ---- finding ------------------------------------------------------------ */

const struct lined_network *
conf_class_network(const struct conf_service *service,
		   const struct sockaddr *address, uint8_t *class)
{
	const struct lined_network *longest = NULL;
	size_t i;

	*class = 0;
	for (i = 0; i < service->class_count; i++) {
		const struct conf_networks *from = &service->classes[i].from;
		const struct lined_network *mine = lined_network_longest(
			from->items, from->count, address);

		if (mine == NULL ||
		    (longest != NULL && mine->prefix <= longest->prefix))
			continue;
		longest = mine;
		*class = (uint8_t)(i + 1);
	}
	return longest;
}

uint8_t conf_class_of(const struct conf_service *service,
		      const struct sockaddr *address)
{
	uint8_t class = 0;

	if (service->class_count > 0)
		conf_class_network(service, address, &class);
	return class;
}

const struct admission_limits *
conf_class_admission(const struct conf_service *service, uint8_t class)
{
	return class > 0 ? &service->classes[class - 1].bounds.admission : NULL;
}

uint64_t conf_clients_max(const struct conf_service *service)
{
	uint64_t max = service->clients;
	size_t i;

	for (i = 0; i < service->class_count; i++) {
		const struct admission_limits *class =
			&service->classes[i].bounds.admission;

		if (class->own_clients != NULL)
			max += class->clients;
	}
	return max;
}

const struct penalty_limits *
conf_class_penalty(const struct conf_service *service, uint8_t class)
{
	return class > 0 ? &service->classes[class - 1].bounds.penalty
			 : &service->penalty;
}

uint32_t conf_handshake_ms(const struct conf_service *service, uint8_t class)
{
	return class > 0 ? service->classes[class - 1].bounds.handshake_ms
			 : service->handshake_ms;
}
