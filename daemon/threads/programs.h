/* SPDX-License-Identifier: MIT */
/*
 * The programs of an instance, and the connection to their keeper
 * (system/program_keeper.h), which is started with the first program. Thread:
 * the worker's.
 */
#pragma once

#include <stdint.h>

#include <lined/program.h>

#include "list.h"
#include "threads/worker.h"

struct programs {
	struct worker *worker;
	const struct lined_service *instance; /* for worker_enter() */
	struct list all;                      /* struct lined_program */
	struct lined_delegate keeper;         /* fd -1: no keeper */
	pid_t keeper_pid;
	uint32_t last_id;
};

void programs_init(struct programs *programs, struct worker *worker,
		   const struct lined_service *instance);

/* Kills all programs and waits until they are gone; ended() is not called. */
void programs_end(struct programs *programs);

/* Implements lined_program_start(). */
struct lined_program *
programs_start(struct programs *programs, const struct lined_program_spec *spec,
	       int ends[4],
	       void (*ended)(struct lined_program *program, void *arg,
			     const char *how),
	       void *arg);
