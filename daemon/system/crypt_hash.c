/* SPDX-License-Identifier: MIT */
/*
 * Hashes by crypt(3), of all kinds that the system's library knows.
 */
#include "config.h"

#include "threads/verifier.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of the oldest kind, which anything can be taken for. */
#define DES_LEN 13

int password_check_hash(const char *hash)
{
	if (hash[0] != '$' && hash[0] != '_' && strlen(hash) != DES_LEN) {
		errno = EINVAL;
		return -1;
	}
#ifdef CRYPT_SALT_OK
	switch (crypt_checksalt(hash)) {
	case CRYPT_SALT_INVALID:
	case CRYPT_SALT_METHOD_DISABLED:
		errno = EINVAL;
		return -1;
	default:
		return 0;
	}
#else
	return 0;
#endif
}

/* The same time for every wrong one. */
static bool is_same(const char *a, const char *b)
{
	size_t len = strlen(a), i;
	unsigned differs = 0;

	if (strlen(b) != len)
		return false;
	for (i = 0; i < len; i++)
		differs |= (unsigned char)(a[i] ^ b[i]);
	return differs == 0;
}

bool password_matches(const char *password, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made;
	bool same;

	if (data == NULL)
		return false;
	made = crypt_r(password, hash, data);
	same = made != NULL && made[0] != '*' && is_same(made, hash);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return same;
}
