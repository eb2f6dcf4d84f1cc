/* SPDX-License-Identifier: MIT */
/*
 * The options of the relay protocol: their table, and the rules between them.
 */
#include "relay/options.h"

#include <string.h>

#include "relay/address.h"
#include "relay/dedupe.h"
#include "relay/filter.h"
#include "relay/line_store.h"
#include "relay/mode_proxy.h"
#include "relay/tag.h"
#include "relay/tls.h"
#include "relay/topic.h"
#include "relay/unsent_lines.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

static const char *const modes[] = {"hub", "upstream", "proxy", NULL};
static const char *const use_choices[] = {"first", "all", NULL};
static const char *const slow_choices[] = {"disconnect", "drop-oldest",
					   "drop-newest", NULL};
/* The index is the version of the PROXY header. */
static const char *const proxy_headers[] = {"none", "v1", "v2", NULL};
/* A boolean that may be unset (-1). Words with an even index mean true. */
static const char *const booleans[] = {"true", "false", "yes", "no",
				       "on",   "off",   NULL};

#define OPTION(NAME, TYPE, MEMBER)                                             \
	LINED_OPTION(NAME, TYPE, struct relay_options, MEMBER)

const struct lined_option relay_option_table[] = {
	{OPTION("mode", CHOICE, mode), .fallback = "hub", .choices = modes},
	{OPTION("loopback", BOOLEAN, loopback)},
	{OPTION("upstream", LIST, upstream)},
	{OPTION("use", CHOICE, use), .fallback = "first",
	 .choices = use_choices},
	{OPTION("upstream-ca", STRING, upstream_ca)},
	{OPTION("upstream-name", STRING, upstream_name)},
	{OPTION("upstream-certificate", STRING, upstream_certificate)},
	{OPTION("upstream-key", STRING, upstream_key)},
	{OPTION("upstream-verify", BOOLEAN, upstream_verify),
	 .fallback = "true"},
	{OPTION("upstream-proxy", CHOICE, upstream_proxy), .fallback = "none",
	 .choices = proxy_headers},
	{OPTION("retry-min", DURATION, retry_min_ms), .fallback = "1s",
	 .min = 1, .max = DAY_MS},
	{OPTION("retry-max", DURATION, retry_max_ms), .fallback = "60s",
	 .min = 1, .max = DAY_MS},
	{OPTION("stale-timeout", DURATION, stale_timeout_ms), .max = DAY_MS},
	{OPTION("preamble", LIST, preamble)},
	{OPTION("push", LIST, push)},
	{OPTION("push-preamble", LIST, push_preamble)},
	{OPTION("push-hold", SIZE, push_hold), .max = INT64_C(1) << 40},
	{OPTION("up-hold", SIZE, up_hold), .max = INT64_C(1) << 40},
	{OPTION("subscribe-only", CHOICE, subscribe_only), .choices = booleans},
	{OPTION("publish-only", BOOLEAN, publish_only)},
	{OPTION("topic", STRING, topic)},
	{OPTION("filter", LIST, filter)},
	{OPTION("filter-out", LIST, filter_out)},
	{OPTION("filter-up", LIST, filter_up)},
	{OPTION("dedupe", DURATION, dedupe_ms), .max = DAY_MS},
	{OPTION("dedupe-without", STRING, dedupe_without)},
	{OPTION("tag", STRING, tag)},
	{OPTION("tag-checksum", BOOLEAN, tag_checksum)},
	{OPTION("history", INTEGER, history), .max = 100000},
	{OPTION("heartbeat", DURATION, heartbeat_ms), .max = DAY_MS},
	{OPTION("heartbeat-line", STRING, heartbeat_line),
	 .fallback = "# {time}"},
	{OPTION("slow", CHOICE, slow), .fallback = "disconnect",
	 .choices = slow_choices},
	{OPTION("gap-notice", STRING, gap_notice)},
	{OPTION("max-age", DURATION, max_age_ms), .max = DAY_MS},
	{OPTION("hold", SIZE, hold), .max = INT64_C(1) << 40},
	{.name = NULL},
};

