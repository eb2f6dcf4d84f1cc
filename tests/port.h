/* SPDX-License-Identifier: MIT */
/* A port that no other test uses, although tests run in parallel. */
#pragma once

#include <stdint.h>

/*
 * Returns a port that is free for TCP and UDP on both families and reserved for
 * this process as long as it runs; 0: there is none. The port is outside the
 * range from which the kernel takes the ports of clients.
 */
uint16_t private_port(void);
