/* SPDX-License-Identifier: MIT */
/*
 * Admission: counts and rates by address, what counts as one address, and that
 * the table gives memory back. The test sets the time.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "net/admission.h"
#include "support.h"

#define NOW_MS 1000000

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage storage;
};

/* Makes an address of its text; NULL: the address of a UNIX socket. */
static union address address_of(const char *text)
{
	union address address = {.any.sa_family = AF_UNIX};

	if (text == NULL)
		return address;
	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
		address.any.sa_family = AF_INET;
		return address;
	}
	ck_assert_int_eq(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
	address.any.sa_family = AF_INET6;
	return address;
}

static enum admission_verdict enter(struct admission *admission,
				    const char *text, uint64_t now_ms,
				    struct admission_entry **entry)
{
	union address address = address_of(text);
	struct admission_entry *ignored;

	return admission_enter(admission, NULL, &address.any, now_ms,
			       entry != NULL ? entry : &ignored);
}

static enum admission_verdict datagram(struct admission *admission,
				       const char *text, uint64_t now_ms)
{
	union address address = address_of(text);

	return admission_datagram_line(admission, NULL, &address.any, now_ms);
}

static struct admission *admission_of(struct admission_limits limits)
{
	struct admission *admission = admission_new(&limits);

	ck_assert_ptr_nonnull(admission);
	return admission;
}

START_TEST(clients_are_counted_and_leave)
{
	struct admission *admission =
		admission_of((struct admission_limits){.clients = 2});
	struct admission_entry *first, *second;

	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS, &first),
			 ADMISSION_OK);
	ck_assert_int_eq(enter(admission, NULL, NOW_MS, &second), ADMISSION_OK);
	ck_assert_int_eq(enter(admission, "192.0.2.2", NOW_MS, NULL),
			 ADMISSION_CLIENTS);
	ck_assert_int_eq(enter(admission, NULL, NOW_MS, NULL),
			 ADMISSION_CLIENTS);
	ck_assert_uint_eq(admission_clients(admission), 2);
	ck_assert_uint_eq(admission_refused(admission, ADMISSION_CLIENTS), 2);
	admission_leave(admission, first);
	admission_gone(admission, NULL);
	ck_assert_int_eq(enter(admission, "192.0.2.2", NOW_MS, &first),
			 ADMISSION_OK);
	admission_leave(admission, second);
	admission_gone(admission, NULL);
	admission_leave(admission, first);
	admission_gone(admission, NULL);
	ck_assert_uint_eq(admission_clients(admission), 0);
	admission_free(admission);
}
END_TEST

START_TEST(handshakes_are_limited_and_end)
{
	struct admission *admission =
		admission_of((struct admission_limits){.handshakes = 2});

	ck_assert(admission_begin_handshake(admission, NULL));
	ck_assert(admission_begin_handshake(admission, NULL));
	ck_assert(!admission_begin_handshake(admission, NULL));
	ck_assert_uint_eq(admission_refused(admission, ADMISSION_HANDSHAKES),
			  1);
	admission_end_handshake(admission, NULL);
	ck_assert_uint_eq(admission_handshakes(admission), 1);
	ck_assert(admission_begin_handshake(admission, NULL));
	admission_free(admission);
}
END_TEST

START_TEST(a_class_with_clients_of_its_own_counts_apart)
{
	struct admission_counts counts = {0, 0};
	struct admission_limits office = {.clients = 1,
					  .handshakes = 1,
					  .own_clients = &counts,
					  .own_handshakes = &counts};
	struct admission_limits loose = {.clients = 1};
	union address address = address_of("192.0.2.1");
	struct admission_entry *entry;
	struct admission *admission = admission_of(
		(struct admission_limits){.clients = 1, .handshakes = 1});

	ck_assert_int_eq(enter(admission, "192.0.2.2", NOW_MS, NULL),
			 ADMISSION_OK);
	ck_assert_int_eq(admission_enter(admission, &office, &address.any,
					 NOW_MS, &entry),
			 ADMISSION_OK);
	ck_assert_int_eq(admission_enter(admission, &office, &address.any,
					 NOW_MS, &entry),
			 ADMISSION_CLIENTS);
	/* A class without its own count shares the count of the service. */
	ck_assert_int_eq(admission_enter(admission, &loose, &address.any,
					 NOW_MS, &entry),
			 ADMISSION_CLIENTS);
	ck_assert_uint_eq(admission_clients(admission), 2);
	admission_move(admission, NULL, &office);
	ck_assert_uint_eq(atomic_load(&counts.clients), 2);
	ck_assert_int_eq(enter(admission, "192.0.2.2", NOW_MS, NULL),
			 ADMISSION_OK);
	admission_gone(admission, &office);
	admission_gone(admission, &office);
	ck_assert_uint_eq(atomic_load(&counts.clients), 0);
	ck_assert_uint_eq(admission_clients(admission), 1);
	ck_assert(admission_begin_handshake(admission, NULL));
	ck_assert(admission_begin_handshake(admission, &office));
	ck_assert(!admission_begin_handshake(admission, &office));
	admission_end_handshake(admission, &office);
	admission_move_handshake(admission, NULL, &office);
	ck_assert_uint_eq(admission_handshakes(admission), 0);
	ck_assert(!admission_begin_handshake(admission, &office));
	admission_free(admission);
}
END_TEST

