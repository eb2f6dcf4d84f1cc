/* SPDX-License-Identifier: MIT */
/*
 * Check's assertions for fixtures that a fuzzer uses: Check's own functions
 * work only under its runner. tests/fuzz/run links these functions in their
 * place.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

void __wrap__mark_point(const char *file, int line);
_Noreturn void __wrap__ck_assert_failed(const char *file, int line,
					const char *expr, const char *message,
					...);

void __wrap__mark_point(const char *file, int line)
{
	(void)file;
	(void)line;
}

_Noreturn void __wrap__ck_assert_failed(const char *file, int line,
					const char *expr, const char *message,
					...)
{
	(void)message;
	fprintf(stderr, "%s:%d: %s\n", file, line, expr);
	abort();
}
