/* SPDX-License-Identifier: MIT */
/*
 * The service sections of a config: keys and refusals, classes, limits, framing
 * and access.
 */
#include "config.h"

#include "conf_fixture.h"

#include <stdio.h>
#include <string.h>

#include <lined/address.h>

#include "tls.h"

#define TWO(first, second)                                                     \
	"service \"a\" { protocol = echo\n listen = { " first " } }\n"         \
	"service \"b\" { protocol = echo\n listen = { " second " } }\n"

START_TEST(defaults_are_as_documented)
{
	const struct conf_service *s = fixture_good_service("");

	ck_assert_str_eq(s->name, "s");
	ck_assert_str_eq(s->protocol, "echo");
	ck_assert_str_eq(s->module->name, "echo");
	ck_assert_ptr_null(s->options);
	ck_assert_uint_eq(s->bounds.admission.clients, 10000);
	ck_assert_uint_eq(s->bounds.admission.clients_per_address, 100);
	ck_assert_uint_eq(s->bounds.admission.connect_rate_per_address, 100);
	ck_assert_uint_eq(s->bounds.sockets.line_rate, 0);
	ck_assert_uint_eq(s->bounds.sockets.line_burst, 0);
	ck_assert_uint_eq(s->bounds.sockets.idle_ms, 600000);
	ck_assert_uint_eq(s->bounds.sockets.first_line_ms, 0);
	ck_assert_uint_eq(s->bounds.sockets.line_ms, 0);
	ck_assert_uint_eq(s->bounds.sockets.send_queue, 1024 * 1024);
	ck_assert_uint_eq(s->bounds.sockets.send_stall_ms, 30000);
	ck_assert_uint_eq(s->bounds.handshake_ms, 10000);
	ck_assert_uint_eq(s->bounds.admission.handshakes, 256);
	ck_assert_uint_eq(s->framing.line_length, 8192);
	ck_assert_uint_eq(s->framing.terminator, LINED_TERMINATOR_ANY);
	ck_assert_uint_eq(s->framing.too_long, LINED_TOO_LONG_CLOSE);
	ck_assert_uint_eq(s->framing.unterminated, LINED_UNTERMINATED_DROP);
	ck_assert_uint_eq(s->socket_mode, 0660);
	ck_assert_ptr_null(s->socket_owner);
	ck_assert_ptr_null(s->socket_group);
	ck_assert_uint_eq(s->tls_count, 0);
	ck_assert_uint_eq(s->proxy_from_count, 0);
	ck_assert(!s->access.has_allow);
	ck_assert_uint_eq(s->listen_count, 1);
}
END_TEST

START_TEST(every_key_is_read)
{
	const struct conf_service *s = fixture_good_service(
		"socket-mode = 600 socket-owner = o socket-group = g\n"
		"proxy-from = { \"192.0.2.0/24\", \"unix\", \"::1\" }\n"
		"limits { clients = 1 clients-per-address = 0\n"
		"connect-rate-per-address = 2 line-rate = 3 line-burst = 4\n"
		"idle-timeout = 0 first-line-timeout = 500ms\n"
		"line-timeout = 2h send-queue = 4k send-stall = 5\n"
		"handshake-timeout = 3s handshakes = 7 }\n"
		"framing { terminator = crlf line-length = 1k\n"
		"too-long = truncate unterminated = deliver }\n"
		"access { allow = \"10.0.0.0/8\" deny = { \"10.1.0.0/16\", "
		"\"::/0\" } }");

	ck_assert_uint_eq(s->socket_mode, 0600);
	ck_assert_str_eq(s->socket_owner, "o");
	ck_assert_str_eq(s->socket_group, "g");
	ck_assert_uint_eq(s->proxy_from_count, 2);
	ck_assert(s->proxy_from_unix);
	ck_assert_uint_eq(s->bounds.admission.clients, 1);
	ck_assert_uint_eq(s->bounds.admission.clients_per_address, 0);
	ck_assert_uint_eq(s->bounds.admission.connect_rate_per_address, 2);
	ck_assert_uint_eq(s->bounds.sockets.line_rate, 3);
	ck_assert_uint_eq(s->bounds.sockets.line_burst, 4);
	ck_assert_uint_eq(s->bounds.sockets.idle_ms, 0);
	ck_assert_uint_eq(s->bounds.sockets.first_line_ms, 500);
	ck_assert_uint_eq(s->bounds.sockets.line_ms, 7200000);
	ck_assert_uint_eq(s->bounds.sockets.send_queue, 4096);
	ck_assert_uint_eq(s->bounds.sockets.send_stall_ms, 5000);
	ck_assert_uint_eq(s->bounds.handshake_ms, 3000);
	ck_assert_uint_eq(s->bounds.admission.handshakes, 7);
	ck_assert_uint_eq(s->framing.line_length, 1024);
	ck_assert_uint_eq(s->framing.terminator, LINED_TERMINATOR_CRLF);
	ck_assert_uint_eq(s->framing.too_long, LINED_TOO_LONG_TRUNCATE);
	ck_assert_uint_eq(s->framing.unterminated, LINED_UNTERMINATED_DELIVER);
	ck_assert(s->access.has_allow);
	ck_assert_uint_eq(s->access.allow_count, 1);
	ck_assert_uint_eq(s->access.deny_count, 2);
}
END_TEST

