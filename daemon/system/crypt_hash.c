/* SPDX-License-Identifier: MIT */
/*
 * Verifies passwords with crypt_r(3) of libcrypt.
 */
#include "config.h"

#include "system/crypt_hash.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* A DES hash, the oldest kind, has no prefix and is recognized by its length.
 */
#define DES_LEN 13

int crypt_hash_check(const char *hash)
{
	if (hash[0] != '$' && hash[0] != '_' && strlen(hash) != DES_LEN)
		return fail_with(EINVAL);
#ifdef CRYPT_SALT_OK
	switch (crypt_checksalt(hash)) {
	case CRYPT_SALT_INVALID:
	case CRYPT_SALT_METHOD_DISABLED:
		return fail_with(EINVAL);
	default:
		return 0;
	}
#else
	return 0;
#endif
}

int crypt_hash_compare(const char *password, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	int result = -1, error;
	const char *made;

	if (data == NULL)
		return -1;
	made = crypt_r(password, hash, data);
	error = errno;
	if (made != NULL && made[0] != '*')
		result = crypt_hash_equal(made, hash);
	explicit_bzero(data, sizeof(*data));
	free(data);
	errno = error;
	return result;
}
