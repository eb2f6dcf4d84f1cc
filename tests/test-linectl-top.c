/* SPDX-License-Identifier: MIT */
/*
 * The samples that `linectl top` computes from its answers, and numbers and
 * tables as people read them.
 */
#include "config.h"

#include "linectl/top_samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"
#include "linectl/format_number.h"
#include "linectl/record_table.h"
#include "support.h"

/* Takes an answer made of these lines. */
static void take(struct samples *samples, uint64_t now_ms, const char *lines)
{
	struct answer answer = {.count = 0};
	struct record record;

	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");

		ck_assert_int_eq(record_parse(&record, lines, len), 0);
		answer_take(&answer, &record);
		lines += len + 1;
	}
	samples_take(samples, &answer, now_ms);
}

/* Sums of fractions are only approximately equal. */
static void expect_near(double value, double wanted)
{
	ck_assert_msg(value > wanted - 1e-9 && value < wanted + 1e-9,
		      "%g is not %g", value, wanted);
}

START_TEST(rates_are_differences_by_time)
{
	struct samples s = {.taken_ms = 0};
	const struct sample *echo;

	take(&s, 1000,
	     "{\"kind\":\"daemon\",\"version\":\"1\",\"state\":\"serving\","
	     "\"uptime_s\":5,\"clients\":3}\n{\"kind\":\"service\",\"name\":"
	     "\"echo\",\"state\":\"open\",\"lines_in\":100,\"bytes_in\":1000,"
	     "\"bytes_out\":500,\"clients\":3,\"queued\":7,\"sends_dropped\":1,"
	     "\"datagrams_dropped\":2}\n");
	echo = &s.services[0];
	expect_near(echo->lines, 0);
	ck_assert_uint_eq(echo->clients, 3);
	ck_assert_uint_eq(echo->queued, 7);
	ck_assert_uint_eq(echo->drops, 3);
	ck_assert_uint_eq(record_number(&s.answer.records[0], "clients"), 3);
	take(&s, 3000,
	     "{\"kind\":\"service\",\"name\":\"echo\",\"state\":\"open\","
	     "\"lines_in\":150,\"bytes_in\":1800,\"bytes_out\":500}\n");
	echo = &s.services[0];
	expect_near(echo->lines, 25);
	expect_near(echo->in, 400);
	expect_near(echo->out, 0);
	expect_near(echo->history.values[SAMPLES_HISTORY - 1], 25);
	expect_near(echo->history.values[SAMPLES_HISTORY - 2], 0);
	samples_fini(&s);
}
END_TEST

START_TEST(lines_of_upstreams_count_too)
{
	struct samples s = {.taken_ms = 0};

	take(&s, 1000,
	     "{\"kind\":\"service\",\"name\":\"feed\",\"lines_in\":0,"
	     "\"opened\":{\"lines_in\":10}}\n");
	take(&s, 2000,
	     "{\"kind\":\"service\",\"name\":\"feed\",\"lines_in\":1,"
	     "\"opened\":{\"lines_in\":30}}\n");
	expect_near(s.services[0].lines, 21);
	samples_fini(&s);
}
END_TEST

START_TEST(service_that_began_anew_counts_from_zero)
{
	struct samples s = {.taken_ms = 0};

	take(&s, 1000,
	     "{\"kind\":\"service\",\"name\":\"echo\",\"lines_in\":1000}\n");
	take(&s, 2000,
	     "{\"kind\":\"service\",\"name\":\"echo\",\"lines_in\":30}\n");
	expect_near(s.services[0].lines, 30);
	samples_fini(&s);
}
END_TEST

