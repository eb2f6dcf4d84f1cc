/* SPDX-License-Identifier: MIT */
/*
 * Answers as people read them: one function a command, given the whole answer
 * and the command's argument ("" where there was none). Writes to `out`; what
 * the daemon warns of goes to standard error.
 */
#ifndef LINECTL_SHOW_H
#define LINECTL_SHOW_H

#include <stdio.h>

#include "linectl/answer.h"

void show_status(const struct answer *answer, const char *argument, FILE *out);
void show_services(const struct answer *answer, const char *argument,
		   FILE *out);
void show_clients(const struct answer *answer, const char *argument, FILE *out);
void show_why(const struct answer *answer, const char *argument, FILE *out);
void show_plan(const struct answer *answer, const char *argument, FILE *out);
void show_kick(const struct answer *answer, const char *argument, FILE *out);
void show_drain(const struct answer *answer, const char *argument, FILE *out);
void show_reload(const struct answer *answer, const char *argument, FILE *out);
void show_log(const struct answer *answer, const char *argument, FILE *out);
void show_metrics(const struct answer *answer, const char *argument, FILE *out);

/* Each `message` of an answer, on standard error. */
void show_messages(const struct answer *answer);

/* Of a worker's turns, how long all but one in a hundred have lasted at most,
 * in microseconds; 0: longer than can be told. */
uint64_t show_delay_us(const struct record *worker);

#endif
