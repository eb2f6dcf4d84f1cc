/* SPDX-License-Identifier: MIT */
/*
 * The HTTP request that begins a WebSocket connection, or asks for the page:
 * reads it and says what it wants. Pure: knows no sockets and sends nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "http_request.h"

struct conf_service;
struct conf_web;

/* Zeroed memory is a request of which no byte was read. */
struct web_request {
	struct http_request http;
	size_t len;        /* the bytes that were taken, whole lines */
	const char *fault; /* what is wrong with the upgrade */
};

/*
 * Goes on reading; the bytes begin with the request's first one in each call.
 * HTTP_MORE: it is not complete. HTTP_OK: a GET or HEAD of the path.
 */
enum http_status web_request_read(struct web_request *request, const char *path,
				  const char *bytes, size_t len);

/* ---- of a complete request ----------------------------------------------- */

#define WEB_KEY_LEN 24

enum web_wish {
	WEB_WANTS_PAGE,    /* no upgrade */
	WEB_WANTS_UPGRADE, /* with a key, and of the right version */
	WEB_WANTS_OTHER_VERSION,
	WEB_IS_BAD, /* an upgrade with a fault, which is stored */
};

/* UPGRADE: stores the key, which has no NUL. */
enum web_wish web_request_wish(struct web_request *request, const char *bytes,
			       char key[WEB_KEY_LEN]);

/* Whether the Origin, if there is one, is the Host's own or listed. */
bool web_request_origin_is_good(const struct web_request *request,
				const char *bytes, const struct conf_web *web);

/* The Host, if it has the characters of a host and a port only; NULL. */
const char *web_request_host(const struct web_request *request,
			     const char *bytes, size_t *len);

/* The last address of Forwarded, or else of X-Forwarded-For, that is none of
 * the service's proxies. Its port is 0. False: there is none. */
bool web_request_forwarded(const struct web_request *request, const char *bytes,
			   const struct conf_service *service,
			   struct sockaddr_storage *address);
