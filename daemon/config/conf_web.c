/* SPDX-License-Identifier: MIT */
/*
 * The `web` section of a service: what holds for its ws:// and wss://
 * addresses.
 */
#include "config.h"

#include "config/conf_build.h"

#define PING_MAX (1000 * 3600 * 24)

struct web {
	struct lined_option_list origins;
	int64_t ping_ms;
	int page;
};

/* In the order of enum conf_web_page. */
static const char *const pages[] = {"none", "console", NULL};

static const struct lined_option web_table[] = {
	{LINED_OPTION("origins", LIST, struct web, origins)},
	{LINED_OPTION("ping", DURATION, struct web, ping_ms), .fallback = "30s",
	 .max = PING_MAX},
	{LINED_OPTION("page", CHOICE, struct web, page), .choices = pages},
	{.name = NULL},
};

void conf_web_read(struct conf_build *build, struct conf_node *node,
		   const char *context, struct conf_service *service)
{
	struct conf_options options = conf_build_options(build, context);
	struct web read;

	conf_options_fill(&options, node, web_table, &read);
	service->web.origins = read.origins.items;
	service->web.origin_count = read.origins.count;
	service->web.ping_ms = (uint32_t)read.ping_ms;
	service->web.page = (enum conf_web_page)read.page;
}
