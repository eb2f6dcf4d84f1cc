/* SPDX-License-Identifier: MIT */
/*
 * Fixtures for the suites of the config: config files in a directory of their
 * own, protocols that are only tables, and loads whose messages are kept. The
 * fixtures check only that their files can be written.
 */
#pragma once

#include <check.h>

#include "config/conf.h"

/* The options of the protocol "relay". */
struct fake_room {
	const char *title;
	const char *topic;
	int64_t size;
	bool open;
};

enum fake_mode {
	FAKE_HUB,
	FAKE_UPSTREAM,
	FAKE_PROXY,
};

struct fake_relay {
	enum fake_mode mode;
	int pace; /* no default */
	const char *style;
	struct lined_option_list filter;
	struct lined_option_list order;
	int64_t retry_ms;
	int64_t hold;
	int64_t level;
	bool loopback;
	struct lined_option_sections rooms;
};

/*
 * Protocols: "echo" (stream and datagram, no options), "relay" (stream, the
 * options above, no idle timeout; its check() refuses level = 13), "fixed"
 * (framing of its own, terminator and line-length fixed), "beacon" (datagram
 * only), "faulty" (defaults that cannot be read).
 */
extern const struct conf_env fixture_env;

/* A good service on one line, on a port of its own. */
#define SERVICE(name, port)                                                    \
	"service \"" name "\" { protocol = \"echo\" "                          \
	"listen = \"tcp://127.0.0.1:" port "\" }\n"

/* Run before and after each test: make an empty directory, and remove it. */
void fixture_setup(void);
void fixture_teardown(void);

/* The path of a file in the directory. Valid until the next call. */
const char *fixture_path(const char *name);

void fixture_write(const char *name, const char *text);
void fixture_write_bytes(const char *name, const void *bytes, size_t len);

/* Loads a file in the directory; teardown frees the config. */
struct conf *fixture_load(const char *name);
struct conf *fixture_load_with(const char *name, const struct conf_env *env);

/* Writes text as lined.conf and loads it: the load must succeed. */
const struct conf *fixture_good(const char *text);

/* The same for text within service "s" { protocol = "echo" listen = ... }. */
const struct conf_service *fixture_good_service(const char *text);

/*
 * Writes text as lined.conf and loads it; it must be refused with exactly
 * these messages, "LINE: what" or "FILE:LINE: what", in this order, each
 * followed by \n.
 */
void fixture_bad(const char *text, const char *messages);
void fixture_bad_service(const char *text, const char *messages);

/* The messages of the last load, each followed by \n, without the directory. */
const char *fixture_errors(void);
const char *fixture_warnings(void);

/* main() of a suite. */
int fixture_main(Suite *(*make)(void));
TCase *fixture_case(Suite *suite, const char *name);
