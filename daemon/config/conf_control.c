/* SPDX-License-Identifier: MIT */
/*
 * Reads the sections `control` and `metrics`: each makes a service with a fixed
 * name and fixed limits, which runs on the main thread.
 */
#include "config.h"

#include "config/conf_build.h"

#include <string.h>

/* ---- limits ------------------------------------------------------------ */

/* The clients are operators. A response may have any length, so the send queue
 * is unlimited. Members of the control group must not lock root out: some
 * places are reserved for privileged users, and no other user can take all
 * remaining places. */
static const struct conf_service control_defaults = {
	.name = "control",
	.protocol = "control",
	.bounds.sockets = {.first_line_ms = 60000, .send_stall_ms = 60000},
	.bounds.admission = {.clients = 100,
			     .clients_per_user = 32,
			     .clients_kept = 20},
};

/*
 * Anybody who can reach the address may be a client: a request must arrive
 * soon, and one address cannot take all places. In most setups, though, all
 * clients have the same address, loopback or a proxy's. The limits per address
 * are therefore high, so that Prometheus still gets a connection when there are
 * many other clients. A silent client costs only a descriptor.
 */
static const struct conf_service metrics_defaults = {
	.name = "metrics",
	.protocol = "metrics",
	.bounds.sockets = {.idle_ms = 120000,
			   .first_line_ms = 10000,
			   .line_ms = 10000,
			   .send_stall_ms = 10000,
			   .send_queue = 16 << 20},
	.bounds.admission = {.clients = 4000,
			     .clients_per_address = 1000,
			     .connect_rate_per_address = 1000},
};

static void control_make_service(const struct conf_section *section,
				 const struct conf_service *defaults,
				 const struct listen_address *listen,
				 const struct conf_place *place, mode_t mode,
				 const char *group)
{
	struct conf *conf = section->build->conf;
	struct conf_service *service = &conf->internal[conf->internal_count++];

	*service = *defaults;
	service->internal = true;
	service->place = *place;
	service->listen = listen;
	service->listen_count = 1;
	service->socket_mode = mode;
	service->socket_group = group;
	conf_service_find_group(service);
	/* conf_collisions_report() reports a service with the same address. */
	conf_collisions_add(section->build, listen, place, section->context);
	conf_protocol_use(section, place, service);
}

/* ---- control ----------------------------------------------------------- */

struct control {
	const char *socket, *group;
	int64_t idle_ms;
};

static const struct lined_option control_table[] = {
	{LINED_OPTION("socket", STRING, struct control, socket)},
	{LINED_OPTION("group", STRING, struct control, group)},
	{LINED_OPTION("idle-timeout", DURATION, struct control, idle_ms),
	 .fallback = "5m", .max = 1000 * 3600 * INT64_C(1000)},
	{.name = NULL},
};

static void control_serve(const struct conf_section *section,
			  const struct conf_place *place,
			  const struct control *control)
{
	struct conf_service defaults = control_defaults;
	struct listen_address *listen =
		pool_alloc(section->pool, sizeof(*listen));
	const char *text =
		pool_printf(section->pool, "unix://%s", control->socket);
	char error[200];

	if (listen == NULL || text == NULL)
		return;
	if (listen_address_parse(text, listen, error, sizeof(error)) < 0) {
		conf_error_in(section, place, "socket: %s", error);
		return;
	}
	defaults.bounds.sockets.idle_ms = (uint32_t)control->idle_ms;
	control_make_service(section, &defaults, listen, place,
			     control->group != NULL ? 0660 : 0600,
			     control->group);
}

static void control_read(const struct conf_section *section)
{
	const struct conf_key *key = conf_section_key(section, "socket");
	struct control control;

	if (section->node == NULL)
		return;
	conf_section_fill(section, control_table, &control);
	control.socket = conf_section_text(section, "socket", control.socket);
	control.group = conf_section_text(section, "group", control.group);
	conf_build_check_group(section, "group", control.group);
	if (control.socket != NULL && key != NULL)
		control_serve(section, &key->place, &control);
	else if (key == NULL)
		conf_error_in(section, &section->node->place,
			      "socket is missing");
}

/* ---- metrics ----------------------------------------------------------- */

static const struct lined_option metrics_table[] = {
	{.name = "listen", .type = LINED_OPTION_STRING, .offset = 0},
	{.name = NULL},
};

/* Reads the address. Returns why metrics cannot be served there; NULL: they
 * can. */
static const char *metrics_unfit(const char *text,
				 struct listen_address *listen, char *error,
				 size_t size)
{
	if (listen_address_parse(text, listen, error, size) < 0)
		return error;
	if (listen->kind == LISTEN_UDP || listen_address_is_tls(listen) ||
	    listen_address_is_web(listen))
		return "metrics are served at tcp://, unix:// or systemd:";
	return NULL;
}

static void metrics_read(const struct conf_section *section)
{
	const struct conf_key *key = conf_section_key(section, "listen");
	char error[200], quoted[CONF_QUOTED_MAX];
	struct listen_address *listen;
	const char *text, *why;

	if (section->node == NULL)
		return;
	conf_section_fill(section, metrics_table, &text);
	if (key == NULL)
		conf_error_in(section, &section->node->place,
			      "listen is missing");
	if (key == NULL || text[0] == '\0')
		return;
	listen = pool_alloc(section->pool, sizeof(*listen));
	if (listen == NULL)
		return;
	why = metrics_unfit(text, listen, error, sizeof(error));
	if (why != NULL)
		conf_error_in(section, &key->place, "listen %s: %s",
			      conf_quoted(text, quoted), why);
	else
		control_make_service(section, &metrics_defaults, listen,
				     &key->place, 0660, NULL);
}

void conf_control_read(const struct conf_section *control,
		       const struct conf_section *metrics)
{
	control_read(control);
	metrics_read(metrics);
}
