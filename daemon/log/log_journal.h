/* SPDX-License-Identifier: MIT */
/*
 * Messages to systemd's journal by its own protocol, with fields, so that it
 * can select one service or one client (journalctl LINED_SERVICE=feed).
 *
 * A message names its subject first, and the fields are read from there, on the
 * thread that writes the log: no worker formats anything twice, and a message
 * has its fields however it was logged.
 *
 *	service NAME: ...                   LINED_SERVICE
 *	service NAME: refused PEER: ...     and LINED_PEER
 *	client ID PEER: ...                 LINED_CLIENT, LINED_PEER
 *	client ID PEER: service NAME: ...   and LINED_SERVICE
 *	client ID PEER: access: KEY=VALUE...   and LINED_KEY for each
 *
 * The text of protocols and peers comes after that and makes no field.
 */
#ifndef LOG_JOURNAL_H
#define LOG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

/* The most fields that a message can have. */
#define LOG_FIELDS_MAX 16

struct log_fields {
	size_t count;
	/* "LINED_KEY=value", each ends in NUL. */
	const char *texts[LOG_FIELDS_MAX];
	size_t used;
	char room[1024];
};

/* The fields of a message; those that do not fit are left out. */
void log_fields_read(struct log_fields *fields, const char *text, size_t len);

/* ---- the journal ------------------------------------------------------- */

#ifdef HAVE_LIBSYSTEMD

/* Whether the journal can be written to. */
bool log_journal_exists(void);

/* Writes a message. -1: the journal did not take it. */
int log_journal_write(int level, int facility, const char *ident,
		      const char *text, size_t len);

#else

static inline bool log_journal_exists(void)
{
	return false;
}

static inline int log_journal_write(int level, int facility, const char *ident,
				    const char *text, size_t len)
{
	(void)level, (void)facility, (void)ident, (void)text, (void)len;
	return -1;
}

#endif

#endif