bool relay_options_needs_listen(const void *arg)
{
	const struct relay_options *options = arg;

	return options->mode != RELAY_UPSTREAM || options->topic[0] == '\0';
}

bool relay_options_subscribe_only(const struct relay_options *options)
{
	return options->subscribe_only < 0 ? options->mode == RELAY_UPSTREAM
					   : options->subscribe_only % 2 == 0;
}

/* ---- memory ------------------------------------------------------------- */

static uint64_t options_history_most(const struct relay_options *options,
				     size_t line_length)
{
	uint64_t line = relay_store_line_max(line_length);

	if (relay_tag_template(options->tag)[0] != '\0')
		line += RELAY_TAG_MAX;
	return (uint64_t)options->history * line;
}

/* Each service is counted as if it made the shared memory of its topic: any
 * service of the topic may do so. */
uint64_t relay_options_keeps_most(const void *arg, size_t line_length,
				  uint64_t clients, unsigned workers)
{
	const struct relay_options *options = arg;
	uint64_t most = relay_topic_memory_max((size_t)options->hold);

	if (options->mode == RELAY_PROXY)
		return clients * relay_proxy_pair_max(&options->upstream);
	most += options_history_most(options, line_length) * workers;
	if (options->dedupe_ms > 0)
		most += relay_dedupe_memory_max();
	if (options->push_hold > 0)
		most += options->push.count *
			relay_unsent_memory_max((size_t)options->push_hold);
	if (options->mode == RELAY_UPSTREAM && options->up_hold > 0)
		most += relay_unsent_memory_max((size_t)options->up_hold);
	return most;
}

uint32_t relay_options_connects_most(const void *arg)
{
	const struct relay_options *options = arg;
	size_t count = options->push.count;

	if (options->mode == RELAY_PROXY)
		return 0;
	if (options->mode == RELAY_UPSTREAM &&
	    !relay_options_subscribe_only(options))
		count += options->upstream.count;
	return (uint32_t)count;
}

/* ---- effects ------------------------------------------------------------ */

/*
 * In which modes and roles an option has an effect: "a" a service with all
 * roles, "p" with publish-only, "s" with subscribe-only, "-" none. In mode
 * upstream with subscribe-only a service still receives the upstream's lines.
 * tests/behaviour/test_relay_options.py reads this table.
 */
struct option_effect {
	const char *name;
	const char *roles[3]; /* in mode hub, upstream, proxy */
	const char *needs;    /* no effect without this option */
	const char *instead;  /* to be used with subscribe-only, or NULL */
};

