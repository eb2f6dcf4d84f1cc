/* SPDX-License-Identifier: MIT */
/*
 * The sections that may occur only once in a config, and those of TLS. Every
 * message is compared whole, with its line number.
 */
#include "config.h"

#include "conf_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "tls.h"

/* ---- sections that occur once ---------------------------------------- */

START_TEST(defaults_are_as_documented)
{
	const struct conf *conf = fixture_good(SERVICE("s", "1"));

	ck_assert_str_eq(fixture_warnings(), "");
	ck_assert_uint_eq(conf->workers, 0);
	ck_assert_ptr_null(conf->user);
	ck_assert_ptr_null(conf->group);
	ck_assert_ptr_null(conf->module_dir);
	ck_assert_uint_eq(conf->drain_timeout_ms, 10000);
	ck_assert_int_eq(conf->log.target, LOG_TARGET_AUTO);
	ck_assert_int_eq(conf->log.facility, LOG_DAEMON);
	ck_assert_int_eq(conf->log.level, LOG_INFO);
	ck_assert_str_eq(conf->log.ident, "lined");
	ck_assert_uint_eq(conf->internal_count, 0);
	ck_assert_uint_eq(conf->tls_count, 0);
}
END_TEST

START_TEST(every_top_key_is_read)
{
	const struct conf *conf = fixture_good(
		"workers = 10\nuser = u\ngroup = g\nmodule-dir = \"/m\"\n"
		"pid-file = \"/run/x.pid\"\n"
		"drain-timeout = 2m\nmemory = 2G\n"
		"hardening { writable = { \"state\", \"/srv\" } }\n"
		"log { target = \"syslog\" format = plain facility = "
		"\"local3\" level = "
		"\"debug\" ident = \"x\" }\n"
		"control { socket = \"/run/c\" group = \"adm\" }\n"
		"metrics { listen = \"tcp://127.0.0.1:9117\" }\n" SERVICE("s",
									  "1"));

	ck_assert_uint_eq(conf->workers, 10);
	ck_assert_str_eq(conf->user, "u");
	ck_assert_str_eq(conf->group, "g");
	ck_assert_str_eq(conf->module_dir, "/m");
	ck_assert_str_eq(conf->pid_file, "/run/x.pid");
	ck_assert_uint_eq(conf->drain_timeout_ms, 120000);
	ck_assert_int_eq(conf->memory, INT64_C(2) << 30);
	ck_assert_uint_eq(conf->hardening.writable.count, 2);
	ck_assert_str_eq(conf->hardening.writable.items[0],
			 fixture_path("state"));
	ck_assert_str_eq(conf->hardening.writable.items[1], "/srv");
	ck_assert_int_eq(conf->log.target, LOG_TARGET_SYSLOG);
	ck_assert_int_eq(conf->log.format, LOG_FORMAT_PLAIN);
	ck_assert_int_eq(conf->log.facility, LOG_LOCAL3);
	ck_assert_int_eq(conf->log.level, LOG_DEBUG);
	ck_assert_str_eq(conf->log.ident, "x");
	ck_assert_uint_eq(conf->internal_count, 2);
	ck_assert_str_eq(conf->internal[0].listen[0].path, "/run/c");
	ck_assert_str_eq(conf->internal[0].socket_group, "adm");
	ck_assert_int_eq(conf->internal[1].listen[0].kind, LISTEN_TCP);
}
END_TEST

