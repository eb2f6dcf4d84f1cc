/* SPDX-License-Identifier: MIT */
/* Finds the module of a service's protocol, and reads the section of the
 * protocol's name into the module's options. */
#include "config.h"

#include "config/conf_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/conf_protocol.h"
#include "system/crash.h"

#define PROTOCOL_NAME_MAX 64

/* Whether this is a protocol's name by lined/protocol.h. The name becomes part
 * of a path: a name with a slash could load any file. */
static bool protocol_is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= PROTOCOL_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

const struct lined_protocol conf_protocol_unloaded = {
	.name = "",
	.transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM,
};

/* For a module that is not loaded: its keys cannot be checked, so this marks
 * all of them as used. */
static void protocol_pass_over(struct conf_node *node,
			       struct conf_service *service)
{
	struct conf_node *child;
	struct conf_key *key;

	service->options_text = "";
	if (node == NULL)
		return;
	node->used = true;
	for (key = node->keys; key != NULL; key = key->next)
		key->used = true;
	for (child = node->children; child != NULL; child = child->next)
		protocol_pass_over(child, service);
}

static void protocol_load(const struct conf_section *section,
			  const struct conf_place *place,
			  struct conf_service *service)
{
	const struct conf_build *build = section->build;
	char error[1024] = "not found";

	service->module = build->env->find_protocol(
		build->env->arg, build->conf->module_dir, service->protocol,
		error, sizeof(error));
	if (service->module == NULL)
		conf_error_in(section, place, "protocol %s: %s",
			      service->protocol, error);
}

void conf_protocol_find(const struct conf_section *section,
			struct conf_service *service)
{
	const struct conf_key *key = conf_section_key(section, "protocol");
	char quoted[CONF_QUOTED_MAX];

	if (key == NULL)
		conf_error_in(section, &section->node->place,
			      "protocol is missing");
	else if (service->protocol == NULL)
		return;
	else if (!protocol_is_name(service->protocol))
		conf_error_in(section, &key->place,
			      "protocol: \"%s\" is not a name (a-z 0-9 _ -)",
			      conf_quoted(service->protocol, quoted));
	else
		protocol_load(section, &key->place, service);
}

/* ---- the protocol's options ------------------------------------------ */

/* The argument of the module's check_options(). */
struct lined_check {
	const struct conf_section *section;
	const struct conf_service *service;
};

bool conf_check_is_set(const struct lined_check *check, const char *option)
{
	return conf_section_key(check->section, option) != NULL;
}

bool conf_check_listens(const struct lined_check *check,
			const struct sockaddr *address, int type)
{
	return listen_addresses_are_reached(check->service->listen,
					    check->service->listen_count,
					    address, type);
}

/* The place of the protocol's section, or of the service if the section is
 * missing. */
static const struct conf_place *
protocol_place(const struct conf_section *section,
	       const struct conf_service *service)
{
	return section->node != NULL ? &section->node->place : &service->place;
}

void conf_check_report(struct lined_check *check, bool is_error,
		       const char *option, const char *format, va_list args)
{
	const struct conf_section *section = check->section;
	const struct conf_key *key = conf_section_key(section, option);
	const struct conf_place *place =
		key != NULL ? &key->place
			    : protocol_place(section, check->service);
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	(is_error ? conf_error_with
		  : conf_warning_with)(section->report, section->context, place,
				       "%s: %s", option, text);
}

static void protocol_check_options(const struct conf_section *section,
				   const struct conf_service *service)
{
	const struct lined_protocol *module = service->module;
	struct lined_check check = {section, service};
	char error[512] = "the options are refused", doing[128];
	bool visiting;

	snprintf(doing, sizeof(doing), "protocol %s, checking its options",
		 service->protocol);
	if (conf_build_is_blind(section->build) ||
	    (module->check == NULL && module->check_options == NULL))
		return;
	/* Check with the rights of the config's user: the module will open
	 * files and run programs with these rights. */
	visiting = privileges_visit_begin(section->build->visit);
	crash_doing(doing);
	if (module->check != NULL &&
	    module->check(service->options, error, sizeof(error)) != 0)
		conf_error_in(section, protocol_place(section, service), "%s",
			      error);
	if (module->check_options != NULL)
		module->check_options(&check, service->options);
	crash_doing(NULL);
	if (visiting)
		privileges_visit_end(section->build->visit);
}

void conf_protocol_read(const struct conf_section *section,
			struct conf_service *service)
{
	static const struct lined_option none[] = {{.name = NULL}};
	const struct lined_protocol *module = service->module;
	const struct lined_option *table = module->options;
	void *values = NULL;
	unsigned errors;

	if (module == &conf_protocol_unloaded) {
		protocol_pass_over(section->node, service);
		return;
	}
	if (table == NULL || module->options_size == 0)
		table = none;
	if (module->options_size > 0) {
		values = pool_alloc(section->pool, module->options_size);
		if (values == NULL)
			return;
	}
	errors = conf_section_fill(section, table, values);
	service->options = values;
	if (errors > 0)
		return;
	service->options_text = conf_section_values(section, table, values);
	if (service->options_text != NULL)
		protocol_check_options(section, service);
}

void conf_protocol_use(const struct conf_section *section,
		       const struct conf_place *place,
		       struct conf_service *service)
{
	struct conf_section none = *section;

	none.node = NULL;
	service->options_text = "";
	protocol_load(section, place, service);
	if (service->module == NULL)
		return;
	conf_protocol_read(&none, service);
	conf_framing_read(&none, service);
}