START_TEST(listen_lists_are_read_in_order)
{
	const struct conf *conf =
		fixture_good("service \"s\" { protocol = echo listen = {\n"
			     "\"udp://127.0.0.1:1\", \"tcp://127.0.0.1:1\",\n"
			     "\"unix:///run/a\", \"systemd:a\", } }");
	const struct conf_service *s = &conf->services[0];

	ck_assert_uint_eq(s->listen_count, 4);
	ck_assert_int_eq(s->listen[0].kind, LISTEN_UDP);
	ck_assert_int_eq(s->listen[1].kind, LISTEN_TCP);
	ck_assert_int_eq(s->listen[2].kind, LISTEN_UNIX);
	ck_assert_str_eq(s->listen[3].text, "systemd:a");
}
END_TEST

START_TEST(what_a_service_needs_is_missed)
{
	fixture_bad("service \"a\" { }\n"
		    "service \"b\" { protocol = echo listen = { } }\n"
		    "service \"\" { protocol = echo }\n"
		    "service \"a b\" { protocol = echo listen = "
		    "\"unix:///a\" }\n",
		    "1: service \"a\": protocol is missing\n"
		    "1: service \"a\": listen is missing\n"
		    "2: service \"b\": listen is empty\n"
		    "3: service needs a title: service \"NAME\" { ... }\n"
		    "3: service \"\": a service's name is 1 to 64 of A-Z a-z "
		    "0-9 _ . -\n"
		    "3: service \"\": listen is missing\n"
		    "4: service \"a b\": a service's name is 1 to 64 of A-Z "
		    "a-z 0-9 _ . -\n");
}
END_TEST

START_TEST(unknown_protocols_are_told_with_the_loaders_reason)
{
	fixture_bad("service \"a\" {\n protocol = nosuch\n listen = "
		    "\"unix:///a\"\n nosuch { x = 1 } }\n"
		    "service \"b\" {\n protocol = \"../echo\"\n listen = "
		    "\"unix:///b\" }\n",
		    "2: service \"a\": protocol nosuch: "
		    "/usr/lib/lined/nosuch.so: not here\n"
		    "6: service \"b\": protocol: \"../echo\" is not a name "
		    "(a-z 0-9 _ -)\n");
}
END_TEST

static const struct lined_protocol *find_unloaded(void *arg, const char *dir,
						  const char *name, char *error,
						  size_t size)
{
	(void)arg, (void)dir, (void)name, (void)error, (void)size;
	return &conf_protocol_unloaded;
}

/* For a plan, the daemon does not load modules: a child has loaded them and
 * checked their options. */
