/* SPDX-License-Identifier: MIT */
/*
 * HTTP requests, line by line: the status of each, and whether the connection
 * stays open.
 */
#include "config.h"

#include "http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

/* Feeds lines, separated by LF. Returns the status, or HTTP_MORE if the request
 * needs more lines. */
static enum http_status feed(struct http_request *request, const char *lines)
{
	enum http_status status = HTTP_MORE;

	memset(request, 0, sizeof(*request));
	while (status == HTTP_MORE && *lines != '\0') {
		size_t len = strcspn(lines, "\n");

		status = http_request_line(request, "/metrics", lines, len);
		lines += len;
		lines += *lines == '\n';
	}
	return status;
}

static void expect(const char *lines, enum http_status status, bool keep)
{
	struct http_request request;

	ck_assert_msg(feed(&request, lines) == status, "%s: %d", lines,
		      (int)feed(&request, lines));
	ck_assert_msg(request.keep == keep, "%s: keep %d", lines, request.keep);
}

START_TEST(page_is_found)
{
	expect("GET /metrics HTTP/1.1\nHost: x\n\n", HTTP_OK, true);
	expect("HEAD /metrics HTTP/1.1\nHost: x\n\n", HTTP_OK, true);
	expect("GET /metrics?a=b HTTP/1.1\nHost: x\n\n", HTTP_OK, true);
	expect("GET http://h:9117/metrics HTTP/1.1\nHost: x\n\n", HTTP_OK,
	       true);
	expect("\n\nGET /metrics HTTP/1.1\nHost:\n\n", HTTP_OK, true);
	expect("GET /metrics HTTP/1.0\n\n", HTTP_OK, false);
	expect("GET /metrics HTTP/1.7\nHost: x\n\n", HTTP_OK, true);
}
END_TEST

START_TEST(head_is_told_from_get)
{
	struct http_request request;

	feed(&request, "HEAD /metrics HTTP/1.1\nHost: x\n\n");
	ck_assert(request.head);
	feed(&request, "GET /metrics HTTP/1.1\nHost: x\n\n");
	ck_assert(!request.head);
}
END_TEST

START_TEST(other_pages_and_methods_are_told_so)
{
	expect("GET / HTTP/1.1\nHost: x\n\n", HTTP_NOT_FOUND, true);
	expect("GET /metrics/ HTTP/1.1\nHost: x\n\n", HTTP_NOT_FOUND, true);
	expect("GET metrics HTTP/1.1\nHost: x\n\n", HTTP_NOT_FOUND, true);
	expect("GET http://h HTTP/1.1\nHost: x\n\n", HTTP_NOT_FOUND, true);
	expect("POST /metrics HTTP/1.1\nHost: x\n\n", HTTP_METHOD_NOT_ALLOWED,
	       true);
	expect("get /metrics HTTP/1.1\nHost: x\n\n", HTTP_METHOD_NOT_ALLOWED,
	       true);
	expect("OPTIONS * HTTP/1.1\nHost: x\n\n", HTTP_METHOD_NOT_ALLOWED,
	       true);
}
END_TEST

START_TEST(connection_goes_on_unless_somebody_wants_it_closed)
{
	expect("GET /metrics HTTP/1.1\nHost: x\nConnection: close\n\n", HTTP_OK,
	       false);
	expect("GET /metrics HTTP/1.1\nHost: x\nconnection: TE , Close\n\n",
	       HTTP_OK, false);
	expect("GET /metrics HTTP/1.1\nHost: x\nConnection: closed\n\n",
	       HTTP_OK, true);
	expect("GET /metrics HTTP/1.0\nConnection: keep-alive\n\n", HTTP_OK,
	       false);
}
END_TEST

START_TEST(body_that_nobody_reads_ends_the_connection)
{
	expect("GET /metrics HTTP/1.1\nHost: x\nContent-Length: 0\n\n", HTTP_OK,
	       true);
	expect("GET /metrics HTTP/1.1\nHost: x\nContent-Length: 5\n\n", HTTP_OK,
	       false);
	expect("GET /metrics HTTP/1.1\nHost: x\nContent-Length: 5, 0\n\n",
	       HTTP_OK, false);
	expect("GET /metrics HTTP/1.1\nHost: x\nContent-Length: 5\n"
	       "Content-Length: 0\n\n",
	       HTTP_OK, false);
	expect("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n",
	       HTTP_METHOD_NOT_ALLOWED, false);
}
END_TEST

