/* SPDX-License-Identifier: MIT */
/*
 * The lines that a shared program says: to a client, to several, to all, or to
 * close one.
 */
#pragma once

#include "exec/program.h"

/* Reads the output of a program whose owner is a slot, and carries it out. A
 * program that a reload has replaced still says what it has to say. */
void exec_answers_read(struct exec_program *program);
