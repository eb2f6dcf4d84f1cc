/* SPDX-License-Identifier: MIT */
/* Reads lists of networks, and the `access` section of a service. */
#include "config.h"

#include "config/conf_build.h"

#include <string.h>

struct access {
	struct lined_option_list allow, deny;
};

static const struct lined_option access_table[] = {
	{LINED_OPTION("allow", LIST, struct access, allow)},
	{LINED_OPTION("deny", LIST, struct access, deny)},
	{.name = NULL},
};

const struct lined_network *
conf_access_networks(const struct conf_section *section, const char *name,
		     size_t *count, bool *local)
{
	const struct conf_key *key = conf_section_key(section, name);
	const struct conf_value *value;
	struct lined_network *networks;
	char quoted[CONF_QUOTED_MAX];

	*count = 0;
	if (key == NULL)
		return NULL;
	networks = pool_array(section->pool, key->count, sizeof(*networks));
	if (networks == NULL)
		return NULL;
	for (value = key->values; value != NULL; value = value->next) {
		if (local != NULL && strcmp(value->text, "unix") == 0) {
			*local = true;
			continue;
		}
		switch (lined_network_parse(&networks[*count], value->text)) {
		case LINED_NETWORK_BAD:
			conf_error_in(section, &value->place,
				      "%s: \"%s\" is not a network "
				      "(192.0.2.0/24, 2001:db8::/32%s)",
				      name, conf_quoted(value->text, quoted),
				      local != NULL ? ", unix" : "");
			continue;
		case LINED_NETWORK_HOST_BITS:
			conf_warning_in(section, &value->place,
					"%s: %s has bits past its prefix, "
					"which do not count",
					name, value->text);
			break;
		case LINED_NETWORK_OK:
			break;
		}
		(*count)++;
	}
	return networks;
}

void conf_access_read(const struct conf_section *section,
		      struct conf_service *service)
{
	struct access_rules *access = &service->access;
	struct access unused;

	/* Only checks the keys: the values are read below, with their places.
	 */
	conf_section_fill(section, access_table, &unused);
	access->has_allow = conf_section_key(section, "allow") != NULL;
	access->allow = conf_access_networks(section, "allow",
					     &access->allow_count, NULL);
	access->deny = conf_access_networks(section, "deny",
					    &access->deny_count, NULL);
}
