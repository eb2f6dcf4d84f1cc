/* SPDX-License-Identifier: MIT */
/*
 * Drains a service, unless it is draining already. The response is sent when
 * the service has ended. If the client closes earlier, the drain continues.
 */
#include "config.h"

#include "control/verbs.h"

#include "control/service_search.h"
#include "net/admission.h"
#include "serve/server.h"
#include "serve/service.h"

void drain_run(struct control *control, struct request *request)
{
	const char *name = request->argument;
	struct service *service = service_search(control, name);
	struct response response = {.oom = false};

	if (service == NULL) {
		service_search_failed(control, name, &response);
		request_finish(request, &response);
		return;
	}
	request->subject = service;
	if (!service->draining)
		server_drain(control->server, service);
}

void drain_service_ended(struct request *request, const struct service *service)
{
	struct response response = {.oom = false};

	if (request->subject != service)
		return;
	response_record(&response, "drained");
	response_text(&response, "service", service->name);
	response_number(&response, "accepted",
			admission_admitted(service->admission));
	request_finish(request, &response);
}
