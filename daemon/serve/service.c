/* SPDX-License-Identifier: MIT */
/*
 * Makes a service, starts its listeners, gives it a new config, and drains it.
 * service_workers.c makes its instances, instance_calls.c calls them,
 * service_accept.c admits clients, service_counters.c sums counters.
 */
#include "config.h"

#include "serve/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"
#include "log/error_report.h"
#include "net/admission.h"
#include "net/penalty.h"
#include "net/systemd_fd_store.h"
#include "serve/proxy_arrival.h"
#include "serve/service_accept.h"
#include "serve/service_workers.h"
#include "threads/registry_arbiter.h"

static int service_make_registry(struct service *service)
{
	size_t count;
	struct worker *workers = service_workers(service, &count);

	service->registry = registry_new(
		workers, count, worker_for_name(service->name, count),
		service->conf->cluster ? &cluster_registry : &registry_arbiter);
	if (service->registry == NULL || !service->conf->cluster)
		return service->registry != NULL ? 0 : -1;
	service->cluster = cluster_add(service->env->cluster, service->name,
				       service->id, service->registry);
	return service->cluster != NULL ? 0 : -1;
}

struct service *service_new(struct service_env *env, struct conf *whole,
			    const struct conf_service *conf,
			    struct report *report)
{
	struct service *service = calloc(1, sizeof(*service));

	if (service == NULL) {
		report_add(report, LINED_LOG_ERR, "service %s: %s", conf->name,
			   strerror(ENOMEM));
		return NULL;
	}
	list_init(&service->link);
	list_init(&service->listeners);
	list_init(&service->proxied);
	service->env = env;
	service->id = ++env->last_service_id;
	service->conf = conf;
	service->whole = conf_ref(whole);
	service->name = strdup(conf->name);
	service->admission = admission_new(&conf->bounds.admission);
	service->datagram_admission = admission_new(&conf->bounds.admission);
	service->penalties = penalties_new();
	if (service->name != NULL && service->admission != NULL &&
	    service->datagram_admission != NULL && service->penalties != NULL &&
	    service_make_registry(service) == 0 &&
	    service_instances_make(service) == 0)
		return service;
	report_add(report, LINED_LOG_ERR, "service %s: %s", conf->name,
		   strerror(errno));
	service_free(service);
	return NULL;
}

int service_listen(struct service *service, struct listener *listener,
		   struct worker_batch *batch)
{
	listener->service = service;
	list_append(&service->listeners, &listener->link);
	fd_store_add(listener);
	listener_set_send_stall(listener,
				service->conf->bounds.sockets.send_stall_ms);
	if (listener_start(listener, service->env->dispatcher,
			   &service_accept_handlers, listener) < 0)
		return -1;
	return service_add_datagrams(service, listener, batch);
}

static const struct penalty_limits *
service_penalty_limits(void *arg, const struct sockaddr *address)
{
	const struct service *service = arg;

	return &conf_class_bounds(service->conf,
				  conf_class_of(service->conf, address))
			->penalty;
}

void service_take_conf(struct service *service, struct conf *whole,
		       const struct conf_service *conf)
{
	struct conf *before = service->whole;
	struct listener *listener;

	service->conf = conf;
	service->whole = conf_ref(whole);
	list_for_each(listener, &service->listeners, link)
		listener_set_send_stall(listener,
					conf->bounds.sockets.send_stall_ms);
	admission_set_limits(service->admission, &conf->bounds.admission);
	penalties_revise(service->penalties, service_penalty_limits, service);
	conf_unref(before);
}

void service_close_listeners(struct service *service, bool keep_stored)
{
	struct listener *listener;

	list_for_each(listener, &service->listeners, link)
		listener_close(listener,
			       keep_stored && listener_is_stored(listener));
}

void service_drain(struct service *service, uint32_t timeout_ms,
		   bool keep_stored)
{
	if (service->draining)
		return;
	service->draining = true;
	service_close_listeners(service, keep_stored);
	proxy_arrivals_close(service);
	service_instances_drain(service, timeout_ms);
}

void service_free(struct service *service)
{
	struct listener *listener, *next;

	list_for_each_safe(listener, next, &service->listeners, link) {
		list_remove(&listener->link);
		listener_free(listener);
	}
	service_instances_free(service);
	cluster_remove(service->cluster);
	registry_unref(service->registry);
	admission_free(service->admission);
	admission_free(service->datagram_admission);
	penalties_free(service->penalties);
	conf_unref(service->whole);
	free(service->name);
	free(service);
}
