/* SPDX-License-Identifier: MIT */
/*
 * notify.h where there is no libsystemd: nobody is told, nothing is inherited.
 */
#include "config.h"

#include "notify.h"

bool notify_is_wanted(void)
{
	return false;
}

void notify_ready(void)
{
}

void notify_reloading(void)
{
}

void notify_stopping(void)
{
}

void notify_status(const char *format, ...)
{
	(void)format;
}

uint64_t notify_watchdog_ms(void)
{
	return 0;
}

void notify_watchdog(void)
{
}

struct inherited *inherited_take(void)
{
	return NULL;
}

void inherited_free(struct inherited *inherited)
{
	(void)inherited;
}
