/* SPDX-License-Identifier: MIT */
/* Reads the `web` section of a service, for its ws:// and wss:// addresses. */
#include "config.h"

#include <string.h>
#include <strings.h>

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

/* The origin that a browser sends is "null", or scheme and host, followed by
 * the port unless the port is the scheme's default. Returns why the text cannot
 * match such an origin; NULL: the text can. */
static const char *web_origin_fault(const char *text)
{
	const char *host = strstr(text, "://"), *port;

	if (strcmp(text, "*") == 0 || strcasecmp(text, "null") == 0)
		return NULL;
	if (host == NULL || host == text ||
	    host[3 + strcspn(host + 3, "/?# ")] != '\0')
		return "an origin is as \"https://a.example\", with nothing "
		       "behind host and port";
	port = strrchr(host, ':');
	if ((strncasecmp(text, "http:", 5) == 0 && strcmp(port, ":80") == 0) ||
	    (strncasecmp(text, "https:", 6) == 0 && strcmp(port, ":443") == 0))
		return "browsers leave out the port of the scheme";
	return NULL;
}

static void web_check_origins(const struct conf_section *section)
{
	const struct conf_key *key = conf_section_key(section, "origins");
	const struct conf_value *value = key != NULL ? key->values : NULL;
	char quoted[CONF_QUOTED_MAX];

	for (; value != NULL; value = value->next) {
		const char *fault = web_origin_fault(value->text);

		if (fault != NULL)
			conf_warning_in(section, &value->place,
					"origins: \"%s\" matches no page: %s",
					conf_quoted(value->text, quoted),
					fault);
	}
}

void conf_web_read(const struct conf_section *section,
		   struct conf_service *service)
{
	struct web read;

	conf_section_fill(section, web_table, &read);
	web_check_origins(section);
	service->web.origins = read.origins.items;
	service->web.origin_count = read.origins.count;
	service->web.ping_ms = (uint32_t)read.ping_ms;
	service->web.page = (enum conf_web_page)read.page;
}
