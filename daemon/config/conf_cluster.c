/* SPDX-License-Identifier: MIT */
/*
 * The section `cluster`: how this node reaches the broker, and its name there.
 */
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

/* Why the text is not the address of a server; NULL: it is one. */
static const char *cluster_misaddressed(const char *text)
{
	const char *host = text + 7, *port;
	int64_t number;
	size_t len;

	if (strncmp(text, "tls://", 6) == 0)
		host = text + 6;
	else if (strncmp(text, "nats://", 7) != 0)
		return "is not nats://HOST:PORT or tls://HOST:PORT";
	if (host == text + 6 && !tls_available())
		return "needs OpenSSL, lined was built without "
		       "(--without-openssl)";
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

static void cluster_read_servers(struct conf_build *build,
				 const struct conf_node *node,
				 const struct cluster *read)
{
	const struct conf_key *key = conf_options_key(node, "servers");
	const struct conf_value *value;
	char quoted[CONF_QUOTED_MAX];
	const char *why;

	if (key == NULL || key->count == 0) {
		conf_error_in(&build->report, "cluster",
			      key != NULL ? &key->place : &node->place,
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
			conf_error_in(&build->report, "cluster", &value->place,
				      "servers: \"%s\" %s",
				      conf_quoted(value->text, quoted), why);
	}
	build->conf->cluster.broker.servers = read->servers.items;
	build->conf->cluster.broker.server_count = read->servers.count;
}

/* Reads a name that becomes a part of NATS's subjects or bucket names. */
static const char *cluster_read_word(struct conf_build *build,
				     const struct conf_node *node,
				     const char *name, const char *text,
				     const char *allowed, size_t max)
{
	const struct conf_key *key = conf_options_key(node, name);
	char quoted[CONF_QUOTED_MAX];
	size_t len = strlen(text);

	if (len > 0 && len <= max && strspn(text, allowed) == len)
		return text;
	conf_error_in(&build->report, "cluster",
		      key != NULL ? &key->place : &node->place,
		      "%s: \"%s\" is not 1 to %zu of A-Z a-z 0-9 %s", name,
		      conf_quoted(text, quoted), max, allowed + 62);
	return NULL;
}

#define LETTERS_AND_DIGITS                                                     \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static void cluster_read_names(struct conf_build *build,
			       const struct conf_node *node,
			       const struct cluster *read)
{
	struct broker_settings *broker = &build->conf->cluster.broker;
	const char *name = read->name;
	char host[256] = "";

	if (conf_options_key(node, "name") == NULL) {
		gethostname(host, sizeof(host) - 1);
		name = pool_strdup(build->conf->pool, host);
		if (name == NULL) {
			conf_build_oom(build);
			return;
		}
	}
	broker->name =
		cluster_read_word(build, node, "name", name,
				  LETTERS_AND_DIGITS "_.-", CLUSTER_NAME_MAX);
	broker->prefix =
		cluster_read_word(build, node, "prefix", read->prefix,
				  LETTERS_AND_DIGITS "_-", CLUSTER_PREFIX_MAX);
}

static const char *cluster_read_file(struct conf_build *build,
				     const struct conf_node *node,
				     const char *name, const char *text)
{
	bool unread;

	return conf_tls_file(build, "cluster", node, name, text, &unread);
}

/* Reports a key that is set without the key that it needs. */
static void cluster_check_pair(struct conf_build *build,
			       const struct conf_node *node, const char *a,
			       const char *b)
{
	const struct conf_key *x = conf_options_key(node, a);
	const struct conf_key *y = conf_options_key(node, b);

	if ((x == NULL) != (y == NULL))
		conf_error_in(&build->report, "cluster",
			      x != NULL ? &x->place : &y->place, "%s needs %s",
			      x != NULL ? a : b, x != NULL ? b : a);
}

static void cluster_check_ways(struct conf_build *build,
			       const struct conf_node *node)
{
	static const char *const ways[] = {"user", "token", "credentials"};
	const struct conf_key *first = NULL, *key;
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		key = conf_options_key(node, ways[i]);
		if (key != NULL && first != NULL)
			conf_error_in(&build->report, "cluster", &key->place,
				      "%s: %s says already who this node is",
				      key->name, first->name);
		first = first != NULL ? first : key;
	}
}

void conf_cluster_read(struct conf_build *build, struct conf_node *node)
{
	struct conf_options options = conf_build_options(build, "cluster");
	struct conf_cluster *cluster = &build->conf->cluster;
	struct broker_settings *broker = &cluster->broker;
	struct cluster read;

	if (node == NULL)
		return;
	cluster->is_set = true;
	conf_options_fill(&options, node, cluster_table, &read);
	if (!broker_available())
		conf_error(&build->report, &node->place,
			   "cluster: lined was built without libnats "
			   "(--without-nats)");
	cluster_read_servers(build, node, &read);
	cluster_read_names(build, node, &read);
	broker->user =
		conf_build_text(build, "cluster", node, "user", read.user);
	broker->password = conf_build_text(build, "cluster", node, "password",
					   read.password);
	broker->token =
		conf_build_text(build, "cluster", node, "token", read.token);
	broker->credentials =
		cluster_read_file(build, node, "credentials", read.credentials);
	broker->tls_ca = cluster_read_file(build, node, "tls-ca", read.tls_ca);
	broker->tls_certificate = cluster_read_file(
		build, node, "tls-certificate", read.tls_certificate);
	broker->tls_key =
		cluster_read_file(build, node, "tls-key", read.tls_key);
	cluster->lease_ms = (uint32_t)read.lease_ms;
	cluster_check_pair(build, node, "user", "password");
	cluster_check_pair(build, node, "tls-certificate", "tls-key");
	cluster_check_ways(build, node);
}

void conf_cluster_check_used(struct conf_build *build)
{
	const struct conf_node *node = build->tree.root.children;
	size_t i;

	/* No warning after errors: an error may be the reason why no service
	 * uses the section. */
	if (!build->conf->cluster.is_set ||
	    build->report.errors->errors.count > 0)
		return;
	for (i = 0; i < build->conf->service_count; i++)
		if (build->conf->services[i].cluster)
			return;
	while (strcmp(node->name, "cluster") != 0)
		node = node->next;
	conf_warning_in(&build->report, "cluster", &node->place,
			"no service has cluster = true: nothing is shared with "
			"other nodes");
}
