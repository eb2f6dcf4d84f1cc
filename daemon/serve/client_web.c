/* SPDX-License-Identifier: MIT */
/*
 * Answers requests on ws:// and wss:// addresses. If a proxy has sent no PROXY
 * header, the client is not admitted yet: its address may be in a header field
 * of the request. This file then asks the main thread to admit the client.
 */
#include "config.h"

#include "serve/client_web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <lined/address.h>

#include "net/admission.h"
#include "serve/client.h"
#include "serve/client_class.h"
#include "serve/client_log.h"
#include "serve/client_penalty.h"
#include "serve/console_page.h"
#include "serve/service_instance.h"
#include "serve/web_request.h"
#include "socket_daemon.h"
#include "websocket.h"

#define RESPONSE_MAX 1024

struct client_web {
	struct web_request request;
	char key[WEB_KEY_LEN];
	bool refused, forwarded; /* as in struct client_arrival */
	bool decided;
	uint8_t early_len;
	char early[CLIENT_EARLY_MAX];
	struct client_ask *ask; /* NULL: nothing was asked */
};

struct client_web *client_web_new(const struct client_arrival *arrival)
{
	struct client_web *web = calloc(1, sizeof(*web));

	if (web == NULL)
		return NULL;
	web->refused = arrival->refused;
	web->forwarded = arrival->forwarded;
	web->early_len = arrival->early_len;
	memcpy(web->early, arrival->early, sizeof(web->early));
	return web;
}

void client_web_free(struct client_web *web)
{
	if (web != NULL && web->ask != NULL)
		web->ask->sock = NULL;
	free(web);
}

/* ---- responses ----------------------------------------------------------- */

#define CLOSE "Connection: close\r\n"

/* The header fields of a response, and the text of its body. */
struct web_answer {
	enum http_status status;
	const char *fields, *advice;
};

static struct web_answer web_answer_of(enum http_status status)
{
	static const struct web_answer answers[] = {
		{HTTP_FORBIDDEN, CLOSE, "pages of this Origin may not connect"},
		{HTTP_NOT_FOUND, CLOSE, "nothing is at this path"},
		{HTTP_METHOD_NOT_ALLOWED, CLOSE "Allow: GET, HEAD\r\n",
		 "only GET and HEAD are"},
		{HTTP_UPGRADE_REQUIRED,
		 "Connection: Upgrade, close\r\nUpgrade: websocket\r\n"
		 "Sec-WebSocket-Version: 13\r\n",
		 "this address speaks WebSocket, version 13; "
		 "connect to ws:// or wss://"},
		{HTTP_TOO_LARGE, CLOSE, "a request has at most 8 KB"},
		{HTTP_UNAVAILABLE, CLOSE "Retry-After: 10\r\n",
		 "full or about to stop; try again later"},
	};
	size_t i;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (answers[i].status == status)
			return answers[i];
	return (struct web_answer){status, CLOSE,
				   "this is no HTTP/1.1 request"};
}

static void web_respond(struct lined_socket *sock, enum http_status status)
{
	const struct client_web *web = lined_socket_arg(sock);
	const struct web_answer answer = web_answer_of(status);
	const char *text = http_status_text(status);
	const char *advice =
		web->request.fault != NULL ? web->request.fault : answer.advice;
	char response[RESPONSE_MAX];
	int len;

	len = snprintf(response, sizeof(response),
		       "HTTP/1.1 %d %s\r\n%s"
		       "Content-Type: text/plain; charset=utf-8\r\n"
		       "Content-Length: %zu\r\n\r\n",
		       (int)status, text, answer.fields,
		       strlen(text) + strlen(advice) + 3);
	if (!web->request.http.head)
		len += snprintf(response + len, sizeof(response) - (size_t)len,
				"%s: %s\n", text, advice);
	websocket_respond(sock, response, (size_t)len);
}

/* Random hexadecimal digits: the page's own script has this nonce, so that no
 * other script may run. */
#define NONCE_LEN 32

