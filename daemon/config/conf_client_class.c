/* SPDX-License-Identifier: MIT */
/*
 * Reads `class` sections: limits for clients from some networks. A service has
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

/* Adds a network to the list; reports a network that is already in the list. */
static void class_note_network(const struct conf_section *class,
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
			class, &value->place,
			"from: %s is in class \"%s\" already at %s:%u",
			lined_network_format(&network, text, sizeof(text)),
			at->node->title, at->place.file, at->place.line);
		return;
	}
	at = pool_alloc(class->build->tree.pool, sizeof(*at));
	if (at == NULL)
		return;
	*at = (struct class_network){*list, network, class->node, value->place};
	*list = at;
}

static void class_read_from(const struct conf_section *class,
			    struct class_network **list,
			    struct conf_networks *from)
{
	const struct conf_key *key = conf_section_key(class, "from");
	const struct conf_value *value;

	*from = (struct conf_networks){NULL, 0};
	if (key == NULL)
		return;
	from->items = conf_access_networks(class, "from", &from->count, NULL);
	if (key->count == 0)
		conf_error_in(class, &key->place,
			      "from is empty: it lists the networks of the "
			      "class");
	for (value = key->values; value != NULL; value = value->next)
		class_note_network(class, value, list);
}

/* The class of this name in `defaults`; NULL: none. */
static const struct conf_class_keys *
class_default(const struct conf_build *build, const char *name)
{
	size_t i;

	for (i = 0; i < build->default_class_count; i++)
		if (strcmp(build->default_classes[i].section.node->title,
			   name) == 0)
			return &build->default_classes[i];
	return NULL;
}

/* Reads a `class` section within `outer`. False: the section has no title,
 * which is reported. */
static bool class_read_keys(const struct conf_section *outer,
			    struct conf_node *node, struct class_network **list,
			    struct conf_class_keys *keys)
{
	const struct conf_section *class = &keys->section;
	struct conf_limits none = {.clients = -1};

	conf_section_check_title(outer, node);
	if (node->title == NULL || node->title[0] == '\0')
		return false;
	keys->section = conf_section_titled(outer, node);
	conf_build_check_name(class);
	conf_limits_read_class(class, &keys->limits);
	class_read_from(class, list, &keys->from);
	if (class_default(outer->build, node->title) != NULL)
		return true;
	if (conf_section_key(class, "from") == NULL)
		conf_error_in(class, &node->place,
			      "from is missing: it lists the networks of the "
			      "class");
	if (conf_limits_overlay(&none, &keys->limits) == 0)
		conf_warning_in(class, &node->place,
				"it sets no limit, and does nothing");
	return true;
}

void conf_class_read_defaults(const struct conf_section *defaults)
{
	struct conf_build *build = defaults->build;
	struct class_network *list = NULL;
	struct conf_node *node;

	build->default_classes = pool_array(
		build->tree.pool, conf_section_count(defaults, "class"),
		sizeof(*build->default_classes));
	if (build->default_classes == NULL)
		return;
	for (node = defaults->node->children; node != NULL; node = node->next)
		if (strcmp(node->name, "class") == 0 &&
		    class_read_keys(defaults, node, &list,
				    &build->default_classes
					     [build->default_class_count]))
			build->default_class_count++;
}

/* ---- the classes of a service ------------------------------------------- */

/* Adds a class with the limits of `weaker`, overridden by default_keys, then by
 * keys. default_keys or keys may be NULL. section: where problems are reported.
 */
static void class_add(const struct conf_section *section,
		      const struct conf_class_keys *default_keys,
		      const struct conf_class_keys *keys,
		      const struct conf_limits *weaker,
		      struct conf_service *service, struct conf_class *class)
{
	const struct conf_node *node =
		(keys != NULL ? keys : default_keys)->section.node;
	struct conf_limits limits = *weaker, own = *weaker;
	struct admission_counts *counts;

	own.clients = own.handshakes = -1;
	if (default_keys != NULL) {
		conf_limits_overlay(&limits, &default_keys->limits);
		conf_limits_overlay(&own, &default_keys->limits);
		class->from = default_keys->from;
	}
	if (keys != NULL) {
		conf_limits_overlay(&limits, &keys->limits);
		conf_limits_overlay(&own, &keys->limits);
		if (keys->from.count > 0)
			class->from = keys->from;
	}
	class->name = conf_option_copy(section, node->title);
	class->place = node->place;
	conf_limits_store(section, &limits, &class->bounds);
	counts = pool_array(section->pool, 1, sizeof(*counts));
	if (counts == NULL)
		return;
	atomic_init(&counts->clients, 0);
	atomic_init(&counts->handshakes, 0);
	class->bounds.admission.own_clients = own.clients >= 0 ? counts : NULL;
	class->bounds.admission.own_handshakes =
		own.handshakes >= 0 ? counts : NULL;
	service->class_count++;
}

