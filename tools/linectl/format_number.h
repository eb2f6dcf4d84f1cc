/* SPDX-License-Identifier: MIT */
/*
 * Writes numbers, times and dates as people read them. --json has the exact
 * numbers.
 */
#pragma once

#include <stdint.h>

/* A text by value: format_count(n).s is valid within its statement. */
struct number_text {
	char s[32];
};

/* "1,234,567" */
struct number_text format_count(uint64_t n);

/* "987", "12.3k", "4.56M": at most five columns. */
struct number_text format_short(double n);

/* "0 B", "1.5 kB", "12 MB"; a kB is 1000 B. */
struct number_text format_bytes(uint64_t bytes);

/* "12 ms", "3.4 s", "5 m 6 s", "7 h 8 m", "9 d 10 h" */
struct number_text format_time(uint64_t ms);

/* The time since an event, in whole seconds: "0 s", "5 m 6 s". */
struct number_text format_age(uint64_t s);

/* "2026-11-23 07:43:49", local time; "-" for 0. */
struct number_text format_date(uint64_t seconds);

/* The time of day, "07:43:49". */
struct number_text format_clock(void);
