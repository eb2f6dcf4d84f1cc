/* SPDX-License-Identifier: MIT */
/*
 * Drains a service, unless it is draining already. The response is sent when
 * the service has ended. If the client closes before that, the drain continues.
 */
#include "config.h"

#include "control/verbs.h"

#include "control/reply.h"
#include "net/admission.h"
#include "serve/server.h"
#include "serve/service.h"

void drain_run(struct control *control, struct request *request)
{
	const char *name = request->argument;
	struct service *service = reply_find_service(control, name, false);
	struct response response = {.oom = false};

	if (service == NULL)
		service = reply_find_service(control, name, true);
	if (service == NULL) {
		reply_no_service(control, name, &response);
		reply_last(control, request, &response);
		return;
	}
	request->subject = service;
	if (!service->draining)
		server_drain(control->server, service);
}

void drain_service_ended(struct control *control, struct request *request,
			 const struct service *service)
{
	struct response response = {.oom = false};

	if (request->subject != service)
		return;
	response_record(&response, "drained");
	response_text(&response, "service", service->name);
	response_number(&response, "accepted",
			admission_admitted(service->admission));
	reply_last(control, request, &response);
}
