/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes headers of the PROXY protocol (haproxy's
 * doc/proxy-protocol.txt). A malformed header is refused as a whole: otherwise
 * a client could claim an address that is not its own.
 */
#include "config.h"

#include "proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <lined/address.h>
#include <lined/word.h>

static const char v1_signature[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

#define V1_SIGNATURE (sizeof(v1_signature) - 1)
#define V2_SIGNATURE (sizeof(v2_signature) - 1)

/* ---- version 1 --------------------------------------------------------- */

/* Copies the word at *at, and moves *at to the next word. Exactly one blank
 * separates two words. */
static bool v1_word(const char **at, const char *end, char *word, size_t size)
{
	const char *stop = memchr(*at, ' ', (size_t)(end - *at));
	size_t len;

	if (stop == NULL)
		stop = end;
	len = (size_t)(stop - *at);
	if (len == 0 || len >= size || memchr(*at, '\0', len) != NULL)
		return false;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at = stop < end ? stop + 1 : end;
	return true;
}

static bool v1_port(const char *text, in_port_t *port)
{
	const struct lined_word word = {text, strlen(text)};
	uint64_t value;

	if ((text[0] == '0' && word.len > 1) ||
	    !lined_word_unsigned(&word, UINT16_MAX, &value))
		return false;
	*port = htons((uint16_t)value);
	return true;
}

/* Parses what is between the signature and the CRLF, for example "TCP4
 * 192.0.2.1 192.0.2.2 5123 7000". */
static bool v1_parse(struct proxy_header *header, const char *at,
		     const char *end)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&header->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&header->address;
	char family[8], client[40], server[40], ports[2][8];
	in_port_t port, server_port;
	struct in6_addr ignored;

	if (!v1_word(&at, end, family, sizeof(family)))
		return false;
	if (strcmp(family, "UNKNOWN") == 0) {
		header->is_local = true;
		return true;
	}
	if (end[-1] == ' ' || !v1_word(&at, end, client, sizeof(client)) ||
	    !v1_word(&at, end, server, sizeof(server)) ||
	    !v1_word(&at, end, ports[0], sizeof(ports[0])) ||
	    !v1_word(&at, end, ports[1], sizeof(ports[1])) || at != end ||
	    !v1_port(ports[0], &port) || !v1_port(ports[1], &server_port))
		return false;
	if (strcmp(family, "TCP4") == 0) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		return inet_pton(AF_INET, client, &v4->sin_addr) == 1 &&
		       inet_pton(AF_INET, server, &ignored) == 1;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = port;
	return strcmp(family, "TCP6") == 0 &&
	       inet_pton(AF_INET6, client, &v6->sin6_addr) == 1 &&
	       inet_pton(AF_INET6, server, &ignored) == 1;
}

static enum proxy_header_status v1_read(struct proxy_header *header,
					const char *data, size_t len)
{
	const char *end;

	if (len > PROXY_HEADER_V1_MAX)
		len = PROXY_HEADER_V1_MAX;
	end = memchr(data, '\n', len);
	if (end == NULL && len < PROXY_HEADER_V1_MAX) {
		header->len = len + 1;
		return PROXY_HEADER_MORE;
	}
	if (end == NULL || end[-1] != '\r' ||
	    !v1_parse(header, data + V1_SIGNATURE, end - 1))
		return PROXY_HEADER_BAD;
	header->len = (size_t)(end + 1 - data);
	return PROXY_HEADER_READY;
}

/* ---- version 2 --------------------------------------------------------- */

enum v2_tlv {
	V2_AUTHORITY = 0x02,
	V2_CRC32C = 0x03,
	V2_SSL = 0x20,
	V2_SSL_VERSION = 0x21,
	V2_SSL_CN = 0x22,
	V2_SSL_CIPHER = 0x23,
};

/* The bits of the SSL TLV's first byte. */
enum v2_ssl {
	V2_CLIENT_SSL = 1,
	V2_CLIENT_CERT_CONN = 2,
	V2_CLIENT_CERT_SESS = 4,
};

#define V2_SSL_HEAD 5 /* the bits, and four bytes of the verification */

