/* SPDX-License-Identifier: MIT */
/*
 * Makes contexts of TLS: the state that all connections of a certificate on a
 * thread share. A server has several, and chooses among them by SNI. Knows no
 * sockets.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fail.h"
#include "tls_priv.h"

bool tls_available(void)
{
	return true;
}

void tls_keep_compressions(void)
{
	static void *list; /* keeps the list reachable: no leak */

	if (list == NULL)
		list = SSL_COMP_set0_compression_methods(NULL);
}

/* Fetches one algorithm of each kind that SSL_CTX_new() does not fetch. */
static void tls_make_algorithms(void)
{
	EVP_MAC_free(EVP_MAC_fetch(NULL, "HMAC", NULL));
	EVP_KDF_free(EVP_KDF_fetch(NULL, "HKDF", NULL));
	EVP_RAND_free(EVP_RAND_fetch(NULL, "CTR-DRBG", NULL));
	EVP_SIGNATURE_free(EVP_SIGNATURE_fetch(NULL, "ECDSA", NULL));
	EVP_KEYEXCH_free(EVP_KEYEXCH_fetch(NULL, "ECDH", NULL));
	EVP_KEYMGMT_free(EVP_KEYMGMT_fetch(NULL, "EC", NULL));
	EVP_ASYM_CIPHER_free(EVP_ASYM_CIPHER_fetch(NULL, "RSA", NULL));
}

/*
 * Makes a context of OpenSSL. OpenSSL makes all algorithms of a kind only once,
 * when the first of them is requested. An algorithm that gets no memory then is
 * missing for ever, and handshakes fail. So all algorithms are made here: if
 * memory is short, the start or the reload fails instead. Only errno shows that
 * memory was short. NULL: an error.
 */
static SSL_CTX *tls_ctx_new(const SSL_METHOD *method)
{
	SSL_CTX *ctx;

	errno = 0;
	ctx = SSL_CTX_new(method);
	tls_make_algorithms();
	if (ctx == NULL || errno == ENOMEM) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

/* ---- the server's contexts ----------------------------------------------- */

/* Returns 2 if the pattern is the name itself, 1 if it is a wildcard for the
 * name, else 0. */
static int tls_match_name(const char *pattern, const char *name, size_t len)
{
	const char *dot;

	if (strlen(pattern) == len && strncasecmp(pattern, name, len) == 0)
		return 2;
	dot = memchr(name, '.', len);
	if (strncmp(pattern, "*.", 2) != 0 || dot == NULL || dot == name)
		return 0;
	len -= (size_t)(dot - name);
	return strlen(pattern + 1) == len &&
			       strncasecmp(pattern + 1, dot, len) == 0
		       ? 1
		       : 0;
}

static size_t tls_choose(const struct tls_server *server, const char *name,
			 size_t len)
{
	const char *const *names;
	int best_match = 0, match;
	size_t best = 0, i, k, count;

	if (len > 0 && name[len - 1] == '.')
		len--;
	for (i = 0; i < server->count; i++) {
		count = tls_files_names(server->contexts[i]->files, &names);
		for (k = 0; k < count; k++) {
			match = tls_match_name(names[k], name, len);
			if (match > best_match) {
				best_match = match;
				best = i;
			}
		}
	}
	return best;
}

size_t tls_server_choose(const struct tls_server *server, const char *name)
{
	return tls_choose(server, name, strlen(name));
}

/* The host name in a server_name extension (RFC 6066). NULL: none. */
static const char *tls_hello_name(SSL *ssl, size_t *len)
{
	const unsigned char *data;
	size_t size;

	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data,
				       &size) ||
	    size < 5 || data[2] != TLSEXT_NAMETYPE_host_name)
		return NULL;
	*len = (size_t)data[3] << 8 | data[4];
	return *len > 0 && *len <= size - 5 ? (const char *)data + 5 : NULL;
}

/*
 * Chooses a context by SNI, in the ClientHello callback: the servername
 * callback runs later, when the version is chosen, and comes too late for some
 * settings of the context.
 */
static int tls_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tls_server *server = SSL_get_app_data(ssl);
	const struct tls_context *context;
	const char *name;
	size_t len;

	if (server == NULL || server->count == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	name = tls_hello_name(ssl, &len);
	if (name == NULL)
		return SSL_CLIENT_HELLO_SUCCESS;
	context = server->contexts[tls_choose(server, name, len)];
	SSL_set_SSL_CTX(ssl, context->ctx);
	SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context->ctx), NULL);
	SSL_set_min_proto_version(ssl,
				  SSL_CTX_get_min_proto_version(context->ctx));
	return SSL_CLIENT_HELLO_SUCCESS;
}

struct tls_context *tls_context_new(struct tls_files *files,
				    const struct tls_tickets *tickets)
{
	struct tls_context *context = calloc(1, sizeof(*context));
	struct tls_problem problem;

	if (context == NULL)
		return NULL;
	context->refs = 1;
	context->files = tls_files_ref(files);
	context->ctx = tls_ctx_new(TLS_server_method());
	if (context->ctx == NULL ||
	    tls_files_use(files, context->ctx, 0, &problem, NULL) < 0) {
		tls_context_unref(context);
		return fail_null(ENOMEM);
	}
	SSL_CTX_set_client_hello_cb(context->ctx, tls_hello, NULL);
	tls_tickets_use(tickets, context->ctx);
	return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	atomic_fetch_add(&context->refs, 1);
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (context == NULL || atomic_fetch_sub(&context->refs, 1) != 1)
		return;
	SSL_CTX_free(context->ctx);
	tls_files_unref(context->files);
	free(context);
}

struct tls_server *tls_server_new(struct tls_context *const *contexts,
				  size_t count)
{
	struct tls_server *server = calloc(
		1, sizeof(*server) + count * sizeof(server->contexts[0]));
	size_t i;

	if (server == NULL)
		return NULL;
	server->refs = 1;
	server->count = count;
	for (i = 0; i < count; i++)
		server->contexts[i] = tls_context_ref(contexts[i]);
	return server;
}

void tls_server_free(struct tls_server *server)
{
	size_t i;

	if (server == NULL || --server->refs > 0)
		return;
	for (i = 0; i < server->count; i++)
		tls_context_unref(server->contexts[i]);
	free(server);
}

/* ---- the client's side --------------------------------------------------- */

struct lined_tls_client *
lined_tls_client_new(const struct lined_tls_client_settings *settings,
		     char *error, size_t size)
{
	struct lined_tls_client *client = calloc(1, sizeof(*client));
	struct tls_problem problem = {.key = "ca", .text = "no memory"};

	if (client != NULL)
		client->ctx = tls_ctx_new(TLS_client_method());
	if (client != NULL && client->ctx != NULL &&
	    tls_files_use_client(client->ctx, settings, &problem) == 0)
		return client;
	snprintf(error, size, "%s: %s", problem.key, problem.text);
	lined_tls_client_free(client);
	return NULL;
}

void lined_tls_client_free(struct lined_tls_client *client)
{
	if (client == NULL)
		return;
	SSL_CTX_free(client->ctx);
	free(client);
}
