/* SPDX-License-Identifier: MIT */
/*
 * Describes the peer of a socket as TLS has verified it, or the failure of TLS.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls_session.h"

const char *lined_socket_tls_error(const struct lined_socket *sock)
{
	const struct tls_session *tls = tls_of(sock);

	return tls != NULL && tls->error != NULL ? tls->error : "";
}

/* Copies the first DNS, e-mail or URI name; without any, the common name.
 * Passes over a name that is empty, too long, or has a NUL in it. */
static int tls_copy_name(void *arg, int type, const ASN1_STRING *name)
{
	unsigned char *utf8;
	char *to = arg;
	int len, good;

	if (type == GEN_IPADD)
		return 0;
	len = ASN1_STRING_to_UTF8(&utf8, name);
	if (len < 0) {
		ERR_clear_error();
		return 0;
	}
	good = len > 0 && len < TLS_NAME_MAX &&
	       memchr(utf8, '\0', (size_t)len) == NULL;
	if (good) {
		memcpy(to, utf8, (size_t)len);
		to[len] = '\0';
	}
	OPENSSL_free(utf8);
	return good;
}

bool tls_describe(struct lined_socket *sock, struct lined_tls *out)
{
	const struct tls_session *tls = tls_of(sock);
	struct tls_io *io;
	X509 *peer;

	memset(out, 0, sizeof(*out));
	if (tls == NULL || tls->ssl == NULL || sock->dispatcher == NULL ||
	    !SSL_is_init_finished(tls->ssl))
		return false;
	io = tls_io(sock);
	io->name[0] = '\0';
	out->version = SSL_get_version(tls->ssl);
	out->cipher = SSL_get_cipher_name(tls->ssl);
	out->server_name =
		SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
	if (out->server_name == NULL)
		out->server_name = "";
	out->name = io->name;
	peer = SSL_get0_peer_certificate(tls->ssl);
	if (peer == NULL)
		return true;
	X509_digest(peer, EVP_sha256(), out->sha256, NULL);
	out->verified = SSL_get_verify_result(tls->ssl) == X509_V_OK &&
			SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE;
	if (out->verified)
		tls_each_name(peer, tls_copy_name, io->name);
	return true;
}
