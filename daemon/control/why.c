/* SPDX-License-Identifier: MIT */
/*
 * why: says for each service whether the service would accept a connection from
 * an address, and which rule or limit decides; changes no counter. forgive:
 * removes the penalties of an address.
 */
#include "config.h"

#include "control/verbs.h"

#include <stdio.h>

#include <lined/address.h>

#include "control/service_search.h"
#include "log/log.h"
#include "memory_ceiling.h"
#include "net/admission.h"
#include "net/penalty.h"
#include "serve/server.h"
#include "serve/service.h"
#include "serve/service_workers.h"

/* ---- addresses ----------------------------------------------------------- */

/* Parses an address. An IPv4-mapped address becomes IPv4, as when a client
 * connects. */
static int why_parse_address(const char *text, struct lined_address *address)
{
	char host[LINED_ADDRESS_TEXT_MAX];

	if (lined_address_parse(address, text) < 0)
		return -1;
	if (!lined_address_is_mapped(&address->any))
		return 0;
	lined_address_format_host(&address->any, host, sizeof(host));
	return lined_address_set(address, host, 0);
}

/* Whether a client of this family can connect to the address. */
static bool why_is_reachable(const struct listen_address *listen, int family)
{
	size_t i;

	if (listen->name != NULL)
		return true; /* passed by systemd: its family is unknown */
	if (listen->path != NULL)
		return family == AF_UNIX;
	for (i = 0; i < listen->endpoint_count; i++)
		if (listen->endpoints[i].address.any.sa_family == family)
			return true;
	return false;
}

static bool why_listens_for(const struct conf_service *conf, int family)
{
	size_t i;

	for (i = 0; i < conf->listen_count; i++)
		if (why_is_reachable(&conf->listen[i], family))
			return true;
	return false;
}

/* ---- why ------------------------------------------------------------ */

static void why_describe_access(const struct conf_service *conf,
				const struct access_ruling *ruling, int family,
				char *text, size_t size)
{
	char network[LINED_NETWORK_TEXT_MAX];

	if (family == AF_UNIX)
		snprintf(text, size, "UNIX clients are exempt from access");
	else if (ruling->network != NULL)
		snprintf(text, size, "%s %s",
			 ruling->allowed ? "allow" : "deny",
			 lined_network_format(ruling->network, network,
					      sizeof(network)));
	else if (!ruling->allowed)
		snprintf(text, size, "no entry of allow contains it");
	else if (conf->access.deny_count > 0)
		snprintf(text, size, "no entry of deny contains it");
	else
		snprintf(text, size, "access is open");
}

static void why_add(struct response *response, const struct conf_service *conf,
		    bool accepted, const char *by, const char *rule)
{
	response_record(response, "ruling");
	response_text(response, "service", conf->name);
	response_flag(response, "accepted", accepted);
	response_text(response, "by", by);
	response_text(response, "rule", rule);
}

static void why_describe_limit(const struct admission_limits *limits,
			       const struct admission_ruling *ruling,
			       char *text, size_t size)
{
	switch (ruling->verdict) {
	case ADMISSION_CLIENTS:
		snprintf(text, size, "the %s has %u of %u clients",
			 limits->own_clients != NULL ? "class" : "service",
			 ruling->places, limits->clients);
		break;
	case ADMISSION_ADDRESS:
		snprintf(text, size, "the address has %u of %u clients",
			 ruling->clients, limits->clients_per_address);
		break;
	case ADMISSION_RATE:
		snprintf(text, size,
			 "the address connects faster than %u times a second",
			 limits->connect_rate_per_address);
		break;
	default:
		break;
	}
}

static void why_add_service(const struct service *service,
			    const struct lined_address *from,
			    struct response *response)
{
	const struct sockaddr *address = &from->any;
	const struct conf_service *conf = service->conf;
	struct access_ruling access = access_rules_rule(&conf->access, address);
	uint8_t class = conf_class_of(conf, address);
	const struct admission_limits *of_class =
		conf_class_admission(conf, class);
	struct admission_limits limits =
		of_class != NULL ? *of_class : conf->bounds.admission;
	uint64_t now_ms = lined_dispatcher_now_ms(service->env->dispatcher);
	struct penalty_ruling penalty;
	struct admission_ruling ruling;
	char text[128];

