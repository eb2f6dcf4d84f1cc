/* SPDX-License-Identifier: MIT */
/* The questions and reports of a module that checks its options: struct
 * lined_check of lined/protocol.h. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <sys/socket.h>

struct lined_check;

/* Whether the config sets this option. */
bool conf_check_is_set(const struct lined_check *check, const char *option);

/* Whether the service listens on this address. */
bool conf_check_listens(const struct lined_check *check,
			const struct sockaddr *address, int type);

/* Reports an error or a warning at the place of the option. */
void conf_check_report(struct lined_check *check, bool is_error,
		       const char *option, const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));
