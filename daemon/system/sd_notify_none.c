/* SPDX-License-Identifier: MIT */
/*
 * Where there is no libsystemd: no watchdog, and nothing is inherited.
 */
#include "config.h"

#include "system/sd_notify.h"

#include <stddef.h>

uint64_t notify_watchdog_ms(void)
{
	return 0;
}

struct inherited *inherited_take(void)
{
	return NULL;
}

void inherited_free(struct inherited *inherited)
{
	(void)inherited;
}