static void class_check_use(const struct conf_section *class,
			    const struct conf_service *service)
{
	size_t i;

	for (i = 0; i < service->listen_count; i++)
		if (service->listen[i].path == NULL)
			return;
	if (service->listen_count > 0)
		conf_warning_in(class, &class->node->place,
				"it does nothing: all addresses are unix://");
}

/* Reads the service's own classes. */
static void class_read_own(const struct conf_section *section,
			   const struct conf_limits *limits,
			   struct conf_service *service,
			   struct conf_class *classes)
{
	struct class_network *list = NULL;
	struct conf_class_keys keys;
	struct conf_node *node;

	for (node = section->node->children; node != NULL; node = node->next) {
		if (strcmp(node->name, "class") != 0 ||
		    !class_read_keys(section, node, &list, &keys))
			continue;
		class_check_use(&keys.section, service);
		class_add(&keys.section,
			  class_default(section->build, node->title), &keys,
			  limits, service, &classes[service->class_count]);
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

void conf_class_read(const struct conf_section *section,
		     const struct conf_limits *limits,
		     struct conf_service *service)
{
	const struct conf_build *build = section->build;
	size_t count = conf_section_count(section, "class") +
		       build->default_class_count;
	struct conf_section none = *section;
	struct lined_limits *sockets;
	struct conf_class *classes;
	size_t i, own;

	if (count == 0)
		return;
	if (count > CONF_CLASSES_MAX) {
		conf_error_in(section, &section->node->place,
			      "%zu classes, with those of defaults: %d are the "
			      "most",
			      count, CONF_CLASSES_MAX);
		return;
	}
	classes = pool_array(section->pool, count, sizeof(*classes));
	sockets = pool_array(section->pool, count, sizeof(*sockets));
	if (classes == NULL || sockets == NULL)
		return;
	service->classes = classes;
	service->class_limits = sockets;
	class_read_own(section, limits, service, classes);
	own = service->class_count;
	none.node = NULL;
	for (i = 0; i < build->default_class_count; i++) {
		const struct conf_class_keys *keys = &build->default_classes[i];

		if (!class_is_own(service, own, keys->section.node->title))
			class_add(&none, keys, NULL, limits, service,
				  &classes[service->class_count]);
	}
	for (i = 0; i < service->class_count; i++)
		sockets[i] = classes[i].bounds.sockets;
}

/* Warns of penalty keys that have no effect: neither the service nor a class
 * has penalties, or no client of the service can be penalized. */
void conf_class_check_penalty(const struct conf_section *limits,
			      const struct conf_service *service)
{
	const char *const keys[] = {"penalty-max", "exempt"};
	const struct conf_key *key = conf_section_key(limits, "penalty");
	bool used = service->bounds.penalty.first_ms > 0, streams = false;
	size_t i;

	for (i = 0; i < service->class_count; i++)
		used |= service->classes[i].bounds.penalty.first_ms > 0;
	for (i = 0; i < service->listen_count; i++)
		streams |= service->listen[i].kind != LISTEN_UDP &&
			   service->listen[i].path == NULL;
	if (key != NULL && service->bounds.penalty.first_ms > 0 &&
	    service->listen_count > 0 && !streams)
		conf_warning_in(limits, &key->place,
				"penalty does nothing: all addresses are "
				"udp:// or unix://");
	for (i = 0; i < 2; i++) {
		key = conf_section_key(limits, keys[i]);
		if (key != NULL && !used)
			conf_warning_in(limits, &key->place,
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

const struct conf_bounds *conf_class_bounds(const struct conf_service *service,
					    uint8_t class)
{
	return class > 0 ? &service->classes[class - 1].bounds
			 : &service->bounds;
}

const struct admission_limits *
conf_class_admission(const struct conf_service *service, uint8_t class)
{
	return class > 0 ? &service->classes[class - 1].bounds.admission : NULL;
}

uint64_t conf_clients_max(const struct conf_service *service)
{
	uint64_t max = service->bounds.admission.clients;
	size_t i;

	for (i = 0; i < service->class_count; i++) {
		const struct admission_limits *class =
			&service->classes[i].bounds.admission;

		if (class->own_clients != NULL)
			max += class->clients;
	}
	return max;
}
