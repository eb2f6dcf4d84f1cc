/* SPDX-License-Identifier: MIT */
/* Checks a request by RFC 6455 (4.2.1), and finds its sender by RFC 7239. */
#include "config.h"

#include "serve/web_request.h"

#include <string.h>
#include <strings.h>

#include <lined/address.h>

#include "config/conf.h"

enum http_status web_request_read(struct web_request *request, const char *path,
				  const char *bytes, size_t len)
{
	enum http_status status = HTTP_MORE;
	const char *line, *end;

	while (status == HTTP_MORE) {
		size_t line_len;

		line = bytes + request->len;
		end = memchr(line, '\n', len - request->len);
		if (end == NULL)
			break;
		line_len = (size_t)(end - line);
		if (line_len > 0 && end[-1] == '\r')
			line_len--;
		request->len += (size_t)(end + 1 - line);
		status =
			http_request_line(&request->http, path, line, line_len);
	}
	return status;
}

/* ---- fields -------------------------------------------------------------- */

/* The next field of this name from offset *at on. Moves *at behind the field.
 * NULL: no more. */
static const char *web_field(const struct web_request *request,
			     const char *bytes, size_t *at, const char *name,
			     size_t *len)
{
	while (*at < request->len) {
		const char *line = bytes + *at, *value;
		const char *end = memchr(line, '\n', request->len - *at);
		size_t line_len = (size_t)(end - line);

		*at += line_len + 1;
		if (line_len > 0 && end[-1] == '\r')
			line_len--;
		value = http_field(line, line_len, name, len);
		if (value != NULL)
			return value;
	}
	return NULL;
}

static const char *web_first(const struct web_request *request,
			     const char *bytes, const char *name, size_t *len)
{
	size_t at = 0;

	return web_field(request, bytes, &at, name, len);
}

static bool web_has_word(const struct web_request *request, const char *bytes,
			 const char *name, const char *word)
{
	const char *value;
	size_t at = 0, len;

	while ((value = web_field(request, bytes, &at, name, &len)) != NULL)
		if (http_has_word(value, len, word))
			return true;
	return false;
}

/* 16 bytes in Base64 are 22 digits and two padding characters. */
static bool web_is_key(const char *key, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	if (len != WEB_KEY_LEN || memcmp(key + len - 2, "==", 2) != 0)
		return false;
	for (i = 0; i < len - 2; i++)
		if (key[i] == '\0' || strchr(digits, key[i]) == NULL)
			return false;
	return true;
}

/* The fault of an upgrade, apart from its version; NULL: none. */
static const char *web_find_fault(const struct web_request *request,
				  const char *bytes)
{
	size_t len;

	if (request->http.old)
		return "an upgrade needs HTTP/1.1";
	if (request->http.head || request->http.has_body)
		return "an upgrade is a GET without a body";
	if (!web_has_word(request, bytes, "Connection", "Upgrade"))
		return "Connection: Upgrade is missing";
	if (web_first(request, bytes, "Sec-WebSocket-Version", &len) == NULL)
		return "Sec-WebSocket-Version is missing";
	return NULL;
}

enum web_wish web_request_wish(struct web_request *request, const char *bytes,
			       char key[WEB_KEY_LEN])
{
	const char *value;
	size_t at = 0, len = 0;

	if (!web_has_word(request, bytes, "Upgrade", "websocket"))
		return WEB_WANTS_PAGE;
	request->fault = web_find_fault(request, bytes);
	if (request->fault != NULL)
		return WEB_IS_BAD;
	value = web_first(request, bytes, "Sec-WebSocket-Version", &len);
	if (len != 2 || memcmp(value, "13", 2) != 0)
		return WEB_WANTS_OTHER_VERSION;
	value = web_field(request, bytes, &at, "Sec-WebSocket-Key", &len);
	if (value != NULL && web_is_key(value, len)) {
		memcpy(key, value, WEB_KEY_LEN);
		if (web_field(request, bytes, &at, "Sec-WebSocket-Key", &len) ==
		    NULL)
			return WEB_WANTS_UPGRADE;
	}
	request->fault = "Sec-WebSocket-Key must be there once, "
			 "16 bytes in Base64";
	return WEB_IS_BAD;
}

/* ---- origins ------------------------------------------------------------- */

static bool web_is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* Cuts off the port if it is the scheme's default. */
static size_t web_cut_port(const char *host, size_t len, const char *port)
{
	size_t port_len = strlen(port);

	if (len > port_len &&
	    memcmp(host + len - port_len, port, port_len) == 0)
		len -= port_len;
	return len;
}

