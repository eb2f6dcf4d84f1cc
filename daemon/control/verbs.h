/* SPDX-License-Identifier: MIT */
/*
 * The verbs: each function handles one kind of request and sends the last
 * response, at once or later. Main thread.
 */
#pragma once

struct control;
struct request;
struct response;
struct service;

/* status.c: LINED_REQUEST_STATUS, SERVICES */
void status_run(struct control *control, struct request *request);
void services_run(struct control *control, struct request *request);
/* cluster_report.c: CLUSTER */
void cluster_run(struct control *control, struct request *request);
void cluster_add_records(struct control *control, struct response *response);
/* Adds the records of STATUS and SERVICES. */
void status_add_all(struct control *control, struct response *response);

/* records.c: ALL, RECORDS */
void all_run(struct control *control, struct request *request);
void records_run(struct control *control, struct request *request);

/* clients.c: CLIENTS, KICK */
void clients_run(struct control *control, struct request *request);
void kick_run(struct control *control, struct request *request);

/* why.c: WHY, FORGIVE */
void why_run(struct control *control, struct request *request);
void forgive_run(struct control *control, struct request *request);

/* plan.c: PLAN, PLAN_FILES. plan_end_all() refuses plans whose config was not
 * read yet. */
void plan_run(struct control *control, struct request *request);
void plan_end_all(struct control *control);

/* tap.c: TAP. A tap ends by tap_end(), or when its service drains. */
void tap_run(struct control *control, struct request *request);
void tap_end(struct request *request);
void tap_service_drains(struct request *request, const struct service *service);

/* drain.c: DRAIN. drain_service_ended() sends the response. */
void drain_run(struct control *control, struct request *request);
void drain_service_ended(struct control *control, struct request *request,
			 const struct service *service);
