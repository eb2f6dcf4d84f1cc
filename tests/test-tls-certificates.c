/* SPDX-License-Identifier: MIT */
/*
 * The certificates of TLS: which certificate a server shows, certificates of
 * clients, resumed sessions, the files; and how a client of lib/ verifies a
 * server.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "socket_priv.h"
#include "support.h"
#include "tls_fixture.h"

#define DAY 86400

/* ---- certificates -------------------------------------------------------- */

START_TEST(sni_chooses_by_names_and_wildcards)
{
	struct tls_settings settings[2] = {settings_of(&server_id),
					   settings_of(&other_id)};
	X509 *shown;

	settings[1].tls_1_3 = true;
	open_with(settings, 2);
	ck_assert_uint_eq(tls_server_choose(conn.server, "a.example"), 0);
	ck_assert_uint_eq(tls_server_choose(conn.server, "C.Example"), 1);
	ck_assert_uint_eq(tls_server_choose(conn.server, "c.example."), 1);
	ck_assert_uint_eq(tls_server_choose(conn.server, "x.B.example"), 1);
	ck_assert_uint_eq(tls_server_choose(conn.server, "b.example"), 0);
	ck_assert_uint_eq(tls_server_choose(conn.server, ".b.example"), 0);
	ck_assert_uint_eq(tls_server_choose(conn.server, "y.x.b.example"), 0);
	ck_assert_uint_eq(tls_server_choose(conn.server, "nobody"), 0);
	case_accept(5000);
	SSL_set_tlsext_host_name(conn.ssl, "X.b.example");
	shake();
	shown = SSL_get0_peer_certificate(conn.ssl);
	ck_assert_int_eq(X509_cmp(shown, other_id.certificate), 0);
	close_case();
	/* All keys of the section apply, its min-version too. */
	open_with(settings, 2);
	case_accept(5000);
	SSL_set_tlsext_host_name(conn.ssl, "c.example");
	SSL_set_max_proto_version(conn.ssl, TLS1_2_VERSION);
	ck_assert_int_ne(peer_shakes(), 1);
	ck_assert_str_eq(outcome.why, "unsupported protocol");
	close_case();
}
END_TEST

static void use_identity(const struct identity *identity)
{
	SSL_use_certificate(conn.ssl, identity->certificate);
	SSL_use_PrivateKey(conn.ssl, identity->key);
}

static struct tls_settings settings_with_clients(enum tls_client_cert how)
{
	struct tls_settings settings = settings_of(&server_id);

	settings.client_ca = ca.certificate_path;
	settings.client_cert = how;
	return settings;
}

START_TEST(client_certificate_gives_its_name)
{
	struct tls_settings settings =
		settings_with_clients(TLS_CLIENT_CERT_REQUIRED);
	unsigned char sha256[32];
	struct lined_tls tls;

	open_with(&settings, 1);
	case_accept(5000);
	use_identity(&client_id);
	shake();
	ck_assert(tls_describe(conn.sock, &tls));
	ck_assert(tls.verified);
	ck_assert_str_eq(tls.name, "alice@example");
	X509_digest(client_id.certificate, EVP_sha256(), sha256, NULL);
	ck_assert_int_eq(memcmp(sha256, tls.sha256, 32), 0);
}
END_TEST

START_TEST(client_without_a_certificate_is_refused_if_required)
{
	struct tls_settings settings =
		settings_with_clients(TLS_CLIENT_CERT_REQUIRED);

	open_with(&settings, 1);
	case_accept(5000);
	peer_shakes();
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_CERTIFICATE);
	close_case();
	settings.client_cert = TLS_CLIENT_CERT_OPTIONAL;
	open_with(&settings, 1);
	case_accept(5000);
	shake();
	close_case();
}
END_TEST