START_TEST(bad_top_values_are_refused)
{
	fixture_bad("workers = many\nuser = \"\"\ndrain-timeout = 0\n"
		    "log { target = \"file\" facility = \"loud\" }\n"
		    "control { group = \"adm\" }\n"
		    "metrics { listen = \"udp://127.0.0.1:1\" }\n"
		    "user = { \"a\", \"b\" }\n",
		    "1: workers: \"many\" is not a whole number (auto, or 1 "
		    "to 1024)\n"
		    "2: user is empty\n"
		    "3: drain-timeout: \"0\" is out of range (1ms to 24h)\n"
		    "4: log: target: \"file\" is not one of auto, stderr, "
		    "syslog, journal\n"
		    "4: log: facility: \"loud\" is not one of daemon, auth, "
		    "authpriv, cron, ftp, lpr, mail, news, syslog, user, uucp, "
		    "local0, local1, local2, local3, local4, local5, local6, "
		    "local7\n"
		    "5: control: socket is missing\n"
		    "6: metrics: listen udp://127.0.0.1:1: metrics are served "
		    "at tcp://, unix:// or systemd:\n"
		    "7: user is set already at lined.conf:2\n");
	fixture_bad("control { idle-timeout = 4m }\nmetrics { }\n",
		    "1: control: socket is missing\n"
		    "2: metrics: listen is missing\n");
	fixture_bad("workers = 010\n",
		    "1: workers: \"010\" has a leading zero (auto, or 1 to "
		    "1024)\n");
	fixture_bad("memory = 1k\nhardening { writable = { \"\" } }\n",
		    "1: memory: \"1k\" is not auto, 0 (no ceiling) or a size "
		    "of at least 1M\n"
		    "2: hardening: writable: a path is empty\n");
	fixture_bad("control { socket = \"run/c\" }\nworkers = { }\n",
		    "1: control: socket: the path is not absolute "
		    "(unix:///path)\n"
		    "2: workers takes one value, not a list of 0\n");
}
END_TEST

START_TEST(relative_module_dir_is_beside_its_file)
{
	const struct conf *conf =
		fixture_good("module-dir = \"modules\"\n" SERVICE("s", "1"));

	ck_assert_str_eq(conf->module_dir, fixture_path("modules"));
}
END_TEST

START_TEST(services_are_found_by_name)
{
	const struct conf *conf =
		fixture_good(SERVICE("a", "1") SERVICE("b", "2"));

	ck_assert_ptr_eq(conf_find_service(conf, "b"), &conf->services[1]);
	ck_assert_ptr_null(conf_find_service(conf, "c"));
	ck_assert_uint_eq(conf->services[1].place.line, 2);
}
END_TEST

START_TEST(defaults_has_limits_only)
{
	fixture_bad("defaults { framing { } limit { } clients = 3 }\n",
		    "1: defaults: unknown key \"clients\"\n"
		    "1: defaults: unknown section \"framing\"\n"
		    "1: defaults: unknown section \"limit\" (did you mean "
		    "\"limits\"?)\n");
}
END_TEST

/* ---- tls ------------------------------------------------------------- */

START_TEST(tls_sections_are_read_with_paths_of_their_file)
{
	const struct conf *conf;

	fixture_write("c.pem", "");
	fixture_write("k.pem", "");
	conf = fixture_good("tls \"a\" { certificate = \"c.pem\" key = "
			    "\"k.pem\" client-ca = \"c.pem\" crl = \"c.pem\" "
			    "client-cert = required min-version = 1.3 }\n"
			    "service \"s\" { protocol = echo listen = "
			    "\"tls://127.0.0.1:1\" tls = \"a\" }\n");
	ck_assert_uint_eq(conf->tls_count, 1);
	ck_assert_str_eq(conf->tls[0].name, "a");
	ck_assert_str_eq(conf->tls[0].certificate, fixture_path("c.pem"));
	ck_assert_str_eq(conf->tls[0].key, fixture_path("k.pem"));
	ck_assert_int_eq(conf->tls[0].client_cert, CONF_CLIENT_CERT_REQUIRED);
	ck_assert_int_eq(conf->tls[0].min_version, CONF_TLS_1_3);
	ck_assert_ptr_eq(conf->services[0].tls[0], &conf->tls[0]);
}
END_TEST

START_TEST(unreadable_tls_files_are_errors)
{
	ck_assert_int_eq(mkdir(fixture_path("dir"), 0755), 0);
	fixture_write("k.pem", "");
	fixture_bad("tls \"a\" {\n certificate = \"no.pem\"\n key = \"dir\" }\n"
		    "tls \"b\" { }\n"
		    "tls \"c\" { certificate = \"k.pem\" key = \"k.pem\"\n"
		    " client-cert = \"optional\" min-version = 1.1 }\n",
		    "2: tls \"a\": certificate: no.pem: No such file or "
		    "directory\n"
		    "3: tls \"a\": key: dir: Is a directory\n"
		    "4: tls \"b\": certificate is missing\n"
		    "4: tls \"b\": key is missing\n"
		    "5: tls \"c\": client-cert needs client-ca\n"
		    "6: tls \"c\": min-version: \"1.1\" is not one of 1.2, "
		    "1.3\n");
}
END_TEST

