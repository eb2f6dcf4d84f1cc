/* SPDX-License-Identifier: MIT */
/*
 * The lines that a shared program says: to a client, to several, to all, or to
 * close one.
 */
#ifndef EXEC_ANSWERS_H
#define EXEC_ANSWERS_H

#include "exec/exec.h"

/* A place for a program in mode shared, and its clients. */
struct exec_slot {
	struct exec *exec;
	struct exec_program *program; /* NULL: it is away */
	unsigned idle_looks; /* at which the program had answered everything */
	struct lined_timer restart;
	uint32_t restart_ms;
	size_t clients;
	struct exec_client *first, *last; /* which wait to be read */
};

/* The time of the instance's dispatcher. */
static inline uint64_t exec_now_ms(const struct exec *exec)
{
	return lined_dispatcher_now_ms(lined_service_dispatcher(exec->service));
}

/* Reads the output of a program whose owner is a slot, and carries it out. A
 * program that a reload has replaced still says what it has to say. */
void exec_answers_read(struct exec_program *program);

#endif
