/* SPDX-License-Identifier: MIT */
/*
 * How policy treats sender addresses that differ with each mail; and
 * whitelists. test_policy.py tests everything else.
 */
#include "config.h"

#include "policy/sender.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lined/protocol.h>

#include "policy/whitelist.h"
#include "support.h"
#include "worker_fixture.h"

/* ---- senders ------------------------------------------------------------ */

static void folds(const char *address, const char *wanted)
{
	char folded[512];

	sender_fold(folded, sizeof(folded), address);
	ck_assert_str_eq(folded, wanted);
}

START_TEST(an_ordinary_sender_is_in_lower_case)
{
	folds("", "");
	folds("Joe@Example.ORG", "joe@example.org");
	folds("joe", "joe");
	folds("joe2@example.org", "joe2@example.org");
	folds("2joe@10.example", "2joe@10.example");
	folds("mary_7@example.org", "mary_7@example.org");
	folds("@example.org", "@example.org");
}
END_TEST

START_TEST(extensions_and_numbers_of_verp_are_left_out)
{
	folds("list+bob=example.net@lists.example", "list@lists.example");
	folds("list-return-1234-bob=example.net@lists.example",
	      "list-return-#-bob=example.net@lists.example");
	folds("bounce.99.7@x.example", "bounce.#.#@x.example");
	folds("1234@x.example", "#@x.example");
	folds("a-12", "a-#");
}
END_TEST

START_TEST(srs_and_batv_lose_what_changes)
{
	folds("SRS0=HHH=TT=example.net=bob@relay.example",
	      "srs0=#=#=example.net=bob@relay.example");
	folds("srs0+abcd=X1=example.net=bob@relay.example",
	      "srs0=#=#=example.net=bob@relay.example");
	folds("SRS1=ABC=first.example==HHH=TT=example.net=bob@relay.example",
	      "srs1=#=first.example==#=#=example.net=bob@relay.example");
	folds("prvs=1234abcdef=bob@example.net", "prvs=#=bob@example.net");
	/* Incomplete addresses. */
	folds("SRS0=", "srs0=#");
	folds("SRS0=HHH", "srs0=#");
	folds("SRS1=A==", "srs1=#==#");
	folds("SRS0", "srs0");
	folds("prvs=", "prvs=#");
}
END_TEST

START_TEST(a_result_is_cut_to_its_room)
{
	char small[5], *long_one = malloc(2000);

	sender_fold(small, sizeof(small), "somebody@example.org");
	ck_assert_str_eq(small, "some");
	sender_fold(small, 1, "x");
	ck_assert_str_eq(small, "");
	memset(long_one, '=', 1999);
	long_one[1999] = '\0';
	sender_fold(small, sizeof(small), long_one);
	ck_assert_uint_eq(strlen(small), 4);
	free(long_one);
}
END_TEST

/* ---- whitelists --------------------------------------------------------- */

static struct whitelist list;
static char path[64], error[1024];