START_TEST(bad_client_certificate_is_refused_even_if_optional)
{
	struct tls_settings settings =
		settings_with_clients(TLS_CLIENT_CERT_OPTIONAL);
	struct identity bad;

	identity_make(&bad, "bad", "DNS:bad", &stranger_ca, -1, 100);
	open_with(&settings, 1);
	case_accept(5000);
	use_identity(&bad);
	peer_shakes();
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_CERTIFICATE);
	ck_assert_str_eq(outcome.why, "certificate verify failed: unable to "
				      "get local issuer certificate");
	identity_fini(&bad);
}
END_TEST

/* Makes a handshake, with `session` unless NULL. Returns the new session. */
static SSL_SESSION *session_after(const struct tls_settings *settings,
				  SSL_SESSION *session, bool *resumed)
{
	open_with(settings, 1);
	conn.recorder.echo = true;
	case_accept(5000);
	if (settings->client_ca != NULL)
		use_identity(&client_id);
	if (session != NULL)
		SSL_set_session(conn.ssl, session);
	shake();
	peer_writes("x\n");
	peer_expects("x\n"); /* the ticket has come before this line */
	*resumed = SSL_session_reused(conn.ssl);
	session = SSL_get1_session(conn.ssl);
	SSL_shutdown(conn.ssl);
	close_case();
	return session;
}

START_TEST(sessions_are_resumed_by_other_contexts)
{
	struct tls_settings settings = settings_of(&server_id);
	struct tls_settings strict =
		settings_with_clients(TLS_CLIENT_CERT_REQUIRED);
	SSL_SESSION *first, *next;
	bool resumed;

	first = session_after(&settings, NULL, &resumed);
	ck_assert(!resumed);
	next = session_after(&settings, first, &resumed);
	ck_assert(resumed);
	SSL_SESSION_free(next);
	/* With another client CA, there is a full handshake instead of a
	 * resumption. */
	next = session_after(&strict, first, &resumed);
	ck_assert(!resumed);
	SSL_SESSION_free(next);
	SSL_SESSION_free(first);
	/* A ticket of the last key but one is accepted, a ticket of an older
	 * key is not. */
	first = session_after(&settings, NULL, &resumed);
	tls_tickets_turn(&tickets);
	next = session_after(&settings, first, &resumed);
	ck_assert(resumed);
	SSL_SESSION_free(next);
	tls_tickets_turn(&tickets);
	tls_tickets_turn(&tickets);
	next = session_after(&settings, first, &resumed);
	ck_assert(!resumed);
	SSL_SESSION_free(next);
	SSL_SESSION_free(first);
}
END_TEST

/* ---- files --------------------------------------------------------------- */

static void expect_problem(const struct tls_settings *settings, const char *key,
			   const char *path, const char *why)
{
	struct tls_problem problem;
	struct tls_warnings warnings;
	char text[512];

	ck_assert_ptr_null(
		tls_files_read(settings, time(NULL), &problem, &warnings));
	snprintf(text, sizeof(text), "%s: %s", path, why);
	ck_assert_str_eq(problem.key, key);
	ck_assert_str_eq(problem.text, text);
}

START_TEST(bad_files_are_named_with_the_reason)
{
	struct tls_settings settings = settings_of(&server_id);
	char locked[128];
	FILE *file;

	settings.key = other_id.key_path;
	expect_problem(&settings, "key", settings.key,
		       "it is not the key of the certificate");
	settings.key = server_id.certificate_path;
	expect_problem(&settings, "key", settings.key,
		       "there is no PEM private key in it");
	settings.certificate = server_id.key_path;
	expect_problem(&settings, "certificate", settings.certificate,
		       "there is no PEM certificate in it");
	settings.certificate = "/nonexistent";
	expect_problem(&settings, "certificate", "/nonexistent",
		       "No such file or directory");
	settings = settings_of(&server_id);
	settings.client_ca = server_id.key_path;
	expect_problem(&settings, "client-ca", settings.client_ca,
		       "there is no PEM certificate in it");
	settings.client_ca = ca.certificate_path;
	settings.crl = ca.certificate_path;
	expect_problem(&settings, "crl", settings.crl,
		       "there is no PEM revocation list in it");
	settings = settings_of(&server_id);
	snprintf(locked, sizeof(locked), "%s/locked.key", tls_directory);
	file = fopen(locked, "w");
	PEM_write_PrivateKey(file, server_id.key, EVP_aes_128_cbc(), NULL, 0,
			     NULL, (void *)(uintptr_t) "pw");
	fclose(file);
	settings.key = locked;
	expect_problem(&settings, "key", locked,
		       "it is encrypted with a passphrase; write it without "
		       "(openssl pkey -in FILE -out NEW)");
	unlink(locked);
}
END_TEST

