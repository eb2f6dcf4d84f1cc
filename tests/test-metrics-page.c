/* SPDX-License-Identifier: MIT */
/*
 * The metrics page of given records: its content, its format, and that no
 * series comes twice.
 */
#include "config.h"

#include "metrics_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/response.h"
#include "support.h"

/* Returns the page of an answer, NUL-terminated. The caller frees it. */
static char *page_of(struct response *response)
{
	struct text text = {.len = 0};
	struct lined_response view;

	response_view(response, true, &view);
	metrics_page_write(&text, &view);
	text_add(&text, "", 1);
	ck_assert(!text.oom);
	response_fini(response);
	return text.data;
}

static void expect_line(const char *page, const char *line)
{
	const char *at = strstr(page, line);

	while (at != NULL &&
	       ((at > page && at[-1] != '\n') || at[strlen(line)] != '\n'))
		at = strstr(at + 1, line);
	ck_assert_msg(at != NULL, "no line \"%s\" in\n%s", line, page);
}

static void add_service(struct response *response, const char *name,
			const char *state, uint64_t lines)
{
	response_record(response, "service");
	response_text(response, "name", name);
	response_text(response, "protocol", "echo");
	response_text(response, "state", state);
	response_number(response, "clients", 3);
	response_number(response, "lines_in", lines);
	response_count(response, "refused", "access", 5);
	response_count(response, "refused", "clients-per-address", 6);
	response_count(response, "count", "reflections_refused", 7);
}

START_TEST(services_are_labelled)
{
	struct response response = {.oom = false};
	char *page;

	add_service(&response, "echo", "open", 42);
	add_service(&response, "feed", "draining", 43);
	page = page_of(&response);
	expect_line(page, "# TYPE lined_lines_in_total counter");
	expect_line(page, "lined_lines_in_total{service=\"echo\"} 42");
	expect_line(page, "lined_lines_in_total{service=\"feed\"} 43");
	expect_line(page, "# TYPE lined_clients gauge");
	expect_line(page, "lined_clients{service=\"echo\"} 3");
	expect_line(page, "lined_refused_total{service=\"echo\","
			  "reason=\"clients-per-address\"} 6");
	expect_line(page, "lined_protocol_events_total{service=\"feed\","
			  "event=\"reflections_refused\"} 7");
	expect_line(page, "lined_service_open{service=\"echo\","
			  "protocol=\"echo\"} 1");
	expect_line(page, "lined_service_open{service=\"feed\","
			  "protocol=\"echo\"} 0");
	free(page);
}
END_TEST

START_TEST(service_that_drains_beside_its_successor_is_left_out)
{
	struct response response = {.oom = false};
	char *page;

	add_service(&response, "echo", "open", 1);
	add_service(&response, "echo", "draining", 1000);
	page = page_of(&response);
	expect_line(page, "lined_lines_in_total{service=\"echo\"} 1");
	ck_assert_ptr_null(strstr(page, "1000"));
	ck_assert_ptr_null(strstr(page, "} 0"));
	free(page);
}
END_TEST

START_TEST(histogram_is_cumulative_and_in_seconds)
{
	struct response response = {.oom = false};
	char *page;

	response_record(&response, "worker");
	response_text(&response, "name", "0");
	response_number(&response, "turns", 16);
	response_number(&response, "busy_us", 12000345);
	response_number(&response, "turns_us.100", 10);
	response_number(&response, "turns_us.5000000", 5);
	response_number(&response, "turns_us.more", 1);
	page = page_of(&response);
	expect_line(page, "# TYPE lined_worker_loop_delay_seconds histogram");
	expect_line(page, "lined_worker_loop_delay_seconds_bucket"
			  "{worker=\"0\",le=\"0.0001\"} 10");
	expect_line(page, "lined_worker_loop_delay_seconds_bucket"
			  "{worker=\"0\",le=\"5\"} 15");
	expect_line(page, "lined_worker_loop_delay_seconds_bucket"
			  "{worker=\"0\",le=\"+Inf\"} 16");
	expect_line(page, "lined_worker_loop_delay_seconds_sum{worker=\"0\"} "
			  "12.000345");
	expect_line(page,
		    "lined_worker_loop_delay_seconds_count{worker=\"0\"} 16");
	expect_line(page, "lined_worker_busy_seconds_total{worker=\"0\"} "
			  "12.000345");
	free(page);
}
END_TEST

