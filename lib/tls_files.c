/* SPDX-License-Identifier: MIT */
/*
 * Reads the files of a certificate, keeps the names in them, and sets up
 * OpenSSL's contexts with them.
 */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "tls_priv.h"

/* Files must be shorter than this. A bundle of CAs has some 250 KB. */
#define FILE_MAX       (16 * 1024 * 1024)
#define TLS_FILES      4
#define NO_CERTIFICATE "there is no PEM certificate in it"

/* The contents of a file; data NULL: there is none. */
struct tls_bytes {
	const char *key;  /* name of the option in the config */
	const char *path; /* for messages; the caller's */
	char *data;
	size_t len;
};

struct tls_files {
	atomic_uint refs;
	union {
		struct {
			struct tls_bytes certificate, key, client_ca, crl;
		};
		struct tls_bytes all[TLS_FILES];
	};
	enum tls_client_cert client_cert;
	bool tls_1_3;
	char **names;
	size_t name_count;
	int64_t not_after;
};

static const char no_memory[] = "out of memory";

const char *tls_take_error(unsigned long *code)
{
	unsigned long last = 0, each;
	bool lacks_memory = false;
	const char *reason;

	/* The function that lacks memory reports first; its callers then report
	 * "ASN1 lib", or the end of a file. */
	while ((each = ERR_get_error()) != 0) {
		last = each;
		lacks_memory |= ERR_GET_REASON(each) == ERR_R_MALLOC_FAILURE;
	}
	reason = ERR_reason_error_string(last);
	if (code != NULL)
		*code = last;
	if (lacks_memory)
		return no_memory;
	if (ERR_SYSTEM_ERROR(last))
		return strerror(ERR_GET_REASON(last));
	return reason != NULL ? reason : "unknown error";
}

/* ---- files --------------------------------------------------------------- */

/* Reads a file to its end. -1 and errno (EFBIG: FILE_MAX bytes or more). */
static int tls_bytes_fill(struct tls_bytes *bytes, int fd)
{
	size_t room = 0, more;
	char *grown;
	ssize_t n;

	for (;;) {
		if (bytes->len == room) {
			more = room > 0 ? room * 4 : 16 * 1024;
			if (more > FILE_MAX)
				return fail_with(EFBIG);
			grown = OPENSSL_clear_realloc(bytes->data, room, more);
			if (grown == NULL)
				return -1;
			bytes->data = grown;
			room = more;
		}
		n = read(fd, bytes->data + bytes->len, room - bytes->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		bytes->len += (size_t)n;
	}
}

static int tls_bytes_read(struct tls_bytes *bytes, const char *key,
			  const char *path, struct tls_problem *problem)
{
	int fd, result = 0;

	bytes->key = key;
	bytes->path = path;
	if (path == NULL)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || tls_bytes_fill(bytes, fd) < 0) {
		tls_problem_set(problem, key, "%s: %s", path, strerror(errno));
		result = -1;
	}
	if (fd >= 0)
		close(fd);
	return result;
}

static BIO *tls_bytes_bio(const struct tls_bytes *bytes)
{
	errno = 0; /* for tls_reason() */
	return BIO_new_mem_buf(bytes->data, (int)bytes->len);
}

/* Refuses a key with a passphrase: a daemon cannot ask for it. */
static int tls_no_passphrase(char *to, int size, int writing, void *arg)
{
	*(bool *)arg = true;
	return -1;
}

/*
 * Returns why a file is bad. If memory was short, that is the reason. Otherwise
 * it is `reason`, or OpenSSL's reason if `reason` is NULL. errno must have been
 * 0 before OpenSSL was called, because OpenSSL does not report each allocation
 * that failed.
 */
static const char *tls_reason(const char *reason)
{
	bool lacks_memory = errno == ENOMEM;
	const char *why = tls_take_error(NULL);

	if (lacks_memory)
		return no_memory;
	return reason == NULL || why == no_memory ? why : reason;
}