START_TEST(options_of_modules_that_are_not_loaded_are_passed_over)
{
	struct conf_env env = fixture_env;
	const struct conf *conf;

	env.find_protocol = find_unloaded;
	env.blind = true;
	fixture_write(
		"lined.conf",
		"service \"s\" { protocol = other\n"
		"listen = { \"udp://*:7\", \"tcp://*:7\" }\n"
		"other { a = 1 room \"x\" { b = { \"c\", \"d\" } } } }\n");
	conf = fixture_load_with("lined.conf", &env);
	ck_assert_str_eq(fixture_errors(), "");
	ck_assert_str_eq(conf->services[0].options_text, "");
	ck_assert_uint_eq(conf->services[0].listen_count, 2);
	fixture_write("lined.conf", "service \"s\" { protocol = other\n"
				    "listen = \"udp://*:7\" odher { } }\n");
	fixture_load_with("lined.conf", &env);
	ck_assert_ptr_nonnull(strstr(fixture_errors(), "\"odher\""));
}
END_TEST

START_TEST(addresses_used_twice_name_both_places)
{
	fixture_bad(TWO("\"tcp://127.0.0.1:1\",\n\"udp://127.0.0.1:1\"",
			"\"udp://127.0.0.1:2\",\n\"tcp://127.0.0.1:1\""),
		    "6: service \"b\": listen tcp://127.0.0.1:1: already "
		    "used by service \"a\" at lined.conf:2\n");
	fixture_bad(TWO("\"tcp://*:1\"", "\"tcp://[::1]:1\""),
		    "4: service \"b\": listen tcp://[::1]:1: tcp://*:1 is "
		    "already used by service \"a\" at lined.conf:2\n");
	fixture_bad("metrics { listen = \"tcp://127.0.0.1:7007\" }\n"
		    "control { socket = \"/run/a\" }\n"
		    "service \"s\" { protocol = echo listen = {\n"
		    "\"tcp://127.0.0.1:7007\",\n\"unix:///run/a\",\n"
		    "\"systemd:x\",\n\"systemd:x\" } }\n",
		    "4: service \"s\": listen tcp://127.0.0.1:7007: "
		    "already used by metrics at lined.conf:1\n"
		    "5: service \"s\": listen unix:///run/a: already used "
		    "by control at lined.conf:2\n"
		    "7: service \"s\": listen systemd:x: already used by "
		    "service \"s\" at lined.conf:6\n");
}
END_TEST

START_TEST(transports_that_a_protocol_lacks_are_refused)
{
	fixture_bad("service \"a\" { protocol = relay listen = {\n"
		    "\"udp://127.0.0.1:1\",\n\"systemd:a\" } }\n"
		    "service \"b\" { protocol = beacon listen = {\n"
		    "\"udp://127.0.0.1:2\",\n\"tcp://127.0.0.1:2\",\n"
		    "\"unix:///b\" } }\n",
		    "2: service \"a\": listen udp://127.0.0.1:1: the protocol "
		    "does not speak over datagrams\n"
		    "6: service \"b\": listen tcp://127.0.0.1:2: the protocol "
		    "speaks over datagrams only\n"
		    "7: service \"b\": listen unix:///b: the protocol speaks "
		    "over datagrams only\n");
}
END_TEST

START_TEST(tls_addresses_need_tls_names_that_exist)
{
	fixture_bad("service \"a\" { protocol = echo listen = {\n"
		    "\"tls://127.0.0.1:1\",\n\"systemd+tls:x\" } }\n"
		    "service \"b\" { protocol = echo tls = {\n\"no\", \"x\" }\n"
		    "listen = \"tls://127.0.0.1:2\" }\n",
		    "2: service \"a\": listen tls://127.0.0.1:1: needs tls = "
		    "{ \"NAME\" }\n"
		    "3: service \"a\": listen systemd+tls:x: needs tls = { "
		    "\"NAME\" }\n"
		    "5: service \"b\": tls: there is no section tls \"no\"\n"
		    "5: service \"b\": tls: there is no section tls \"x\"\n");
}
END_TEST

