/* SPDX-License-Identifier: MIT */
/*
 * Reads the lines that a program of mode shared writes: lines to one client, to
 * several or to all, and requests to close a client.
 */
#pragma once

#include "exec/program.h"

/* Reads the program's output and does what each line says. The program may be a
 * slot's program, or a program that a reload has replaced. */
void exec_output_read(struct exec_program *program);
