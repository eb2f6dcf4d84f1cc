/* SPDX-License-Identifier: MIT */
/*
 * The frames of WebSocket: the examples of RFC 6455, each opcode and length,
 * cut at every byte, forbidden frames, and the messages that are made of lines.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "utf8_check.h"
#include "websocket.h"
#include "websocket_decode.h"
#include "websocket_encode.h"

#define ROOM 200000

static struct {
	char text[256];
	size_t len;
	unsigned count;
} ping;

static void pinged(void *arg, const unsigned char *payload, size_t len)
{
	memcpy(ping.text, payload, len);
	ping.len = len;
	ping.count++;
}

/* Decodes in pieces of `cut` bytes, in place as a socket does. */
static size_t decode(struct websocket_decoder *decoder, char *out,
		     const char *bytes, size_t len, size_t cut)
{
	static char room[ROOM + WEBSOCKET_SLACK];
	size_t used = 0, at, n;

	memset(decoder, 0, sizeof(*decoder));
	memset(&ping, 0, sizeof(ping));
	for (at = 0; at < len; at += n) {
		size_t got;

		n = len - at < cut ? len - at : cut;
		memcpy(room + WEBSOCKET_SLACK, bytes + at, n);
		got = websocket_decode(decoder, room, room + WEBSOCKET_SLACK, n,
				       "\n", 1, pinged, NULL);
		memcpy(out + used, room, got);
		used += got;
	}
	out[used] = '\0';
	return used;
}

struct sample {
	const char *bytes;
	size_t len;
	const char *lines; /* the lines that the reader gets */
	int code;          /* the code of a failure (negative) or of a closing
			    * frame, or 0 */
};

#define S(bytes, lines, code)                                                  \
	{                                                                      \
		bytes, sizeof(bytes) - 1, lines, code                          \
	}
/* A mask of zeros leaves the payload as it is. */
#define M "\0\0\0\0"

