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

/* Copies a name. False: it is empty, too long, or has a NUL in it. */
static bool tls_copy_name(char *to, const ASN1_STRING *name)
{
	unsigned char *utf8;
	int len = ASN1_STRING_to_UTF8(&utf8, name);
	bool good;

	if (len < 0) {
		ERR_clear_error();
		return false;
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

/* The first DNS, e-mail or URI name; without any, the common name. */
static void tls_find_name(const X509 *certificate, char *to)
{
	GENERAL_NAMES *names =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(certificate);
	bool found = false;
	int i, type;

	for (i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		const ASN1_STRING *text = GENERAL_NAME_get0_value(
			sk_GENERAL_NAME_value(names, i), &type);

		if (type == GEN_DNS || type == GEN_EMAIL || type == GEN_URI)
			found = tls_copy_name(to, text);
	}
	GENERAL_NAMES_free(names);
	i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (!found && i >= 0)
		tls_copy_name(to, X509_NAME_ENTRY_get_data(
					  X509_NAME_get_entry(subject, i)));
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
		tls_find_name(peer, io->name);
	return true;
}
