/* SPDX-License-Identifier: MIT */
/*
 * The sections `control` and `metrics`, and what becomes of them: services
 * like any other, but for their names, their limits and who serves them.
 */
#include "config.h"

#include "config/conf_build.h"

#include <string.h>

#include "config/conf_value.h"

/* ---- their limits ------------------------------------------------------ */

/*
 * Operators: few, and trusted. A tap, a drain and `top` may be silent for as
 * long as they like; what they are sent is what they have asked for.
 */
static const struct conf_service control_defaults = {
	.name = "control",
	.protocol = "control",
	.limits = {.first_line_ms = 60000, .send_stall_ms = 60000},
	.clients = 100,
};

/*
 * Whoever reaches the address: must be quick with a request, and cannot keep
 * others out from one address alone. Mostly all come from one, loopback or a
 * proxy's, and a silent one costs no more than its descriptor: there are
 * enough of both that a crowd leaves room for Prometheus.
 */
static const struct conf_service metrics_defaults = {
	.name = "metrics",
	.protocol = "metrics",
	.limits = {.idle_ms = 120000,
		   .first_line_ms = 10000,
		   .line_ms = 10000,
		   .send_stall_ms = 10000,
		   .send_queue = 16 << 20},
	.clients = 4000,
	.clients_per_address = 1000,
	.connect_rate_per_address = 1000,
};

static void make_service(struct conf_build *build,
			 const struct conf_service *defaults,
			 const struct listen_address *listen,
			 const struct conf_place *place, mode_t mode,
			 const char *group)
{
	struct conf *conf = build->conf;
	struct conf_service *service = &conf->internal[conf->internal_count++];

	*service = *defaults;
	service->internal = true;
	service->place = *place;
	service->listen = listen;
	service->listen_count = 1;
	service->socket_mode = mode;
	service->socket_group = group;
	conf_service_find_group(service);
	conf_protocol_use(build, service->name, place, service);
}

/* ---- control ----------------------------------------------------------- */

struct control {
	const char *socket, *group;
};

static const struct lined_option control_table[] = {
	{LINED_OPTION("socket", STRING, struct control, socket)},
	{LINED_OPTION("group", STRING, struct control, group)},
	{.name = NULL},
};

/* As an address, so that no service takes its path. */
static void serve_control(struct conf_build *build,
			  const struct conf_place *place)
{
	const struct conf_control *control = &build->conf->control;
	struct pool *pool = build->conf->pool;
	struct listen_address *listen = pool_alloc(pool, sizeof(*listen));
	const char *text = pool_printf(pool, "unix://%s", control->socket);
	char error[200];

	if (listen == NULL || text == NULL) {
		conf_build_oom(build);
		return;
	}
	if (listen_address_parse(text, listen, error, sizeof(error)) < 0) {
		conf_error(&build->report, place, "control: socket: %s", error);
		return;
	}
	conf_build_use(build, listen, place, "control");
	make_service(build, &control_defaults, listen, place,
		     control->group != NULL ? 0660 : 0600, control->group);
}

static void read_control(struct conf_build *build, struct conf_node *node)
{
	struct conf_options options = conf_build_options(build, "control");
	struct conf_control *control = &build->conf->control;
	struct control read;
	const struct conf_key *key;

	if (node == NULL)
		return;
	conf_options_fill(&options, node, control_table, &read);
	control->place = node->place;
	control->socket =
		conf_build_text(build, "control", node, "socket", read.socket);
	control->group =
		conf_build_text(build, "control", node, "group", read.group);
	conf_build_check_group(build, "control", node, "group", control->group);
	key = conf_options_key(node, "socket");
	if (control->socket != NULL && key != NULL)
		serve_control(build, &key->place);
	else if (control->group != NULL && key == NULL)
		conf_error(&build->report, &node->place,
			   "control: socket is missing");
}

/* ---- metrics ----------------------------------------------------------- */

static const struct lined_option metrics_table[] = {
	{.name = "listen", .type = LINED_OPTION_STRING, .offset = 0},
	{.name = NULL},
};

/* Why metrics cannot be served there; NULL: they can. */
static const char *unfit(const char *text, struct listen_address *listen,
			 char *error, size_t size)
{
	if (listen_address_parse(text, listen, error, size) < 0)
		return error;
	if (listen->kind == LISTEN_UDP || listen_address_is_tls(listen))
		return "metrics are served at tcp://, unix:// or systemd:";
	return NULL;
}

static void read_metrics(struct conf_build *build, struct conf_node *node)
{
	struct conf_options options = conf_build_options(build, "metrics");
	struct conf_metrics *metrics = &build->conf->metrics;
	char error[200], quoted[CONF_QUOTED_MAX];
	const char *text = NULL, *why;
	const struct conf_key *key;

	if (node == NULL)
		return;
	conf_options_fill(&options, node, metrics_table, &text);
	key = conf_options_key(node, "listen");
	metrics->place = node->place;
	if (key == NULL || text == NULL || text[0] == '\0')
		return;
	why = unfit(text, &metrics->listen, error, sizeof(error));
	if (why != NULL) {
		conf_error(&build->report, &key->place,
			   "metrics: listen %s: %s", conf_quoted(text, quoted),
			   why);
		return;
	}
	metrics->enabled = true;
	conf_build_use(build, &metrics->listen, &key->place, "metrics");
	make_service(build, &metrics_defaults, &metrics->listen, &key->place,
		     0660, NULL);
}

void conf_control_read(struct conf_build *build, struct conf_node *control,
		       struct conf_node *metrics)
{
	read_control(build, control);
	read_metrics(build, metrics);
}