	admission_ask(service->admission, of_class, address, now_ms, &ruling);
	why_describe_access(conf, &access, address->sa_family, text,
			    sizeof(text));
	if (!why_listens_for(conf, address->sa_family)) {
		why_add(response, conf, false, "listen",
			"the service listens on no address of this family");
	} else if (conf_is_proxy(conf, address)) {
		why_add(response, conf, true, "proxy-from",
			"a proxy: the address in its PROXY header decides");
	} else if (!access.allowed) {
		why_add(response, conf, false, "access", text);
	} else if (penalties_hold(service->penalties,
				  &conf_class_bounds(conf, class)->penalty,
				  address, now_ms, &penalty)) {
		snprintf(text, sizeof(text), "%g s of %g s are left, for %s",
			 penalty.left_ms / 1000.0, penalty.length_ms / 1000.0,
			 penalty.cause);
		why_add(response, conf, false,
			admission_verdict_text(ADMISSION_PENALTY), text);
	} else if (memory_is_near(service->env->memory)) {
		why_add(response, conf, false, "memory",
			"all clients together hold 7/8 of what memory allows, "
			"or more");
	} else if (ruling.verdict != ADMISSION_OK) {
		why_describe_limit(&limits, &ruling, text, sizeof(text));
		why_add(response, conf, false,
			admission_verdict_text(ruling.verdict), text);
	} else {
		why_add(response, conf, true, "access", text);
	}
	response_text(response, "class",
		      class > 0 ? conf->classes[class - 1].name : "");
	response_number(response, "clients", ruling.places);
	response_number(response, "clients_limit", limits.clients);
	response_number(response, "address_clients", ruling.clients);
	response_number(response, "address_limit",
			ruling.counted ? limits.clients_per_address : 0);
}

static void why_add_drained(struct response *response,
			    const struct conf_service *drained)
{
	why_add(response, drained, false, "drain",
		"it was drained; the next reload begins it again");
}

static void why_add_all(struct control *control,
			const struct lined_address *address,
			struct response *response)
{
	struct server *server = control->server;
	struct service *service = NULL;

	while ((service = server_next_service(server, service)) != NULL)
		if (service->draining)
			why_add(response, service->conf, false, "drain",
				"the service is draining");
		else
			why_add_service(service, address, response);
	service_search_drained(control, response, why_add_drained);
}

/* Responds with the records that add() adds for the address in the request. */
static void why_answer(struct control *control, struct request *request,
		       void (*add)(struct control *control,
				   const struct lined_address *address,
				   struct response *response))
{
	struct response response = {.oom = false};
	struct lined_address address;

	if (why_parse_address(request->argument, &address) == 0)
		add(control, &address, &response);
	else
		response_refuse(&response,
				"\"%s\" is no address (192.0.2.7, "
				"2001:db8::1, with a port or without, or unix)",
				request->argument);
	request_finish(request, &response);
}

void why_run(struct control *control, struct request *request)
{
	why_answer(control, request, why_add_all);
}

/* ---- forgive -------------------------------------------------------- */

static void forgive_all(struct control *control,
			const struct lined_address *address,
			struct response *response)
{
	struct server *server = control->server;
	uint64_t now_ms = lined_dispatcher_now_ms(server->dispatcher);
	char text[LINED_ADDRESS_TEXT_MAX];
	struct penalty_ruling penalty;
	struct service *service;

	lined_address_format_host(&address->any, text, sizeof(text));
	list_for_each(service, &server->services, link) {
		if (!penalties_forgive(service->penalties, &address->any,
				       now_ms, &penalty))
			continue;
		log_notice("service %s: penalty of %s forgiven", service->name,
			   text);
		response_record(response, "forgiven");
		response_text(response, "service", service->name);
		response_text(response, "address", text);
		response_number(response, "left_ms", penalty.left_ms);
		response_number(response, "length_ms", penalty.length_ms);
		response_text(response, "cause", penalty.cause);
	}
}

void forgive_run(struct control *control, struct request *request)
{
	why_answer(control, request, forgive_all);
}