static void setup(void)
{
	int fd;

	list = (struct whitelist){0};
	strcpy(path, "/tmp/test-policy.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void teardown(void)
{
	whitelist_fini(&list);
	unlink(path);
}

static int load(const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	return whitelist_load(&list, path, error, sizeof(error));
}

START_TEST(clients_are_found_by_address_and_name)
{
	ck_assert_int_eq(load("# ours\n"
			      "192.0.2.1\n"
			      "198.51.100.0/24  # a provider\n"
			      " 203.0\n"
			      "2001:db8::/32\n"
			      "\n"
			      "example.org\r\n"
			      "/^mx[0-9]+\\.example\\.net$/"),
			 0);
	ck_assert(whitelist_has_client(&list, "192.0.2.1", "unknown"));
	ck_assert(!whitelist_has_client(&list, "192.0.2.2", "unknown"));
	ck_assert(whitelist_has_client(&list, "198.51.100.77", "unknown"));
	ck_assert(whitelist_has_client(&list, "203.0.200.1", "unknown"));
	ck_assert(!whitelist_has_client(&list, "203.1.0.1", "unknown"));
	ck_assert(whitelist_has_client(&list, "2001:db8:1::1", "unknown"));
	ck_assert(!whitelist_has_client(&list, "2001:db9::1", "unknown"));
	ck_assert(whitelist_has_client(&list, "10.0.0.1", "example.org"));
	ck_assert(whitelist_has_client(&list, "10.0.0.1", "mx.EXAMPLE.org"));
	ck_assert(!whitelist_has_client(&list, "10.0.0.1", "myexample.org"));
	ck_assert(whitelist_has_client(&list, "10.0.0.1", "MX12.example.net"));
	ck_assert(!whitelist_has_client(&list, "10.0.0.1", "mx.example.net"));
	ck_assert(!whitelist_has_client(&list, "junk", ""));
}
END_TEST

START_TEST(recipients_are_found_by_name_and_domain)
{
	ck_assert_int_eq(load("postmaster@\n"
			      "joe@example.org\n"
			      "example.net\n"
			      "/^abuse(-[a-z]+)?@/\n"),
			 0);
	ck_assert(
		whitelist_has_recipient(&list, "postmaster@anything.example"));
	ck_assert(whitelist_has_recipient(&list, "PostMaster@x.example"));
	ck_assert(!whitelist_has_recipient(&list, "xpostmaster@x.example"));
	ck_assert(whitelist_has_recipient(&list, "JOE@example.org"));
	ck_assert(!whitelist_has_recipient(&list, "joe@example.org.example"));
	ck_assert(!whitelist_has_recipient(&list, "ann@example.org"));
	ck_assert(whitelist_has_recipient(&list, "ann@example.net"));
	ck_assert(whitelist_has_recipient(&list, "ann@mail.example.net"));
	ck_assert(!whitelist_has_recipient(&list, "ann@badexample.net"));
	ck_assert(whitelist_has_recipient(&list, "abuse-team@x.example"));
	ck_assert(!whitelist_has_recipient(&list, ""));
}
END_TEST

static const struct {
	const char *text, *said;
} bad[] = {
	{"a\n/[/\n", ":2: \"/[\": "},
	{"/abc\n", ":1: \"/abc\": a pattern ends with /"},
	{"192.0.2.1/24\n", ":1: \"192.0.2.1/24\": the address has bits past"},
	{"\n\n300.1.2.3/8\n", ":3: \"300.1.2.3/8\": neither an address"},
	{"two words\n", ":1: \"two words\": neither an address"},
	{"*.example.org\n", ":1: \"*.example.org\": neither"},
};

START_TEST(a_fault_names_file_and_line_and_keeps_the_list)
{
	ck_assert_int_eq(load("192.0.2.1\n"), 0);
	ck_assert_int_eq(load(bad[_i].text), -1);
	ck_assert_int_eq(strncmp(error, path, strlen(path)), 0);
	ck_assert_msg(strncmp(error + strlen(path), bad[_i].said,
			      strlen(bad[_i].said)) == 0,
		      "%s", error);
	ck_assert(whitelist_has_client(&list, "192.0.2.1", ""));
}
END_TEST

START_TEST(only_regular_files_are_read)
{
	ck_assert_int_eq(load("192.0.2.1\n"), 0);
	ck_assert_int_eq(whitelist_load(&list, "/nonexistent", error, 1024),
			 -1);
	ck_assert_str_eq(error, "/nonexistent: No such file or directory");
	ck_assert_int_eq(whitelist_load(&list, "/dev/zero", error, 1024), -1);
	ck_assert_int_eq(whitelist_load(&list, "/tmp", error, 1024), -1);
	ck_assert(whitelist_has_client(&list, "192.0.2.1", ""));
	ck_assert_int_eq(whitelist_load(&list, "", error, 1024), 0);
	ck_assert(!whitelist_has_client(&list, "192.0.2.1", ""));
}
END_TEST

/* ---- the service --------------------------------------------------------- */

extern const struct lined_protocol lined_protocol;

/* Returns the place of an option in the module's options. */
static void *option(void *options, const char *name)
{
	const struct lined_option *o = lined_protocol.options;

	while (strcmp(o->name, name) != 0)
		o++;
	return (char *)options + o->offset;
}

static void expect_verdict(struct hall *hall, int client, const char *recipient,
			   const char *answer)
{
	support_puts(client, "request=smtpd_access_policy\n"
			     "client_address=192.0.2.1\nsender=a@example.org\n"
			     "recipient=");
	support_puts(client, recipient);
	support_puts(client, "\n\n");
	support_expect(hall->main, client, answer);
}

/* A list may have become unreadable since the config was checked. */
START_TEST(a_list_that_cannot_be_loaded_costs_no_other_list)
{
	void *options = calloc(1, lined_protocol.options_size);
	struct hall hall;
	int client;

	ck_assert_ptr_nonnull(options);
	ck_assert_int_eq(load("postmaster@\n"), 0);
	*(const char **)option(options, "action") = "wait";
	*(const char **)option(options, "whitelist-clients") = "/nonexistent";
	*(const char **)option(options, "whitelist-recipients") = path;
	*(int64_t *)option(options, "delay") = 60000;
	*(int64_t *)option(options, "memory") = 100000;
	hall_open(&hall, 1, &lined_protocol, options);
	client = hall_client(&hall, 0, 0);
	expect_verdict(&hall, client, "b@example.net", "action=wait\n\n");
	expect_verdict(&hall, client, "postmaster@example.net",
		       "action=dunno\n\n");
	close(client);
	hall_close(&hall);
	free(options);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("policy");
	TCase *sender = tcase_create("sender");
	TCase *whitelist = tcase_create("whitelist");

	tcase_add_test(sender, an_ordinary_sender_is_in_lower_case);
	tcase_add_test(sender, extensions_and_numbers_of_verp_are_left_out);
	tcase_add_test(sender, srs_and_batv_lose_what_changes);
	tcase_add_test(sender, a_result_is_cut_to_its_room);
	suite_add_tcase(suite, sender);
	tcase_add_checked_fixture(whitelist, setup, teardown);
	tcase_add_test(whitelist, clients_are_found_by_address_and_name);
	tcase_add_test(whitelist, recipients_are_found_by_name_and_domain);
	tcase_add_loop_test(whitelist,
			    a_fault_names_file_and_line_and_keeps_the_list, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(whitelist, only_regular_files_are_read);
	tcase_add_test(whitelist,
		       a_list_that_cannot_be_loaded_costs_no_other_list);
	suite_add_tcase(suite, whitelist);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
