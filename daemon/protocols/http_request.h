/* SPDX-License-Identifier: MIT */
/*
 * One HTTP request, read line by line: as much of HTTP/1.1 as a server of one
 * page needs. Knows no sockets and sends nothing.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* Fields in a request; a scraper sends a handful. */
#define HTTP_HEADERS_MAX 100

enum http_status {
	HTTP_MORE = 0, /* the request is not complete */
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_TIMEOUT = 408,
	HTTP_TOO_LARGE = 431,
	HTTP_UNAVAILABLE = 503,
	HTTP_VERSION = 505,
};

/* Zeroed memory is a request of which nothing has come. */
struct http_request {
	bool begun; /* its first line has come */
	bool head;
	bool keep; /* the connection stays open after the response */
	bool old;  /* HTTP/1.0 */
	bool has_host;
	bool has_body; /* a body follows, which is not read */
	unsigned headers;
	enum http_status status; /* of the request line */
};

/*
 * Takes a line without its terminator. HTTP_MORE: there is more to come;
 * otherwise the status of the response, and `keep` is false unless that is
 * HTTP_OK, HTTP_NOT_FOUND or HTTP_METHOD_NOT_ALLOWED.
 */
enum http_status http_request_line(struct http_request *request,
				   const char *path, const char *text,
				   size_t len);

/* "Not Found". */
const char *http_status_text(enum http_status status);

#endif