START_TEST(what_is_in_tls_files_is_checked)
{
	static const char text[] =
		"tls \"a\" {\n certificate = \"c.pem\"\n key = \"c.pem\"\n"
		" client-ca = \"c.pem\" }\n";
	struct conf_env env = fixture_env;

	if (!tls_available())
		return;
	env.read_tls = true;
	fixture_write("c.pem", "");
	fixture_write("lined.conf", text);
	fixture_load_with("lined.conf", &env);
	ck_assert_ptr_nonnull(strstr(fixture_errors(),
				     "lined.conf:2: tls \"a\": certificate: "));
	ck_assert_ptr_nonnull(strstr(fixture_warnings(),
				     "lined.conf:1: tls \"a\": client-ca and "
				     "crl do nothing while client-cert is "
				     "none\n"));
}
END_TEST

START_TEST(credentials_are_files_that_the_manager_passed)
{
	const struct conf *conf;

	ck_assert_int_eq(mkdir(fixture_path("passed"), 0755), 0);
	fixture_write("passed/cert", "");
	fixture_write("passed/key", "");
	setenv("CREDENTIALS_DIRECTORY", fixture_path("passed"), 1);
	conf = fixture_good("tls \"a\" { certificate = \"credential:cert\" "
			    "key = \"credential:key\" }\n"
			    "service \"s\" { protocol = echo listen = "
			    "\"tls://127.0.0.1:1\" tls = \"a\" }\n");
	ck_assert_str_eq(conf->tls[0].certificate, fixture_path("passed/cert"));
	ck_assert_str_eq(conf->tls[0].key, fixture_path("passed/key"));
	ck_assert_str_eq(fixture_warnings(), "");
	fixture_bad("tls \"a\" {\n certificate = \"credential:../cert\"\n"
		    " key = \"credential:\"\n crl = \"credential:none\"\n"
		    " client-cert = \"optional\" client-ca = "
		    "\"credential:cert\" }\n",
		    "2: tls \"a\": certificate: \"../cert\" is not the name "
		    "of a credential\n"
		    "3: tls \"a\": key: \"\" is not the name of a "
		    "credential\n"
		    "4: tls \"a\": crl: passed/none: No such file or "
		    "directory\n");
	unsetenv("CREDENTIALS_DIRECTORY");
}
END_TEST

START_TEST(credentials_that_nobody_passed_are_not_checked)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	fixture_good("tls \"a\" { certificate = \"credential:cert\"\n"
		     "key = \"credential:key\" }\n"
		     "service \"s\" { protocol = echo listen = "
		     "\"tls://127.0.0.1:1\" tls = \"a\" }\n");
	ck_assert_str_eq(
		fixture_warnings(),
		"lined.conf:1: tls \"a\": certificate: credential:cert: only "
		"lined's own service has its credentials, so this was "
		"not checked\n"
		"lined.conf:2: tls \"a\": key: credential:key: only lined's "
		"own "
		"service has its credentials, so this was not "
		"checked\n");
}
END_TEST

/* ---- control and metrics ----------------------------------------------- */

START_TEST(without_their_sections_nothing_internal_is_served)
{
	ck_assert_uint_eq(fixture_good(SERVICE("s", "1"))->internal_count, 0);
}
END_TEST

