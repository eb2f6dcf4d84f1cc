/* SPDX-License-Identifier: MIT */
/*
 * Collects the records that protocols add about their instances, and sends them
 * alone or with the records of status and services. An instance may be called
 * only on its worker's thread, so one call goes from worker to worker. If the
 * call does not return within RECORDS_TIMEOUT_MS, LINED_REQUEST_RECORDS fails,
 * and LINED_REQUEST_ALL sends only the records of status and services.
 */
#include "config.h"

#include <lined/control.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/verbs.h"
#include "serve/server.h"
#include "serve/service.h"
#include "serve/service_instance.h"

/* A page of metrics must be complete before the scrape times out. */
#define RECORDS_TIMEOUT_MS 3000

struct lined_records {
	struct response *response;
	const char *service; /* the service being asked */
	char kind[32];       /* wanted records; "": all */
	bool skipped;        /* the current record is not wanted */
};

struct records {
	struct control *control;
	struct request *request; /* NULL: answered without the records */
	struct lined_records to;
	struct response response;
	struct worker_call call;
	struct lined_timer timer;
	size_t worker; /* the worker that has the call */
	size_t service_count;
	struct service *services[]; /* each held by service_hold() */
};

/* ---- calls from protocols ------------------------------------------------ */

void lined_records_add(struct lined_records *records, const char *kind)
{
	records->skipped =
		records->kind[0] != '\0' && strcmp(records->kind, kind) != 0;
	if (records->skipped)
		return;
	response_record(records->response, kind);
	response_text(records->response, "service", records->service);
}

void lined_records_text(struct lined_records *records, const char *name,
			const char *text)
{
	if (!records->skipped)
		response_text(records->response, name, text);
}

void lined_records_number(struct lined_records *records, const char *name,
			  uint64_t number)
{
	if (!records->skipped)
		response_number(records->response, name, number);
}

/* ---- on the worker ------------------------------------------------------- */

static void records_came(struct worker_call *call);

static void records_ask(struct worker_call *call)
{
	struct records *records =
		lined_container_of(call, struct records, call);
	struct server *server = records->control->server;
	struct worker *worker = &server->workers[records->worker];
	size_t i;

	for (i = 0; i < records->service_count; i++) {
		struct lined_service *instance =
			service_instance_on(records->services[i], worker);

		if (instance == NULL || !instance->started || instance->ending)
			continue;
		records->to.service = instance->name;
		worker_enter(worker, instance);
		instance->protocol->describe(instance, &records->to);
		worker_leave(worker);
	}
	call->run = records_came;
	worker_answer(worker, call);
}

/* ---- on the main thread -------------------------------------------------- */

static void records_free(struct records *records)
{
	size_t i;

	lined_timer_stop(&records->timer);
	for (i = 0; i < records->service_count; i++)
		service_release(records->services[i]);
	response_fini(&records->response);
	free(records);
}

static void records_finish(struct control *control, struct request *request,
			   const char *kind, struct response *response)
{
	if (kind[0] == '\0') {
		status_add(control, response);
		services_add_all(control, response);
	}
	request_finish(request, response);
}

static void records_came(struct worker_call *call)
{
	struct records *records =
		lined_container_of(call, struct records, call);
	struct server *server = records->control->server;

	if (records->request != NULL &&
	    ++records->worker < server->worker_count) {
		call->run = records_ask;
		worker_post(&server->workers[records->worker], call);
		return;
	}
	if (records->request != NULL)
		records_finish(records->control, records->request,
			       records->to.kind, &records->response);
	records_free(records);
}

static void records_timed_out(struct lined_timer *timer)
{
	struct records *records =
		lined_container_of(timer, struct records, timer);
	struct response response = {.oom = false};

	if (records->to.kind[0] != '\0')
		response_refuse(
			&response,
			"worker %u does not answer: it is stuck, see the log",
			records->control->server->workers[records->worker]
				.index);
	records_finish(records->control, records->request, records->to.kind,
		       &response);
	records->request = NULL;
}

/* Collects and holds each service whose protocol has describe(). chosen NULL:
 * only counts. */
static size_t records_choose(struct server *server, struct service **chosen)
{
	struct service *service;
	size_t count = 0;

	list_for_each(service, &server->services, link) {
		if (service->conf->internal || service->instance_count == 0 ||
		    service->instances[0]->protocol->describe == NULL)
			continue;
		if (chosen != NULL) {
			service_hold(service);
			chosen[count] = service;
		}
		count++;
	}
	return count;
}

static void records_begin(struct control *control, struct request *request,
			  const char *kind)
{
	struct response none = {.oom = false};
	size_t count = records_choose(control->server, NULL);
	struct records *records;

	if (count == 0) {
		records_finish(control, request, kind, &none);
		return;
	}
	records = calloc(1,
			 sizeof(*records) + count * sizeof(*records->services));
	if (records == NULL) {
		request_finish_no_memory(request);
		return;
	}
	records->control = control;
	records->request = request;
	snprintf(records->to.kind, sizeof(records->to.kind), "%s", kind);
	records->to.response = &records->response;
	records->service_count =
		records_choose(control->server, records->services);
	records->call.run = records_ask;
	lined_timer_init(&records->timer, control->server->dispatcher,
			 records_timed_out);
	if (lined_timer_start(&records->timer, RECORDS_TIMEOUT_MS, 0) < 0) {
		records_free(records);
		request_finish_no_memory(request);
		return;
	}
	/* This call may free `records`. */
	worker_post(&control->server->workers[0], &records->call);
}

void records_run(struct control *control, struct request *request)
{
	records_begin(control, request, request->argument);
}

void all_run(struct control *control, struct request *request)
{
	records_begin(control, request, "");
}