static const struct option_effect option_effects[] = {
	{"mode", {"aps", "aps", "aps"}, NULL, NULL},
	{"loopback", {"a--", "---", "---"}, NULL, NULL},
	{"upstream", {"aps", "aps", "aps"}, NULL, NULL},
	{"use", {"---", "aps", "---"}, NULL, NULL},
	{"upstream-ca", {"---", "aps", "aps"}, NULL, NULL},
	{"upstream-name", {"---", "aps", "aps"}, NULL, NULL},
	{"upstream-certificate", {"---", "aps", "aps"}, NULL, NULL},
	{"upstream-key", {"---", "aps", "aps"}, NULL, NULL},
	{"upstream-verify", {"---", "aps", "aps"}, NULL, NULL},
	{"upstream-proxy", {"---", "---", "aps"}, NULL, NULL},
	{"retry-min", {"---", "aps", "---"}, NULL, NULL},
	{"retry-max", {"---", "aps", "---"}, NULL, NULL},
	{"stale-timeout", {"---", "aps", "---"}, NULL, NULL},
	{"preamble", {"---", "aps", "---"}, NULL, NULL},
	{"push", {"aps", "aps", "---"}, NULL, NULL},
	{"push-preamble", {"aps", "aps", "---"}, "push", NULL},
	{"push-hold", {"aps", "aps", "---"}, "push", NULL},
	{"up-hold", {"---", "a--", "---"}, NULL, NULL},
	{"subscribe-only", {"aps", "aps", "---"}, NULL, NULL},
	{"publish-only", {"aps", "aps", "---"}, NULL, NULL},
	{"topic", {"aps", "aps", "---"}, NULL, NULL},
	{"filter", {"ap-", "aps", "---"}, NULL, "filter-out"},
	{"filter-out", {"a-s", "a-s", "---"}, NULL, NULL},
	{"filter-up", {"---", "a--", "---"}, NULL, NULL},
	{"dedupe", {"ap-", "aps", "---"}, NULL, NULL},
	{"dedupe-without", {"ap-", "aps", "---"}, "dedupe", NULL},
	{"tag", {"ap-", "aps", "---"}, NULL, NULL},
	{"tag-checksum", {"ap-", "aps", "---"}, "tag", NULL},
	{"history", {"a-s", "a-s", "---"}, NULL, NULL},
	{"heartbeat", {"a-s", "a-s", "---"}, NULL, NULL},
	{"heartbeat-line", {"a-s", "a-s", "---"}, "heartbeat", NULL},
	{"slow", {"a-s", "a-s", "---"}, NULL, NULL},
	{"gap-notice", {"a-s", "a-s", "---"}, NULL, NULL},
	{"max-age", {"a-s", "a-s", "---"}, NULL, NULL},
	{"hold", {"aps", "aps", "---"}, NULL, NULL},
};

static bool option_is_off(const struct lined_option *option,
			  const struct relay_options *options)
{
	const void *value = (const char *)options + option->offset;

	if (value == &options->tag)
		return relay_tag_template(options->tag)[0] == '\0';
	if (value == &options->upstream_verify) /* neither value is "off" */
		return false;
	switch (option->type) {
	case LINED_OPTION_BOOLEAN:
		return !*(const bool *)value;
	case LINED_OPTION_STRING:
		return **(const char *const *)value == '\0';
	case LINED_OPTION_LIST:
		return ((const struct lined_option_list *)value)->count == 0;
	case LINED_OPTION_CHOICE:
		return false;
	default:
		return *(const int64_t *)value == 0;
	}
}

static char option_role(const struct relay_options *options)
{
	if (options->publish_only)
		return 'p';
	return relay_options_subscribe_only(options) ? 's' : 'a';
}

static const struct lined_option *option_find(const char *name)
{
	const struct lined_option *option = relay_option_table;

	while (strcmp(option->name, name) != 0)
		option++;
	return option;
}

/* Warns of an option that is set but has no effect: the operator may rely on
 * it. */
static void option_check_effect(struct lined_check *check,
				const struct relay_options *options,
				const struct option_effect *effect)
{
	const char *name = effect->name;
	const char *roles = effect->roles[options->mode];
	char role = option_role(options);
	bool of_tls = strncmp(name, "upstream-", 9) == 0 &&
		      strcmp(name, "upstream-proxy") != 0;

	if (!lined_check_is_set(check, name) ||
	    option_is_off(option_find(name), options))
		return;
	/* These options also apply to push targets. */
	if (options->push.count > 0 && options->mode != RELAY_PROXY &&
	    (strncmp(name, "retry-", 6) == 0 ||
	     strcmp(name, "filter-up") == 0 ||
	     (of_tls && relay_tls_is_wanted(options))))
		return;
	if (strcmp(roles, "---") == 0)
		lined_check_warning(check, name, "no effect in mode \"%s\"",
				    modes[options->mode]);
	else if (strchr(roles, role) == NULL && role == 'p')
		lined_check_warning(check, name,
				    "no effect with publish-only: clients get "
				    "nothing");
	else if (strchr(roles, role) == NULL)
		lined_check_warning(
			check, name,
			"no effect with subscribe-only: clients send "
			"nothing%s%s",
			effect->instead != NULL ? "; see " : "",
			effect->instead != NULL ? effect->instead : "");
	else if (of_tls && !relay_tls_is_wanted(options))
		lined_check_warning(check, name,
				    "no effect: no upstream is tls://");
	else if (effect->needs != NULL &&
		 !lined_check_is_set(check, effect->needs))
		lined_check_warning(check, name, "no effect without %s",
				    effect->needs);
}

