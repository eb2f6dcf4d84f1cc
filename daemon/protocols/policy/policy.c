/* SPDX-License-Identifier: MIT */
/*
 * policy: greylisting for Postfix with its policy delegation protocol
 * (SMTPD_POLICY_README of Postfix). The first mail with a new combination of
 * client, sender and recipient is deferred. An example of requests of many
 * lines, and of a table whose entries expire.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lined/address.h>
#include <lined/protocol.h>

#include "policy/sender.h"
#include "policy/whitelist.h"

#define VALUE_MAX 512
#define ERROR_MAX 1024

enum policy_by { BY_NETWORK, BY_ADDRESS };

struct policy_options {
	int64_t delay, retry, lifetime, memory;
	const char *action, *whitelist_clients, *whitelist_recipients;
	enum policy_by by;
	int64_t ipv4_prefix, ipv6_prefix;
};

/* The data of the instance, which serves all clients. */
struct policy_lists {
	struct whitelist clients, recipients;
};

/* The attributes of a request read so far; longer values are cut. */
struct policy_request {
	char type[VALUE_MAX], address[VALUE_MAX], name[VALUE_MAX];
	char sender[VALUE_MAX], recipient[VALUE_MAX];
};

/* Counts triplets that were evicted for lack of room or memory. */
static void policy_count_evicted(struct lined_service *service,
				 struct lined_table *table)
{
	lined_service_count(service, "evictions",
			    lined_table_take_evicted(table));
}

/*
 * Whether the delay has passed for a key. An entry's tag is the time when the
 * delay ends. The entry is kept for `retry` after the delay, and for `lifetime`
 * after each request that passes. If no entry can be stored, the request
 * passes: otherwise the mail would be deferred for ever.
 */
static bool policy_has_waited(struct lined_service *service, const char *key)
{
	const struct policy_options *options = lined_service_options(service);
	struct lined_table *table =
		lined_service_table(service, (size_t)options->memory);
	const struct lined_table_entry *known =
		lined_table_find(table, key, strlen(key));
	uint64_t now_ms =
		lined_dispatcher_now_ms(lined_service_dispatcher(service));
	struct lined_table_entry entry = {
		.tag = known != NULL ? known->tag
				     : now_ms + (uint64_t)options->delay,
	};
	int error;

	if (known == NULL)
		entry.expires_ms = entry.tag + (uint64_t)options->retry;
	else if (known->tag <= now_ms)
		entry.expires_ms = now_ms + (uint64_t)options->lifetime;
	else
		return false;
	/* While memory is short the table does not grow: the least recently
	 * used keys are evicted. */
	if (!lined_service_may_keep(service, 0))
		lined_table_set_max(table, lined_table_bytes(table));
	error = lined_table_put(table, key, strlen(key), &entry) < 0 ? errno
								     : 0;
	policy_count_evicted(service, table);
	if (error == 0)
		return entry.tag <= now_ms;
	lined_service_log(service, LINED_LOG_WARNING,
			  "a sender cannot be remembered, it passes: %s",
			  strerror(error));
	return true;
}

/* Makes the client's part of the key. A mail server with several addresses may
 * retry from another address, mostly in the same network. */
static void policy_client_key(const struct policy_options *options,
			      const char *address, char key[VALUE_MAX])
{
	struct lined_address parsed;
	struct lined_network network;

	if (options->by == BY_NETWORK &&
	    lined_address_parse(&parsed, address) == 0 &&
	    lined_network_of(&network, &parsed.any,
			     (unsigned)options->ipv4_prefix,
			     (unsigned)options->ipv6_prefix))
		lined_network_format(&network, key, VALUE_MAX);
	else
		snprintf(key, VALUE_MAX, "%s", address);
}

static bool policy_is_whitelisted(struct lined_service *service,
				  const struct policy_request *request)
{
	const struct policy_lists *lists = lined_service_data(service);

	return whitelist_has_client(&lists->clients, request->address,
				    request->name) ||
	       whitelist_has_recipient(&lists->recipients, request->recipient);
}

/* Answers a request. Without an address or a recipient (DATA with several
 * recipients) there is no key, and the request passes. The sender may be
 * empty: that of a bounce is. */