START_TEST(bad_values_tell_form_or_range)
{
	fixture_bad_service(
		"socket-mode = 0888\nlimits {\nclients = 1x\n"
		"line-burst = 0\nidle-timeout = 10w\nline-timeout = 1001h\n"
		"send-queue = 1\nsend-stall = 99999999999999999999\n"
		"first-line-timeout = -1\nclients-per-address = 0x10 }\n"
		"framing {\nline-length = 0\ntoo-long = \"\"\n"
		"terminator = { any, lf } }\nsocket-owner = \"\"\n",
		"2: service \"s\": socket-mode: \"0888\" is not an octal mode "
		"(0 to 0777)\n"
		"4: service \"s\": limits: clients: \"1x\" is not a whole "
		"number\n"
		"5: service \"s\": limits: line-burst: \"0\" is out of range "
		"(1 to 1000000)\n"
		"6: service \"s\": limits: idle-timeout: \"10w\" is not a "
		"duration (a number and ms, s, m or h)\n"
		"7: service \"s\": limits: line-timeout: \"1001h\" is out of "
		"range (0 to 1000h)\n"
		"8: service \"s\": limits: send-queue: \"1\" is out of range "
		"(1k to 1G)\n"
		"9: service \"s\": limits: send-stall: "
		"\"99999999999999999999\" is out of range (0 to 1000h)\n"
		"10: service \"s\": limits: first-line-timeout: \"-1\" is not "
		"a duration (a number and ms, s, m or h)\n"
		"11: service \"s\": limits: clients-per-address: \"0x10\" is "
		"not a whole number\n"
		"13: service \"s\": framing: line-length: \"0\" is out of "
		"range (1 to 256M)\n"
		"14: service \"s\": framing: too-long: \"\" is not one of "
		"close, skip, truncate\n"
		"15: service \"s\": framing: terminator takes one value, not "
		"a list of 2\n"
		"16: service \"s\": socket-owner is empty\n");
}
END_TEST

START_TEST(lines_that_can_never_be_sent_are_warned_of)
{
	fixture_good_service("limits { send-queue = 8194 }");
	ck_assert_str_eq(fixture_warnings(), "");
	fixture_good_service("limits { send-queue = 8193 }");
	ck_assert_str_eq(
		fixture_warnings(),
		"lined.conf:2: service \"s\": limits: send-queue (8193) is "
		"too small for a line of line-length (8192): it can "
		"never be sent\n");
	fixture_good_service("limits { send-queue = 1M }\n"
			     "framing {\nline-length = 1M }");
	ck_assert_str_eq(
		fixture_warnings(),
		"lined.conf:4: service \"s\": framing: send-queue (1048576) is "
		"too small for a line of line-length (1048576): it "
		"can never be sent\n");
}
END_TEST

/* ---- classes ------------------------------------------------------------ */

static uint8_t class_of(const struct conf_service *s, const char *text)
{
	struct lined_address address;

	ck_assert_int_eq(lined_address_parse(&address, text), 0);
	return conf_class_of(s, &address.any);
}

START_TEST(origins_that_no_browser_sends_are_warned_of)
{
	fixture_good("service \"s\" { protocol = echo listen = \"ws://*:1\" "
		     "web { origins = {\n\"*\", \"null\", "
		     "\"https://a.example\", \"https://a.example:80\", "
		     "\"http://[::1]:8080\", \"http://[::80]\", \"file://\" "
		     "} } }");
	ck_assert_str_eq(fixture_warnings(), "");
	fixture_good("service \"s\" { protocol = echo listen = \"ws://*:1\" "
		     "web { origins = {\n\"a.example\",\n"
		     "\"https://a.example/\",\n"
		     "\"http://[::1]:80\" } } }");
	ck_assert_str_eq(
		fixture_warnings(),
		"lined.conf:2: service \"s\": web: origins: \"a.example\" "
		"matches no page: an origin is as \"https://a.example\", with "
		"nothing behind host and port\n"
		"lined.conf:3: service \"s\": web: origins: "
		"\"https://a.example/\" matches no page: an origin is as "
		"\"https://a.example\", with nothing behind host and port\n"
		"lined.conf:4: service \"s\": web: origins: "
		"\"http://[::1]:80\" matches no page: browsers leave out the "
		"port of the scheme\n");
}
END_TEST

