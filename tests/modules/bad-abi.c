/* SPDX-License-Identifier: MIT */
/*
 * A module of another ABI, for test-module: it has only the two members with
 * which every ABI begins.
 */
#include <stdint.h>

struct other_protocol {
	uint32_t abi;
	uint32_t size;
};

extern const struct other_protocol lined_protocol;

const struct other_protocol lined_protocol = {
	.abi = 4711,
	.size = sizeof(struct other_protocol),
};