static size_t v2_number(const char *at)
{
	return (size_t)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

/* The four bytes at the offset `zeros` hold the checksum itself, and count as
 * zeros. */
static uint32_t v2_crc32c(const char *data, size_t len, size_t zeros)
{
	uint32_t crc = UINT32_MAX;
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		if (i < zeros || i >= zeros + 4)
			crc ^= (unsigned char)data[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* Takes the TLV at *at, and moves *at behind it. */
static bool v2_tlv(const char **at, const char *end, unsigned *type,
		   struct proxy_header_text *value)
{
	if (end - *at < 3)
		return false;
	*type = (unsigned char)(*at)[0];
	value->len = v2_number(*at + 1);
	value->text = *at + 3;
	if ((size_t)(end - value->text) < value->len)
		return false;
	*at = value->text + value->len;
	return true;
}

static bool v2_read_ssl(struct proxy_header *header,
			struct proxy_header_text ssl)
{
	const char *at = ssl.text + V2_SSL_HEAD, *end = ssl.text + ssl.len;
	struct proxy_header_text value;
	unsigned bits, type;

	if (ssl.len < V2_SSL_HEAD)
		return false;
	bits = (unsigned char)ssl.text[0];
	header->tls = bits & V2_CLIENT_SSL;
	header->verified = header->tls &&
			   bits & (V2_CLIENT_CERT_CONN | V2_CLIENT_CERT_SESS) &&
			   memcmp(ssl.text + 1, "\0\0\0\0", 4) == 0;
	while (at < end) {
		if (!v2_tlv(&at, end, &type, &value))
			return false;
		if (type == V2_SSL_VERSION)
			header->version = value;
		else if (type == V2_SSL_CN)
			header->name = value;
		else if (type == V2_SSL_CIPHER)
			header->cipher = value;
	}
	return true;
}

static bool v2_read_tlvs(struct proxy_header *header, const char *data,
			 const char *at)
{
	const char *end = data + header->len;
	struct proxy_header_text value;
	unsigned type;
	uint32_t crc;

	while (at < end) {
		if (!v2_tlv(&at, end, &type, &value))
			return false;
		if (type == V2_AUTHORITY)
			header->authority = value;
		if (type == V2_SSL && !v2_read_ssl(header, value))
			return false;
		if (type != V2_CRC32C)
			continue;
		if (value.len != sizeof(crc))
			return false;
		memcpy(&crc, value.text, sizeof(crc));
		if (ntohl(crc) !=
		    v2_crc32c(data, header->len, (size_t)(value.text - data)))
			return false;
	}
	return true;
}

/* Reads the client's address and skips the server's, which follows. Returns
 * where the TLVs begin; NULL: the addresses are not all there. */
static const char *v2_read_addresses(struct proxy_header *header,
				     const char *at, size_t len,
				     unsigned family)
{
	static const size_t sizes[] = {0, 12, 36, 216};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&header->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&header->address;

	if (len < sizes[family])
		return NULL;
	if (family == 1) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, at, 4);
		memcpy(&v4->sin_port, at + 8, 2);
	} else if (family == 2) {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, at, 16);
		memcpy(&v6->sin6_port, at + 32, 2);
	} else {
		header->address.ss_family = AF_UNIX;
	}
	return at + sizes[family];
}

static enum proxy_header_status v2_read(struct proxy_header *header,
					const char *data, size_t len)
{
	const char *at = data + PROXY_HEADER_V2_MIN;
	unsigned command, family, transport;

	header->len = PROXY_HEADER_V2_MIN;
	if (len < PROXY_HEADER_V2_MIN)
		return PROXY_HEADER_MORE;
	command = (unsigned char)data[V2_SIGNATURE];
	family = (unsigned char)data[V2_SIGNATURE + 1] >> 4;
	transport = (unsigned char)data[V2_SIGNATURE + 1] & 0x0f;
	if (command >> 4 != 2 || (command & 0x0f) > 1 || family > 3 ||
	    transport > 2)
		return PROXY_HEADER_BAD;
	header->len += v2_number(data + V2_SIGNATURE + 2);
	if (len < header->len)
		return PROXY_HEADER_MORE;
	/* The address counts only with STREAM. The specification lets a
	 * receiver that does not support DGRAM treat it as UNSPEC. */
	header->is_local =
		(command & 0x0f) == 0 || family == 0 || transport != 1;
	if (family != 0)
		at = v2_read_addresses(
			header, at, header->len - PROXY_HEADER_V2_MIN, family);
	/* With the command LOCAL or the family UNSPEC, addresses and TLVs are
	 * ignored, even malformed ones. */
	if ((command & 0x0f) == 0 || family == 0)
		return PROXY_HEADER_READY;
	return at != NULL && v2_read_tlvs(header, data, at) ? PROXY_HEADER_READY
							    : PROXY_HEADER_BAD;
}

