/* SPDX-License-Identifier: MIT */
/*
 * notify.h on libsystemd. What cannot be told is not worth stopping for: a
 * manager that does not hear READY=1 says so itself.
 */
#include "config.h"

#include "notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "reserve.h"

/* Each message opens a socket: with every descriptor in use by clients the
 * watchdog would go hungry. */
static void tell(const char *text)
{
	if (!notify_is_wanted())
		return;
	reserve_release();
	sd_notify(0, text);
	reserve_hold();
}

bool notify_is_wanted(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

void notify_ready(void)
{
	tell("READY=1");
}

void notify_reloading(void)
{
	struct timespec now;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 +
			 (unsigned long long)now.tv_nsec / 1000);
	tell(text);
}

void notify_stopping(void)
{
	tell("STOPPING=1");
}

void notify_status(const char *format, ...)
{
	char text[256] = "STATUS=";
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - used, format, args);
	va_end(args);
	tell(text);
}

uint64_t notify_watchdog_ms(void)
{
	uint64_t usec;

	return sd_watchdog_enabled(0, &usec) > 0 ? usec / 1000 : 0;
}

void notify_watchdog(void)
{
	tell("WATCHDOG=1");
}

struct inherited *inherited_take(void)
{
	struct inherited *inherited;
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names), i;

	if (count <= 0)
		return NULL;
	inherited = calloc(1, sizeof(*inherited));
	if (inherited != NULL)
		inherited->items =
			calloc((size_t)count, sizeof(*inherited->items));
	for (i = 0; i < count; i++) {
		if (inherited == NULL || inherited->items == NULL) {
			close(SD_LISTEN_FDS_START + i);
			free(names[i]);
			continue;
		}
		inherited->items[i].name = names[i];
		inherited->items[i].fd = SD_LISTEN_FDS_START + i;
		inherited->count++;
	}
	free(names);
	return inherited;
}

void inherited_free(struct inherited *inherited)
{
	size_t i;

	if (inherited == NULL)
		return;
	for (i = 0; i < inherited->count; i++) {
		close(inherited->items[i].fd);
		free(inherited->items[i].name);
	}
	free(inherited->items);
	free(inherited);
}