START_TEST(the_longest_prefix_decides_the_class)
{
	const struct conf_service *s = fixture_good_service(
		"class \"a\" { from = { \"10.0.0.0/8\", \"2001:db8::/32\" }\n"
		"clients = 5 }\n"
		"class \"b\" { from = \"10.1.0.0/16\" idle-timeout = 0 }\n"
		"limits { clients = 7 idle-timeout = 1m line-burst = 9\n"
		"line-rate = 3 }");

	ck_assert_uint_eq(s->class_count, 2);
	ck_assert_uint_eq(class_of(s, "192.0.2.1"), 0);
	ck_assert_uint_eq(class_of(s, "unix"), 0);
	ck_assert_uint_eq(class_of(s, "10.2.0.1"), 1);
	ck_assert_uint_eq(class_of(s, "2001:db8::1"), 1);
	ck_assert_uint_eq(class_of(s, "10.1.0.1"), 2);
	/* A class has its own values, and its own counts, only for the keys
	 * that it sets. */
	ck_assert_uint_eq(s->classes[0].bounds.admission.clients, 5);
	ck_assert_ptr_nonnull(s->classes[0].bounds.admission.own_clients);
	ck_assert_ptr_null(s->classes[0].bounds.admission.own_handshakes);
	ck_assert_uint_eq(s->class_limits[0].idle_ms, 60000);
	ck_assert_uint_eq(s->class_limits[0].line_burst, 9);
	ck_assert_uint_eq(s->classes[1].bounds.admission.clients, 7);
	ck_assert_ptr_null(s->classes[1].bounds.admission.own_clients);
	ck_assert_uint_eq(s->class_limits[1].idle_ms, 0);
	ck_assert_uint_eq(conf_clients_max(s), 12);
}
END_TEST

START_TEST(classes_of_defaults_lie_below_those_of_the_service)
{
	const struct conf *conf = fixture_good(
		"defaults { limits { line-rate = 1 }\n"
		"class \"a\" { from = \"10.0.0.0/8\" clients = 1\n"
		"handshakes = 2 }\n"
		"class \"b\" { from = \"10.1.0.0/16\" clients = 3 } }\n"
		"service \"s\" { protocol = echo listen = \"tcp://*:1\"\n"
		"class \"c\" { from = \"10.1.0.0/16\" clients = 4 }\n"
		"class \"a\" { clients = 5 } }\n"
		"service \"t\" { protocol = echo listen = \"tcp://*:2\"\n"
		"class \"a\" { from = \"192.0.2.0/24\" } }\n");
	const struct conf_service *s = &conf->services[0];

	ck_assert_uint_eq(s->class_count, 3);
	/* If the service and the defaults have a class for the same network,
	 * the service's class is used. */
	ck_assert_str_eq(s->classes[class_of(s, "10.1.0.1") - 1].name, "c");
	/* Two classes with the same name are one class. */
	ck_assert_str_eq(s->classes[class_of(s, "10.2.0.1") - 1].name, "a");
	ck_assert_uint_eq(s->classes[1].bounds.admission.clients, 5);
	ck_assert_uint_eq(s->classes[1].bounds.admission.handshakes, 2);
	ck_assert_uint_eq(s->class_limits[1].line_rate, 1);
	s = &conf->services[1];
	ck_assert_uint_eq(class_of(s, "10.2.0.1"), 0);
	ck_assert_uint_eq(class_of(s, "192.0.2.1"), 1);
	ck_assert_uint_eq(s->classes[0].bounds.admission.clients, 1);
}
END_TEST