static bool web_make_nonce(char nonce[NONCE_LEN + 1])
{
	unsigned char bytes[NONCE_LEN / 2];
	size_t i;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (i = 0; i < sizeof(bytes); i++)
		sprintf(nonce + 2 * i, "%02x", bytes[i]);
	return true;
}

static int web_write_page_head(char *out, size_t size, const char *nonce,
			       size_t page_len, const char *host,
			       size_t host_len)
{
	/* 'self' does not cover ws:// and wss:// in older browsers. */
	return snprintf(
		out, size,
		"HTTP/1.1 200 OK\r\nConnection: close\r\n"
		"Content-Type: text/html; charset=utf-8\r\n"
		"Content-Length: %zu\r\nCache-Control: no-store\r\n"
		"Content-Security-Policy: default-src 'none'; "
		"script-src 'nonce-%s'; style-src 'nonce-%s'; "
		"connect-src 'self' ws://%.*s wss://%.*s; img-src data:; "
		"base-uri 'none'; form-action 'none'; "
		"frame-ancestors 'none'\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Referrer-Policy: no-referrer\r\n\r\n",
		page_len, nonce, nonce, (int)host_len, host, (int)host_len,
		host);
}

/* Copies the page and replaces each placeholder by the nonce, which has the
 * same length. */
static void web_write_page(char *out, const char *nonce)
{
	char *at = out;

	memcpy(out, console_page, console_page_len);
	while ((at = memmem(at, console_page_len - (size_t)(at - out),
			    CONSOLE_PAGE_NONCE, NONCE_LEN)) != NULL)
		memcpy(at, nonce, NONCE_LEN);
}

static void web_send_page(struct lined_socket *sock,
			  const struct client_web *web, const char *bytes)
{
	char nonce[NONCE_LEN + 1], *response;
	const char *host;
	size_t host_len;
	int len;

	host = web_request_host(&web->request, bytes, &host_len);
	response = malloc(RESPONSE_MAX + 2 * LINED_HOST_MAX + console_page_len);
	if (response == NULL || !web_make_nonce(nonce)) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, errno);
		free(response);
		return;
	}
	len = web_write_page_head(response, RESPONSE_MAX + 2 * LINED_HOST_MAX,
				  nonce, console_page_len,
				  host != NULL ? host : "invalid",
				  host != NULL ? host_len : 7);
	if (!web->request.http.head) {
		web_write_page(response + len, nonce);
		len += (int)console_page_len;
	}
	websocket_respond(sock, response, (size_t)len);
	free(response);
}

static void web_accept(struct lined_socket *sock, const struct client_web *web)
{
	const struct lined_service *instance = client_instance(sock);
	char accept[WEBSOCKET_ACCEPT_LEN + 1], response[RESPONSE_MAX];
	int len;

	websocket_accept_key(accept, web->key);
	len = snprintf(response, sizeof(response),
		       "HTTP/1.1 101 Switching Protocols\r\n"
		       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Accept: %s\r\n\r\n",
		       accept);
	websocket_accept(sock, web->request.len, response, (size_t)len,
			 instance->conf->web.ping_ms);
}

/* ---- admission ----------------------------------------------------------- */

static void web_admitted(struct lined_socket *sock, struct client_ask *ask)
{
	struct client *client = client_of(sock);
	struct client_web *web = lined_socket_arg(sock);

	if (ask->verdict == ADMISSION_OK) {
		client->entry = ask->entry;
		client->peer.unadmitted = false;
		client_set_class(sock, ask->class);
		admission_move_handshake(
			ask->instance->admission, NULL,
			conf_class_admission(ask->instance->conf, ask->class));
		client_address_pack(&client->peer,
				    (struct sockaddr *)&ask->address);
		web_accept(sock, web);
	} else if (ask->verdict == ADMISSION_CLIENTS ||
		   ask->verdict == ADMISSION_MEMORY) {
		web_respond(sock, HTTP_UNAVAILABLE);
	} else {
		lined_socket_close_for(sock, LINED_CLOSE_LIMIT, 0);
	}
}