/* Whether the origin ("https://host:port") names this host. */
static bool web_is_own(const char *origin, size_t len, const char *host,
		       size_t host_len)
{
	const char *port;

	if (len > 8 && strncasecmp(origin, "https://", 8) == 0) {
		port = ":443";
		origin += 8;
		len -= 8;
	} else if (len > 7 && strncasecmp(origin, "http://", 7) == 0) {
		port = ":80";
		origin += 7;
		len -= 7;
	} else {
		return false;
	}
	len = web_cut_port(origin, len, port);
	host_len = web_cut_port(host, host_len, port);
	return len == host_len && strncasecmp(origin, host, len) == 0;
}

bool web_request_origin_is_good(const struct web_request *request,
				const char *bytes, const struct conf_web *web)
{
	const char *origin, *host;
	size_t at = 0, len, host_len, i;
	bool good;

	while ((origin = web_field(request, bytes, &at, "Origin", &len)) !=
	       NULL) {
		host = web_first(request, bytes, "Host", &host_len);
		good = host != NULL && web_is_own(origin, len, host, host_len);
		for (i = 0; !good && i < web->origin_count; i++)
			good = strcmp(web->origins[i], "*") == 0 ||
			       web_is(origin, len, web->origins[i]);
		if (!good)
			return false;
	}
	return true;
}

const char *web_request_host(const struct web_request *request,
			     const char *bytes, size_t *len)
{
	const char *host = web_first(request, bytes, "Host", len);
	size_t i;

	if (host == NULL || *len == 0 || *len > LINED_HOST_MAX)
		return NULL;
	for (i = 0; i < *len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]",
			   host[i]) == NULL)
			return NULL;
	return host;
}

/* ---- forwarded ----------------------------------------------------------- */

static void web_trim(const char **text, size_t *len)
{
	while (*len > 0 && (**text == ' ' || **text == '\t'))
		(*text)++, (*len)--;
	while (*len > 0 &&
	       ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
		(*len)--;
}

/* Reads "192.0.2.43" or "[2001:db8::1]:4711", quoted or not; drops the port. */
static bool web_read_address(const char *text, size_t len,
			     struct sockaddr_storage *to)
{
	char copy[LINED_ADDRESS_TEXT_MAX], host[LINED_ADDRESS_TEXT_MAX];
	struct lined_address address;

	web_trim(&text, &len);
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (lined_address_parse(&address, copy) < 0 ||
	    address.any.sa_family == AF_UNIX)
		return false;
	lined_address_format_host(&address.any, host, sizeof(host));
	if (lined_address_set(&address, host, 0) < 0)
		return false;
	*to = address.storage;
	return true;
}

/* Reads the value of `for` in an element of Forwarded. */
static bool web_read_for(const char *text, size_t len,
			 struct sockaddr_storage *to)
{
	while (len > 0) {
		const char *stop = memchr(text, ';', len);
		size_t part = stop != NULL ? (size_t)(stop - text) : len;
		const char *pair = text;
		size_t pair_len = part;

		web_trim(&pair, &pair_len);
		if (pair_len > 4 && strncasecmp(pair, "for=", 4) == 0)
			return web_read_address(pair + 4, pair_len - 4, to);
		if (stop == NULL)
			break;
		text = stop + 1;
		len -= part + 1;
	}
	return false;
}

struct web_hop {
	/* seen: there is an element that is not a proxy. good: the last such
	 * element has a valid address. */
	bool seen, good;
	struct sockaddr_storage address;
};

/* Keeps the last element that is not a proxy. */
static void web_read_hops(const char *value, size_t len, bool forwarded,
			  const struct conf_service *service,
			  struct web_hop *hop)
{
	const char *end = value + len;

	while (value < end) {
		const char *comma = memchr(value, ',', (size_t)(end - value));
		size_t part = (size_t)((comma != NULL ? comma : end) - value);
		struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
		bool good = forwarded ? web_read_for(value, part, &address)
				      : web_read_address(value, part, &address);

		if (!good ||
		    !conf_is_proxy(service, (struct sockaddr *)&address)) {
			hop->seen = true;
			hop->good = good;
			hop->address = address;
		}
		value += part + 1;
	}
}

bool web_request_forwarded(const struct web_request *request, const char *bytes,
			   const struct conf_service *service,
			   struct sockaddr_storage *address)
{
	static const char *const names[] = {"Forwarded", "X-Forwarded-For"};
	size_t i;

	for (i = 0; i < 2; i++) {
		struct web_hop hop = {.seen = false};
		const char *value;
		size_t at = 0, len;

		while ((value = web_field(request, bytes, &at, names[i],
					  &len)) != NULL)
			web_read_hops(value, len, i == 0, service, &hop);
		if (!hop.seen)
			continue;
		*address = hop.address;
		return hop.good;
	}
	return false;
}