static void expect_warning(int from_days, int to_days, const char *what)
{
	struct tls_problem problem;
	struct tls_warnings warnings;
	struct tls_settings settings;
	struct identity late;
	char text[512];

	identity_make(&late, "late", "DNS:late", &ca, from_days, to_days);
	settings = settings_of(&late);
	tls_files_unref(
		tls_files_read(&settings, time(NULL), &problem, &warnings));
	if (what == NULL) {
		ck_assert_uint_eq(warnings.count, 0);
	} else {
		time_t at = time(NULL) +
			    (from_days > 0 ? from_days : to_days) * (time_t)DAY;
		char date[16];

		strftime(date, sizeof(date), "%F", gmtime(&at));
		snprintf(text, sizeof(text), "%s: %s %s", late.certificate_path,
			 what, date);
		ck_assert_uint_eq(warnings.count, 1);
		ck_assert_str_eq(warnings.items[0].text, text);
	}
	identity_fini(&late);
}

START_TEST(dates_give_warnings)
{
	expect_warning(-10, -2, "it has expired on");
	expect_warning(-10, 13, "it expires on");
	expect_warning(2, 90, "it is not valid before");
	expect_warning(-1, 90, NULL);
}
END_TEST

START_TEST(files_know_their_names_and_compare)
{
	struct tls_settings settings = settings_of(&server_id);
	struct tls_files *a = files_read(&settings), *b = files_read(&settings);
	const char *const *names;

	ck_assert_uint_eq(tls_files_names(a, &names), 2);
	ck_assert_str_eq(names[0], "a.example");
	ck_assert_str_eq(names[1], "127.0.0.1");
	ck_assert(tls_files_equal(a, b));
	tls_files_unref(b);
	settings = settings_of(&other_id);
	b = files_read(&settings);
	ck_assert(!tls_files_equal(a, b));
	tls_files_unref(a);
	tls_files_unref(b);
}
END_TEST

/* ---- the client's side --------------------------------------------------- */

/* A client of lib/ and a server of lib/, connected over loopback. */
struct both {
	struct lined_dispatcher *d;
	struct tls_server *server;
	struct lined_socket *listener, *accepted, *client;
	struct recorder at_server, at_client;
	uint16_t port;
	unsigned connects;
};

static void both_accept(struct lined_socket *listener, void *arg)
{
	struct both *both = arg;
	struct lined_socket *sock =
		support_socket(&recorder_handlers, &both->at_server);

	ck_assert_int_eq(lined_socket_accept(listener, sock), 0);
	ck_assert_int_eq(tls_accept(sock, both->server, 5000, NULL), 0);
	both->accepted = sock;
}

static const struct lined_socket_handlers both_listener = {
	.handle_accept = both_accept,
};

static char both_error[128];

static void both_connected(struct lined_socket *sock, void *arg)
{
	struct both *both = arg;

	both->connects++;
}

static void both_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct both *both = arg;

	snprintf(both_error, sizeof(both_error), "%s",
		 lined_socket_tls_error(sock));
	both->at_client.closes++;
	both->at_client.reason = reason;
	both->at_client.error = error;
}

static void both_read(struct lined_socket *sock, void *arg)
{
	struct both *both = arg;
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		both->at_client.lines++;
}

static const struct lined_socket_handlers both_client = {
	.handle_connect = both_connected,
	.handle_read = both_read,
	.handle_close = both_closed,
};

