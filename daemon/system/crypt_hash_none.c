/* SPDX-License-Identifier: MIT */
/*
 * No crypt(3) in this build: no hash is good, no password is right.
 */
#include "config.h"

#include "threads/verifier.h"

#include <errno.h>

int password_check_hash(const char *hash)
{
	(void)hash;
	errno = ENOSYS;
	return -1;
}

bool password_matches(const char *password, const char *hash)
{
	(void)password;
	(void)hash;
	return false;
}
