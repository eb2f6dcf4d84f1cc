/* SPDX-License-Identifier: MIT */
/*
 * Computes the answer to a client's key: SHA-1 (RFC 3174) in Base64, of a text
 * that is always 60 bytes long. The answer only proves that the server speaks
 * WebSocket. It protects nothing, so no cryptographic library is needed.
 */
#include "config.h"

#include "websocket.h"

#include <string.h>

#define KEY_LEN  24
#define TEXT_LEN 60

static uint32_t sha1_turn(uint32_t word, int bits)
{
	return word << bits | word >> (32 - bits);
}

static void sha1_add_block(uint32_t state[5], const unsigned char block[64])
{
	uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3],
			e = state[4], f, k, next;
	int i;

	for (i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 |
		       (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (; i < 80; i++)
		w[i] = sha1_turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16],
				 1);
	for (i = 0; i < 80; i++) {
		if (i < 20)
			f = (b & c) | (~b & d), k = 0x5a827999;
		else if (i < 40)
			f = b ^ c ^ d, k = 0x6ed9eba1;
		else if (i < 60)
			f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
		else
			f = b ^ c ^ d, k = 0xca62c1d6;
		next = sha1_turn(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = sha1_turn(b, 30);
		b = a;
		a = next;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
}

void websocket_accept_key(char accept[WEBSOCKET_ACCEPT_LEN + 1],
			  const char key[24])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
			     0xc3d2e1f0};
	unsigned char blocks[128] = {0}, sum[21] = {0};
	int i;

	memcpy(blocks, key, KEY_LEN);
	memcpy(blocks + KEY_LEN, guid, TEXT_LEN - KEY_LEN);
	blocks[TEXT_LEN] = 0x80;
	blocks[126] = TEXT_LEN * 8 >> 8;
	blocks[127] = TEXT_LEN * 8 & 0xff;
	sha1_add_block(state, blocks);
	sha1_add_block(state, blocks + 64);
	for (i = 0; i < 20; i++)
		sum[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
	for (i = 0; i < 7; i++) {
		uint32_t three = (uint32_t)sum[3 * i] << 16 |
				 (uint32_t)sum[3 * i + 1] << 8 | sum[3 * i + 2];

		accept[4 * i] = digits[three >> 18];
		accept[4 * i + 1] = digits[three >> 12 & 63];
		accept[4 * i + 2] = digits[three >> 6 & 63];
		accept[4 * i + 3] = digits[three & 63];
	}
	/* 20 bytes become 27 Base64 digits and a padding character. */
	accept[WEBSOCKET_ACCEPT_LEN - 1] = '=';
	accept[WEBSOCKET_ACCEPT_LEN] = '\0';
}
