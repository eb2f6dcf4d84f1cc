/* SPDX-License-Identifier: MIT */
/*
 * Compares the old and the new config of a service: a reload acts on the
 * differences. Compares values, not how they are written.
 */
#include "config.h"

#include "config/conf.h"

#include <string.h>

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool conf_options_equal(const struct conf_service *a,
			const struct conf_service *b)
{
	return a->module == b->module &&
	       texts_equal(a->protocol, b->protocol) &&
	       texts_equal(a->options_text, b->options_text);
}

static int choice_of(const struct conf_service *conf,
		     const struct lined_option *option)
{
	int choice;

	memcpy(&choice, (const char *)conf->options + option->offset,
	       sizeof(choice));
	return choice;
}

const char *conf_restarting_option(const struct conf_service *a,
				   const struct conf_service *b)
{
	const struct lined_option *option =
		a->module == b->module && a->module != NULL ? a->module->options
							    : NULL;

	for (; option != NULL && option->name != NULL; option++)
		if (option->restarts &&
		    choice_of(a, option) != choice_of(b, option))
			return option->name;
	return NULL;
}

bool conf_service_same_mode(const struct conf_service *a,
			    const struct conf_service *b)
{
	return a->socket_mode == b->socket_mode &&
	       texts_equal(a->socket_owner, b->socket_owner) &&
	       texts_equal(a->socket_group, b->socket_group);
}

/* No service has an address twice: with equal counts it is enough to find each
 * address of a in b. */
static bool listens_equal(const struct conf_service *a,
			  const struct conf_service *b)
{
	size_t i, j;

	if (a->listen_count != b->listen_count || !conf_service_same_mode(a, b))
		return false;
	for (i = 0; i < a->listen_count; i++) {
		for (j = 0; j < b->listen_count; j++)
			if (listen_address_equal(&a->listen[i], &b->listen[j]))
				break;
		if (j == b->listen_count)
			return false;
	}
	return true;
}

static bool tls_equal(const struct conf_tls *a, const struct conf_tls *b)
{
	return texts_equal(a->name, b->name) &&
	       texts_equal(a->certificate, b->certificate) &&
	       texts_equal(a->key, b->key) &&
	       texts_equal(a->client_ca, b->client_ca) &&
	       texts_equal(a->crl, b->crl) &&
	       a->client_cert == b->client_cert &&
	       a->min_version == b->min_version &&
	       a->auto_reload == b->auto_reload &&
	       (a->files == NULL || b->files == NULL ||
		tls_files_equal(a->files, b->files));
}

static bool tls_lists_equal(const struct conf_service *a,
			    const struct conf_service *b)
{
	size_t i;

	if (a->tls_count != b->tls_count)
		return false;
	for (i = 0; i < a->tls_count; i++)
		if (!tls_equal(a->tls[i], b->tls[i]))
			return false;
	return true;
}

static bool networks_equal(const struct lined_network *a, size_t a_count,
			   const struct lined_network *b, size_t b_count)
{
	size_t i;

	if (a_count != b_count)
		return false;
	for (i = 0; i < a_count; i++)
		if (!lined_network_equal(&a[i], &b[i]))
			return false;
	return true;
}

static bool penalty_equal(const struct penalty_limits *a,
			  const struct penalty_limits *b)
{
	return a->first_ms == b->first_ms && a->max_ms == b->max_ms &&
	       networks_equal(a->exempt, a->exempt_count, b->exempt,
			      b->exempt_count);
}

/* memcmp() compares these: they have no padding, and point to nothing. */
_Static_assert(sizeof(struct lined_limits) == 7 * sizeof(uint32_t) &&
		       offsetof(struct admission_limits, own_clients) ==
			       8 * sizeof(uint32_t) &&
		       sizeof(struct lined_framing) == 2 * sizeof(uint32_t),
	       "compare the new field, too");

static bool bounds_equal(const struct conf_bounds *a,
			 const struct conf_bounds *b)
{
	const struct admission_limits *x = &a->admission, *y = &b->admission;

	return memcmp(&a->sockets, &b->sockets, sizeof(a->sockets)) == 0 &&
	       memcmp(x, y, offsetof(struct admission_limits, own_clients)) ==
		       0 &&
	       (x->own_clients != NULL) == (y->own_clients != NULL) &&
	       (x->own_handshakes != NULL) == (y->own_handshakes != NULL) &&
	       a->handshake_ms == b->handshake_ms &&
	       penalty_equal(&a->penalty, &b->penalty);
}

static bool classes_equal(const struct conf_service *a,
			  const struct conf_service *b)
{
	size_t i;

	if (a->class_count != b->class_count)
		return false;
	for (i = 0; i < a->class_count; i++) {
		const struct conf_class *x = &a->classes[i];
		const struct conf_class *y = &b->classes[i];

		if (strcmp(x->name, y->name) != 0 ||
		    !networks_equal(x->from.items, x->from.count, y->from.items,
				    y->from.count) ||
		    !bounds_equal(&x->bounds, &y->bounds))
			return false;
	}
	return true;
}

static bool access_equal(const struct conf_service *a,
			 const struct conf_service *b)
{
	const struct access_rules *x = &a->access, *y = &b->access;

	return x->has_allow == y->has_allow &&
	       a->proxy_from_unix == b->proxy_from_unix &&
	       networks_equal(x->allow, x->allow_count, y->allow,
			      y->allow_count) &&
	       networks_equal(x->deny, x->deny_count, y->deny, y->deny_count) &&
	       networks_equal(a->proxy_from, a->proxy_from_count, b->proxy_from,
			      b->proxy_from_count);
}

static bool lists_equal(const char *const *a, size_t a_count,
			const char *const *b, size_t b_count)
{
	size_t i;

	if (a_count != b_count)
		return false;
	for (i = 0; i < a_count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool web_equal(const struct conf_web *a, const struct conf_web *b)
{
	return a->ping_ms == b->ping_ms && a->page == b->page &&
	       lists_equal(a->origins, a->origin_count, b->origins,
			   b->origin_count);
}

unsigned conf_service_changes(const struct conf_service *a,
			      const struct conf_service *b)
{
	unsigned changes = 0;

	if (a->module != b->module || !texts_equal(a->protocol, b->protocol))
		changes |= CONF_CHANGE_PROTOCOL;
	if (!listens_equal(a, b))
		changes |= CONF_CHANGE_LISTEN;
	if (!bounds_equal(&a->bounds, &b->bounds) || !classes_equal(a, b))
		changes |= CONF_CHANGE_LIMITS;
	if (memcmp(&a->framing, &b->framing, sizeof(a->framing)) != 0)
		changes |= CONF_CHANGE_FRAMING;
	if (!access_equal(a, b))
		changes |= CONF_CHANGE_ACCESS;
	if (!web_equal(&a->web, &b->web))
		changes |= CONF_CHANGE_WEB;
	if (a->cluster != b->cluster)
		changes |= CONF_CHANGE_CLUSTER;
	if (!tls_lists_equal(a, b))
		changes |= CONF_CHANGE_TLS;
	if (!conf_options_equal(a, b))
		changes |= CONF_CHANGE_OPTIONS;
	return changes;
}

bool conf_cluster_equal(const struct conf_cluster *a,
			const struct conf_cluster *b)
{
	return a->is_set == b->is_set && a->lease_ms == b->lease_ms &&
	       broker_settings_equal(&a->broker, &b->broker);
}
