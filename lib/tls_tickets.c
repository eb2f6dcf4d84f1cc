/* SPDX-License-Identifier: MIT */
/*
 * Makes the keys of session tickets, and encrypts tickets with them.
 */
#include "config.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "fail.h"
#include "tls_priv.h"

int tls_tickets_turn(struct tls_tickets *tickets)
{
	static const struct tls_ticket_key none;
	struct tls_ticket_key key;

	if (RAND_bytes((unsigned char *)&key, sizeof(key)) != 1) {
		ERR_clear_error();
		return fail_with(EIO);
	}
	if (memcmp(&tickets->now, &none, sizeof(none)) == 0)
		tickets->now = key;
	tickets->before = tickets->now;
	tickets->now = key;
	OPENSSL_cleanse(&key, sizeof(key));
	return 0;
}

static int tls_ticket_init(const struct tls_ticket_key *key,
			   const unsigned char *iv, EVP_CIPHER_CTX *cipher,
			   EVP_MAC_CTX *mac, int encrypt)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
						  (void *)(uintptr_t)key->mac,
						  sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher,
				 iv, encrypt) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says. */
static int tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv,
			  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	const struct tls_tickets *tickets =
		SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct tls_ticket_key *key = &tickets->now;

	if (encrypt) {
		memcpy(name, key->name, sizeof(key->name));
		return RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
				       tls_ticket_init(key, iv, cipher, mac, 1)
			       ? 1
			       : -1;
	}
	if (memcmp(name, key->name, sizeof(key->name)) != 0)
		key = &tickets->before;
	if (memcmp(name, key->name, sizeof(key->name)) != 0)
		return 0;
	if (!tls_ticket_init(key, iv, cipher, mac, 0))
		return -1;
	return key == &tickets->now ? 1 : 2;
}

void tls_tickets_use(const struct tls_tickets *tickets, SSL_CTX *ctx)
{
	SSL_CTX_set_app_data(ctx, (void *)(uintptr_t)tickets);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_ticket_key);
	/* One ticket: the next connection uses it, and gets another one. */
	SSL_CTX_set_num_tickets(ctx, 1);
}
