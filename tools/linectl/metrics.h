/* SPDX-License-Identifier: MIT */
/*
 * linectl metrics: the page as it is, or its samples as JSON.
 */
#pragma once

#include <stdio.h>

#include "linectl/command.h"

enum linectl_status metrics_run(const struct command_call *call);

/* Writes a sample of Prometheus' text as a JSON object; false: the line is no
 * sample. */
bool metrics_write_sample(FILE *out, const char *line);
