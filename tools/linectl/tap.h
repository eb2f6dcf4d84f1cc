/* SPDX-License-Identifier: MIT */
/*
 * linectl tap: prints the lines that the clients of a service send, until N
 * lines (option -n) are printed, the service ends, or a signal stops linectl.
 */
#pragma once

#include "linectl/command.h"

enum linectl_status tap_run(const struct command_call *call);
