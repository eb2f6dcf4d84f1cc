/* SPDX-License-Identifier: MIT */
/*
 * The operation of each kind of step; run_play.c has the table. A function that
 * is in the table plays a step. It calls run_fail() and returns false if it
 * cannot play the step, or if the expected text or event does not come.
 */
#pragma once

#include "linetest/run.h"

/* ---- step_client.c: what clients, and servers that are played, do ------- */

bool step_connect(struct run *run, const struct step *step);
/* The bytes stay pending if the next step's are to be in the same write. */
bool step_send(struct run *run, const struct step *step);
/* STEP_CLOSE, STEP_RESET. */
bool step_close(struct run *run, const struct step *step);
bool step_half_close(struct run *run, const struct step *step);
bool step_listen(struct run *run, const struct step *step);
bool step_accept(struct run *run, const struct step *step);
bool step_deaf(struct run *run, const struct step *step);

/* ---- step_expect.c: what is expected ------------------------------------ */

/* Plays this step and the following ones whose lines may come in any order. */
bool step_line(struct run *run, const struct step *step);
bool step_raw(struct run *run, const struct step *step);
bool step_skip(struct run *run, const struct step *step);
bool step_silence(struct run *run, const struct step *step);
/* STEP_EOF, STEP_GONE. */
bool step_end(struct run *run, const struct step *step);
bool step_log(struct run *run, const struct step *step);

/* Not the operation of a step: fails if the client has received more than was
 * expected, unless lines are skipped. */
bool step_nothing_left(struct run *run, struct client *client,
		       const struct step *step);

/* ---- step_daemon.c: what the daemon does, and waiting ------------------- */

bool step_start(struct run *run, const struct step *step);
bool step_stop(struct run *run, const struct step *step);
bool step_reload(struct run *run, const struct step *step);
bool step_wait(struct run *run, const struct step *step);
