/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people read them. Each function returns text that the caller
 * frees.
 */
#pragma once

#include <stdint.h>

/* "1,234,567" */
char *format_count(uint64_t n);

/* "987", "12.3k", "4.56M": at most five columns. */
char *format_short(double n);

/* "0 B", "1.5 kB", "12 MB"; a kB is 1000 B. */
char *format_bytes(uint64_t bytes);

/* "12 ms", "3.4 s", "5 m 6 s", "7 h 8 m", "9 d 10 h" */
char *format_time(uint64_t ms);

/* The time since an event, in whole seconds: "0 s", "5 m 6 s". */
char *format_age(uint64_t s);

/* "2026-11-23 07:43:49", local time; "-" for 0. */
char *format_date(uint64_t seconds);
