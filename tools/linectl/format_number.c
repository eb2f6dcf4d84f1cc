/* SPDX-License-Identifier: MIT */
/*
 * Rounds numbers, and adds units.
 */
#include "config.h"

#include "linectl/format_number.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct number_text __attribute__((format(printf, 1, 2)))
format_text(const char *format, ...)
{
	struct number_text text;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text.s, sizeof(text.s), format, arguments);
	va_end(arguments);
	return text;
}

struct number_text format_count(uint64_t n)
{
	struct number_text text = {""};
	char digits[32], *to = text.s;
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), i;

	for (i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	return text;
}

/* Divides n by 1000 until it has at most three digits before the point. Returns
 * the number of divisions. */
static unsigned scale_by_1000(double *n)
{
	unsigned unit = 0;

	for (; *n >= 999.5 && unit < 6; unit++)
		*n /= 1000;
	return unit;
}

struct number_text format_short(double n)
{
	unsigned unit = scale_by_1000(&n);

	if (unit == 0)
		return format_text("%.*f",
				   n < 9.95 && n != (double)(int)n ? 1 : 0, n);
	return format_text("%.*f%c",
			   n < 9.995   ? 2
			   : n < 99.95 ? 1
				       : 0,
			   n, " kMGTPE"[unit]);
}

struct number_text format_bytes(uint64_t bytes)
{
	static const char *const units[] = {"B",  "kB", "MB", "GB",
					    "TB", "PB", "EB"};
	double n = (double)bytes;
	unsigned unit = scale_by_1000(&n);

	return format_text("%.*f %s", unit > 0 && n < 9.95 ? 1 : 0, n,
			   units[unit]);
}

struct number_text format_time(uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		return format_text("%" PRIu64 " ms", ms);
	if (s < 10)
		return format_text("%" PRIu64 ".%" PRIu64 " s", s,
				   ms % 1000 / 100);
	if (s < 60)
		return format_text("%" PRIu64 " s", s);
	if (s < 3600)
		return format_text("%" PRIu64 " m %" PRIu64 " s", s / 60,
				   s % 60);
	if (s < 86400)
		return format_text("%" PRIu64 " h %" PRIu64 " m", s / 3600,
				   s % 3600 / 60);
	return format_text("%" PRIu64 " d %" PRIu64 " h", s / 86400,
			   s % 86400 / 3600);
}

struct number_text format_age(uint64_t s)
{
	return s < 60 ? format_text("%" PRIu64 " s", s) : format_time(s * 1000);
}

/* Formats local time with strftime(3). Returns "-" if that fails. */
static struct number_text format_local(time_t when, const char *format)
{
	struct number_text text;
	struct tm tm;

	if (localtime_r(&when, &tm) == NULL ||
	    strftime(text.s, sizeof(text.s), format, &tm) == 0)
		strcpy(text.s, "-");
	return text;
}

struct number_text format_date(uint64_t seconds)
{
	return seconds == 0
		       ? format_text("-")
		       : format_local((time_t)seconds, "%Y-%m-%d %H:%M:%S");
}

struct number_text format_clock(void)
{
	return format_local(time(NULL), "%H:%M:%S");
}
