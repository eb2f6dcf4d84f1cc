/* SPDX-License-Identifier: MIT */
/*
 * Writes to the journal with libsystemd. Without the journal's socket,
 * sd_journal_sendv(3) would succeed and lose the message: log_journal_exists()
 * checks for the socket.
 */
#include "config.h"

#include "log/log_journal.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <syslog.h>
#include <systemd/sd-journal.h>

#include "log/log_output.h"

#define SOCKET_PATH "/run/systemd/journal/socket"

bool log_journal_exists(void)
{
	return access(SOCKET_PATH, W_OK) == 0;
}

static void journal_add(struct iovec *item, const char *text, size_t len)
{
	item->iov_base = (void *)(uintptr_t)text;
	item->iov_len = len;
}

int log_journal_write(int level, int facility, const char *ident,
		      const char *text, size_t len)
{
	char message[LOG_TEXT_MAX + 16], priority[16], where[32], name[96];
	struct log_fields fields;
	struct iovec items[LOG_FIELDS_MAX + 4];
	size_t i, count = 0;
	int n;

	n = snprintf(message, sizeof(message), "MESSAGE=%.*s", (int)len, text);
	journal_add(&items[count++], message, (size_t)n);
	n = snprintf(priority, sizeof(priority), "PRIORITY=%d", level);
	journal_add(&items[count++], priority, (size_t)n);
	n = snprintf(where, sizeof(where), "SYSLOG_FACILITY=%d",
		     LOG_FAC(facility));
	journal_add(&items[count++], where, (size_t)n);
	n = snprintf(name, sizeof(name), "SYSLOG_IDENTIFIER=%s", ident);
	journal_add(&items[count++], name, (size_t)n);
	log_fields_read(&fields, text, len);
	for (i = 0; i < fields.count; i++)
		journal_add(&items[count++], fields.texts[i],
			    strlen(fields.texts[i]));
	return sd_journal_sendv(items, (int)count) < 0 ? -1 : 0;
}