START_TEST(control_and_metrics_become_services_of_their_own)
{
	const struct conf *conf =
		fixture_good("control { socket = \"/run/c\" }\n"
			     "metrics { listen = \"tcp://127.0.0.1:9117\" }\n"
			     "defaults { limits { clients = 7 idle-timeout = "
			     "3s } }\n" SERVICE("control", "1"));
	const struct conf_service *control = &conf->internal[0];
	const struct conf_service *metrics = &conf->internal[1];

	ck_assert_uint_eq(conf->service_count, 1);
	ck_assert(!conf->services[0].internal);
	ck_assert_uint_eq(conf->internal_count, 2);
	ck_assert(control->internal);
	ck_assert_str_eq(control->name, "control");
	ck_assert_str_eq(control->module->name, "control");
	ck_assert_uint_eq(control->listen_count, 1);
	ck_assert_str_eq(control->listen[0].path, "/run/c");
	ck_assert_uint_eq(control->framing.line_length, 99);
	/* The limits for services do not apply to the control socket. */
	ck_assert_uint_ne(control->bounds.admission.clients, 7);
	ck_assert_uint_eq(control->bounds.sockets.idle_ms, 300000);
	ck_assert(metrics->internal);
	ck_assert_str_eq(metrics->name, "metrics");
	ck_assert_str_eq(metrics->listen[0].text, "tcp://127.0.0.1:9117");
	ck_assert_uint_gt(metrics->bounds.admission.clients, 0);
	ck_assert_uint_gt(metrics->bounds.sockets.first_line_ms, 0);
}
END_TEST

START_TEST(control_socket_is_its_owners_unless_a_group_is_named)
{
	const struct conf *conf;

	conf = fixture_good(
		"control { socket = \"/run/c\" }\n" SERVICE("s", "1"));
	ck_assert_uint_eq(conf->internal[0].socket_mode, 0600);
	ck_assert_ptr_null(conf->internal[0].socket_group);
	ck_assert(conf->internal[0].socket_gid == (gid_t)-1);
	conf = fixture_good("control { socket = \"/run/c\" group = \"root\" "
			    "}\n" SERVICE("s", "1"));
	ck_assert_uint_eq(conf->internal[0].socket_mode, 0660);
	ck_assert_str_eq(conf->internal[0].socket_group, "root");
	ck_assert(conf->internal[0].socket_gid == 0);
}
END_TEST

static const struct lined_protocol *only_echo(void *arg, const char *module_dir,
					      const char *name, char *error,
					      size_t size)
{
	if (strcmp(name, "echo") == 0)
		return fixture_env.find_protocol(arg, module_dir, name, error,
						 size);
	snprintf(error, size, "/m/%s.so: not here", name);
	return NULL;
}

START_TEST(control_without_its_module_is_refused)
{
	const struct conf_env env = {.find_protocol = only_echo};

	fixture_write(
		"lined.conf",
		SERVICE("s", "1") "control {\n\tsocket = \"/run/c\"\n}\n");
	ck_assert_ptr_null(fixture_load_with("lined.conf", &env));
	ck_assert_ptr_nonnull(strstr(fixture_errors(),
				     "control: protocol control: "
				     "/m/control.so: not here"));
}
END_TEST

static void add_control(Suite *suite)
{
	TCase *tcase = fixture_case(suite, "control and metrics");

	tcase_add_test(tcase,
		       without_their_sections_nothing_internal_is_served);
	tcase_add_test(tcase, control_and_metrics_become_services_of_their_own);
	tcase_add_test(tcase,
		       control_socket_is_its_owners_unless_a_group_is_named);
	tcase_add_test(tcase, control_without_its_module_is_refused);
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("conf");
	TCase *tcase;

	add_control(suite);
	tcase = fixture_case(suite, "top");
	tcase_add_test(tcase, defaults_are_as_documented);
	tcase_add_test(tcase, every_top_key_is_read);
	tcase_add_test(tcase, bad_top_values_are_refused);
	tcase_add_test(tcase, relative_module_dir_is_beside_its_file);
	tcase_add_test(tcase, services_are_found_by_name);
	tcase_add_test(tcase, defaults_has_limits_only);
	tcase_add_test(tcase, unreadable_tls_files_are_errors);
	tcase_add_test(tcase, what_is_in_tls_files_is_checked);
	if (!tls_available())
		return suite;
	tcase_add_test(tcase, tls_sections_are_read_with_paths_of_their_file);
	tcase_add_test(tcase, credentials_are_files_that_the_manager_passed);
	tcase_add_test(tcase, credentials_that_nobody_passed_are_not_checked);
	return suite;
}

int main(void)
{
	return fixture_main(make_suite);
}
