/* SPDX-License-Identifier: MIT */
/* Reads the section `cluster`: the broker's servers, how to connect to them,
 * and this node's name. */
#include "config.h"

#include "config/conf_build.h"

#include <string.h>
#include <unistd.h>

#include "config/conf_value.h"

#define CLUSTER_NAME_MAX   64
#define CLUSTER_PREFIX_MAX 32
#define CLUSTER_LEASE_MIN  1000
#define CLUSTER_LEASE_MAX  (10 * 60 * 1000)

struct cluster {
	struct lined_option_list servers;
	const char *name, *prefix, *user, *password, *token, *credentials;
	const char *tls_ca, *tls_certificate, *tls_key;
	int64_t lease_ms;
};

static const struct lined_option cluster_table[] = {
	{LINED_OPTION("servers", LIST, struct cluster, servers)},
	{LINED_OPTION("name", STRING, struct cluster, name)},
	{LINED_OPTION("prefix", STRING, struct cluster, prefix),
	 .fallback = "lined"},
	{LINED_OPTION("user", STRING, struct cluster, user)},
	{LINED_OPTION("password", STRING, struct cluster, password)},
	{LINED_OPTION("token", STRING, struct cluster, token)},
	{LINED_OPTION("credentials", STRING, struct cluster, credentials)},
	{LINED_OPTION("tls-ca", STRING, struct cluster, tls_ca)},
	{LINED_OPTION("tls-certificate", STRING, struct cluster,
		      tls_certificate)},
	{LINED_OPTION("tls-key", STRING, struct cluster, tls_key)},
	{LINED_OPTION("lease", DURATION, struct cluster, lease_ms),
	 .fallback = "15s", .min = CLUSTER_LEASE_MIN, .max = CLUSTER_LEASE_MAX},
	{.name = NULL},
};

/* Returns why the text is not the address of a server; NULL: the text is one.
 */
static const char *cluster_misaddressed(const char *text)
{
	const char *host, *port;
	int64_t number;
	bool secure = strncmp(text, "tls://", 6) == 0;
	size_t len;

	if (!secure && strncmp(text, "nats://", 7) != 0)
		return "is not nats://HOST:PORT or tls://HOST:PORT";
	if (secure && !tls_available())
		return "needs OpenSSL, lined was built without "
		       "(--without-openssl)";
	host = text + (secure ? 6 : 7);
	if (strchr(host, '@') != NULL)
		return "user, password and token are keys of their own";
	len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	port = host + len;
	if (len == 0 || (host[0] == '[' && port[-1] != ']'))
		return "has no host";
	if (port[0] != ':' ||
	    conf_value_integer(port + 1, &number) != CONF_VALUE_OK ||
	    number < 1 || number > 65535)
		return "has no port (nats-server listens on 4222)";
	return NULL;
}

static void cluster_read_servers(const struct conf_section *section,
				 const struct cluster *read)
{
	struct broker_settings *broker = &section->build->conf->cluster.broker;
	const struct conf_key *key = conf_section_key(section, "servers");
	const struct conf_value *value;
	char quoted[CONF_QUOTED_MAX];
	const char *why;

	if (key == NULL || key->count == 0) {
		conf_error_in(section, conf_section_place(section, "servers"),
			      key != NULL ? "servers is empty"
					  : "servers is missing");
		return;
	}
	for (value = key->values; value != NULL; value = value->next) {
		why = cluster_misaddressed(value->text);
		if (why == NULL && value->text[0] != key->values->text[0])
			why = "is another scheme: TLS is for all servers or "
			      "for none";
		if (why != NULL)
			conf_error_in(section, &value->place,
				      "servers: \"%s\" %s",
				      conf_quoted(value->text, quoted), why);
	}
	broker->servers = read->servers.items;
	broker->server_count = read->servers.count;
}

/* Reads a name that becomes a part of NATS's subjects or bucket names. */
static const char *cluster_read_word(const struct conf_section *section,
				     const char *name, const char *text,
				     const char *allowed, size_t max)
{
	char quoted[CONF_QUOTED_MAX];
	size_t len = strlen(text);

	if (len > 0 && len <= max && strspn(text, allowed) == len)
		return text;
	conf_error_in(section, conf_section_place(section, name),
		      "%s: \"%s\" is not 1 to %zu of A-Z a-z 0-9 %s", name,
		      conf_quoted(text, quoted), max, allowed + 62);
	return NULL;
}

