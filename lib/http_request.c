/* SPDX-License-Identifier: MIT */
/*
 * Parses requests (RFC 9112) strictly. After a request with a body the
 * connection is closed, because the body is never read.
 */
#include "http_request.h"

#include <string.h>
#include <strings.h>

/* ---- words ------------------------------------------------------------- */

static bool http_is_token(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] == '\0' || strchr("!#$%&'*+-.^_`|~0123456789"
					      "abcdefghijklmnopqrstuvwxyz"
					      "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
					      text[i]) == NULL)
			return false;
	return len > 0;
}

static bool http_is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

static bool http_is_name(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* Moves both ends of a text inwards, over the blanks. */
static void http_trim(const char **begin, const char **end)
{
	while (*begin < *end && (**begin == ' ' || **begin == '\t'))
		(*begin)++;
	while (*end > *begin && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
		(*end)--;
}

bool http_has_word(const char *list, size_t len, const char *word)
{
	const char *end = list + len;

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *stop = comma != NULL ? comma : end, *last = stop;

		http_trim(&list, &last);
		if (http_is_name(list, (size_t)(last - list), word))
			return true;
		list = stop + 1;
	}
	return false;
}

/* Whether all bytes are allowed in a target or, with blanks, in a field's
 * value. */
static bool http_is_printable(const char *text, size_t len, bool blanks)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte == 0x7f || (byte < 0x20 && !(blanks && byte == '\t')))
			return false;
		if (byte == ' ' && !blanks)
			return false;
	}
	return true;
}

/* ---- the request line ---------------------------------------------------- */

/* Whether the target has this path. A query is ignored, and so is http://host
 * before the path. */
static bool http_is_path(const char *target, size_t len, const char *path)
{
	const char *query;

	if (len > 7 && strncasecmp(target, "http://", 7) == 0) {
		const char *slash = memchr(target + 7, '/', len - 7);

		if (slash == NULL)
			return false;
		len -= (size_t)(slash - target);
		target = slash;
	}
	query = memchr(target, '?', len);
	if (query != NULL)
		len = (size_t)(query - target);
	return http_is_word(target, len, path);
}

static enum http_status http_refuse(struct http_request *request,
				    enum http_status status)
{
	request->keep = false;
	return status;
}

static enum http_status http_take_version(struct http_request *request,
					  const char *text, size_t len)
{
	if (len != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' ||
	    text[5] > '9' || text[6] != '.' || text[7] < '0' || text[7] > '9')
		return HTTP_BAD_REQUEST;
	if (text[5] != '1')
		return HTTP_VERSION;
	request->old = text[7] == '0';
	request->keep = !request->old;
	return HTTP_MORE;
}

/* METHOD target HTTP/1.1, a single blank between them. */
static enum http_status http_take_request_line(struct http_request *request,
					       const char *path,
					       const char *text, size_t len)
{
	const char *end = text + len;
	const char *target = memchr(text, ' ', len);
	const char *version = NULL;
	enum http_status status;

	if (target != NULL) {
		target++;
		version = memchr(target, ' ', (size_t)(end - target));
	}
	if (version == NULL || version == target ||
	    !http_is_token(text, (size_t)(target - 1 - text)) ||
	    !http_is_printable(target, (size_t)(version - target), false))
		return http_refuse(request, HTTP_BAD_REQUEST);
	status = http_take_version(request, version + 1,
				   (size_t)(end - version - 1));
	if (status != HTTP_MORE)
		return http_refuse(request, status);
	request->begun = true;
	request->head = http_is_word(text, (size_t)(target - 1 - text), "HEAD");
	if (!request->head &&
	    !http_is_word(text, (size_t)(target - 1 - text), "GET"))
		request->status = HTTP_METHOD_NOT_ALLOWED;
	else if (!http_is_path(target, (size_t)(version - target), path))
		request->status = HTTP_NOT_FOUND;
	else
		request->status = HTTP_OK;
	return HTTP_MORE;
}

/* ---- fields, and the end of the request --------------------------------- */

static enum http_status http_take_header(struct http_request *request,
					 const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len), *value;
	size_t name_len, value_len;

	if (colon == NULL)
		return HTTP_BAD_REQUEST;
	name_len = (size_t)(colon - text);
	value = colon + 1;
	value_len = len - name_len - 1;
	/* Blanks before the colon and folded lines are refused. */
	if (!http_is_token(text, name_len) ||
	    !http_is_printable(value, value_len, true))
		return HTTP_BAD_REQUEST;
	if (++request->headers > HTTP_HEADERS_MAX)
		return HTTP_TOO_LARGE;
	if (http_is_name(text, name_len, "Connection")) {
		if (http_has_word(value, value_len, "close"))
			request->keep = false;
	} else if (http_is_name(text, name_len, "Host")) {
		if (request->has_host)
			return HTTP_BAD_REQUEST;
		request->has_host = true;
	} else if (http_is_name(text, name_len, "Content-Length")) {
		request->has_body |= !http_has_word(value, value_len, "0") ||
				     memchr(value, ',', value_len) != NULL;
	} else if (http_is_name(text, name_len, "Transfer-Encoding")) {
		request->has_body = true;
	}
	return HTTP_MORE;
}

enum http_status http_request_line(struct http_request *request,
				   const char *path, const char *text,
				   size_t len)
{
	enum http_status status;

	if (!request->begun) {
		/* Up to two empty lines before a request are ignored. */
		if (len == 0 && ++request->headers <= 2)
			return HTTP_MORE;
		request->headers = 0;
		return http_take_request_line(request, path, text, len);
	}
	if (len > 0) {
		status = http_take_header(request, text, len);
		return status != HTTP_MORE ? http_refuse(request, status)
					   : status;
	}
	if (!request->old && !request->has_host)
		return http_refuse(request, HTTP_BAD_REQUEST);
	if (request->has_body)
		request->keep = false;
	return request->status;
}

const char *http_field(const char *line, size_t len, const char *name,
		       size_t *value_len)
{
	size_t name_len = strlen(name);
	const char *value = line + name_len + 1, *end = line + len;

	if (len <= name_len || line[name_len] != ':' ||
	    strncasecmp(line, name, name_len) != 0)
		return NULL;
	http_trim(&value, &end);
	*value_len = (size_t)(end - value);
	return value;
}

const char *http_status_text(enum http_status status)
{
	static const struct {
		enum http_status status;
		const char *text;
	} texts[] = {
		{HTTP_OK, "OK"},
		{HTTP_BAD_REQUEST, "Bad Request"},
		{HTTP_FORBIDDEN, "Forbidden"},
		{HTTP_NOT_FOUND, "Not Found"},
		{HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed"},
		{HTTP_TIMEOUT, "Request Timeout"},
		{HTTP_UPGRADE_REQUIRED, "Upgrade Required"},
		{HTTP_TOO_LARGE, "Request Header Fields Too Large"},
		{HTTP_UNAVAILABLE, "Service Unavailable"},
		{HTTP_VERSION, "HTTP Version Not Supported"},
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "";
}