START_TEST(services_come_and_go)
{
	struct samples s = {.taken_ms = 0};

	take(&s, 1000,
	     "{\"kind\":\"service\",\"name\":\"a\"}\n{\"kind\":\"service\","
	     "\"name\":\"b\",\"lines_in\":5}\n");
	ck_assert_uint_eq(s.service_count, 2);
	take(&s, 2000,
	     "{\"kind\":\"service\",\"name\":\"b\",\"lines_in\":6}\n{\"kind\":"
	     "\"service\",\"name\":\"c\"}\n");
	ck_assert_uint_eq(s.service_count, 2);
	ck_assert_str_eq(s.services[0].name, "b");
	expect_near(s.services[0].lines, 1);
	/* A service that drains has the same name as an open one. The open one
	 * comes first. */
	take(&s, 3000,
	     "{\"kind\":\"service\",\"name\":\"b\",\"state\":\"open\",\"lines_"
	     "in\":7}\n{\"kind\":\"service\",\"name\":\"b\",\"state\":"
	     "\"draining\",\"lines_in\":999}\n");
	ck_assert_uint_eq(s.service_count, 1);
	ck_assert_str_eq(record_text(s.services[0].now, "state"), "open");
	expect_near(s.services[0].lines, 1);
	samples_fini(&s);
}
END_TEST

#define WORKER(turns, busy, first, second, more)                               \
	"{\"kind\":\"worker\",\"name\":\"0\",\"clients\":1,"                   \
	"\"stuck\":false,\"turns\":" turns ",\"busy_us\":" busy                \
	",\"turns_us\":{\"100\":" first ",\"5000\":" second ",\"more\":" more  \
	"}}\n"

START_TEST(load_and_delay_are_of_the_time_between)
{
	struct samples s = {.taken_ms = 0};
	const struct sample *worker;

	take(&s, 1000, WORKER("1000", "5000000", "0", "0", "1000"));
	take(&s, 2000, WORKER("1100", "5250000", "99", "1", "1000"));
	worker = &s.workers[0];
	expect_near(worker->load, 0.25);
	expect_near(worker->delay_ms, 0.1);
	take(&s, 3000, WORKER("1200", "5250000", "197", "3", "1000"));
	worker = &s.workers[0];
	expect_near(worker->load, 0);
	expect_near(worker->delay_ms, 5);
	/* A long turn is counted at its end, with its whole duration. */
	take(&s, 4000, WORKER("1201", "15250000", "197", "3", "1001"));
	worker = &s.workers[0];
	expect_near(worker->load, 1);
	take(&s, 5000, WORKER("1201", "15250000", "197", "3", "1001"));
	worker = &s.workers[0];
	expect_near(worker->delay_ms, 0);
	samples_fini(&s);
}
END_TEST

static void expect_order(const struct samples *s, const char *filter,
			 enum sort_key key, const char *names)
{
	const struct sample *order[16];
	size_t count = samples_order(s, filter, key, order), i;
	char text[64] = "";

	for (i = 0; i < count; i++)
		strcat(text, order[i]->name);
	ck_assert_str_eq(text, names);
}

START_TEST(services_are_sorted_and_filtered)
{
	struct samples s = {.taken_ms = 0};

	take(&s, 1000,
	     "{\"kind\":\"service\",\"name\":\"c\",\"protocol\":\"echo\","
	     "\"clients\":2,\"queued\":1}\n{\"kind\":\"service\",\"name\":"
	     "\"a\",\"protocol\":\"chat\",\"clients\":2,\"queued\":5}\n{"
	     "\"kind\":\"service\",\"name\":\"b\",\"protocol\":\"relay\","
	     "\"clients\":9,\"queued\":3}\n");
	expect_order(&s, "", SORT_NAME, "abc");
	expect_order(&s, "", SORT_CLIENTS, "bac");
	expect_order(&s, "", SORT_QUEUE, "abc");
	expect_order(&s, "ech", SORT_NAME, "c");
	expect_order(&s, "a", SORT_NAME, "ab");
	expect_order(&s, "nothing", SORT_NAME, "");
	samples_fini(&s);
}
END_TEST

/* ---- for people -------------------------------------------------------- */

static void expect(struct number_text text, const char *wanted)
{
	ck_assert_str_eq(text.s, wanted);
}

