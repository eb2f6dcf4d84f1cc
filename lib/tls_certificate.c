/* SPDX-License-Identifier: MIT */
/*
 * Reads the names and dates in a certificate, and warns about them. tls_files.c
 * reads the files of certificates.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "tls_priv.h"

#define EXPIRY_WARN_S (14 * 24 * 3600)

void tls_problem_set(struct tls_problem *problem, const char *key,
		     const char *format, ...)
{
	va_list arguments;

	problem->key = key;
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
}

int tls_each_name(const X509 *certificate, tls_name_taker *take, void *arg)
{
	GENERAL_NAMES *names =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int i, type, result = 0;

	for (i = 0; result == 0 && i < sk_GENERAL_NAME_num(names); i++) {
		const ASN1_STRING *name = GENERAL_NAME_get0_value(
			sk_GENERAL_NAME_value(names, i), &type);

		if (type == GEN_DNS || type == GEN_IPADD || type == GEN_EMAIL ||
		    type == GEN_URI)
			result = take(arg, type, name);
	}
	GENERAL_NAMES_free(names);
	i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (result == 0 && i >= 0)
		result = take(arg, TLS_COMMON_NAME,
			      X509_NAME_ENTRY_get_data(
				      X509_NAME_get_entry(subject, i)));
	return result;
}

int64_t tls_seconds_to(const ASN1_TIME *time, int64_t now_s)
{
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s);
	int days = 0, seconds = 0;

	if (now != NULL)
		ASN1_TIME_diff(&days, &seconds, now, time);
	ASN1_TIME_free(now);
	return (int64_t)days * 86400 + seconds;
}

const char *tls_date(char text[16], int64_t at_s)
{
	time_t at = (time_t)at_s;
	struct tm day;

	if (gmtime_r(&at, &day) == NULL || strftime(text, 16, "%F", &day) == 0)
		snprintf(text, 16, "?");
	return text;
}

int64_t tls_check_certificate(X509 *certificate, const char *path,
			      int64_t now_s, struct tls_warnings *warnings)
{
	int64_t begins =
		tls_seconds_to(X509_get0_notBefore(certificate), now_s);
	int64_t left = tls_seconds_to(X509_get0_notAfter(certificate), now_s);
	char date[16];

	if (left <= EXPIRY_WARN_S)
		tls_warn(warnings, "certificate",
			 left <= 0 ? "%s: it has expired on %s"
				   : "%s: it expires on %s",
			 path, tls_date(date, now_s + left));
	if (begins > 0)
		tls_warn(warnings, "certificate",
			 "%s: it is not valid before %s", path,
			 tls_date(date, now_s + begins));
	if (X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0) != 1)
		tls_warn(warnings, "certificate",
			 "%s: it is not for servers: clients may refuse it",
			 path);
	ERR_clear_error();
	return now_s + left;
}
