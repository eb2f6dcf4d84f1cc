/* SPDX-License-Identifier: MIT */
/*
 * linectl top: a live view on the whole screen.
 */
#pragma once

#include "linectl/command.h"

enum linectl_status top_run(const struct command_call *call);