START_TEST(numbers_are_readable)
{
	expect(format_count(0), "0");
	expect(format_count(999), "999");
	expect(format_count(1000), "1,000");
	expect(format_count(1234567), "1,234,567");
	expect(format_short(0), "0");
	expect(format_short(0.25), "0.2");
	expect(format_short(42), "42");
	expect(format_short(999.4), "999");
	expect(format_short(999.6), "1.00k");
	expect(format_short(12345), "12.3k");
	expect(format_short(999999), "1.00M");
	expect(format_bytes(0), "0 B");
	expect(format_bytes(999), "999 B");
	expect(format_bytes(1500), "1.5 kB");
	expect(format_bytes(12345678), "12 MB");
	expect(format_time(12), "12 ms");
	expect(format_time(3456), "3.4 s");
	expect(format_time(59999), "59 s");
	expect(format_time(61000), "1 m 1 s");
	expect(format_age(0), "0 s");
	expect(format_age(61), "1 m 1 s");
	expect(format_time(7 * 3600000 + 8 * 60000), "7 h 8 m");
	expect(format_time(UINT64_C(9) * 86400000 + 10 * 3600000), "9 d 10 h");
	expect(format_date(0), "-");
}
END_TEST

START_TEST(tables_align_and_leave_no_blanks_behind)
{
	static const struct table_column columns[] = {
		{"NAME", CELL_TEXT, .value = "name"},
		{"N", CELL_NUMBER, .value = "n"},
		{"NOTE", CELL_TEXT, .value = "note"},
	};
	static const char *const lines[] = {
		"{\"kind\":\"row\",\"name\":\"\303\244\303\266\",\"n\":12345,"
		"\"note\":\"\"}",
		"{\"kind\":\"row\",\"name\":\"longer\",\"n\":1,\"note\":"
		"\"here\"}",
	};
	struct record records[2];
	const struct answer answer = {.records = records, .count = 2};
	char *text = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);

	for (i = 0; i < 2; i++)
		ck_assert_int_eq(
			record_parse(&records[i], lines[i], strlen(lines[i])),
			0);
	table_write(out, columns, 3, &answer, "row");
	fclose(out);
	ck_assert_str_eq(text, "NAME        N  NOTE\n"
			       "\303\244\303\266      12345\n"
			       "longer      1  here\n");
	for (i = 0; i < 2; i++)
		record_fini(&records[i]);
	free(text);
}
END_TEST

START_TEST(delay_is_what_99_of_100_turns_kept)
{
	struct record record;
	bool more;
	const char *line = "{\"kind\":\"worker\",\"turns\":1000,\"turns_us\":{"
			   "\"100\":980,\"5000\":10,\"more\":10}}";

	ck_assert_int_eq(record_parse(&record, line, strlen(line)), 0);
	expect_near(samples_delay_ms(&record, NULL, &more), 5);
	ck_assert(!more);
	record_fini(&record);
	line = "{\"kind\":\"worker\",\"turns\":10,\"turns_us\":{\"100\":5,"
	       "\"more\":5}}";
	ck_assert_int_eq(record_parse(&record, line, strlen(line)), 0);
	samples_delay_ms(&record, NULL, &more);
	ck_assert(more);
	record_fini(&record);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("linectl_samples");
	TCase *tcase = support_case(suite, "samples");

	tcase_add_test(tcase, rates_are_differences_by_time);
	tcase_add_test(tcase, lines_of_upstreams_count_too);
	tcase_add_test(tcase, service_that_began_anew_counts_from_zero);
	tcase_add_test(tcase, services_come_and_go);
	tcase_add_test(tcase, load_and_delay_are_of_the_time_between);
	tcase_add_test(tcase, services_are_sorted_and_filtered);
	tcase = support_case(suite, "for people");
	tcase_add_test(tcase, numbers_are_readable);
	tcase_add_test(tcase, tables_align_and_leave_no_blanks_behind);
	tcase_add_test(tcase, delay_is_what_99_of_100_turns_kept);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
