/* SPDX-License-Identifier: MIT */
/*
 * linectl metrics: prints Prometheus' text as the daemon sends it, or its
 * samples as JSON.
 */
#pragma once

#include <stdio.h>

#include "linectl/command.h"

enum linectl_status metrics_run(const struct command_call *call);

/* Writes a sample of Prometheus' text as a JSON object. False: the line is no
 * sample, and a part of the object may have been written. */
bool metrics_write_sample(FILE *out, const char *line);