START_TEST(wrong_classes_are_told_with_their_places)
{
	fixture_bad(
		"defaults {\n"
		"class \"d\" { clients = 3 }\n"
		"class \"e f\" { from = \"10.2.0.0/16\" clients = 3 } }\n"
		"service \"s\" { protocol = echo listen = \"tcp://*:1\"\n"
		"class \"a\" { from = { \"10.0.0.0/8\",\n"
		"\"10.0.0.0/8\" } clinets = 2 }\n"
		"class \"b\" { from = { } clients = 2 }\n"
		"class \"c\" { from = { \"10.0.0.0/8\",\n"
		"\"10.0.0.300\" } clients = 0 }\n"
		"class \"a\" { clients = 5 }\n"
		"}\n",
		"2: defaults: class \"d\": from is missing: it lists the "
		"networks of the class\n"
		"3: defaults: class \"e f\": a class's name is 1 to 64 of A-Z "
		"a-z 0-9 _ . -\n"
		"6: service \"s\": class \"a\": unknown key \"clinets\" (did "
		"you mean \"clients\"?)\n"
		"6: service \"s\": class \"a\": from: 10.0.0.0/8 is in class "
		"\"a\" already at lined.conf:5\n"
		"7: service \"s\": class \"b\": from is empty: it lists the "
		"networks of the class\n"
		"8: service \"s\": class \"c\": from: 10.0.0.0/8 is in class "
		"\"a\" already at lined.conf:5\n"
		"9: service \"s\": class \"c\": clients: \"0\" is out of range "
		"(1 to 10000000)\n"
		"9: service \"s\": class \"c\": from: \"10.0.0.300\" is not a "
		"network (192.0.2.0/24, 2001:db8::/32)\n"
		"10: service \"s\": class \"a\" is defined already at "
		"lined.conf:5\n"
		"10: service \"s\": class \"a\": from is missing: it lists the "
		"networks of the class\n");
}
END_TEST

START_TEST(classes_without_effect_are_warned_of)
{
	fixture_good_service("class \"a\" { from = \"10.0.0.0/8\" }\n"
			     "class \"b\" { from = \"10.1.0.0/16\"\n"
			     "line-burst = 3 send-queue = 8k }");
	ck_assert_str_eq(
		fixture_warnings(),
		"lined.conf:2: service \"s\": class \"a\": it sets no limit, "
		"and does nothing\n"
		"lined.conf:3: service \"s\": class \"b\": send-queue (8192) "
		"is "
		"too small for a line of line-length (8192): it can never be "
		"sent\n"
		"lined.conf:4: service \"s\": class \"b\": line-burst does "
		"nothing without line-rate\n");
	fixture_good("service \"s\" { protocol = echo listen = \"unix:///a\"\n"
		     "class \"a\" { from = \"10.0.0.0/8\" clients = 1 } }");
	ck_assert_str_eq(fixture_warnings(),
			 "lined.conf:2: service \"s\": class \"a\": it does "
			 "nothing: all addresses are unix://\n");
}
END_TEST

START_TEST(leading_zeros_are_refused)
{
	fixture_bad_service(
		"limits {\n clients = 010\n line-timeout = 010\n}",
		"3: service \"s\": limits: clients: \"010\" has a leading "
		"zero: numbers are decimal\n"
		"4: service \"s\": limits: line-timeout: \"010\" has a "
		"leading zero: numbers are decimal\n");
}
END_TEST

/* ---- limits ---------------------------------------------------------- */

START_TEST(limits_lie_above_defaults_above_the_protocols)
{
	const struct conf *conf = fixture_good(
		"defaults { limits { clients = 7 idle-timeout = 5m } }\n"
		"service \"a\" { protocol = relay listen = \"unix:///a\" }\n"
		"service \"b\" { protocol = echo listen = \"unix:///b\"\n"
		"limits { idle-timeout = 1m } }\n");

	ck_assert_uint_eq(conf->services[0].bounds.admission.clients, 7);
	ck_assert_uint_eq(conf->services[0].bounds.sockets.idle_ms, 300000);
	ck_assert_uint_eq(conf->services[1].bounds.admission.clients, 7);
	ck_assert_uint_eq(conf->services[1].bounds.sockets.idle_ms, 60000);
}
END_TEST