START_TEST(malformed_requests_are_refused)
{
	static const char *const first[] = {
		"GET",
		"GET /metrics",
		"GET  /metrics HTTP/1.1",
		"GET /metrics  HTTP/1.1",
		" GET /metrics HTTP/1.1",
		"GET /metrics HTTP/1.1 ",
		"GET /metrics http/1.1",
		"GET /metrics HTTP/11",
		"GET /me\ttrics HTTP/1.1",
		"G@T /metrics HTTP/1.1",
		"\x16\x03\x01\x02 \x01 HTTP/1.1",
		"*",
		"\n\n\nGET /metrics HTTP/1.1",
	};
	size_t i;

	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		expect(first[i], HTTP_BAD_REQUEST, false);
	expect("GET /metrics HTTP/2.0", HTTP_VERSION, false);
	expect("GET /metrics HTTP/0.9", HTTP_VERSION, false);
	/* Bad headers. */
	expect("GET /metrics HTTP/1.1\n\n", HTTP_BAD_REQUEST, false);
	expect("GET /metrics HTTP/1.1\nHost: a\nHost: b\n", HTTP_BAD_REQUEST,
	       false);
	expect("GET /metrics HTTP/1.1\nno colon\n", HTTP_BAD_REQUEST, false);
	expect("GET /metrics HTTP/1.1\nHost : x\n", HTTP_BAD_REQUEST, false);
	expect("GET /metrics HTTP/1.1\nHost: x\n y\n", HTTP_BAD_REQUEST, false);
	expect("GET /metrics HTTP/1.1\n: x\n", HTTP_BAD_REQUEST, false);
	expect("GET /metrics HTTP/1.1\nHost: a\x7f\n", HTTP_BAD_REQUEST, false);
}
END_TEST

START_TEST(headers_are_bounded)
{
	struct http_request request;
	unsigned i;

	feed(&request, "GET /metrics HTTP/1.1\nHost: x\n");
	for (i = 1; i < HTTP_HEADERS_MAX; i++)
		ck_assert_int_eq(
			http_request_line(&request, "/metrics", "A: b", 4),
			HTTP_MORE);
	ck_assert_int_eq(http_request_line(&request, "/metrics", "A: b", 4),
			 HTTP_TOO_LARGE);
	ck_assert(!request.keep);
}
END_TEST

/* Random bytes get an error or no answer, and no byte beyond the line is
 * read. */
START_TEST(junk_gets_no_page)
{
	struct http_request request;
	unsigned i, k;

	srand(1);
	for (i = 0; i < 20000; i++) {
		size_t len = (size_t)rand() % 40;
		char *line = malloc(len + 1);

		ck_assert_ptr_nonnull(line);
		for (k = 0; k < len; k++)
			line[k] = (char)rand();
		memset(&request, 0, sizeof(request));
		if (http_request_line(&request, "/metrics", line, len) ==
		    HTTP_MORE)
			ck_assert_int_ne(http_request_line(&request, "/metrics",
							   "Host: x", 7),
					 HTTP_OK);
		free(line);
	}
}
END_TEST

START_TEST(every_answer_has_a_name)
{
	static const enum http_status all[] = {
		HTTP_OK,          HTTP_BAD_REQUEST,
		HTTP_NOT_FOUND,   HTTP_METHOD_NOT_ALLOWED,
		HTTP_TIMEOUT,     HTTP_TOO_LARGE,
		HTTP_UNAVAILABLE, HTTP_VERSION,
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		ck_assert_str_ne(http_status_text(all[i]), "");
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("http_request");
	TCase *tcase = support_case(suite, "http_request");

	tcase_add_test(tcase, page_is_found);
	tcase_add_test(tcase, head_is_told_from_get);
	tcase_add_test(tcase, other_pages_and_methods_are_told_so);
	tcase_add_test(tcase,
		       connection_goes_on_unless_somebody_wants_it_closed);
	tcase_add_test(tcase, body_that_nobody_reads_ends_the_connection);
	tcase_add_test(tcase, malformed_requests_are_refused);
	tcase_add_test(tcase, headers_are_bounded);
	tcase_add_test(tcase, junk_gets_no_page);
	tcase_add_test(tcase, every_answer_has_a_name);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