/*
 * To be called when the next item of a PEM file could not be read, after
 * `count` items. At the end of the file, returns NULL, or `none` if there were
 * no items. Otherwise returns the fault. If memory runs out, a file may seem to
 * end early. This is a fault, too: otherwise a shortened list of CAs or
 * revocations would be used.
 */
static const char *tls_pem_error(size_t count, const char *none)
{
	bool ended =
		ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	const char *why = tls_reason(ended ? none : NULL);

	return ended && count > 0 && why != no_memory ? NULL : why;
}

/* Ends the reading of a file, and reports its fault, if there is one. */
static int tls_bytes_end(const struct tls_bytes *bytes, BIO *bio,
			 const char *why, struct tls_problem *problem)
{
	if (why != NULL)
		tls_problem_set(problem, bytes->key, "%s: %s", bytes->path,
				why);
	ERR_clear_error();
	BIO_free(bio);
	return why == NULL ? 0 : -1;
}

/* ---- what files set in a context ----------------------------------------- */

static int tls_use_chain(SSL_CTX *ctx, const struct tls_files *files,
			 struct tls_problem *problem)
{
	BIO *bio = tls_bytes_bio(&files->certificate);
	size_t count = 0;
	X509 *certificate;
	bool good;

	certificate = bio != NULL ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)
				  : NULL;
	good = certificate != NULL && SSL_CTX_use_certificate(ctx, certificate);
	count += good;
	X509_free(certificate);
	while (good &&
	       (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (!SSL_CTX_add0_chain_cert(ctx, certificate)) {
			X509_free(certificate);
			good = false;
		}
	return tls_bytes_end(&files->certificate, bio,
			     tls_pem_error(count, NO_CERTIFICATE), problem);
}

static int tls_use_key(SSL_CTX *ctx, const struct tls_files *files,
		       struct tls_problem *problem)
{
	BIO *bio = tls_bytes_bio(&files->key);
	bool encrypted = false;
	EVP_PKEY *key = NULL;
	const char *why = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase,
					      &encrypted);
	if (encrypted)
		why = "it is encrypted with a passphrase; write it without "
		      "(openssl pkey -in FILE -out NEW)";
	else if (key == NULL)
		why = tls_reason("there is no PEM private key in it");
	else if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) !=
		 1)
		why = tls_reason("it is not the key of the certificate");
	else if (!SSL_CTX_use_PrivateKey(ctx, key))
		why = tls_reason(NULL);
	EVP_PKEY_free(key);
	return tls_bytes_end(&files->key, bio, why, problem);
}

/* Trusts the CAs of the file. names: a server sends their names to clients. */
static int tls_use_ca(SSL_CTX *ctx, const struct tls_bytes *bytes, bool names,
		      struct tls_problem *problem)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *bio = tls_bytes_bio(bytes);
	bool good = bio != NULL;
	size_t count = 0;
	X509 *ca;

	while (good &&
	       (ca = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		good = X509_STORE_add_cert(store, ca) &&
		       (!names || SSL_CTX_add_client_CA(ctx, ca));
		X509_free(ca);
		count++;
	}
	return tls_bytes_end(bytes, bio, tls_pem_error(count, NO_CERTIFICATE),
			     problem);
}

/* warnings: NULL if they were given before. */
static int tls_use_crl(SSL_CTX *ctx, const struct tls_files *files,
		       int64_t now_s, struct tls_problem *problem,
		       struct tls_warnings *warnings)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *bio = tls_bytes_bio(&files->crl);
	bool good = bio != NULL;
	size_t count = 0;
	const char *why;
	char date[16];
	X509_CRL *crl;

	while (good &&
	       (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
		int64_t left = next != NULL ? tls_seconds_to(next, now_s) : 1;

		if (left <= 0 && warnings != NULL)
			tls_warn(warnings, "crl",
				 "%s: it has expired on %s: no client "
				 "certificate is good",
				 files->crl.path, tls_date(date, now_s + left));
		good = X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
		count++;
	}
	why = tls_pem_error(count, "there is no PEM revocation list in it");
	if (why == NULL)
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
	return tls_bytes_end(&files->crl, bio, why, problem);
}