static const struct sample samples[] = {
	/* Section 5.7: a masked text message, and a masked answer to a ping. */
	S("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "Hello\n", 0),
	S("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "", 0),
	/* Whole, in fragments, with control frames between. */
	S("\x81\x80" M, "\n", 0),
	S("\x82\x81" M "\xff", "\xff\n", 0),
	S("\x81\x82" M "a\n", "a\n", 0),
	S("\x81\x83" M "a\nb", "a\nb\n", 0),
	S("\x01\x81" M "a\x80\x81" M "b", "ab\n", 0),
	S("\x01\x80" M "\x00\x80" M "\x80\x80" M, "\n", 0),
	S("\x01\x81" M "a\x89\x81" M "?\x8a\x80" M "\x80\x81" M "\n", "a\n", 0),
	S("\x81\x81" M "a\x82\x81" M "b", "a\nb\n", 0),
	S("\x01\x81" M "\xe4\x80\x82" M "\xb8\x96", "\xe4\xb8\x96\n", 0),
	/* After a closing frame, further frames are ignored. */
	S("\x81\x81" M "a\x88\x80" M "\x81\x81" M "b", "a\n", 0),
	S("\x88\x82" M "\x03\xe8", "", 1000),
	S("\x88\x85" M "\x0f\xa0"
	  "bye",
	  "", 4000),
	/* Frames without a mask; reserved bits and opcodes. */
	S("\x81\x05Hello", "", -1002),
	S("\x81\x81" M "a\xc1\x81" M "b", "a\n", -1002),
	S("\xa1\x80" M, "", -1002),
	S("\x91\x80" M, "", -1002),
	S("\x83\x80" M, "", -1002),
	S("\x87\x80" M, "", -1002),
	S("\x8b\x80" M, "", -1002),
	S("\x8f\x80" M, "", -1002),
	/* Fragments out of order; control frames in fragments or too long. */
	S("\x80\x80" M, "", -1002),
	S("\x00\x80" M, "", -1002),
	S("\x01\x81" M "a\x81\x81" M "b", "a", -1002),
	S("\x09\x80" M, "", -1002),
	S("\x89\xfe\x00\x7e" M, "", -1002),
	/* Lengths that could be shorter, or have their highest bit set. */
	S("\x81\xfe\x00\x7d" M, "", -1002),
	S("\x81\xff\0\0\0\0\0\0\xff\xff" M, "", -1002),
	S("\x81\xff\x80\0\0\0\0\0\0\0" M, "", -1002),
	/* Invalid closing frames. */
	S("\x88\x81" M "\x03", "", -1002),
	S("\x88\x82" M "\x03\xe7", "", -1002),
	S("\x88\x82" M "\x03\xed", "", -1002),
	S("\x88\x82" M "\x03\xf7", "", -1002),
	S("\x88\x82" M "\x13\x88", "", -1002),
	S("\x88\x83" M "\x03\xe8\xff", "", -1007),
	/* Text that is not UTF-8 is refused as soon as that is certain. */
	S("\x81\x82" M "\xc0\x80", "", -1007),
	S("\x01\x81" M "\xf5", "", -1007),
	S("\x81\x81" M "\xe4", "\xe4", -1007),
	S("\x81\x81" M "a\x81\x83" M "\xed\xa0\x80", "a\n", -1007),
};

/* Returns the length of all whole lines. The rest depends on the cuts. */
static size_t whole_lines(const char *text)
{
	const char *end = strrchr(text, '\n');

	return end != NULL ? (size_t)(end + 1 - text) : 0;
}

START_TEST(frames_are_the_same_however_they_are_cut)
{
	const struct sample *sample = &samples[_i];
	struct websocket_decoder decoder;
	char out[256];
	size_t cut;

	for (cut = 1; cut <= sample->len; cut++) {
		decode(&decoder, out, sample->bytes, sample->len, cut);
		if (sample->code >= 0)
			ck_assert_str_eq(out, sample->lines);
		else
			ck_assert_mem_eq(out, sample->lines,
					 whole_lines(sample->lines));
		ck_assert(decoder.failed == (sample->code < 0));
		if (sample->code != 0)
			ck_assert_int_eq(decoder.code, abs(sample->code));
		websocket_decoder_fini(&decoder);
	}
}
END_TEST

/* Makes a frame of a client, with a mask. */
static size_t make_frame(char *out, enum websocket_opcode opcode, size_t len)
{
	static const unsigned char mask[4] = {0xa1, 0x02, 0xf3, 0x44};
	size_t head = websocket_head(out, opcode, len), i;

	out[1] = (char)(out[1] | 0x80);
	memcpy(out + head, mask, 4);
	for (i = 0; i < len; i++)
		out[head + 4 + i] = (char)(('a' + i % 23) ^ mask[i & 3]);
	return head + 4 + len;
}

START_TEST(payloads_of_each_length_arrive)
{
	static const size_t lens[] = {0,     1,     2,     7,     8,     9,
				      124,   125,   126,   127,   128,   1000,
				      65534, 65535, 65536, 65537, 150000};
	static char frame[ROOM], out[ROOM];
	struct websocket_decoder decoder;
	size_t i, k, cut, len;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		len = make_frame(frame, WEBSOCKET_TEXT, lens[i]);
		for (cut = 1; cut < len + 64; cut = cut * 3 + 1) {
			ck_assert_uint_eq(
				decode(&decoder, out, frame, len, cut),
				lens[i] + 1);
			for (k = 0; k < lens[i]; k++)
				if (out[k] != (char)('a' + k % 23))
					break;
			ck_assert_uint_eq(k, lens[i]);
			ck_assert_int_eq(out[k], '\n');
		}
	}
}
END_TEST

START_TEST(pings_have_their_payload)
{
	struct websocket_decoder decoder;
	char frame[300], out[8];
	size_t len = make_frame(frame, WEBSOCKET_PING, 125), cut, i;

	for (cut = 1; cut <= len; cut++) {
		ck_assert_uint_eq(decode(&decoder, out, frame, len, cut), 0);
		ck_assert_uint_eq(ping.count, 1);
		ck_assert_uint_eq(ping.len, 125);
		for (i = 0; i < 125; i++)
			ck_assert_int_eq(ping.text[i], (int)('a' + i % 23));
		ck_assert_ptr_null(decoder.control);
	}
}
END_TEST

START_TEST(heads_have_the_shortest_length)
{
	char head[WEBSOCKET_HEAD_MAX];

	ck_assert_uint_eq(websocket_head(head, WEBSOCKET_TEXT, 125), 2);
	ck_assert_mem_eq(head, "\x81\x7d", 2);
	ck_assert_uint_eq(websocket_head(head, WEBSOCKET_BINARY, 126), 4);
	ck_assert_mem_eq(head, "\x82\x7e\x00\x7e", 4);
	ck_assert_uint_eq(websocket_head(head, WEBSOCKET_BINARY, 65535), 4);
	ck_assert_uint_eq(websocket_head(head, WEBSOCKET_BINARY, 65536), 10);
	ck_assert_mem_eq(head, "\x82\x7f\0\0\0\0\0\x01\0\0", 10);
}
END_TEST

START_TEST(key_of_the_rfc_has_its_answer)
{
	char accept[WEBSOCKET_ACCEPT_LEN + 1];

	websocket_accept_key(accept, "dGhlIHNhbXBsZSBub25jZQ==");
	ck_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
END_TEST

/* ---- UTF-8 --------------------------------------------------------------- */

static bool is_utf8(const char *text, size_t len, size_t cut)
{
	struct utf8_check check = {0};
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = len - at < cut ? len - at : cut;
		if (!utf8_check(&check, text + at, n))
			return false;
	}
	return utf8_check_is_complete(&check);
}

START_TEST(utf8_is_checked_across_pieces)
{
	static const struct {
		const char *text;
		bool good;
	} texts[] = {
		{"", true},
		{"plain text of more than eight bytes", true},
		{"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf", true},
		{"\xed\x9f\xbf \xee\x80\x80", true},
		{"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", true},
		{"eight bytes, then \xe4\xb8\x96\xe7\x95\x8c, then more", true},
		{"\x80", false},
		{"\xc1\xbf", false},
		{"\xe0\x9f\xbf", false},
		{"\xed\xa0\x80", false},
		{"\xf0\x8f\xbf\xbf", false},
		{"\xf4\x90\x80\x80", false},
		{"\xf5\x80\x80\x80", false},
		{"\xc2", false},
		{"\xe4\xb8", false},
		{"\xe4\xb8x", false},
		{"12345678\xff", false},
	};
	size_t i, cut;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (cut = 1; cut < 12; cut++)
			ck_assert(is_utf8(texts[i].text, strlen(texts[i].text),
					  cut) == texts[i].good);
}
END_TEST

/* ---- lines to messages --------------------------------------------------- */

static const struct websocket_cut any = {'\n', true};

START_TEST(each_line_is_a_message)
{
	static const char text[] = "one\ntwo\r\n\n\xff\nrest";
	char out[128];
	size_t rest, len;

	len = websocket_encode(any, out, text, sizeof(text) - 1, &rest);
	ck_assert_uint_eq(rest, 4);
	ck_assert_uint_eq(len, 15);
	ck_assert_mem_eq(out, "\x81\x03one\x81\x03two\x81\x00\x82\x01\xff", 15);
	ck_assert_uint_ge(websocket_encoded_len(any, text, sizeof(text) - 1),
			  len);
}
END_TEST

START_TEST(terminators_are_those_of_the_framing)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;

	ck_assert_int_eq(websocket_single_line(any, "one\r\n", 5), 3);
	ck_assert_int_eq(websocket_single_line(any, "\n", 1), 0);
	ck_assert_int_eq(websocket_single_line(any, "one", 3), -1);
	ck_assert_int_eq(websocket_single_line(any, "one\ntwo\n", 8), -1);
	framing.terminator = LINED_TERMINATOR_LF;
	ck_assert_int_eq(
		websocket_single_line(websocket_cut_of(&framing), "one\r\n", 5),
		4);
	framing.terminator = LINED_TERMINATOR_BYTE;
	framing.byte = ';';
	ck_assert_int_eq(
		websocket_single_line(websocket_cut_of(&framing), "a\nb;", 4),
		3);
}
END_TEST

