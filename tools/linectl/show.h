/* SPDX-License-Identifier: MIT */
/*
 * Answers as people read them: for each command a function, which gets the
 * whole answer and the command's argument ("" if there is none) and writes to
 * `out`.
 */
#pragma once

#include <stdio.h>

#include "linectl/control_answer.h"

void show_status(const struct answer *answer, const char *argument, FILE *out);
void show_services(const struct answer *answer, const char *argument,
		   FILE *out);
void show_clients(const struct answer *answer, const char *argument, FILE *out);
void show_cluster(const struct answer *answer, const char *argument, FILE *out);
void show_upstreams(const struct answer *answer, const char *argument,
		    FILE *out);
void show_why(const struct answer *answer, const char *argument, FILE *out);
void show_plan(const struct answer *answer, const char *argument, FILE *out);
void show_kick(const struct answer *answer, const char *argument, FILE *out);
void show_forgive(const struct answer *answer, const char *argument, FILE *out);
void show_drain(const struct answer *answer, const char *argument, FILE *out);
void show_reload(const struct answer *answer, const char *argument, FILE *out);
void show_log(const struct answer *answer, const char *argument, FILE *out);

/* Writes the errors and warnings in an answer to standard error. */
void show_messages(const struct answer *answer);

/* The records of clients, by id; *count of them. The array is to be freed, the
 * records are the answer's. */
const struct record **show_sort_clients(const struct answer *answer,
					size_t *count);

/* How long 99 of 100 turns of a worker took at most, in microseconds; 0: longer
 * than the largest bucket that is counted. */
uint64_t show_delay_us(const struct record *worker);
