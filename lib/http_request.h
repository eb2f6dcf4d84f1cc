/* SPDX-License-Identifier: MIT */
/*
 * Parses an HTTP request line by line: the part of HTTP/1.1 that a server of
 * one page needs. Knows no sockets and sends nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The most fields in a request; a scraper sends a handful. */
#define HTTP_HEADERS_MAX 100

enum http_status {
	HTTP_MORE = 0, /* the request is not complete */
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_FORBIDDEN = 403,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_TIMEOUT = 408,
	HTTP_UPGRADE_REQUIRED = 426,
	HTTP_TOO_LARGE = 431,
	HTTP_UNAVAILABLE = 503,
	HTTP_VERSION = 505,
};

/* Zeroed memory is a request of which no line was read. */
struct http_request {
	bool begun; /* the request line was read */
	bool head;
	bool keep; /* the connection stays open after the response */
	bool old;  /* HTTP/1.0 */
	bool has_host;
	bool has_body; /* a body follows, which is not read */
	unsigned headers;
	enum http_status status; /* of the response, if all fields are good */
};

/*
 * Reads a line without its terminator. HTTP_MORE: the request is not complete.
 * Otherwise the status of the response; `keep` is then false, except with
 * HTTP_OK, HTTP_NOT_FOUND and HTTP_METHOD_NOT_ALLOWED, where the request
 * decides.
 */
enum http_status http_request_line(struct http_request *request,
				   const char *path, const char *text,
				   size_t len);

/* The field's value, without blanks around it, if the line is a field of this
 * name; NULL: it is not. */
const char *http_field(const char *line, size_t len, const char *name,
		       size_t *value_len);
/* Whether a comma-separated list has the word, in upper or lower case. */
bool http_has_word(const char *list, size_t len, const char *word);

/* The text of a status, such as "Not Found". */
const char *http_status_text(enum http_status status);
