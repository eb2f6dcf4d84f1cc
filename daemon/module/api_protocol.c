/* SPDX-License-Identifier: MIT */
/*
 * Implements the functions of lined/protocol.h with which a module checks its
 * options.
 */
#include "config.h"

#include <lined/protocol.h>

#include <stdarg.h>

#include "config/conf_protocol.h"

bool lined_check_is_set(const struct lined_check *check, const char *option)
{
	return conf_check_is_set(check, option);
}

bool lined_check_listens(const struct lined_check *check,
			 const struct sockaddr *address, int type)
{
	return conf_check_listens(check, address, type);
}

void lined_check_error(struct lined_check *check, const char *option,
		       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	conf_check_report(check, true, option, format, args);
	va_end(args);
}

void lined_check_warning(struct lined_check *check, const char *option,
			 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	conf_check_report(check, false, option, format, args);
	va_end(args);
}