static void open_both(struct both *both, const struct tls_settings *settings,
		      const struct lined_tls_client_settings *mine,
		      const char *name)
{
	struct lined_tls_client *client;
	char error[256];

	memset(both, 0, sizeof(*both));
	both_error[0] = '\0';
	both->d = support_dispatcher();
	both->server = server_make(settings, 1);
	both->listener =
		support_listen(both->d, &both_listener, both, &both->port);
	client = lined_tls_client_new(mine, error, sizeof(error));
	ck_assert_msg(client != NULL, "%s", error);
	both->client = support_socket(&both_client, both);
	ck_assert_int_eq(lined_socket_use_tls(both->client, client, name, 0),
			 0);
	lined_tls_client_free(client);
	ck_assert_int_eq(lined_socket_connect(both->client, "127.0.0.1",
					      both->port, 5000),
			 0);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(both->d, both->client));
}

static void close_both(struct both *both)
{
	lined_dispatcher_free(both->d);
	tls_server_free(both->server);
	recorder_fini(&both->at_server);
}

static void expect_both(const char *name, const char *server_ca,
			const char *error)
{
	struct tls_settings settings = settings_of(&server_id);
	struct lined_tls_client_settings mine = {.ca = server_ca};
	struct both both;

	open_both(&both, &settings, &mine, name);
	if (error == NULL) {
		both.at_server.echo = true;
		ck_assert_int_eq(lined_socket_send(both.client, "hi\n", 3), 0);
		support_run_until_count(both.d, &both.at_client.lines, 1);
		ck_assert_uint_eq(both.connects, 1);
	} else {
		support_run_until_count(both.d, &both.at_client.closes, 1);
		ck_assert_uint_eq(both.connects, 0);
		ck_assert_str_eq(both_error, error);
	}
	close_both(&both);
}

START_TEST(client_verifies_the_name_and_the_ca)
{
	expect_both("a.example", ca.certificate_path, NULL);
	expect_both("127.0.0.1", ca.certificate_path, NULL);
	expect_both("b.example", ca.certificate_path,
		    "certificate verify failed: hostname mismatch");
	expect_both("127.0.0.2", ca.certificate_path,
		    "certificate verify failed: IP address mismatch");
	expect_both("a.example", stranger_ca.certificate_path,
		    "certificate verify failed: unable to get local issuer "
		    "certificate");
}
END_TEST

START_TEST(client_shows_its_certificate)
{
	struct tls_settings settings =
		settings_with_clients(TLS_CLIENT_CERT_REQUIRED);
	struct lined_tls_client_settings mine = {
		.insecure = true,
		.certificate = client_id.certificate_path,
		.key = client_id.key_path,
	};
	struct lined_tls tls;
	struct both both;

	open_both(&both, &settings, &mine, "anything");
	support_run_until_count(both.d, &both.connects, 1);
	lined_socket_send(both.client, "x\n", 2);
	support_run_until_count(both.d, &both.at_server.lines, 1);
	ck_assert(tls_describe(both.accepted, &tls));
	ck_assert_str_eq(tls.name, "alice@example");
	close_both(&both);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("tls_certificates");
	TCase *certificates = tls_case(suite, "certificates");

	tcase_add_test(certificates, sni_chooses_by_names_and_wildcards);
	tcase_add_test(certificates, client_certificate_gives_its_name);
	tcase_add_test(certificates,
		       client_without_a_certificate_is_refused_if_required);
	tcase_add_test(certificates,
		       bad_client_certificate_is_refused_even_if_optional);
	tcase_add_test(certificates, sessions_are_resumed_by_other_contexts);
	tcase_add_test(certificates, bad_files_are_named_with_the_reason);
	tcase_add_test(certificates, dates_give_warnings);
	tcase_add_test(certificates, files_know_their_names_and_compare);
	tcase_add_test(certificates, client_verifies_the_name_and_the_ca);
	tcase_add_test(certificates, client_shows_its_certificate);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