START_TEST(protocols_may_have_no_idle_timeout)
{
	const struct conf *conf = fixture_good(
		"service \"a\" { protocol = relay listen = \"unix:///a\" }\n"
		"service \"b\" { protocol = relay listen = \"unix:///b\" "
		"limits { idle-timeout = 3 } }\n");

	ck_assert_uint_eq(conf->services[0].bounds.sockets.idle_ms, 0);
	ck_assert_uint_eq(conf->services[1].bounds.sockets.idle_ms, 3000);
}
END_TEST

START_TEST(errors_in_defaults_are_told_once)
{
	fixture_bad("defaults { limits { clients = 0 } }\n"
		    "service \"a\" { protocol = echo listen = \"unix:///a\" }\n"
		    "service \"b\" { protocol = echo listen = \"unix:///b\" "
		    "}\n",
		    "1: defaults: limits: clients: \"0\" is out of range (1 to "
		    "10000000)\n");
}
END_TEST

START_TEST(burst_follows_the_rate)
{
	const struct conf_service *s =
		fixture_good_service("limits { line-rate = 50 }");

	ck_assert_uint_eq(s->bounds.sockets.line_burst, 50);
	s = fixture_good_service("limits { line-burst = 50 }");
	ck_assert_uint_eq(s->bounds.sockets.line_burst, 0);
	ck_assert_str_eq(fixture_warnings(),
			 "lined.conf:2: service \"s\": limits: line-burst does "
			 "nothing without line-rate\n");
}
END_TEST

/* ---- framing --------------------------------------------------------- */

START_TEST(framing_of_the_protocol_lies_below)
{
	const struct conf *conf = fixture_good(
		"service \"a\" { protocol = fixed listen = \"unix:///a\" "
		"framing { too-long = truncate } }\n");
	const struct lined_framing *framing = &conf->services[0].framing;

	ck_assert_uint_eq(framing->line_length, 82);
	ck_assert_uint_eq(framing->terminator, LINED_TERMINATOR_BYTE);
	ck_assert_uint_eq(framing->too_long, LINED_TOO_LONG_TRUNCATE);
	ck_assert_uint_eq(framing->unterminated, LINED_UNTERMINATED_DELIVER);
}
END_TEST

START_TEST(fixed_framing_keys_cannot_be_set)
{
	fixture_bad("service \"a\" { protocol = fixed listen = \"unix:///a\"\n"
		    "framing {\nterminator = lf\nline-length = 80\n"
		    "unterminated = drop } }\n",
		    "3: service \"a\": framing: terminator cannot be set: "
		    "protocol fixed fixes it\n"
		    "4: service \"a\": framing: line-length cannot be set: "
		    "protocol fixed fixes it\n");
}
END_TEST

/* ---- access ---------------------------------------------------------- */

START_TEST(empty_allow_is_not_no_allow)
{
	const struct conf_service *s =
		fixture_good_service("access { allow = { } }");

	ck_assert(s->access.has_allow);
	ck_assert_uint_eq(s->access.allow_count, 0);
}
END_TEST

START_TEST(bad_networks_are_told_and_host_bits_warned_of)
{
	fixture_bad_service("access { allow = {\n\"10.0.0.0/33\",\n\"ten\" }\n"
			    "deny = \"\" }\nproxy-from = \"10.0.0/8\"\n",
			    "3: service \"s\": access: allow: \"10.0.0.0/33\" "
			    "is not a network (192.0.2.0/24, 2001:db8::/32)\n"
			    "4: service \"s\": access: allow: \"ten\" is not a "
			    "network (192.0.2.0/24, 2001:db8::/32)\n"
			    "5: service \"s\": access: deny: \"\" is not a "
			    "network (192.0.2.0/24, 2001:db8::/32)\n"
			    "6: service \"s\": proxy-from: \"10.0.0/8\" is not "
			    "a network (192.0.2.0/24, 2001:db8::/32, unix)\n");
	fixture_good_service("access { deny = \"10.0.0.1/8\" }");
	ck_assert_str_eq(fixture_warnings(),
			 "lined.conf:2: service \"s\": access: deny: "
			 "10.0.0.1/8 has bits past its prefix, which do not "
			 "count\n");
}
END_TEST