static void web_answered(struct worker_call *call)
{
	struct client_ask *ask =
		lined_container_of(call, struct client_ask, call);
	struct lined_service *instance = ask->instance;

	instance->asking--;
	if (ask->sock != NULL) {
		struct client_web *web = lined_socket_arg(ask->sock);

		web->ask = NULL;
	}
	if (ask->sock != NULL && !lined_socket_is_closed(ask->sock)) {
		web_admitted(ask->sock, ask);
	} else if (ask->verdict == ADMISSION_OK) {
		admission_leave(instance->admission, ask->entry);
		admission_gone(
			instance->admission,
			conf_class_admission(instance->conf, ask->class));
	}
	free(ask);
}

/* Asks the main thread to admit the client. Uses the address in a header field
 * or, if there is none, the connection's address. */
static void web_ask(struct lined_socket *sock, struct client_web *web,
		    const char *bytes)
{
	struct lined_service *instance = client_instance(sock);
	struct client_ask *ask = calloc(1, sizeof(*ask));

	if (ask == NULL) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	ask->instance = instance;
	ask->sock = sock;
	ask->answered = web_answered;
	if (!web_request_forwarded(&web->request, bytes, instance->conf,
				   &ask->address))
		client_address_unpack(&ask->address, &client_of(sock)->peer);
	web->ask = ask;
	instance->asking++;
	ask->call.run = instance->calls.ask;
	worker_answer(instance->worker, &ask->call);
}

/* ---- the request --------------------------------------------------------- */

static void web_upgrade(struct lined_socket *sock, struct client_web *web,
			const char *bytes)
{
	const struct lined_service *instance = client_instance(sock);

	if (!web_request_origin_is_good(&web->request, bytes,
					&instance->conf->web)) {
		client_refused(sock, ADMISSION_ORIGIN);
		web_respond(sock, HTTP_FORBIDDEN);
	} else if (web->refused || instance->draining)
		web_respond(sock, HTTP_UNAVAILABLE);
	else if (web->forwarded)
		web_ask(sock, web, bytes);
	else
		web_accept(sock, web);
}

static void web_decide(struct lined_socket *sock, struct client_web *web,
		       const char *bytes)
{
	const struct conf_service *conf = client_instance(sock)->conf;

	switch (web_request_wish(&web->request, bytes, web->key)) {
	case WEB_WANTS_UPGRADE:
		web_upgrade(sock, web, bytes);
		break;
	case WEB_WANTS_PAGE:
		if (conf->web.page == CONF_WEB_PAGE_CONSOLE)
			web_send_page(sock, web, bytes);
		else
			web_respond(sock, HTTP_UPGRADE_REQUIRED);
		break;
	case WEB_WANTS_OTHER_VERSION:
		web_respond(sock, HTTP_UPGRADE_REQUIRED);
		break;
	default:
		web_respond(sock, HTTP_BAD_REQUEST);
		break;
	}
}

/* The path in the text of a listen address. */
static const char *web_path(const struct client *client)
{
	const char *path =
		strchr(strstr(client_listen(client), "://") + 3, '/');

	return path != NULL ? path : "/";
}

static void web_received(struct lined_socket *sock, const char *bytes,
			 size_t len)
{
	struct client_web *web = lined_socket_arg(sock);
	enum http_status status;

	if (web->decided)
		return;
	status = web_request_read(&web->request, web_path(client_of(sock)),
				  bytes, len);
	if (status == HTTP_MORE && len >= WEBSOCKET_REQUEST_MAX)
		status = HTTP_TOO_LARGE;
	if (status == HTTP_MORE)
		return;
	web->decided = true;
	if (status == HTTP_BAD_REQUEST || status == HTTP_TOO_LARGE)
		client_penalize(sock, "bad request");
	if (status == HTTP_OK)
		web_decide(sock, web, bytes);
	else
		web_respond(sock, status);
}

int client_web_begin(struct lined_socket *sock)
{
	struct client_web *web = lined_socket_arg(sock);

	return websocket_begin(sock, web->early, web->early_len,
			       conf_class_bounds(client_instance(sock)->conf,
						 socket_class(sock))
				       ->handshake_ms,
			       web_received);
}
