/* SPDX-License-Identifier: MIT */
/*
 * Writes messages to systemd's journal by its own protocol, with fields, so
 * that an operator can select one service or client (journalctl
 * LINED_SERVICE=feed).
 *
 * A message begins with its subject, from which the writing thread reads the
 * fields. So no worker formats a message twice, and every message has its
 * fields, no matter which function logged it.
 *
 * 	service NAME: ...                   LINED_SERVICE
 * 	service NAME: refused PEER: ...     and LINED_PEER
 * 	service NAME: penalty PEER: ...     the same
 * 	client ID PEER: ...                 LINED_CLIENT, LINED_PEER
 * 	client ID PEER: service NAME: ...   and LINED_SERVICE
 * 	client ID PEER: access: KEY=VALUE...   and LINED_KEY for each
 *
 * Text from protocols and peers follows later in the message and makes no
 * fields.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The most fields that a message can have. */
#define LOG_FIELDS_MAX 16

struct log_fields {
	size_t count;
	/* "LINED_KEY=value" texts, each ending in NUL. */
	const char *texts[LOG_FIELDS_MAX];
	size_t used;
	char room[1024];
};

/* A part of the message. len 0: absent. */
struct log_word {
	const char *text;
	size_t len;
};

struct log_subject {
	struct log_word service, client, peer;
	const char *rest; /* after the subject */
};

void log_subject_read(struct log_subject *subject, const char *text,
		      size_t len);

/* Reads the fields of a message; fields that do not fit are left out. */
void log_fields_read(struct log_fields *fields, const char *text, size_t len);

/* ---- the journal ------------------------------------------------------- */

#ifdef HAVE_LIBSYSTEMD

/* Whether the journal's socket exists. */
bool log_journal_exists(void);

/* Writes a message. -1: the journal did not accept it. */
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
