/* SPDX-License-Identifier: MIT */
/*
 * The most memory that the limits of a config allow its clients, for lined -t.
 */
#pragma once

#include <stdio.h>

struct conf;

/* Writes a line for each service, and one with the sum and the ceiling. */
void memory_worst_print(const struct conf *conf, FILE *out);
