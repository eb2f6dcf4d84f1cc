/* SPDX-License-Identifier: MIT */
/*
 * A build without crypt(3): no hash is good, no password matches.
 */
#include "config.h"

#include "system/crypt_hash.h"

#include <errno.h>

int crypt_hash_check(const char *hash)
{
	(void)hash;
	errno = ENOSYS;
	return -1;
}

bool crypt_hash_matches(const char *password, const char *hash)
{
	(void)password;
	(void)hash;
	return false;
}