START_TEST(clients_of_an_address_are_counted_apart)
{
	struct admission *admission = admission_of(
		(struct admission_limits){.clients_per_address = 1});
	struct admission_entry *entry;

	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS, &entry),
			 ADMISSION_OK);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS, NULL),
			 ADMISSION_ADDRESS);
	ck_assert_int_eq(enter(admission, "192.0.2.2", NOW_MS, NULL),
			 ADMISSION_OK);
	/* UNIX clients have no address. */
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(enter(admission, NULL, NOW_MS, NULL),
				 ADMISSION_OK);
	admission_leave(admission, entry);
	admission_gone(admission, NULL);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS, NULL),
			 ADMISSION_OK);
	admission_free(admission);
}
END_TEST

/* Pairs of addresses that count as one address, or as two. */
static const struct {
	const char *a, *b;
	bool same;
} pairs[] = {
	{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
	{"2001:db8::1", "2001:db8:0:1::1", false},
	/* All hosts of a link are in one /64. */
	{"fe80::1", "fe80::2", false},
	{"fe80::211:22ff:fe33:4455", "fe80::211:22ff:fe33:4456", false},
	{"fe80::211:22ff:fe33:4455", "fe80::311:22ff:fe33:4455", false},
	{"fe80::1", "fe80::1", true},
	{"::ffff:192.0.2.1", "192.0.2.1", true},
	{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
	{"::ffff:192.0.2.1", "::1", false},
	{"::1", "0.0.0.0", false},
	{"127.0.0.1", "127.0.0.2", false},
	{"127.0.0.1", "::1", false},
};

START_TEST(an_address_is_an_ipv4_address_or_an_ipv6_network)
{
	struct admission *admission = admission_of((struct admission_limits){
		.clients_per_address = 1, .datagram_rate = 1});

	ck_assert_int_eq(enter(admission, pairs[_i].a, NOW_MS, NULL),
			 ADMISSION_OK);
	ck_assert_int_eq(enter(admission, pairs[_i].b, NOW_MS, NULL),
			 pairs[_i].same ? ADMISSION_ADDRESS : ADMISSION_OK);
	ck_assert_int_eq(datagram(admission, pairs[_i].a, NOW_MS),
			 ADMISSION_OK);
	ck_assert_int_eq(datagram(admission, pairs[_i].b, NOW_MS),
			 pairs[_i].same ? ADMISSION_RATE : ADMISSION_OK);
	admission_free(admission);
}
END_TEST

START_TEST(a_rate_allows_a_burst_and_comes_back)
{
	struct admission *admission = admission_of(
		(struct admission_limits){.connect_rate_per_address = 10});
	unsigned admitted = 0;

	for (int i = 0; i < 50; i++)
		admitted += enter(admission, "192.0.2.1", NOW_MS, NULL) ==
			    ADMISSION_OK;
	ck_assert_uint_eq(admitted, 10);
	ck_assert_uint_eq(admission_refused(admission, ADMISSION_RATE), 40);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS + 99, NULL),
			 ADMISSION_RATE);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS + 100, NULL),
			 ADMISSION_OK);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS + 100, NULL),
			 ADMISSION_RATE);
	ck_assert_int_eq(enter(admission, "192.0.2.2", NOW_MS + 100, NULL),
			 ADMISSION_OK);
	admission_free(admission);
}
END_TEST

START_TEST(datagrams_have_a_rate_and_a_burst)
{
	struct admission *admission = admission_of((struct admission_limits){
		.datagram_rate = 100, .datagram_burst = 3});
	unsigned admitted = 0;

	for (int i = 0; i < 10; i++)
		admitted += datagram(admission, "192.0.2.1", NOW_MS) ==
			    ADMISSION_OK;
	ck_assert_uint_eq(admitted, 3);
	ck_assert_int_eq(datagram(admission, "192.0.2.1", NOW_MS + 10),
			 ADMISSION_OK);
	admission_free(admission);
}
END_TEST

