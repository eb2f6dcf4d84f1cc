/* SPDX-License-Identifier: MIT */
/* A port for a test alone, in parallel with others. */
#ifndef LINED_TESTS_PORT_H
#define LINED_TESTS_PORT_H

#include <stdint.h>

/*
 * A port that is free for TCP and UDP on both families, and this process's own
 * as long as it lives; 0 where there is none. It lies outside of the range from
 * which the kernel takes the ports of clients.
 */
uint16_t private_port(void);

#endif
