/* SPDX-License-Identifier: MIT */
/*
 * Reads the lines that a program of mode shared writes: lines to one client, to
 * several or to all, and requests to close one.
 */
#pragma once

#include "exec/program.h"

/* Reads and executes the output of a slot's program, or of a program that a
 * reload has replaced. */
void exec_output_read(struct exec_program *program);