/* ---- checking ----------------------------------------------------------- */

/* Checks a list of addresses. An address on which the service itself listens is
 * an error; a name is checked after its lookup at run time. */
static void options_check_addresses(struct lined_check *check, const char *name,
				    const struct lined_option_list *list,
				    enum relay_use use)
{
	struct relay_address address;
	struct lined_address to;
	char error[512];
	size_t i, k;

	for (i = 0; i < list->count; i++)
		if (relay_address_parse(use, list->items[i], &address, error,
					sizeof(error)) < 0)
			lined_check_error(check, name, "%s", error);
		else if (!relay_address_is_name(&address) &&
			 relay_address_socket(&address, &to) == 0 &&
			 to.len > 0 &&
			 lined_check_listens(check, &to.any,
					     relay_address_type(&address)))
			lined_check_error(
				check, name,
				"\"%s\" is an address of this service "
				"itself",
				address.text);
	for (i = 0; i < list->count; i++)
		for (k = 0; k < i; k++)
			if (strcmp(list->items[i], list->items[k]) == 0)
				lined_check_error(check, name,
						  "\"%s\" is listed twice",
						  list->items[i]);
}

static void options_check_upstream(struct lined_check *check,
				   const struct relay_options *options)
{
	bool wanted = options->mode != RELAY_HUB;
	size_t i;

	if (wanted && options->upstream.count == 0)
		lined_check_error(check, "mode", "\"%s\" needs an upstream",
				  modes[options->mode]);
	if (!wanted && options->upstream.count > 0)
		lined_check_error(check, "upstream", "mode \"hub\" has none");
	if (options->retry_min_ms > options->retry_max_ms)
		lined_check_error(check, "retry-min",
				  "it is longer than retry-max");
	options_check_addresses(check, "upstream", &options->upstream,
				options->mode == RELAY_PROXY
					? RELAY_USE_PROXY
					: RELAY_USE_UPSTREAM);
	for (i = 0; i < options->upstream.count; i++)
		if (options->upstream_proxy != 0 &&
		    strncmp(options->upstream.items[i], "tls://", 6) == 0)
			lined_check_error(check, "upstream-proxy",
					  "\"%s\": a header is sent to "
					  "tcp:// and unix:// only",
					  options->upstream.items[i]);
	if (options->mode == RELAY_UPSTREAM &&
	    options->use == RELAY_CHOICE_FIRST && options->upstream.count > 1 &&
	    options->stale_timeout_ms == 0)
		lined_check_warning(check, "upstream",
				    "without stale-timeout one that is "
				    "connected and silent is never left for "
				    "the next one");
}

static void options_check_line(struct lined_check *check, const char *name,
			       const char *line)
{
	if (line[strcspn(line, "\r\n")] != '\0')
		lined_check_error(check, name, "more than one line");
	else if (strlen(line) > RELAY_NOTICE_MAX)
		lined_check_error(check, name, "longer than %d bytes",
				  RELAY_NOTICE_MAX);
}

static void options_check_lines(struct lined_check *check, const char *name,
				const struct lined_option_list *lines)
{
	size_t i;

	for (i = 0; i < lines->count; i++)
		options_check_line(check, name, lines->items[i]);
}

