/* SPDX-License-Identifier: MIT */
/*
 * Compares passwords with hashes of crypt(3), of every kind that the C library
 * supports. MT-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "fail.h"

#ifdef HAVE_CRYPT

/* Whether passwords can be compared with this hash. -1 with errno: EINVAL (the
 * library does not support this kind), ENOSYS (a build without crypt(3)). */
int crypt_hash_check(const char *hash);

/* 1: the password has this hash; 0: it has not; -1 and errno: cannot be
 * compared. Takes milliseconds to seconds. */
int crypt_hash_compare(const char *password, const char *hash);

#else

static inline int crypt_hash_check(const char *hash)
{
	return fail_with(ENOSYS);
}

static inline int crypt_hash_compare(const char *password, const char *hash)
{
	(void)password, (void)hash;
	return fail_with(ENOSYS);
}

#endif

/* Whether two secrets are equal. The duration reveals at most their lengths,
 * not where they differ. */
static inline bool crypt_hash_equal(const char *a, const char *b)
{
	size_t len = strlen(a), i;
	unsigned differs = 0;

	if (strlen(b) != len)
		return false;
	for (i = 0; i < len; i++)
		differs |= (unsigned char)(a[i] ^ b[i]);
	return differs == 0;
}
