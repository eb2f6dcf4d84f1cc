/* SPDX-License-Identifier: MIT */
/*
 * The lines that a shared program writes: to one client, several or all, or to
 * close one.
 */
#pragma once

#include "exec/program.h"

/* Reads and executes the output of a slot's program, or of a program that a
 * reload has replaced. */
void exec_output_read(struct exec_program *program);