START_TEST(shared_lines_are_encoded_once)
{
	struct websocket_cache cache = {.count = 0};
	struct lined_buffer *source = lined_buffer_new("one\ntwo\nthr", 11);
	struct lined_buffer *frames, *again;
	size_t i;

	frames = websocket_cache_get(&cache, source, 0, 8, any);
	again = websocket_cache_get(&cache, source, 0, 8, any);
	ck_assert_ptr_nonnull(frames);
	ck_assert_ptr_eq(frames, again);
	ck_assert_uint_eq(lined_buffer_len(frames), 10);
	ck_assert_mem_eq(lined_buffer_data(frames), "\x81\x03one\x81\x03two",
			 10);
	ck_assert_ptr_ne(websocket_cache_get(&cache, source, 4, 4, any),
			 frames);
	/* A part of a line without terminator is no message yet. */
	ck_assert_ptr_null(websocket_cache_get(&cache, source, 4, 7, any));
	for (i = 0; i < 20; i++)
		ck_assert_ptr_nonnull(websocket_cache_get(&cache, source, i % 4,
							  4 - i % 4, any));
	websocket_cache_clear(&cache);
	ck_assert_uint_eq(cache.count, 0);
	lined_buffer_unref(source);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("websocket");
	TCase *tcase = support_case(suite, "websocket");

	tcase_add_loop_test(tcase, frames_are_the_same_however_they_are_cut, 0,
			    (int)(sizeof(samples) / sizeof(samples[0])));
	tcase_add_test(tcase, payloads_of_each_length_arrive);
	tcase_add_test(tcase, pings_have_their_payload);
	tcase_add_test(tcase, heads_have_the_shortest_length);
	tcase_add_test(tcase, key_of_the_rfc_has_its_answer);
	tcase_add_test(tcase, utf8_is_checked_across_pieces);
	tcase_add_test(tcase, each_line_is_a_message);
	tcase_add_test(tcase, terminators_are_those_of_the_framing);
	tcase_add_test(tcase, shared_lines_are_encoded_once);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