START_TEST(sections_of_others_are_refused)
{
	fixture_bad_service("relay { mode = hub }\nlimts { }\necho { }\n"
			    "limits { }\nlimits { }\nlimits = 3\n",
			    "7: \"limits\" is a key here and a section in "
			    "line 5\n");
	fixture_bad_service("relay { mode = hub }\nlimts { }\necho { x = 1 }\n"
			    "limits { }\nlimits { }\nframing \"x\" { }\n"
			    "protocol { }\n",
			    "8: \"protocol\" is a section here and a key in "
			    "line 1\n");
	fixture_bad_service("relay { mode = hub }\nlimts { }\necho { x = 1 }\n"
			    "limits { }\nlimits { }\nframing \"x\" { }\n",
			    "2: service \"s\": section \"relay\" is not that "
			    "of protocol echo\n"
			    "3: service \"s\": unknown section \"limts\" (did "
			    "you mean \"limits\"?)\n"
			    "4: service \"s\": echo: unknown key \"x\"\n"
			    "6: service \"s\": limits is defined already at "
			    "lined.conf:5\n"
			    "7: service \"s\": framing takes no title\n");
}
END_TEST

static void add_sections(Suite *suite)
{
	TCase *tcase = fixture_case(suite, "sections");

	tcase_add_test(tcase, limits_lie_above_defaults_above_the_protocols);
	tcase_add_test(tcase, protocols_may_have_no_idle_timeout);
	tcase_add_test(tcase, errors_in_defaults_are_told_once);
	tcase_add_test(tcase, burst_follows_the_rate);
	tcase_add_test(tcase, framing_of_the_protocol_lies_below);
	tcase_add_test(tcase, fixed_framing_keys_cannot_be_set);
	tcase_add_test(tcase, empty_allow_is_not_no_allow);
	tcase_add_test(tcase, bad_networks_are_told_and_host_bits_warned_of);
	tcase_add_test(tcase, sections_of_others_are_refused);
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("conf-service");
	TCase *tcase = fixture_case(suite, "keys");

	tcase_add_test(tcase, defaults_are_as_documented);
	tcase_add_test(tcase, every_key_is_read);
	tcase_add_test(tcase, listen_lists_are_read_in_order);
	tcase_add_test(tcase, what_a_service_needs_is_missed);
	tcase_add_test(tcase,
		       unknown_protocols_are_told_with_the_loaders_reason);
	tcase_add_test(tcase,
		       options_of_modules_that_are_not_loaded_are_passed_over);
	tcase_add_test(tcase, addresses_used_twice_name_both_places);
	tcase_add_test(tcase, transports_that_a_protocol_lacks_are_refused);
	tcase_add_test(tcase, bad_values_tell_form_or_range);
	tcase_add_test(tcase, leading_zeros_are_refused);
	tcase_add_test(tcase, lines_that_can_never_be_sent_are_warned_of);
	tcase_add_test(tcase, origins_that_no_browser_sends_are_warned_of);
	tcase_add_test(tcase, the_longest_prefix_decides_the_class);
	tcase_add_test(tcase,
		       classes_of_defaults_lie_below_those_of_the_service);
	tcase_add_test(tcase, wrong_classes_are_told_with_their_places);
	tcase_add_test(tcase, classes_without_effect_are_warned_of);
	add_sections(suite);
	if (!tls_available())
		return suite;
	tcase = fixture_case(suite, "TLS");
	tcase_add_test(tcase, tls_addresses_need_tls_names_that_exist);
	return suite;
}

int main(void)
{
	return fixture_main(make_suite);
}
