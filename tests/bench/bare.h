/* SPDX-License-Identifier: MIT */
/*
 * Servers of forty lines that do the least that a server can do, for comparison
 * with lined. They do not look at the bytes that they receive.
 */
#pragma once

#include <stdnoreturn.h>

/* Sends back what it reads. */
noreturn void bare_echo(int listener);
/* Sends what it reads to all other clients. */
noreturn void bare_hub(int listener);