enum proxy_header_status proxy_header_parse(struct proxy_header *header,
					    const char *data, size_t len)
{
	memset(header, 0, sizeof(*header));
	if (len >= V1_SIGNATURE &&
	    memcmp(data, v1_signature, V1_SIGNATURE) == 0)
		return v1_read(header, data, len);
	if (len >= V2_SIGNATURE &&
	    memcmp(data, v2_signature, V2_SIGNATURE) == 0)
		return v2_read(header, data, len);
	header->len = len + 1;
	if ((len < V1_SIGNATURE && memcmp(data, v1_signature, len) == 0) ||
	    (len < V2_SIGNATURE && memcmp(data, v2_signature, len) == 0))
		return PROXY_HEADER_MORE;
	return PROXY_HEADER_NONE;
}

/* ---- writing ----------------------------------------------------------- */

static bool header_has_addresses(const struct sockaddr *client,
				 const struct sockaddr *server)
{
	return client->sa_family == server->sa_family &&
	       (client->sa_family == AF_INET || client->sa_family == AF_INET6);
}

/* The bytes of an address: 4 of IPv4 or 16 of IPv6. */
static const void *header_host(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	return address->sa_family == AF_INET ? (const void *)&v4->sin_addr
					     : &v6->sin6_addr;
}

static size_t v1_format(char *out, const struct sockaddr *client,
			const struct sockaddr *server)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

	if (!header_has_addresses(client, server))
		return (size_t)snprintf(out, PROXY_HEADER_ROOM,
					"PROXY UNKNOWN\r\n");
	inet_ntop(client->sa_family, header_host(client), from, sizeof(from));
	inet_ntop(server->sa_family, header_host(server), to, sizeof(to));
	return (size_t)snprintf(
		out, PROXY_HEADER_ROOM, "PROXY TCP%c %s %s %u %u\r\n",
		client->sa_family == AF_INET ? '4' : '6', from, to,
		lined_address_port(client), lined_address_port(server));
}

static size_t v2_format(char *out, const struct sockaddr *client,
			const struct sockaddr *server)
{
	size_t size = client->sa_family == AF_INET ? 4 : 16;
	const in_port_t ports[] = {htons(lined_address_port(client)),
				   htons(lined_address_port(server))};
	char *at = out + PROXY_HEADER_V2_MIN;

	memset(out, 0, PROXY_HEADER_ROOM);
	memcpy(out, v2_signature, V2_SIGNATURE);
	if (!header_has_addresses(client, server)) {
		out[V2_SIGNATURE] = 0x20;
		return PROXY_HEADER_V2_MIN;
	}
	out[V2_SIGNATURE] = 0x21;
	out[V2_SIGNATURE + 1] = client->sa_family == AF_INET ? 0x11 : 0x21;
	out[V2_SIGNATURE + 3] = (char)(2 * size + sizeof(ports));
	memcpy(at, header_host(client), size);
	memcpy(at + size, header_host(server), size);
	memcpy(at + 2 * size, ports, sizeof(ports));
	return PROXY_HEADER_V2_MIN + 2 * size + sizeof(ports);
}

size_t proxy_header_format(char *out, int version,
			   const struct sockaddr *client,
			   const struct sockaddr *server)
{
	return version == 1 ? v1_format(out, client, server)
			    : v2_format(out, client, server);
}