START_TEST(changed_limits_hold_at_once)
{
	struct admission_limits limits = {.clients = 1};
	struct admission *admission = admission_of(limits);

	enter(admission, "192.0.2.1", NOW_MS, NULL);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS, NULL),
			 ADMISSION_CLIENTS);
	limits.clients = 0;
	admission_set_limits(admission, &limits);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS, NULL),
			 ADMISSION_OK);
	admission_free(admission);
}
END_TEST

static void enter_and_leave(struct admission *admission, const char *text)
{
	struct admission_entry *entry;

	ck_assert_int_eq(enter(admission, text, NOW_MS, &entry), ADMISSION_OK);
	admission_leave(admission, entry);
	admission_gone(admission, NULL);
}

/* A closing client still has a descriptor, but no longer takes a place of its
 * address. */
START_TEST(a_leaving_client_frees_the_place_of_its_address)
{
	struct admission *admission = admission_of((struct admission_limits){
		.clients = 2, .clients_per_address = 1});
	struct admission_entry *entry;

	ck_assert_int_eq(enter(admission, "::1", NOW_MS, &entry), ADMISSION_OK);
	ck_assert_int_eq(enter(admission, "::1", NOW_MS, NULL),
			 ADMISSION_ADDRESS);
	admission_leave(admission, entry);
	ck_assert_int_eq(enter(admission, "::1", NOW_MS, &entry), ADMISSION_OK);
	ck_assert_uint_eq(admission_clients(admission), 2);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS, NULL),
			 ADMISSION_CLIENTS);
	admission_gone(admission, NULL);
	ck_assert_int_eq(enter(admission, "192.0.2.1", NOW_MS, NULL),
			 ADMISSION_OK);
	admission_free(admission);
}
END_TEST

#define THREADS 4
#define VISITS  20000

struct visitors {
	pthread_t thread;
	struct admission *admission;
	struct admission_entry *entries[3];
};

static void *depart(void *arg)
{
	struct visitors *visitors = arg;

	for (int i = 0; i < VISITS; i++) {
		admission_leave(visitors->admission, visitors->entries[i % 3]);
		admission_gone(visitors->admission, NULL);
	}
	return NULL;
}

/* Workers report departures of the same addresses at once, while the main
 * thread counts. */
START_TEST(departures_are_collected_from_many_threads)
{
	static const char *const addresses[] = {"192.0.2.1", NULL, "::1"};
	struct admission *admission =
		admission_of((struct admission_limits){.clients = 0});
	struct visitors visitors[THREADS];

	for (int t = 0; t < THREADS; t++) {
		visitors[t].admission = admission;
		for (int i = 0; i < VISITS; i++)
			ck_assert_int_eq(enter(admission, addresses[i % 3],
					       NOW_MS,
					       &visitors[t].entries[i % 3]),
					 ADMISSION_OK);
	}
	for (int t = 0; t < THREADS; t++)
		ck_assert_int_eq(pthread_create(&visitors[t].thread, NULL,
						depart, &visitors[t]),
				 0);
	while (admission_clients(admission) > THREADS * VISITS / 2)
		enter_and_leave(admission, addresses[0]);
	for (int t = 0; t < THREADS; t++)
		pthread_join(visitors[t].thread, NULL);
	ck_assert_uint_eq(admission_clients(admission), 0);
	admission_free(admission);
}
END_TEST

/* A million addresses, each connected for a moment: only the last are kept. */
START_TEST(a_flood_of_addresses_is_forgotten)
{
	struct admission *admission = admission_of(
		(struct admission_limits){.connect_rate_per_address = 100});
	struct admission_entry *entry;
	struct sockaddr_in address = {.sin_family = AF_INET};

	for (uint32_t i = 0; i < 1000000; i++) {
		address.sin_addr.s_addr = htonl(i);
		ck_assert_int_eq(admission_enter(admission, NULL,
						 (struct sockaddr *)&address,
						 NOW_MS + i / 10, &entry),
				 ADMISSION_OK);
		admission_leave(admission, entry);
		admission_gone(admission, NULL);
	}
	ck_assert_uint_le(admission_entries(admission), 10000);
	ck_assert_uint_eq(admission_clients(admission), 0);
	admission_free(admission);
}
END_TEST

/* ---- asking ------------------------------------------------------------- */

static struct admission_ruling ask(struct admission *admission,
				   const char *host, uint64_t now_ms)
{
	union address address =
		address_of(strcmp(host, "unix") == 0 ? NULL : host);
	struct admission_ruling ruling;

	memset(&ruling, 0xff, sizeof(ruling));
	admission_ask(admission, NULL, &address.any, now_ms, &ruling);
	return ruling;
}

/* Asks, and then enters: both must have the same verdict. */
static void expect(struct admission *admission, const char *host,
		   uint64_t now_ms, enum admission_verdict verdict)
{
	ck_assert_int_eq(ask(admission, host, now_ms).verdict, verdict);
	ck_assert_int_eq(enter(admission,
			       strcmp(host, "unix") == 0 ? NULL : host, now_ms,
			       NULL),
			 verdict);
}

