/* SPDX-License-Identifier: MIT */
/*
 * The fields of a request: the client's address, the origin of the page, the
 * host. All of it is untrusted text.
 */
#include "config.h"

#include "serve/web_request.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/address.h>

#include "config/conf.h"
#include "support.h"

/* The parsed request, and its bytes in memory of exactly their size. */
static struct web_request request;
static char *bytes;

static void read_request(const char *fields)
{
	static const char head[] = "GET / HTTP/1.1\r\n";
	size_t len = strlen(head) + strlen(fields) + 2;

	free(bytes);
	bytes = malloc(len + 1);
	ck_assert_ptr_nonnull(bytes);
	snprintf(bytes, len + 1, "%s%s\r\n", head, fields);
	bytes = realloc(bytes, len);
	memset(&request, 0, sizeof(request));
	ck_assert_int_eq(web_request_read(&request, "/", bytes, len), HTTP_OK);
}

static void forget(void)
{
	free(bytes);
	bytes = NULL;
}

/* ---- the address --------------------------------------------------------- */

/* Compares the client's address. wanted NULL: there is no address. */
static void is_from(const char *fields, const char *wanted)
{
	struct lined_network proxies[2];
	const struct conf_service service = {.proxy_from = proxies,
					     .proxy_from_count = 2};
	char text[LINED_ADDRESS_TEXT_MAX], all[512];
	struct sockaddr_storage address;

	lined_network_parse(&proxies[0], "10.0.0.0/8");
	lined_network_parse(&proxies[1], "fd00::/8");
	snprintf(all, sizeof(all), "Host: a\r\n%s", fields);
	read_request(all);
	if (!web_request_forwarded(&request, bytes, &service, &address)) {
		ck_assert_msg(wanted == NULL, "none: %s", fields);
		return;
	}
	ck_assert_msg(wanted != NULL, "taken: %s", fields);
	ck_assert_str_eq(lined_address_format((struct sockaddr *)&address, text,
					      sizeof(text)),
			 wanted);
}

START_TEST(the_last_address_that_is_no_proxy_counts)
{
	is_from("", NULL);
	is_from("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0");
	is_from("x-forwarded-for:\t192.0.2.1 \r\n", "192.0.2.1:0");
	is_from("X-Forwarded-For: 192.0.2.9, 192.0.2.1:80\r\n", "192.0.2.1:0");
	is_from("X-Forwarded-For: 192.0.2.1,10.0.0.1,fd00::1\r\n",
		"192.0.2.1:0");
	is_from("X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 192.0.2.1\r\n",
		"192.0.2.1:0");
	is_from("X-Forwarded-For: 10.0.0.1\r\n", NULL);
	is_from("Forwarded: for=192.0.2.1\r\n", "192.0.2.1:0");
	is_from("Forwarded: proto=https; FOR=\"[2001:db8::1]:7\" ;by=x\r\n",
		"[2001:db8::1]:0");
	is_from("Forwarded: for=192.0.2.9, for=192.0.2.1, for=10.0.0.1\r\n",
		"192.0.2.1:0");
	is_from("Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.9\r\n",
		"192.0.2.1:0");
}
END_TEST

/* The address before a bad one is not used: a client could have written it. */
START_TEST(what_is_no_address_is_not_passed_over)
{
	static const char *const words[] = {
		"unknown",     "_hidden",     "192.0.2.300", "a.example",
		"unix:/run/a", "\"192.0.2.1", "\"\"",        "192.0.2.1.",
		"[::1",        "192.0.2.1 x", "/run/a",
	};
	char fields[128];
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(fields, sizeof(fields),
			 "X-Forwarded-For: 192.0.2.9, %s, 10.0.0.1\r\n",
			 words[i]);
		is_from(fields, NULL);
		snprintf(fields, sizeof(fields),
			 "Forwarded: for=192.0.2.9, for=%s, for=10.0.0.1\r\n",
			 words[i]);
		is_from(fields, NULL);
	}
	is_from("X-Forwarded-For: 192.0.2.9,\r\n", "192.0.2.9:0");
	is_from("X-Forwarded-For: 192.0.2.9,,10.0.0.1\r\n", NULL);
	is_from("X-Forwarded-For: \r\n", NULL);
	is_from("Forwarded: for=192.0.2.9, proto=http\r\n", NULL);
	is_from("Forwarded: for=192.0.2.9, proto=http;\r\n", NULL);
	is_from("Forwarded: for=\r\n", NULL);
}
END_TEST

/* ---- the origin and the host --------------------------------------------- */

static bool origin_is_good(const char *fields)
{
	static const char *const origins[] = {"https://b.example"};
	static const struct conf_web web = {.origins = origins,
					    .origin_count = 1};

	read_request(fields);
	return web_request_origin_is_good(&request, bytes, &web);
}

START_TEST(an_origin_is_the_hosts_own_or_listed)
{
#define HOST "Host: A.example:443\r\n"
	ck_assert(origin_is_good(HOST));
	ck_assert(origin_is_good(HOST "Origin: https://a.example\r\n"));
	ck_assert(origin_is_good(HOST "Origin: https://a.example:443\r\n"));
	ck_assert(origin_is_good(HOST "Origin: https://b.example\r\n"));
	ck_assert(!origin_is_good(HOST "Origin: http://a.example\r\n"));
	ck_assert(!origin_is_good(HOST "Origin: https://a.example:444\r\n"));
	ck_assert(!origin_is_good(HOST "Origin: https://a.example.org\r\n"));
	ck_assert(!origin_is_good(HOST "Origin: https://b.example/\r\n"));
	ck_assert(!origin_is_good(HOST "Origin: null\r\n"));
	ck_assert(!origin_is_good(HOST "Origin:\r\n"));
	ck_assert(!origin_is_good(HOST "Origin: https://\r\n"));
	/* If the field occurs twice, both must be good. */
	ck_assert(!origin_is_good(HOST "Origin: https://a.example\r\n"
				       "Origin: https://c.example\r\n"));
}
END_TEST

static void host_is(const char *fields, const char *wanted)
{
	const char *host;
	size_t len;

	read_request(fields);
	host = web_request_host(&request, bytes, &len);
	ck_assert_msg((host != NULL) == (wanted != NULL), "%s", fields);
	if (wanted == NULL)
		return;
	ck_assert_uint_eq(len, strlen(wanted));
	ck_assert_mem_eq(host, wanted, len);
}

START_TEST(a_host_has_the_characters_of_one)
{
	host_is("Host: a-b.example:80 \r\n", "a-b.example:80");
	host_is("Host: [::1]:80\r\n", "[::1]:80");
	host_is("Host:\r\n", NULL);
	host_is("Host: a b\r\n", NULL);
	host_is("Host: a/b\r\n", NULL);
	host_is("Host: <a>\r\n", NULL);
	host_is("Host: \xc3\xa9.example\r\n", NULL);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("web-request");
	TCase *tcase = support_case(suite, "fields");

	tcase_add_checked_fixture(tcase, NULL, forget);
	tcase_add_test(tcase, the_last_address_that_is_no_proxy_counts);
	tcase_add_test(tcase, what_is_no_address_is_not_passed_over);
	tcase_add_test(tcase, an_origin_is_the_hosts_own_or_listed);
	tcase_add_test(tcase, a_host_has_the_characters_of_one);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