START_TEST(daemon_has_its_build_and_no_labels)
{
	struct response response = {.oom = false};
	char *page;

	response_record(&response, "daemon");
	response_text(&response, "version", "1.2\"\\3");
	response_text(&response, "poller", "epoll");
	response_number(&response, "started_s", 1700000000);
	response_count(&response, "reloads", "done", 4);
	response_count(&response, "bus", "published", 9);
	page = page_of(&response);
	expect_line(page, "lined_build_info{version=\"1.2\\\"\\\\3\","
			  "poller=\"epoll\"} 1");
	expect_line(page, "lined_start_time_seconds 1700000000");
	expect_line(page, "lined_reloads_total{result=\"done\"} 4");
	expect_line(page, "lined_bus_published_total 9");
	free(page);
}
END_TEST

/* Each line is a comment or a sample. The lines of a family follow one another,
 * and each family comes once. */
START_TEST(every_family_is_described_once_and_before_its_samples)
{
	struct response response = {.oom = false};
	char *page, *line, *rest, *seen[256];
	size_t families = 0, i;

	response_record(&response, "daemon");
	add_service(&response, "echo", "open", 1);
	page = page_of(&response);
	for (line = strtok_r(page, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *name = line;

		if (strncmp(line, "# HELP ", 7) == 0) {
			name = line + 7;
			name[strcspn(name, " ")] = '\0';
			for (i = 0; i < families; i++)
				ck_assert_str_ne(seen[i], name);
			ck_assert_uint_lt(families, 256);
			seen[families++] = name;
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			name = line + 7;
			name[strcspn(name, " ")] = '\0';
			ck_assert_str_eq(name, seen[families - 1]);
		} else {
			size_t len = strcspn(name, "{ ");

			ck_assert_uint_gt(families, 0);
			ck_assert_uint_eq(len, strlen(seen[families - 1]));
			ck_assert(strncmp(name, seen[families - 1], len) == 0);
		}
		ck_assert_int_eq(strncmp(name, "lined_", 6), 0);
	}
	ck_assert_uint_gt(families, 30);
	free(page);
}
END_TEST

/* This program is linked with --wrap=strcmp, to count comparisons. */
static size_t comparisons;
int __real_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b);

int __wrap_strcmp(const char *a, const char *b)
{
	comparisons++;
	return __real_strcmp(a, b);
}

static size_t comparisons_of(unsigned services)
{
	struct response response = {.oom = false};
	char name[16];
	unsigned i;

	for (i = 0; i < services; i++) {
		snprintf(name, sizeof(name), "s%05u", i);
		add_service(&response, name, "open", 1);
	}
	comparisons = 0;
	free(page_of(&response));
	return comparisons;
}

/* Four times the services make 4 times the work, not 16 times. */
START_TEST(the_cost_does_not_grow_with_the_square)
{
	ck_assert_uint_gt(comparisons_of(500), 500);
	ck_assert_uint_lt(comparisons_of(2000), 6 * comparisons_of(500));
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("metrics_page");
	TCase *tcase = support_case(suite, "metrics_page");

	tcase_add_test(tcase, services_are_labelled);
	tcase_add_test(tcase,
		       service_that_drains_beside_its_successor_is_left_out);
	tcase_add_test(tcase, histogram_is_cumulative_and_in_seconds);
	tcase_add_test(tcase, daemon_has_its_build_and_no_labels);
	tcase_add_test(tcase,
		       every_family_is_described_once_and_before_its_samples);
	tcase_add_test(tcase, the_cost_does_not_grow_with_the_square);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
