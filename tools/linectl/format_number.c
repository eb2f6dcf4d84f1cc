/* SPDX-License-Identifier: MIT */
/*
 * Rounds, and adds units. --json has the exact numbers.
 */
#include "config.h"

#include "linectl/format_number.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/memory_or_exit.h"

char *format_count(uint64_t n)
{
	char digits[32], text[48];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), i;
	char *to = text;

	for (i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	return memory_copy(text, (size_t)(to - text));
}

/* Divides n by 1000 until it has at most three digits before the point. Returns
 * how many times. */
static unsigned scale_by_1000(double *n)
{
	unsigned unit = 0;

	for (; *n >= 999.5 && unit < 6; unit++)
		*n /= 1000;
	return unit;
}

char *format_short(double n)
{
	unsigned unit = scale_by_1000(&n);

	if (unit == 0)
		return memory_format(
			"%.*f", n < 9.95 && n != (double)(int)n ? 1 : 0, n);
	return memory_format("%.*f%c",
			     n < 9.995   ? 2
			     : n < 99.95 ? 1
					 : 0,
			     n, " kMGTPE"[unit]);
}

char *format_bytes(uint64_t bytes)
{
	static const char *const units[] = {"B",  "kB", "MB", "GB",
					    "TB", "PB", "EB"};
	double n = (double)bytes;
	unsigned unit = scale_by_1000(&n);

	return memory_format("%.*f %s", unit > 0 && n < 9.95 ? 1 : 0, n,
			     units[unit]);
}

char *format_time(uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		return memory_format("%" PRIu64 " ms", ms);
	if (s < 10)
		return memory_format("%" PRIu64 ".%" PRIu64 " s", s,
				     ms % 1000 / 100);
	if (s < 60)
		return memory_format("%" PRIu64 " s", s);
	if (s < 3600)
		return memory_format("%" PRIu64 " m %" PRIu64 " s", s / 60,
				     s % 60);
	if (s < 86400)
		return memory_format("%" PRIu64 " h %" PRIu64 " m", s / 3600,
				     s % 3600 / 60);
	return memory_format("%" PRIu64 " d %" PRIu64 " h", s / 86400,
			     s % 86400 / 3600);
}

char *format_age(uint64_t s)
{
	return s < 60 ? memory_format("%" PRIu64 " s", s)
		      : format_time(s * 1000);
}

char *format_date(uint64_t seconds)
{
	time_t when = (time_t)seconds;
	char text[64];
	struct tm tm;

	if (seconds == 0 || localtime_r(&when, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		return memory_copy("-", 1);
	return memory_format("%s", text);
}
