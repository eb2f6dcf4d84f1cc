/* SPDX-License-Identifier: MIT */
/*
 * Begins TLS handshakes of clients and counts how they end.
 */
#include "config.h"

#include "serve/client_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lined/text.h>

#include "counter.h"
#include "serve/instance.h"

/* The bytes of a name that the access line shows, escaped and with a NUL. */
#define NAME_SHOWN_MAX 256

static void client_tls_done(struct lined_socket *sock, enum tls_result result,
			    const char *why)
{
	struct lined_service *instance = client_instance(sock);

	(void)why; /* the line about the closed client has it */
	counter_add(&instance->tls_results[result], 1);
	if (result == TLS_OK)
		tls_established(sock);
}

int client_begin_tls(struct lined_service *instance, struct lined_socket *sock)
{
	if (instance->tls == NULL) {
		errno = EINVAL;
		return -1;
	}
	return tls_accept(sock, instance->tls, instance->conf->handshake_ms,
			  client_tls_done);
}

const char *client_tls_result_text(enum tls_result result)
{
	static const char *const texts[TLS_RESULTS] = {
		[TLS_OK] = "ok",           [TLS_PLAINTEXT] = "plaintext",
		[TLS_TIMEOUT] = "timeout", [TLS_CERTIFICATE] = "certificate",
		[TLS_GONE] = "gone",       [TLS_PROTOCOL] = "protocol",
		[TLS_CLOSED] = "closed",
	};

	return texts[result];
}

const char *client_tls_words(struct lined_socket *sock, char *text, size_t size)
{
	char name[NAME_SHOWN_MAX];
	struct lined_tls tls;
	size_t i;

	text[0] = '\0';
	if (!tls_describe(sock, &tls))
		return text;
	lined_text_escape(name, sizeof(name), tls.name, strlen(tls.name));
	for (i = 0; name[i] != '\0'; i++)
		if (name[i] == ' ')
			name[i] = '_';
	snprintf(text, size, " tls=%s%s%s", tls.version,
		 name[0] != '\0' ? " name=" : "", name);
	return text;
}
