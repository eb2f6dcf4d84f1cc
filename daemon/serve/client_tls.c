/* SPDX-License-Identifier: MIT */
/* Begins TLS handshakes of clients and counts their results. */
#include "config.h"

#include "serve/client_tls.h"

#include <errno.h>

#include "counter.h"
#include "serve/client_log.h"
#include "serve/client_penalty.h"
#include "serve/client_web.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"

/* Returns the result as a cause for client_penalize(). */
static const char *client_tls_cause(enum tls_result result)
{
	switch (result) {
	case TLS_PLAINTEXT:
		return "tls plaintext";
	case TLS_TIMEOUT:
		return timeout_key(TIMEOUT_HANDSHAKE);
	default:
		return "tls protocol";
	}
}

static void client_tls_done(struct lined_socket *sock, enum tls_result result,
			    const char *why)
{
	struct lined_service *instance = client_instance(sock);

	counter_add(&instance->tls_results[result], 1);
	/* A protocol error without a reason is lined's own fault. */
	if (result == TLS_PLAINTEXT || result == TLS_TIMEOUT ||
	    (result == TLS_PROTOCOL && why[0] != '\0'))
		client_penalize(sock, client_tls_cause(result));
	if (result != TLS_OK)
		return;
	if (!client_of(sock)->peer.web)
		tls_established(sock);
	else if (client_web_begin(sock) < 0)
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ENOMEM);
}

int client_begin_tls(struct lined_service *instance, struct lined_socket *sock)
{
	if (instance->tls == NULL) {
		errno = EINVAL;
		return -1;
	}
	return tls_accept(sock, instance->tls,
			  conf_class_bounds(instance->conf, socket_class(sock))
				  ->handshake_ms,
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
