/* SPDX-License-Identifier: MIT */
/* Without libsystemd there is no journal. */
#include "config.h"

#include "log/log_journal.h"

bool log_journal_is_there(void)
{
	return false;
}

int log_journal_write(int level, int facility, const char *ident,
		      const char *text, size_t len)
{
	(void)level;
	(void)facility;
	(void)ident;
	(void)text;
	(void)len;
	return -1;
}