/*
 * Sessions are resumed only by contexts that accept the same clients: the
 * verified certificate is part of a session, and is not verified again.
 */
static int tls_set_session_context(SSL_CTX *ctx, const struct tls_files *files,
				   struct tls_problem *problem)
{
	EVP_MD_CTX *md;
	unsigned char id[EVP_MAX_MD_SIZE];
	const unsigned char mode = (unsigned char)files->client_cert;
	bool good;

	errno = 0;
	md = EVP_MD_CTX_new();
	good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) &&
	       EVP_DigestUpdate(md, &mode, 1) &&
	       EVP_DigestUpdate(md, files->client_ca.data,
				files->client_ca.len) &&
	       EVP_DigestUpdate(md, files->crl.data, files->crl.len) &&
	       EVP_DigestFinal_ex(md, id, NULL) &&
	       SSL_CTX_set_session_id_context(ctx, id, SSL_MAX_SID_CTX_LENGTH);
	if (!good)
		tls_problem_set(problem, "certificate", "%s: %s",
				files->certificate.path, tls_reason(NULL));
	EVP_MD_CTX_free(md);
	return good ? 0 : -1;
}

int tls_files_use(const struct tls_files *files, SSL_CTX *ctx, int64_t now_s,
		  struct tls_problem *problem, struct tls_warnings *warnings)
{
	static const int modes[] = {
		[TLS_CLIENT_CERT_NONE] = SSL_VERIFY_NONE,
		[TLS_CLIENT_CERT_OPTIONAL] = SSL_VERIFY_PEER,
		[TLS_CLIENT_CERT_REQUIRED] =
			SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	};

	if (tls_use_chain(ctx, files, problem) < 0 ||
	    tls_use_key(ctx, files, problem) < 0 ||
	    (files->client_ca.data != NULL &&
	     tls_use_ca(ctx, &files->client_ca, true, problem) < 0) ||
	    (files->crl.data != NULL &&
	     tls_use_crl(ctx, files, now_s, problem, warnings) < 0) ||
	    tls_set_session_context(ctx, files, problem) < 0)
		return -1;
	if (files->tls_1_3)
		SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_verify(ctx, modes[files->client_cert], NULL);
	return 0;
}

/* ---- the names of a certificate ------------------------------------------ */

static int tls_add_name(struct tls_files *files, const char *text, size_t len)
{
	char **names =
		realloc(files->names, (files->name_count + 1) * sizeof(*names));

	if (names == NULL)
		return -1;
	files->names = names;
	names[files->name_count] = strndup(text, len);
	if (names[files->name_count] == NULL)
		return -1;
	files->name_count++;
	return 0;
}

/* Takes the DNS names and addresses; without any, the common name. */
static int tls_take_name(void *arg, int type, const ASN1_STRING *name)
{
	struct tls_files *files = arg;
	const unsigned char *bytes = ASN1_STRING_get0_data(name);
	size_t len = (size_t)ASN1_STRING_length(name);
	char address[INET6_ADDRSTRLEN];

	if (type == GEN_IPADD && (len == 4 || len == 16) &&
	    inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, address,
		      sizeof(address)) != NULL)
		return tls_add_name(files, address, strlen(address));
	if ((type == GEN_DNS ||
	     (type == TLS_COMMON_NAME && files->name_count == 0)) &&
	    len > 0 && memchr(bytes, '\0', len) == NULL)
		return tls_add_name(files, (const char *)bytes, len);
	return 0;
}

/* ---- all files of a certificate ------------------------------------------ */

static void tls_files_clear(struct tls_files *files)
{
	size_t i;

	for (i = 0; i < files->name_count; i++)
		free(files->names[i]);
	free(files->names);
	for (i = 0; i < TLS_FILES; i++)
		OPENSSL_clear_free(files->all[i].data, files->all[i].len);
}

