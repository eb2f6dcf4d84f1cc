/* SPDX-License-Identifier: MIT */
/* A port for a test alone, in parallel with others. */
#pragma once

#include <stdint.h>

/*
 * A port that is free for TCP and UDP on both families, and this process's own
 * as long as it lives; 0 where there is none. It lies outside of the range from
 * which the kernel takes the ports of clients.
 */
uint16_t private_port(void);