#define LETTERS_AND_DIGITS                                                     \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static void cluster_read_names(const struct conf_section *section,
			       const struct cluster *read)
{
	struct broker_settings *broker = &section->build->conf->cluster.broker;
	const char *name = read->name;
	char host[256] = "";

	if (conf_section_key(section, "name") == NULL) {
		gethostname(host, sizeof(host) - 1);
		name = pool_strdup(section->pool, host);
		if (name == NULL)
			return;
	}
	broker->name =
		cluster_read_word(section, "name", name,
				  LETTERS_AND_DIGITS "_.-", CLUSTER_NAME_MAX);
	broker->prefix =
		cluster_read_word(section, "prefix", read->prefix,
				  LETTERS_AND_DIGITS "_-", CLUSTER_PREFIX_MAX);
}

static const char *cluster_read_file(const struct conf_section *section,
				     const char *name, const char *text)
{
	bool unread;

	return conf_tls_file(section, name, text, &unread);
}

/* Reports a key that is set without the key that it needs. */
static void cluster_check_pair(const struct conf_section *section,
			       const char *a, const char *b)
{
	const struct conf_key *x = conf_section_key(section, a);
	const struct conf_key *y = conf_section_key(section, b);

	if ((x == NULL) != (y == NULL))
		conf_error_in(section, x != NULL ? &x->place : &y->place,
			      "%s needs %s", x != NULL ? a : b,
			      x != NULL ? b : a);
}

static void cluster_check_ways(const struct conf_section *section)
{
	static const char *const ways[] = {"user", "token", "credentials"};
	const struct conf_key *first = NULL, *key;
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		key = conf_section_key(section, ways[i]);
		if (key != NULL && first != NULL)
			conf_error_in(section, &key->place,
				      "%s: %s says already who this node is",
				      key->name, first->name);
		first = first != NULL ? first : key;
	}
}

void conf_cluster_read(const struct conf_section *section)
{
	struct conf_cluster *cluster = &section->build->conf->cluster;
	struct broker_settings *broker = &cluster->broker;
	struct cluster read;

	if (section->node == NULL)
		return;
	cluster->is_set = true;
	conf_section_fill(section, cluster_table, &read);
	if (!broker_available())
		conf_error_in(section, &section->node->place,
			      "lined was built without libnats "
			      "(--without-nats)");
	cluster_read_servers(section, &read);
	cluster_read_names(section, &read);
	broker->user = conf_section_text(section, "user", read.user);
	broker->password =
		conf_section_text(section, "password", read.password);
	broker->token = conf_section_text(section, "token", read.token);
	broker->credentials =
		cluster_read_file(section, "credentials", read.credentials);
	broker->tls_ca = cluster_read_file(section, "tls-ca", read.tls_ca);
	broker->tls_certificate = cluster_read_file(section, "tls-certificate",
						    read.tls_certificate);
	broker->tls_key = cluster_read_file(section, "tls-key", read.tls_key);
	cluster->lease_ms = (uint32_t)read.lease_ms;
	cluster_check_pair(section, "user", "password");
	cluster_check_pair(section, "tls-certificate", "tls-key");
	cluster_check_ways(section);
}

void conf_cluster_check_used(const struct conf_section *root)
{
	const struct conf *conf = root->build->conf;
	const struct conf_node *node = root->node->children;
	size_t i;

	/* No warning after errors: an error may be the reason why no service
	 * uses the section. */
	if (!conf->cluster.is_set || root->report->errors->errors.count > 0)
		return;
	for (i = 0; i < conf->service_count; i++)
		if (conf->services[i].cluster)
			return;
	while (strcmp(node->name, "cluster") != 0)
		node = node->next;
	conf_warning_with(root->report, "cluster", &node->place,
			  "no service has cluster = true: nothing is shared "
			  "with other nodes");
}
