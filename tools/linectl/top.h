/* SPDX-License-Identifier: MIT */
/*
 * linectl top: a live view on the whole screen.
 */
#ifndef LINECTL_TOP_H
#define LINECTL_TOP_H

#include "linectl/command.h"

enum linectl_status top_run(const struct command_call *call);

#endif
