/* SPDX-License-Identifier: MIT */
/*
 * Answers as people read them: for each command a function, which gets the
 * whole answer and the command's argument ("" if there is none) and writes to
 * `out`.
 */
#pragma once

#include <stdio.h>

#include "linectl/control_answer.h"

void show_status(struct answer *answer, const char *argument, FILE *out);
void show_services(struct answer *answer, const char *argument, FILE *out);
void show_clients(struct answer *answer, const char *argument, FILE *out);
void show_cluster(struct answer *answer, const char *argument, FILE *out);
void show_upstreams(struct answer *answer, const char *argument, FILE *out);
void show_why(struct answer *answer, const char *argument, FILE *out);
void show_plan(struct answer *answer, const char *argument, FILE *out);
void show_kick(struct answer *answer, const char *argument, FILE *out);
void show_forgive(struct answer *answer, const char *argument, FILE *out);
void show_drain(struct answer *answer, const char *argument, FILE *out);
void show_reload(struct answer *answer, const char *argument, FILE *out);
void show_log(struct answer *answer, const char *argument, FILE *out);

/* Writes the errors and warnings in an answer to standard error. */
void show_messages(const struct answer *answer);

/* Sorts the records of clients by id. */
void show_sort_clients(struct answer *answer);
