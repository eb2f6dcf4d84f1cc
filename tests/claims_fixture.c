/* SPDX-License-Identifier: MIT */
/*
 * The protocol "claiming", and clients that ask it to claim and list names.
 */
#include "config.h"

#include "claims_fixture.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lined/registry.h>

#include "support.h"

/* ---- a protocol that does what its clients say --------------------------- */

static void answer(struct lined_socket *client, void *arg, bool won)
{
	lined_socket_send(client, won ? "won\n" : "lost\n", won ? 4 : 5);
}

/* Makes two claims in one call. The second one is answered second. */
static void claim_two(struct lined_socket *client, const char *name)
{
	struct lined_service *service = lined_client_service(client);

	must(lined_registry_claim(service, client, name, "1", 1, answer,
				  NULL) == 0);
	must(lined_registry_claim(service, client, "second", "2", 2, answer,
				  NULL) == 0);
}

static void obey(struct lined_socket *client, const struct lined_line *line)
{
	struct lined_service *service = lined_client_service(client);
	const char *name = line->text + 2;

	switch (line->text[0]) {
	case 'c':
	case 'd':
	case 'x':
		must(lined_registry_claim(service, client, name, name,
					  strlen(name), answer, NULL) == 0);
		if (line->text[0] == 'd')
			lined_registry_release(service, client, name);
		if (line->text[0] == 'x')
			lined_socket_close(client);
		break;
	case '2':
		claim_two(client, name);
		break;
	case 'r':
		lined_registry_release(service, client, name);
		break;
	default:
		lined_socket_send_line(client, line);
		break;
	}
}

const struct lined_protocol claiming = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "claiming",
	.handle_line = obey,
};

/* ---- clients --------------------------------------------------------- */

struct hall claims_hall;

void claims_expect(int fd, const char *text)
{
	uint64_t end_ms = support_now_ms() + SUPPORT_WATCHDOG_MS;
	char got[256];
	size_t len = 0;

	while (len < strlen(text)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		ck_assert_msg(support_now_ms() < end_ms, "got only \"%.*s\"",
			      (int)len, got);
		lined_dispatcher_poll(claims_hall.main, 1);
		if (poll(&p, 1, 1) <= 0)
			continue;
		n = read(fd, got + len, strlen(text) - len);
		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	got[len] = '\0';
	ck_assert_str_eq(got, text);
}

void claims_ask(int fd, const char *text, const char *answer_text)
{
	support_puts(fd, text);
	claims_expect(fd, answer_text);
}

void claims_expect_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	while (poll(&p, 1, 1) == 0)
		lined_dispatcher_poll(claims_hall.main, 1);
	ck_assert_int_eq(read(fd, &byte, 1), 0);
	close(fd);
}

struct listing {
	const char *prefix;
	char text[256];
};

static void add_entry(const struct lined_registry_entry *entry, void *arg)
{
	struct listing *listing = arg;
	size_t len = strlen(listing->text);

	snprintf(listing->text + len, sizeof(listing->text) - len,
		 "%s=%.*s:%u ", entry->name, (int)entry->value_len,
		 (const char *)entry->value, (unsigned)entry->owner);
}

static void make_list(struct lined_service *service, void *arg)
{
	struct listing *listing = arg;

	listing->text[0] = '\0';
	lined_registry_list(service, listing->prefix, add_entry, listing);
}

struct expected {
	unsigned worker;
	struct listing listing;
	const char *text;
};

static bool is_listed(void *arg)
{
	struct expected *expected = arg;

	hall_call(&claims_hall, 0, expected->worker, make_list,
		  &expected->listing);
	return strcmp(expected->listing.text, expected->text) == 0;
}

void claims_expect_list(const char *prefix, const char *text)
{
	struct expected expected = {
		.listing.prefix = prefix,
		.text = text,
	};

	for (; expected.worker < claims_hall.count; expected.worker++)
		if (claims_hall.instances[0][expected.worker] != NULL)
			hall_wait(&claims_hall, is_listed, &expected);
}

/* ---- workers ------------------------------------------------------------- */

const unsigned claims_workers[CLAIMS_VARIANTS] = {1, 2, HALL_WORKERS};
