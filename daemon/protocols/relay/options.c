/* SPDX-License-Identifier: MIT */
/*
 * The options of the relay protocol: their table, and the rules between them.
 */
#include "relay/options.h"

#include <stdio.h>
#include <string.h>

#include "relay/address.h"
#include "relay/filter.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

static const char *const modes[] = {"hub", "upstream", "proxy", NULL};
static const char *const slow_choices[] = {"disconnect", "drop-oldest",
					   "drop-newest", NULL};
/* A boolean that may be unset (-1). The words with an even index mean true. */
static const char *const booleans[] = {"true", "false", "yes", "no",
				       "on",   "off",   NULL};

#define OPTION(NAME, TYPE, MEMBER)                                             \
	LINED_OPTION(NAME, TYPE, struct relay_options, MEMBER)

const struct lined_option relay_option_table[] = {
	{OPTION("mode", CHOICE, mode), .fallback = "hub", .choices = modes},
	{OPTION("loopback", BOOLEAN, loopback)},
	{OPTION("upstream", LIST, upstream)},
	{OPTION("upstream-ca", STRING, upstream_ca)},
	{OPTION("upstream-name", STRING, upstream_name)},
	{OPTION("retry-min", DURATION, retry_min_ms), .fallback = "1s",
	 .min = 1, .max = DAY_MS},
	{OPTION("retry-max", DURATION, retry_max_ms), .fallback = "60s",
	 .min = 1, .max = DAY_MS},
	{OPTION("stale-timeout", DURATION, stale_timeout_ms), .max = DAY_MS},
	{OPTION("preamble", LIST, preamble)},
	{OPTION("subscribe-only", CHOICE, subscribe_only), .choices = booleans},
	{OPTION("publish-only", BOOLEAN, publish_only)},
	{OPTION("topic", STRING, topic)},
	{OPTION("filter", LIST, filter)},
	{OPTION("dedupe", DURATION, dedupe_ms), .max = DAY_MS},
	{OPTION("tag", BOOLEAN, tag)},
	{OPTION("history", INTEGER, history), .max = 100000},
	{OPTION("slow", CHOICE, slow), .fallback = "disconnect",
	 .choices = slow_choices},
	{OPTION("gap-notice", STRING, gap_notice)},
	{OPTION("hold", SIZE, hold), .max = INT64_C(1) << 40},
	{.name = NULL},
};

bool relay_options_subscribe_only(const struct relay_options *options)
{
	return options->subscribe_only < 0 ? options->mode == RELAY_UPSTREAM
					   : options->subscribe_only % 2 == 0;
}

/* ---- checking ----------------------------------------------------------- */

static bool options_is_one_line(const char *text)
{
	return text[strcspn(text, "\r\n")] == '\0';
}

static int options_check_upstream(const struct relay_options *options,
				  char *error, size_t size)
{
	struct relay_address address;
	bool wanted = options->mode != RELAY_HUB;
	size_t i;

	if (wanted && options->upstream.count == 0)
		snprintf(error, size, "mode \"%s\" needs an upstream",
			 modes[options->mode]);
	else if (!wanted && options->upstream.count > 0)
		snprintf(error, size, "upstream: mode \"hub\" has none");
	else if (options->retry_min_ms > options->retry_max_ms)
		snprintf(error, size, "retry-min is longer than retry-max");
	else
		error[0] = '\0';
	if (error[0] != '\0')
		return -1;
	for (i = 0; i < options->upstream.count; i++)
		if (relay_address_parse(options->mode == RELAY_PROXY
						? RELAY_USE_PROXY
						: RELAY_USE_UPSTREAM,
					options->upstream.items[i], &address,
					error, size) < 0)
			return -1;
	return 0;
}

static int options_check_lines(const struct relay_options *options, char *error,
			       size_t size)
{
	size_t i;

	if (!options_is_one_line(options->gap_notice)) {
		snprintf(error, size, "gap-notice is more than one line");
		return -1;
	}
	if (strlen(options->gap_notice) > RELAY_NOTICE_MAX) {
		snprintf(error, size, "gap-notice is longer than %d bytes",
			 RELAY_NOTICE_MAX);
		return -1;
	}
	for (i = 0; i < options->preamble.count; i++) {
		if (options_is_one_line(options->preamble.items[i]))
			continue;
		snprintf(error, size,
			 "preamble: item %zu is more than one line", i + 1);
		return -1;
	}
	return 0;
}

int relay_options_check(const void *arg, char *error, size_t size)
{
	const struct relay_options *options = arg;
	struct relay_filter *filter;

	if (options_check_upstream(options, error, size) < 0 ||
	    options_check_lines(options, error, size) < 0)
		return -1;
	if (options->publish_only && options->subscribe_only >= 0 &&
	    relay_options_subscribe_only(options)) {
		snprintf(error, size,
			 "publish-only and subscribe-only: clients could do "
			 "nothing");
		return -1;
	}
	if (strlen(options->topic) > RELAY_TOPIC_MAX) {
		snprintf(error, size, "topic is longer than %d bytes",
			 RELAY_TOPIC_MAX);
		return -1;
	}
	filter = relay_filter_new(&options->filter, error, size);
	if (filter == NULL && error[0] != '\0')
		return -1;
	relay_filter_free(filter);
	return 0;
}
