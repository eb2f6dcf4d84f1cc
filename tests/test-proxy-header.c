/* SPDX-License-Identifier: MIT */
/*
 * The headers of the PROXY protocol: those in the text of the specification,
 * each cut at every byte and followed by other bytes; and bytes that are no
 * header.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <lined/address.h>

#include "proxy_header.h"
#include "support.h"

#define V2     "\r\n\r\n\0\r\nQUIT\n"
#define V4     "\xc0\x00\x02\x01\xc6\x33\x64\x02\x14\x03\x1b\x58"
#define V4_LEN 12

struct sample {
	const char *bytes;
	size_t len;
	const char *client; /* NULL: the connection's own address */
};

#define S(bytes, client)                                                       \
	{                                                                      \
		bytes, sizeof(bytes) - 1, client                               \
	}

static const struct sample good[] = {
	/* The longest lines that the specification names, and its example. */
	S("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
	  "255.255.255.255:65535"),
	S("PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""),
	S("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
	S("PROXY UNKNOWN\r\n", NULL),
	S("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	  NULL),
	S("PROXY UNKNOWN what ever\r\n", NULL),
	S("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
	  "192.168.0.1:56324"),
	S("PROXY TCP4 192.0.2.1 198.51.100.2 0 443\r\n", "192.0.2.1:0"),
	S("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1"),
	S("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1:1"),
	/* PROXY over TCP, IPv4 and IPv6; a UNIX stream. */
	S(V2 "\x21\x11\0\x0c" V4, "192.0.2.1:5123"),
	S(V2 "\x21\x21\0\x24"
	     " \x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
	     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
	     "\x14\x03\x1b\x58",
	  "[2001:db8::1]:5123"),
	/* LOCAL, with and without addresses; UNSPEC; datagrams. */
	S(V2 "\x20\0\0\0", NULL),
	S(V2 "\x20\x11\0\x0c" V4, NULL),
	S(V2 "\x20\x11\0\x02xx", NULL),
	S(V2 "\x21\0\0\0", NULL),
	S(V2 "\x21\0\0\x03xyz", NULL),
	S(V2 "\x21\x12\0\x0c" V4, NULL),
	/* TLVs: NOOP, ALPN, a unique id, an unknown one, an empty one. */
	S(V2 "\x21\x11\0\x26" V4 "\x04\0\x03xxx\x01\0\x02h2\x05\0\x04\x01\0"
	     "\x02\x03\xee\0\x02zz\xef\0\0",
	  "192.0.2.1:5123"),
};

static const struct sample bad[] = {
	S("PROXY\r\n", "none"),
	S("GET / HTTP/1.1\r\n", "none"),
	S("hello there\n", "none"),
	S("\r\n\r\nhello", "none"),
	S("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "none"),
	S("PROXY \r\n", ""),
	S("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", ""),
	S("PROXY TCP4\r\n", ""),
	S("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", ""),
	S("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", ""),
	S("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", ""),
	S("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", ""),
	S("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", ""),
	S("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", ""),
	S("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", ""),
	S("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", ""),
	S("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", ""),
	S("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n", ""),
	S("PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n", ""),
	S("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", ""),
	S("PROXY TCP6 fe80::1%lo ::1 1 2\r\n", ""),
	S("PROXY UNKNOWN "
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
	  ""),
	/* Versions 1 and 3; a command and families that are not assigned. */
	S(V2 "\x11\x11\0\x0c" V4, ""),
	S(V2 "\x31\x11\0\x0c" V4, ""),
	S(V2 "\x22\x11\0\x0c" V4, ""),
	S(V2 "\x21\x41\0\x0c" V4, ""),
	S(V2 "\x21\x13\0\x0c" V4, ""),
	/* Too short for its addresses; TLVs that are cut. */
	S(V2 "\x21\x11\0\x0b" V4, ""),
	S(V2 "\x21\x21\0\x0c" V4, ""),
	S(V2 "\x21\x31\0\x0c" V4, ""),
	S(V2 "\x21\x11\0\x0e" V4 "\x04\0", ""),
	S(V2 "\x21\x11\0\x0f" V4 "\x04\0\x01", ""),
	S(V2 "\x21\x11\0\x13" V4 "\x20\0\x04\x01\0\0\0", ""),
	/* A checksum that is not that of the header. */
	S(V2 "\x21\x11\0\x13" V4 "\x03\0\x04\x01\x02\x03\x04", ""),
	S(V2 "\x21\x11\0\x11" V4 "\x03\0\x02\x01\x02", ""),
};

static enum proxy_header_status parse(struct proxy_header *header,
				      const char *bytes, size_t len)
{
	/* A copy of exactly this size, so that a sanitizer finds a read beyond
	 * it. */
	char *copy = malloc(len > 0 ? len : 1);
	enum proxy_header_status status;

	memcpy(copy, bytes, len);
	status = proxy_header_parse(header, copy, len);
	free(copy);
	return status;
}

static void check_client(const struct proxy_header *header, const char *client)
{
	char text[LINED_ADDRESS_TEXT_MAX];

	ck_assert(header->is_local == (client == NULL));
	if (client != NULL)
		ck_assert_str_eq(
			lined_address_format(
				(const struct sockaddr *)&header->address, text,
				sizeof(text)),
			client);
}

START_TEST(headers_of_the_specification_are_read_however_they_are_cut)
{
	const struct sample *sample = &good[_i];
	struct proxy_header header;
	char longer[512];
	size_t cut;

	if (sample->client != NULL && sample->client[0] == '\0') {
		/* The specification writes this address in a short form. */
		ck_assert_int_eq(parse(&header, sample->bytes, sample->len),
				 PROXY_HEADER_BAD);
		return;
	}
	for (cut = 0; cut < sample->len; cut++) {
		ck_assert_int_eq(parse(&header, sample->bytes, cut),
				 PROXY_HEADER_MORE);
		ck_assert_uint_gt(header.len, cut);
		ck_assert_uint_le(header.len, sample->len);
	}
	ck_assert_int_eq(parse(&header, sample->bytes, sample->len),
			 PROXY_HEADER_READY);
	ck_assert_uint_eq(header.len, sample->len);
	check_client(&header, sample->client);
	memset(longer, '\n', sizeof(longer));
	memcpy(longer, sample->bytes, sample->len);
	ck_assert_int_eq(parse(&header, longer, sizeof(longer)),
			 PROXY_HEADER_READY);
	ck_assert_uint_eq(header.len, sample->len);
	check_client(&header, sample->client);
}
END_TEST

START_TEST(what_is_no_header_is_refused)
{
	const struct sample *sample = &bad[_i];
	enum proxy_header_status want = sample->client[0] != '\0'
						? PROXY_HEADER_NONE
						: PROXY_HEADER_BAD;
	struct proxy_header header;
	size_t cut;

	ck_assert_int_eq(parse(&header, sample->bytes, sample->len), want);
	/* No beginning of the header is taken for a whole header. */
	for (cut = 0; cut < sample->len; cut++)
		ck_assert_int_ne(parse(&header, sample->bytes, cut),
				 PROXY_HEADER_READY);
}
END_TEST

START_TEST(version_1_has_at_most_107_bytes)
{
	char line[PROXY_HEADER_V1_MAX + 1];
	struct proxy_header header;

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + PROXY_HEADER_V1_MAX - 2, "\r\n", 2);
	ck_assert_int_eq(parse(&header, line, PROXY_HEADER_V1_MAX),
			 PROXY_HEADER_READY);
	line[PROXY_HEADER_V1_MAX - 2] = 'x';
	ck_assert_int_eq(parse(&header, line, PROXY_HEADER_V1_MAX - 1),
			 PROXY_HEADER_MORE);
	ck_assert_int_eq(parse(&header, line, PROXY_HEADER_V1_MAX),
			 PROXY_HEADER_BAD);
}
END_TEST

START_TEST(unix_address_makes_a_unix_client)
{
	char bytes[16 + 216] = V2 "\x21\x31\0\xd8/run/client.sock";
	struct proxy_header header;

	ck_assert_int_eq(parse(&header, bytes, sizeof(bytes)),
			 PROXY_HEADER_READY);
	check_client(&header, "unix");
	ck_assert_int_eq(parse(&header, bytes, sizeof(bytes) - 1),
			 PROXY_HEADER_MORE);
}
END_TEST

static void check_text(struct proxy_header_text text, const char *want)
{
	ck_assert_uint_eq(text.len, strlen(want));
	ck_assert_mem_eq(text.text, want, text.len);
}

START_TEST(tlvs_say_what_the_client_spoke)
{
	static const char bytes[] =
		V2 "\x21\x11\0\x4d" V4 "\x02\0\x0birc.example\x20\0\x30\x07"
		   "\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x05"
		   "alice\x23\0\x16TLS_AES_256_GCM_SHA384";
	struct proxy_header header;

	ck_assert_int_eq(proxy_header_parse(&header, bytes, sizeof(bytes) - 1),
			 PROXY_HEADER_READY);
	ck_assert(header.tls);
	ck_assert(header.verified);
	check_text(header.authority, "irc.example");
	check_text(header.version, "TLSv1.3");
	check_text(header.name, "alice");
	ck_assert_ptr_nonnull(header.cipher.text);
}
END_TEST

/* The values within the SSL value are cut off at each of its bytes. */
START_TEST(tlvs_end_where_theirs_ends)
{
	char bytes[64] = V2 "\x21\x11\0\x1a" V4 "\x20\0\x0b\x01\0\0\0\0"
			    "\x22\0\x03"
			    "bob";
	struct proxy_header header;
	unsigned cut;

	ck_assert_int_eq(proxy_header_parse(&header, bytes, 42),
			 PROXY_HEADER_READY);
	check_text(header.name, "bob");
	for (cut = 1; cut < 11; cut++) {
		bytes[15] = (char)(0x1a - cut);
		bytes[30] = (char)(0x0b - cut);
		ck_assert_int_eq(parse(&header, bytes, 42 - cut),
				 cut == 6 ? PROXY_HEADER_READY
					  : PROXY_HEADER_BAD);
	}
}
END_TEST

START_TEST(certificate_that_was_not_verified_is_not)
{
	/* No certificate; a refused certificate; no TLS at all. */
	static const char *const tlvs[] = {
		"\x20\0\x05\x01\0\0\0\0",
		"\x20\0\x05\x07\0\0\0\x01",
		"\x20\0\x05\x06\0\0\0\0",
	};
	char bytes[64] = V2 "\x21\x11\0\x14" V4;
	struct proxy_header header;

	memcpy(bytes + 28, tlvs[_i], 8);
	ck_assert_int_eq(parse(&header, bytes, 36), PROXY_HEADER_READY);
	ck_assert(header.tls == (_i < 2));
	ck_assert(!header.verified);
}
END_TEST

START_TEST(checksum_that_fits_is_taken)
{
	/* The CRC32c of the header with zeros in place of the checksum. */
	static const char bytes[] =
		V2 "\x21\x11\0\x13" V4 "\x03\0\x04\xbb\xf6\xfe\x6c";
	struct proxy_header header;

	ck_assert_int_eq(parse(&header, bytes, sizeof(bytes) - 1),
			 PROXY_HEADER_READY);
}
END_TEST

START_TEST(header_may_have_tlvs_to_the_maximum)
{
	size_t size = 16 + 65535, at;
	char *bytes = malloc(size);
	struct proxy_header header;

	memcpy(bytes, V2 "\x21\x11\xff\xff" V4, 28);
	memset(bytes + 28, 0, size - 28);
	for (at = 28; at + 3 <= size; at += 3)
		bytes[at] = '\x04';
	/* The last TLV ends with the header. */
	bytes[at - 3 + 2] = (char)(size - at);
	ck_assert_int_eq(parse(&header, bytes, 16), PROXY_HEADER_MORE);
	ck_assert_uint_eq(header.len, size);
	ck_assert_int_eq(parse(&header, bytes, size - 1), PROXY_HEADER_MORE);
	ck_assert_int_eq(parse(&header, bytes, size), PROXY_HEADER_READY);
	ck_assert_uint_eq(header.len, size);
	free(bytes);
}
END_TEST

START_TEST(written_headers_are_read_again)
{
	static const char *const hosts[] = {"192.0.2.1", "2001:db8::1"};
	struct lined_address client, server;
	struct proxy_header header;
	char bytes[PROXY_HEADER_ROOM];
	size_t len;
	int version;

	lined_address_set(&server, "192.0.2.2", 7007);
	for (version = 1; version <= 2; version++) {
		lined_address_set(&client, hosts[_i], 5123);
		len = proxy_header_format(bytes, version, &client.any,
					  &server.any);
		ck_assert_int_eq(parse(&header, bytes, len),
				 PROXY_HEADER_READY);
		/* There is no header for addresses of two families. */
		ck_assert(header.is_local == (_i == 1));
		lined_address_set(&server, _i == 0 ? "192.0.2.2" : "::1", 7007);
		len = proxy_header_format(bytes, version, &client.any,
					  &server.any);
		ck_assert_int_eq(parse(&header, bytes, len),
				 PROXY_HEADER_READY);
		ck_assert_uint_eq(header.len, len);
		ck_assert(lined_address_equal(
			(struct sockaddr *)&header.address, &client.any));
		lined_address_set(&server, "192.0.2.2", 7007);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("proxy_header");
	TCase *tcase = support_case(suite, "proxy_header");

	tcase_add_loop_test(
		tcase,
		headers_of_the_specification_are_read_however_they_are_cut, 0,
		(int)(sizeof(good) / sizeof(good[0])));
	tcase_add_loop_test(tcase, what_is_no_header_is_refused, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tcase, version_1_has_at_most_107_bytes);
	tcase_add_test(tcase, unix_address_makes_a_unix_client);
	tcase_add_test(tcase, tlvs_say_what_the_client_spoke);
	tcase_add_test(tcase, tlvs_end_where_theirs_ends);
	tcase_add_loop_test(tcase, certificate_that_was_not_verified_is_not, 0,
			    3);
	tcase_add_test(tcase, checksum_that_fits_is_taken);
	tcase_add_test(tcase, header_may_have_tlvs_to_the_maximum);
	tcase_add_loop_test(tcase, written_headers_are_read_again, 0, 2);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
