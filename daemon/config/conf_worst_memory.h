/* SPDX-License-Identifier: MIT */
/*
 * Computes the most memory that a config allows clients and protocols, for
 * lined -t.
 */
#pragma once

#include <stdio.h>

struct conf;

/* Writes a line for each service, and a line with the sum and the ceiling. */
void conf_worst_memory_print(const struct conf *conf, FILE *out);
