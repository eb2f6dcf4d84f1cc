/* SPDX-License-Identifier: MIT */
/*
 * policy: greylisting for Postfix, by its policy delegation protocol (Postfix's
 * SMTPD_POLICY_README): who writes to somebody for the first time is asked to
 * come again later. The example of a request of many lines, and of a memory
 * that forgets by itself.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lined/protocol.h>

#define VALUE_MAX 512

struct options {
	int64_t delay, retry, lifetime, memory;
	const char *action;
};

/* What a client has said of its request so far; what is longer is cut. */
struct request {
	char type[VALUE_MAX], address[VALUE_MAX];
	char sender[VALUE_MAX], recipient[VALUE_MAX];
};

/*
 * Whether these three have let the delay pass. An entry's tag is when it has:
 * it stays for as long as they may come again, then for as long as they are
 * known. Who cannot be remembered would wait for ever.
 */
static bool has_waited(struct lined_service *service, const char *key)
{
	const struct options *options = lined_service_options(service);
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

	if (known == NULL)
		entry.expires_ms = entry.tag + (uint64_t)options->retry;
	else if (known->tag <= now_ms)
		entry.expires_ms = now_ms + (uint64_t)options->lifetime;
	else
		return false;
	return lined_table_put(table, key, strlen(key), &entry) < 0 ||
	       entry.tag <= now_ms;
}

static void answer(struct lined_socket *client, const struct request *request)
{
	struct lined_service *service = lined_client_service(client);
	const struct options *options = lined_service_options(service);
	char key[3 * VALUE_MAX], *c;
	bool passes;

	snprintf(key, sizeof(key), "%s/%s/%s", request->address,
		 request->sender, request->recipient);
	for (c = key; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	/* Without these, as for many recipients at once, there is nothing to
	 * go by. Without a sender it is a bounce. */
	passes = request->address[0] == '\0' || request->recipient[0] == '\0' ||
		 has_waited(service, key);
	lined_service_count(service, passes ? "passed" : "deferred", 1);
	lined_service_log(service, LINED_LOG_INFO, "%s: %s",
			  passes ? "passed" : "deferred", key);
	lined_socket_printf(client, "action=%s\n\n",
			    passes ? "dunno" : options->action);
}

static bool take(const struct lined_line *line, const char *name,
		 char value[VALUE_MAX])
{
	size_t len = strlen(name);

	if (line->len <= len || memcmp(line->text, name, len) != 0 ||
	    line->text[len] != '=')
		return false;
	snprintf(value, VALUE_MAX, "%s", line->text + len + 1);
	return true;
}

/* An attribute, or the empty line behind the last. In case of trouble there is
 * no answer: Postfix tries again by itself. */
static void handle_line(struct lined_socket *client,
			const struct lined_line *line)
{
	struct request *request = lined_client_data(client);
	const char *trouble = NULL;

	if (line->len > 0 && memchr(line->text, '=', line->len) == NULL)
		trouble = "not an attribute";
	else if (line->len > 0)
		(void)(take(line, "request", request->type) ||
		       take(line, "client_address", request->address) ||
		       take(line, "sender", request->sender) ||
		       take(line, "recipient", request->recipient));
	else if (strcmp(request->type, "smtpd_access_policy") != 0)
		trouble = "no request of type smtpd_access_policy";
	else
		answer(client, request);
	if (line->len == 0)
		memset(request, 0, sizeof(*request));
	if (trouble == NULL)
		return;
	lined_service_log(lined_client_service(client), LINED_LOG_WARNING,
			  "client %s: %s", lined_client_peer(client), trouble);
	lined_socket_close_for(client, LINED_CLOSE_ERROR, EPROTO);
}

/* ---- the service ------------------------------------------------------ */

static int check(const void *values, char *error, size_t size)
{
	const struct options *options = values;
	const char *c = options->action;

	while (isprint((unsigned char)*c))
		c++;
	if (*c == '\0' && c > options->action)
		return 0;
	snprintf(error, size, "action: one line, of an access(5) table");
	return -1;
}

#define OPTION(NAME, TYPE, MEMBER)                                             \
	LINED_OPTION(NAME, TYPE, struct options, MEMBER)

static const struct lined_option option_table[] = {
	{OPTION("delay", DURATION, delay), .fallback = "1m"},
	{OPTION("retry", DURATION, retry), .fallback = "48h"},
	{OPTION("lifetime", DURATION, lifetime), .fallback = "840h"},
	{OPTION("memory", SIZE, memory), .fallback = "16M"},
	{OPTION("action", STRING, action),
	 .fallback = "defer_if_permit Service temporarily unavailable"},
	{.name = NULL},
};

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "policy",
	.summary = "greylisting for Postfix, by policy delegation",
	.flags = LINED_ONE_WORKER,
	.handle_line = handle_line,
	.client_size = sizeof(struct request),
	.options = option_table,
	.options_size = sizeof(struct options),
	.check = check,
};