static void policy_answer(struct lined_socket *client,
			  const struct policy_request *request)
{
	struct lined_service *service = lined_client_service(client);
	const struct policy_options *options = lined_service_options(service);
	char from[VALUE_MAX], sender[VALUE_MAX], key[3 * VALUE_MAX], *c;
	const char *verdict = "passed";

	policy_client_key(options, request->address, from);
	sender_fold(sender, sizeof(sender), request->sender);
	snprintf(key, sizeof(key), "%s/%s/%s", from, sender,
		 request->recipient);
	for (c = key; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	if (policy_is_whitelisted(service, request))
		verdict = "whitelisted";
	else if (request->address[0] != '\0' && request->recipient[0] != '\0' &&
		 !policy_has_waited(service, key))
		verdict = "deferred";
	lined_service_count(service, verdict, 1);
	lined_service_log(service, LINED_LOG_INFO, "%s: %s", verdict, key);
	lined_socket_printf(client, "action=%s\n\n",
			    strcmp(verdict, "deferred") == 0 ? options->action
							     : "dunno");
}

/* ---- lines ------------------------------------------------------------ */

static bool policy_take(const struct lined_line *line, const char *name,
			char value[VALUE_MAX])
{
	size_t len = strlen(name);

	if (line->len <= len || memcmp(line->text, name, len) != 0 ||
	    line->text[len] != '=')
		return false;
	snprintf(value, VALUE_MAX, "%s", line->text + len + 1);
	return true;
}

/* Handles an attribute, or the empty line after the last attribute. A malformed
 * request gets no answer, and the connection is closed; Postfix then tries
 * again. */
static void policy_handle_line(struct lined_socket *client,
			       const struct lined_line *line)
{
	struct policy_request *request = lined_client_data(client);
	const char *fault = NULL;

	if (line->len > 0 && memchr(line->text, '=', line->len) == NULL)
		fault = "not an attribute";
	else if (line->len > 0)
		(void)(policy_take(line, "request", request->type) ||
		       policy_take(line, "client_address", request->address) ||
		       policy_take(line, "client_name", request->name) ||
		       policy_take(line, "sender", request->sender) ||
		       policy_take(line, "recipient", request->recipient));
	else if (strcmp(request->type, "smtpd_access_policy") != 0)
		fault = "no request of type smtpd_access_policy";
	else
		policy_answer(client, request);
	if (line->len == 0)
		memset(request, 0, sizeof(*request));
	if (fault == NULL)
		return;
	lined_service_log(lined_client_service(client), LINED_LOG_WARNING,
			  "client %s: %s", lined_client_peer(client), fault);
	lined_socket_close_for(client, LINED_CLOSE_ERROR, EPROTO);
}

/* ---- the service ------------------------------------------------------ */

/* Loads both lists. -1: a file cannot be read or is malformed, and its list is
 * unchanged. error names the option, the file and the line; if both files are
 * bad, those of whitelist-clients. */
static int policy_load_lists(struct policy_lists *lists,
			     const struct policy_options *options, char *error,
			     size_t size)
{
	char wrong[ERROR_MAX];
	int rc = 0;

	if (whitelist_load(&lists->recipients, options->whitelist_recipients,
			   wrong, sizeof(wrong)) < 0) {
		snprintf(error, size, "whitelist-recipients: %s", wrong);
		rc = -1;
	}
	if (whitelist_load(&lists->clients, options->whitelist_clients, wrong,
			   sizeof(wrong)) < 0) {
		snprintf(error, size, "whitelist-clients: %s", wrong);
		rc = -1;
	}
	return rc;
}

static void policy_free_lists(struct policy_lists *lists)
{
	whitelist_fini(&lists->clients);
	whitelist_fini(&lists->recipients);
}

static int policy_check(const void *values, char *error, size_t size)
{
	const struct policy_options *options = values;
	struct policy_lists lists = {0};
	const char *c = options->action;
	int rc;

	while (isprint((unsigned char)*c))
		c++;
	if (*c != '\0' || c == options->action) {
		snprintf(error, size,
			 "action: one line, of an access(5) table");
		return -1;
	}
	rc = policy_load_lists(&lists, options, error, size);
	policy_free_lists(&lists);
	return rc;
}

/* Loads the lists again, because a file may have changed after the check. */
static void policy_reload(struct lined_service *service)
{
	struct policy_lists *lists = lined_service_data(service);
	char error[ERROR_MAX + 64];

	/* All clients are on the primary worker (LINED_ONE_WORKER): only it
	 * loads lists. */
	if (lined_service_is_primary(service) &&
	    policy_load_lists(lists, lined_service_options(service), error,
			      sizeof(error)) < 0)
		lined_service_log(service, LINED_LOG_WARNING, "%s", error);
}

static int policy_start(struct lined_service *service)
{
	policy_reload(service);
	return 0;
}

static void policy_stop(struct lined_service *service)
{
	policy_free_lists(lined_service_data(service));
}

#define OPTION(NAME, TYPE, MEMBER)                                             \
	LINED_OPTION(NAME, TYPE, struct policy_options, MEMBER)

static const char *const policy_by_words[] = {"network", "address", NULL};

static const struct lined_option policy_options[] = {
	{OPTION("delay", DURATION, delay), .fallback = "1m"},
	{OPTION("retry", DURATION, retry), .fallback = "48h"},
	{OPTION("lifetime", DURATION, lifetime), .fallback = "840h"},
	{OPTION("memory", SIZE, memory), .fallback = "16M"},
	{OPTION("action", STRING, action),
	 .fallback = "defer_if_permit Service temporarily unavailable"},
	{OPTION("by", CHOICE, by), .fallback = "network",
	 .choices = policy_by_words},
	{OPTION("ipv4-prefix", INTEGER, ipv4_prefix), .fallback = "24",
	 .min = 1, .max = 32},
	{OPTION("ipv6-prefix", INTEGER, ipv6_prefix), .fallback = "64",
	 .min = 1, .max = 128},
	{OPTION("whitelist-clients", STRING, whitelist_clients)},
	{OPTION("whitelist-recipients", STRING, whitelist_recipients)},
	{.name = NULL},
};

static void policy_give_up(struct lined_service *service, uint64_t bytes,
			   bool spare)
{
	const struct policy_options *options = lined_service_options(service);
	struct lined_table *table =
		lined_service_table(service, (size_t)options->memory);
	size_t before = lined_table_bytes(table);

	if (spare)
		return;
	lined_table_set_max(table, before > bytes ? before - (size_t)bytes : 0);
	policy_count_evicted(service, table);
}

static uint64_t policy_keeps_most(const void *options, size_t line_length,
				  uint64_t clients, unsigned workers)
{
	return (uint64_t)((const struct policy_options *)options)->memory;
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "policy",
	.summary = "greylisting for Postfix, by policy delegation",
	.flags = LINED_ONE_WORKER,
	.handle_line = policy_handle_line,
	.client_size = sizeof(struct policy_request),
	.instance_size = sizeof(struct policy_lists),
	.options = policy_options,
	.options_size = sizeof(struct policy_options),
	.check = policy_check,
	.start = policy_start,
	.stop = policy_stop,
	.reload = policy_reload,
	.give_up = policy_give_up,
	.keeps_most = policy_keeps_most,
};
