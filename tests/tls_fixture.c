/* SPDX-License-Identifier: MIT */
/*
 * Makes certificates, and opens, drives and closes the TLS connection of a
 * test.
 */
#include "config.h"

#include "tls_fixture.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

#define DAY 86400

/* ---- certificates -------------------------------------------------------- */

char tls_directory[64];

static void certificate_extend(X509 *certificate, X509 *issuer, int nid,
			       const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

void identity_make(struct identity *to, const char *cn, const char *names,
		   const struct identity *issuer, int from_days, int to_days)
{
	static long serial = 1;
	X509_NAME *name = X509_NAME_new();
	FILE *file;

	to->key = EVP_EC_gen("P-256");
	to->certificate = X509_new();
	if (issuer == NULL)
		issuer = to;
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
				   (const unsigned char *)cn, -1, -1, 0);
	X509_set_version(to->certificate, 2);
	X509_set_subject_name(to->certificate, name);
	X509_NAME_free(name);
	X509_set_issuer_name(to->certificate,
			     X509_get_subject_name(issuer->certificate));
	ASN1_INTEGER_set(X509_get_serialNumber(to->certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(to->certificate),
			(long)from_days * DAY);
	X509_gmtime_adj(X509_getm_notAfter(to->certificate),
			(long)to_days * DAY);
	X509_set_pubkey(to->certificate, to->key);
	certificate_extend(to->certificate, issuer->certificate,
			   NID_basic_constraints,
			   names == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (names != NULL && names[0] != '\0')
		certificate_extend(to->certificate, issuer->certificate,
				   NID_subject_alt_name, names);
	ck_assert_int_gt(X509_sign(to->certificate, issuer->key, EVP_sha256()),
			 0);
	snprintf(to->certificate_path, sizeof(to->certificate_path),
		 "%s/%ld.crt", tls_directory, serial);
	snprintf(to->key_path, sizeof(to->key_path), "%s/%ld.key",
		 tls_directory, serial);
	file = fopen(to->certificate_path, "w");
	ck_assert_ptr_nonnull(file);
	PEM_write_X509(file, to->certificate);
	fclose(file);
	file = fopen(to->key_path, "w");
	PEM_write_PrivateKey(file, to->key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

void identity_fini(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
	unlink(identity->certificate_path);
	unlink(identity->key_path);
}

/* ---- the connection ------------------------------------------------------ */

struct identity ca, server_id, other_id, client_id, stranger_ca;
struct tls_tickets tickets;

static void identities_make(void)
{
	strcpy(tls_directory, "/tmp/test-tls.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(tls_directory));
	memset(&tickets, 0, sizeof(tickets));
	ck_assert_int_eq(tls_tickets_turn(&tickets), 0);
	identity_make(&ca, "test CA", NULL, NULL, -1, 100);
	identity_make(&stranger_ca, "strange CA", NULL, NULL, -1, 100);
	identity_make(&server_id, "server", "DNS:a.example,IP:127.0.0.1", &ca,
		      -1, 100);
	identity_make(&other_id, "other", "DNS:*.b.example,DNS:c.example", &ca,
		      -1, 100);
	identity_make(&client_id, "someone", "email:alice@example", &ca, -1,
		      100);
}

static void identities_free(void)
{
	identity_fini(&ca);
	identity_fini(&stranger_ca);
	identity_fini(&server_id);
	identity_fini(&other_id);
	identity_fini(&client_id);
	rmdir(tls_directory);
}

struct tls_settings settings_of(const struct identity *identity)
{
	return (struct tls_settings){
		.certificate = identity->certificate_path,
		.key = identity->key_path,
	};
}

struct tls_files *files_read(const struct tls_settings *settings)
{
	struct tls_problem problem;
	struct tls_warnings warnings;
	struct tls_files *files =
		tls_files_read(settings, time(NULL), &problem, &warnings);

	ck_assert_msg(files != NULL, "%s: %s", problem.key, problem.text);
	return files;
}

struct tls_server *server_make(const struct tls_settings *settings,
			       size_t count)
{
	struct tls_context *contexts[4] = {NULL};
	struct tls_server *server;
	struct tls_files *files;
	size_t i;

	for (i = 0; i < count; i++) {
		files = files_read(&settings[i]);
		contexts[i] = tls_context_new(files, &tickets);
		ck_assert_ptr_nonnull(contexts[i]);
		tls_files_unref(files);
	}
	server = tls_server_new(contexts, count);
	ck_assert_ptr_nonnull(server);
	for (i = 0; i < count; i++)
		tls_context_unref(contexts[i]);
	return server;
}

struct tls_connection conn;
struct outcome outcome;

static void note_outcome(struct lined_socket *sock, enum tls_result result,
			 const char *why)
{
	outcome.count++;
	outcome.result = result;
	snprintf(outcome.why, sizeof(outcome.why), "%s", why);
	if (result == TLS_OK)
		tls_established(sock);
}

void open_with(const struct tls_settings *settings, size_t count)
{
	int fds[2];

	memset(&conn, 0, sizeof(conn));
	memset(&outcome, 0, sizeof(outcome));
	conn.d = support_dispatcher();
	conn.server = server_make(settings, count);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	conn.fd = fds[1];
	conn.sock = support_socket(&recorder_handlers, &conn.recorder);
	support_wrap(conn.d, conn.sock, fds[0]);
	conn.ctx = SSL_CTX_new(TLS_client_method());
	conn.ssl = SSL_new(conn.ctx);
	SSL_set_fd(conn.ssl, conn.fd);
	SSL_set_connect_state(conn.ssl);
}

void case_accept(uint32_t timeout_ms)
{
	ck_assert_int_eq(
		tls_accept(conn.sock, conn.server, timeout_ms, note_outcome),
		0);
}

void open_case(void)
{
	struct tls_settings settings = settings_of(&server_id);

	open_with(&settings, 1);
	case_accept(5000);
}

void close_case(void)
{
	if (conn.d == NULL)
		return;
	SSL_free(conn.ssl);
	SSL_CTX_free(conn.ctx);
	lined_dispatcher_free(conn.d);
	tls_server_free(conn.server);
	close(conn.fd);
	recorder_fini(&conn.recorder);
	conn.d = NULL;
	ERR_clear_error();
}

int peer_shakes(void)
{
	int rc, turns;

	for (turns = 0; turns < 1000; turns++) {
		rc = SSL_do_handshake(conn.ssl);
		if (rc == 1)
			break;
		if (SSL_get_error(conn.ssl, rc) != SSL_ERROR_WANT_READ)
			break;
		support_run_turns(conn.d, 1);
	}
	ck_assert_int_lt(turns, 1000);
	support_run_turns(conn.d, 3);
	return rc;
}

void shake(void)
{
	int rc = peer_shakes();

	ck_assert_msg(rc == 1, "%s",
		      ERR_reason_error_string(ERR_peek_last_error()));
	ck_assert_uint_eq(outcome.count, 1);
	ck_assert_int_eq(outcome.result, TLS_OK);
	ck_assert(lined_socket_is_connected(conn.sock));
}

void peer_writes(const char *text)
{
	ck_assert_int_eq(SSL_write(conn.ssl, text, (int)strlen(text)),
			 (int)strlen(text));
}

void peer_expects(const char *text)
{
	size_t want = strlen(text), got = 0;
	char data[4096];
	int n, turns;

	ck_assert_uint_lt(want, sizeof(data));
	for (turns = 0; got < want && turns < 1000; turns++) {
		n = SSL_read(conn.ssl, data + got, (int)(want - got));
		if (n > 0)
			got += (size_t)n;
		else
			support_run_turns(conn.d, 1);
	}
	data[got] = '\0';
	ck_assert_str_eq(data, text);
}

int peer_end(void)
{
	char byte;
	int n, error, turns;

	for (turns = 0; turns < 1000; turns++) {
		n = SSL_read(conn.ssl, &byte, 1);
		ck_assert_int_le(n, 0);
		error = SSL_get_error(conn.ssl, n);
		if (error != SSL_ERROR_WANT_READ)
			return error;
		support_run_turns(conn.d, 1);
	}
	ck_abort_msg("no end");
}

TCase *tls_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, identities_make, identities_free);
	tcase_add_checked_fixture(tcase, NULL, close_case);
	return tcase;
}