START_TEST(asking_says_what_entering_will)
{
	const struct admission_limits limits = {
		.clients = 6,
		.clients_per_address = 3,
		.connect_rate_per_address = 2,
	};
	struct admission *admission = admission_new(&limits);

	expect(admission, "192.0.2.1", 1000, ADMISSION_OK);
	expect(admission, "192.0.2.1", 1000, ADMISSION_OK);
	expect(admission, "192.0.2.1", 1000, ADMISSION_RATE);
	expect(admission, "192.0.2.2", 1000, ADMISSION_OK);
	expect(admission, "192.0.2.1", 9000, ADMISSION_OK);
	expect(admission, "192.0.2.1", 9500, ADMISSION_ADDRESS);
	expect(admission, "unix", 9000, ADMISSION_OK);
	expect(admission, "2001:db8::1", 9000, ADMISSION_OK);
	expect(admission, "unix", 9000, ADMISSION_CLIENTS);
	expect(admission, "192.0.2.9", 9000, ADMISSION_CLIENTS);
	ck_assert_uint_eq(admission_admitted(admission), 6);
	ck_assert_uint_eq(admission_refused(admission, ADMISSION_RATE), 1);
	ck_assert_uint_eq(admission_refused(admission, ADMISSION_ADDRESS), 1);
	ck_assert_uint_eq(admission_refused(admission, ADMISSION_CLIENTS), 2);
	admission_free(admission);
}
END_TEST

START_TEST(asking_counts_nothing)
{
	const struct admission_limits limits = {
		.clients = 1,
		.clients_per_address = 1,
		.connect_rate_per_address = 1,
	};
	struct admission *admission = admission_new(&limits);
	unsigned i;

	for (i = 0; i < 10; i++)
		ck_assert_int_eq(ask(admission, "192.0.2.1", 1000).verdict,
				 ADMISSION_OK);
	ck_assert_int_eq(enter(admission, "192.0.2.1", 1000, NULL),
			 ADMISSION_OK);
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(ask(admission, "192.0.2.1", 1000).verdict,
				 ADMISSION_CLIENTS);
	ck_assert_uint_eq(admission_clients(admission), 1);
	ck_assert_uint_eq(admission_refused(admission, ADMISSION_CLIENTS), 0);
	ck_assert_uint_eq(admission_admitted(admission), 1);
	admission_free(admission);
}
END_TEST

START_TEST(clients_of_an_address_are_told)
{
	const struct admission_limits limits = {.clients = 0};
	struct admission *admission = admission_new(&limits);

	enter(admission, "192.0.2.1", 1000, NULL);
	enter(admission, "192.0.2.1", 1000, NULL);
	enter(admission, "2001:db8::1", 1000, NULL);
	enter(admission, "2001:db8::2", 1000, NULL);
	enter(admission, NULL, 1000, NULL);
	ck_assert_uint_eq(ask(admission, "192.0.2.1", 1000).clients, 2);
	ck_assert_uint_eq(ask(admission, "192.0.2.2", 1000).clients, 0);
	/* All addresses of a /64 count as one. */
	ck_assert_uint_eq(ask(admission, "2001:db8::3", 1000).clients, 2);
	ck_assert(ask(admission, "192.0.2.1", 1000).counted);
	ck_assert(!ask(admission, "unix", 1000).counted);
	admission_free(admission);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("admission");
	TCase *tcase = support_case(suite, "clients");

	tcase_add_test(tcase, clients_are_counted_and_leave);
	tcase_add_test(tcase, handshakes_are_limited_and_end);
	tcase_add_test(tcase, a_class_with_clients_of_its_own_counts_apart);
	tcase_add_test(tcase, clients_of_an_address_are_counted_apart);
	tcase_add_loop_test(tcase,
			    an_address_is_an_ipv4_address_or_an_ipv6_network, 0,
			    sizeof(pairs) / sizeof(pairs[0]));
	tcase_add_test(tcase, changed_limits_hold_at_once);
	tcase_add_test(tcase, a_leaving_client_frees_the_place_of_its_address);
	tcase_add_test(tcase, departures_are_collected_from_many_threads);

	tcase = support_case(suite, "asking");
	tcase_add_test(tcase, asking_says_what_entering_will);
	tcase_add_test(tcase, asking_counts_nothing);
	tcase_add_test(tcase, clients_of_an_address_are_told);

	tcase = support_case(suite, "rates");
	tcase_add_test(tcase, a_rate_allows_a_burst_and_comes_back);
	tcase_add_test(tcase, datagrams_have_a_rate_and_a_burst);
	tcase_add_test(tcase, a_flood_of_addresses_is_forgotten);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
