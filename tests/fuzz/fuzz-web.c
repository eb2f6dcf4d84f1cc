/* SPDX-License-Identifier: MIT */
/*
 * The bytes that proxies and browsers send before a protocol sees a client:
 * PROXY headers, the request of an upgrade, frames. The first byte of the
 * fuzzer's input chooses one of these, the second chooses the cuts. Sanitizers
 * check the memory; the fuzzer checks that the cuts do not change the result. A
 * libFuzzer target only.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "config/conf.h"
#include "proxy_header.h"
#include "serve/web_request.h"
#include "websocket_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(bool good)
{
	if (!good)
		abort();
}

static void fuzz_header(const char *bytes, size_t len)
{
	struct proxy_header whole, part;
	enum proxy_header_status status =
					 proxy_header_parse(&whole, bytes, len),
				 cut;
	size_t n;

	for (n = 0; n < len; n++) {
		cut = proxy_header_parse(&part, bytes, n);
		/* Further bytes must not change the result. */
		judge(cut == PROXY_HEADER_MORE || cut == status);
		if (cut == PROXY_HEADER_READY)
			judge(part.len == whole.len && part.len <= n);
	}
}

static unsigned pings;

static void pinged(void *arg, const unsigned char *payload, size_t len)
{
	(void)arg;
	judge(len <= WEBSOCKET_CONTROL_MAX);
	while (len > 0)
		pings = pings * 31 + payload[--len];
	pings++;
}

static size_t decode(struct websocket_decoder *decoder, char *out,
		     const char *bytes, size_t len, size_t cut)
{
	char *room = malloc(cut + WEBSOCKET_SLACK);
	size_t used = 0, at, n, got;

	memset(decoder, 0, sizeof(*decoder));
	pings = 0;
	for (at = 0; at < len; at += n) {
		n = len - at < cut ? len - at : cut;
		memcpy(room + WEBSOCKET_SLACK, bytes + at, n);
		got = websocket_decode(decoder, room, room + WEBSOCKET_SLACK, n,
				       "\r\n", 2, pinged, NULL);
		judge(got <= n + WEBSOCKET_SLACK);
		memcpy(out + used, room, got);
		used += got;
	}
	free(room);
	return used;
}

static void fuzz_frames(const char *bytes, size_t len, size_t cut)
{
	struct websocket_decoder whole, cuts;
	char *a = malloc(2 * len + 4), *b = malloc(2 * len + 4);
	size_t a_len = decode(&whole, a, bytes, len, len > 0 ? len : 1), b_len;
	unsigned a_pings = pings;

	b_len = decode(&cuts, b, bytes, len, cut);
	judge(whole.failed == cuts.failed && whole.closed == cuts.closed &&
	      whole.code == cuts.code && a_pings == pings);
	/* If a frame is faulty, the cuts decide how many bytes before the fault
	 * come out. */
	judge(memcmp(a, b, a_len < b_len ? a_len : b_len) == 0);
	judge(whole.failed || a_len == b_len);
	websocket_decoder_fini(&whole);
	websocket_decoder_fini(&cuts);
	free(a);
	free(b);
}

static void fuzz_request(const char *bytes, size_t len, size_t cut)
{
	static const char *const origins[] = {"https://a.example"};
	static struct conf_service service = {
		.web = {.origins = origins, .origin_count = 1},
	};
	struct web_request whole = {.len = 0}, cuts = {.len = 0};
	enum http_status a = web_request_read(&whole, "/", bytes, len),
			 b = HTTP_MORE;
	struct sockaddr_storage address;
	char key[WEB_KEY_LEN];
	size_t n, host;

	for (n = 0; b == HTTP_MORE && n < len;) {
		n = len - n < cut ? len : n + cut;
		b = web_request_read(&cuts, "/", bytes, n);
	}
	judge(a == b && whole.len == cuts.len);
	if (a != HTTP_OK)
		return;
	web_request_wish(&whole, bytes, key);
	web_request_origin_is_good(&whole, bytes, &service.web);
	web_request_host(&whole, bytes, &host);
	web_request_forwarded(&whole, bytes, &service, &address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 2;
	size_t cut;

	if (size < 2 || size > 4096)
		return 0;
	cut = 1 + data[1] % 64;
	switch (data[0] % 3) {
	case 0:
		fuzz_header(bytes, size - 2);
		break;
	case 1:
		fuzz_frames(bytes, size - 2, cut);
		break;
	default:
		fuzz_request(bytes, size - 2, cut);
		break;
	}
	return 0;
}