struct tls_files *tls_files_read(const struct tls_settings *settings,
				 int64_t now_s, struct tls_problem *problem,
				 struct tls_warnings *warnings)
{
	struct tls_files *files = calloc(1, sizeof(*files));
	SSL_CTX *ctx = NULL;

	warnings->count = 0;
	tls_problem_set(problem, "certificate", "%s", strerror(ENOMEM));
	if (files == NULL)
		return NULL;
	files->refs = 1;
	files->client_cert = settings->client_cert;
	files->tls_1_3 = settings->tls_1_3;
	if (tls_bytes_read(&files->certificate, "certificate",
			   settings->certificate, problem) == 0 &&
	    tls_bytes_read(&files->key, "key", settings->key, problem) == 0 &&
	    tls_bytes_read(&files->client_ca, "client-ca", settings->client_ca,
			   problem) == 0 &&
	    tls_bytes_read(&files->crl, "crl", settings->crl, problem) == 0)
		ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL ||
	    tls_files_use(files, ctx, now_s, problem, warnings) < 0 ||
	    tls_each_name(SSL_CTX_get0_certificate(ctx), tls_take_name, files) <
		    0) {
		SSL_CTX_free(ctx);
		tls_files_unref(files);
		return NULL;
	}
	files->not_after =
		tls_check_certificate(SSL_CTX_get0_certificate(ctx),
				      settings->certificate, now_s, warnings);
	SSL_CTX_free(ctx);
	return files;
}

struct tls_files *tls_files_ref(struct tls_files *files)
{
	if (files != NULL)
		atomic_fetch_add(&files->refs, 1);
	return files;
}

void tls_files_unref(struct tls_files *files)
{
	if (files == NULL || atomic_fetch_sub(&files->refs, 1) != 1)
		return;
	tls_files_clear(files);
	free(files);
}

bool tls_files_equal(const struct tls_files *a, const struct tls_files *b)
{
	bool same;
	size_t i;

	if (a == NULL || b == NULL)
		return a == b;
	same = a->client_cert == b->client_cert && a->tls_1_3 == b->tls_1_3;
	for (i = 0; same && i < TLS_FILES; i++)
		same = a->all[i].len == b->all[i].len &&
		       (a->all[i].len == 0 ||
			memcmp(a->all[i].data, b->all[i].data, a->all[i].len) ==
				0);
	return same;
}

size_t tls_files_names(const struct tls_files *files, const char *const **names)
{
	*names = (const char *const *)files->names;
	return files->name_count;
}

int64_t tls_files_not_after(const struct tls_files *files)
{
	return files->not_after;
}

/* ---- the files of a client ----------------------------------------------- */

int tls_files_use_client(SSL_CTX *ctx,
			 const struct lined_tls_client_settings *settings,
			 struct tls_problem *problem)
{
	struct tls_files files = {.refs = 1};
	bool good;

	good = tls_bytes_read(&files.client_ca, "ca", settings->ca, problem) ==
		       0 &&
	       tls_bytes_read(&files.certificate, "certificate",
			      settings->certificate, problem) == 0 &&
	       tls_bytes_read(&files.key, "key", settings->key, problem) == 0 &&
	       (settings->certificate == NULL ||
		(tls_use_chain(ctx, &files, problem) == 0 &&
		 tls_use_key(ctx, &files, problem) == 0)) &&
	       (settings->ca == NULL ||
		tls_use_ca(ctx, &files.client_ca, false, problem) == 0);
	if (good && settings->ca == NULL && !settings->insecure &&
	    SSL_CTX_set_default_verify_paths(ctx) != 1) {
		tls_problem_set(problem, "ca", "the CAs of the system: %s",
				tls_take_error(NULL));
		good = false;
	}
	SSL_CTX_set_verify(
		ctx, settings->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
		NULL);
	tls_files_clear(&files);
	return good ? 0 : -1;
}
