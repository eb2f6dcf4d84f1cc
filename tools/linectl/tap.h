/* SPDX-License-Identifier: MIT */
/*
 * linectl tap: prints the lines of a service as they come, until enough have
 * come, the service ends, or the user interrupts it.
 */
#pragma once

#include "linectl/command.h"

enum linectl_status tap_run(const struct command_call *call);