static void options_check_expression(struct lined_check *check,
				     const char *name, const char *expression)
{
	if (relay_filter_is_anchored_early(expression))
		lined_check_warning(check, name,
				    "\"%s\": $ is an anchor, the end of the "
				    "line, and matches no text: write [$] for "
				    "a dollar sign",
				    expression);
}

static void options_check_filter(struct lined_check *check, const char *name,
				 const struct lined_option_list *rules)
{
	char error[512];
	struct relay_filter *filter =
		relay_filter_new(rules, error, sizeof(error));
	size_t i;

	if (filter == NULL && error[0] != '\0')
		lined_check_error(check, name, "%s", error);
	relay_filter_free(filter);
	for (i = 0; i < rules->count; i++)
		options_check_expression(check, name, rules->items[i]);
}

static void options_check_dedupe(struct lined_check *check,
				 const struct relay_options *options)
{
	const char *expression = options->dedupe_without;
	struct relay_pattern *pattern;
	char error[512];

	if (expression[0] == '\0')
		return;
	pattern = relay_pattern_new(expression, error, sizeof(error));
	if (pattern == NULL)
		lined_check_error(check, "dedupe-without", "%s", error);
	relay_pattern_free(pattern);
	options_check_expression(check, "dedupe-without", expression);
}

/* Checks the lines that readers get from the service itself. */
static void options_check_notices(struct lined_check *check,
				  const struct relay_options *options)
{
	options_check_line(check, "gap-notice", options->gap_notice);
	options_check_line(check, "heartbeat-line", options->heartbeat_line);
	if (options->heartbeat_ms > 0 && options->heartbeat_line[0] == '\0')
		lined_check_error(check, "heartbeat-line", "it is empty");
	if (options->gap_notice[0] != '\0' && options->max_age_ms == 0 &&
	    options->slow == RELAY_SLOW_DISCONNECT)
		lined_check_warning(check, "gap-notice",
				    "no effect without max-age or slow = "
				    "\"drop-oldest\" or \"drop-newest\"");
}

/* Reports roles with which clients could do nothing, or no line would reach a
 * client. */
static void options_check_roles(struct lined_check *check,
				const struct relay_options *options)
{
	bool subscribes = relay_options_subscribe_only(options);

	if (options->publish_only && options->subscribe_only >= 0 && subscribes)
		lined_check_error(check, "publish-only",
				  "with subscribe-only clients could do "
				  "nothing");
	else if (options->mode != RELAY_HUB || options->topic[0] != '\0')
		return;
	else if (options->publish_only)
		lined_check_warning(check, "publish-only",
				    "without a topic nobody gets the lines");
	else if (subscribes)
		lined_check_warning(check, "subscribe-only",
				    "without a topic no lines come in");
}

void relay_options_check(struct lined_check *check, const void *arg)
{
	const struct relay_options *options = arg;
	const char *fault;
	size_t i;

	for (i = 0; i < sizeof(option_effects) / sizeof(option_effects[0]); i++)
		option_check_effect(check, options, &option_effects[i]);
	options_check_upstream(check, options);
	options_check_addresses(check, "push", &options->push, RELAY_USE_PUSH);
	options_check_lines(check, "push-preamble", &options->push_preamble);
	relay_tls_check(check, options);
	options_check_roles(check, options);
	options_check_filter(check, "filter", &options->filter);
	options_check_filter(check, "filter-out", &options->filter_out);
	options_check_filter(check, "filter-up", &options->filter_up);
	options_check_dedupe(check, options);
	options_check_notices(check, options);
	fault = relay_tag_fault(relay_tag_template(options->tag),
				options->tag_checksum);
	if (fault != NULL)
		lined_check_error(check, "tag", "\"%s\": %s", options->tag,
				  fault);
	options_check_lines(check, "preamble", &options->preamble);
	if (strlen(options->topic) > RELAY_TOPIC_MAX)
		lined_check_error(check, "topic", "longer than %d bytes",
				  RELAY_TOPIC_MAX);
}
