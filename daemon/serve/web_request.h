/* SPDX-License-Identifier: MIT */
/*
 * The HTTP request that begins a WebSocket connection or asks for the page:
 * parses it and says what the client wants. Pure: uses no sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "http_request.h"

struct conf_service;
struct conf_web;

/* A zeroed struct is a request of which nothing was read. */
struct web_request {
	struct http_request http;
	size_t len;        /* bytes parsed, whole lines */
	const char *fault; /* what is wrong with the upgrade */
};

/*
 * Continues reading; in each call the bytes begin with the request's first
 * byte. HTTP_MORE: incomplete. HTTP_OK: a GET or HEAD of the path.
 */
enum http_status web_request_read(struct web_request *request, const char *path,
				  const char *bytes, size_t len);

/* ---- of a complete request ----------------------------------------------- */

#define WEB_KEY_LEN 24

enum web_wish {
	WEB_WANTS_PAGE,    /* no upgrade: asks for the page */
	WEB_WANTS_UPGRADE, /* with a key, and the right version */
	WEB_WANTS_OTHER_VERSION,
	WEB_IS_BAD, /* a faulty upgrade: see fault */
};

/* Finds out what the request asks for. For WEB_WANTS_UPGRADE stores the key,
 * without a NUL. */
enum web_wish web_request_wish(struct web_request *request, const char *bytes,
			       char key[WEB_KEY_LEN]);

/* Whether every Origin equals the Host or is listed. */
bool web_request_origin_is_good(const struct web_request *request,
				const char *bytes, const struct conf_web *web);

/* The Host header. NULL: missing, empty, too long, or with characters that no
 * host and port have. */
const char *web_request_host(const struct web_request *request,
			     const char *bytes, size_t *len);

/* Finds the last address in Forwarded that is not a proxy of the service.
 * Without such an address, searches X-Forwarded-For. The port is set to 0.
 * False: none found, or the address is malformed. */
bool web_request_forwarded(const struct web_request *request, const char *bytes,
			   const struct conf_service *service,
			   struct sockaddr_storage *address);
