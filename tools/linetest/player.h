/* SPDX-License-Identifier: MIT */
/*
 * Plays a script: starts a run, plays its steps one after another, and stops
 * the daemon at the end; fails if a client has received more than was expected.
 */
#pragma once

#include "linetest/run.h"

/*
 * True if the script passed; else *failure is the text of the failure. *log is
 * the daemon's log in any case.
 */
bool player_run(const struct script *script,
		const struct run_settings *settings, struct bytes *failure,
		struct bytes *log);
