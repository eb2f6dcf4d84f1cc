/* SPDX-License-Identifier: MIT */
/*
 * Config files for the suites, and protocols without code. Messages are shown
 * without the directory, so that tests can compare whole messages.
 */
#include "config.h"

#include "conf_fixture.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOADS_MAX 64

static char directory[64];
static struct conf *loads[LOADS_MAX];
static size_t load_count;
static struct conf_errors last;
static char errors_text[16384], warnings_text[16384];

/* ---- protocols ------------------------------------------------------- */

static const char *const relay_modes[] = {"hub", "upstream", "proxy", NULL};
static const char *const relay_paces[] = {"walk", "trot", NULL};
static const char *const relay_orders[] = {"filter", "dedupe", "tag", NULL};

static const struct lined_option room_options[] = {
	{LINED_OPTION("topic", STRING, struct fake_room, topic),
	 .fallback = "none"},
	{LINED_OPTION("size", SIZE, struct fake_room, size), .fallback = "2k"},
	{LINED_OPTION("open", BOOLEAN, struct fake_room, open),
	 .fallback = "yes"},
	{.name = NULL},
};

static const struct lined_option relay_options[] = {
	{LINED_OPTION("mode", CHOICE, struct fake_relay, mode),
	 .fallback = "hub", .choices = relay_modes},
	{LINED_OPTION("pace", CHOICE, struct fake_relay, pace),
	 .choices = relay_paces},
	{LINED_OPTION("style", STRING, struct fake_relay, style),
	 .choices = relay_paces},
	{LINED_OPTION("filter", LIST, struct fake_relay, filter)},
	{LINED_OPTION("order", LIST, struct fake_relay, order),
	 .choices = relay_orders},
	{LINED_OPTION("retry-min", DURATION, struct fake_relay, retry_ms),
	 .fallback = "1s", .min = 100, .max = 60000},
	{LINED_OPTION("hold", SIZE, struct fake_relay, hold)},
	{LINED_OPTION("level", INTEGER, struct fake_relay, level),
	 .fallback = "-3", .min = -5, .max = 20},
	{LINED_OPTION("loopback", BOOLEAN, struct fake_relay, loopback)},
	{LINED_OPTION("room", SECTION, struct fake_relay, rooms),
	 .section = room_options, .section_size = sizeof(struct fake_room)},
	{.name = NULL},
};

static int relay_check(const void *options, char *error, size_t size)
{
	const struct fake_relay *relay = options;

	if (relay->level != 13)
		return 0;
	snprintf(error, size, "level 13 brings bad luck");
	return -1;
}

static void relay_check_options(struct lined_check *check, const void *options)
{
	const struct fake_relay *relay = options;

	if (relay->level == 14 && lined_check_is_set(check, "level"))
		lined_check_error(check, "level", "%d is too much", 14);
	if (relay->level == 14 && !lined_check_is_set(check, "pace"))
		lined_check_error(check, "pace", "not set");
	if (relay->retry_ms == 60000)
		lined_check_warning(check, "retry-min", "that is long");
}

struct faulty {
	int64_t size;
	int pace;
};

static const struct lined_option faulty_options[] = {
	{LINED_OPTION("size", SIZE, struct faulty, size), .fallback = "much"},
	{LINED_OPTION("pace", CHOICE, struct faulty, pace), .fallback = "fly",
	 .choices = relay_paces},
	{.name = NULL},
};

static const struct lined_protocol protocols[] = {
	{.name = "echo",
	 .transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM},
	{.name = "relay",
	 .flags = LINED_NO_IDLE_TIMEOUT,
	 .options = relay_options,
	 .options_size = sizeof(struct fake_relay),
	 .check = relay_check,
	 .check_options = relay_check_options},
	{.name = "fixed",
	 .framing_fixed = LINED_FRAMING_TERMINATOR | LINED_FRAMING_LINE_LENGTH,
	 .framing = {82, LINED_TERMINATOR_BYTE, 0, LINED_TOO_LONG_SKIP,
		     LINED_UNTERMINATED_DELIVER}},
	{.name = "beacon", .transports = LINED_TRANSPORT_DATAGRAM},
	{.name = "control",
	 .framing = {99, LINED_TERMINATOR_ANY, 0, LINED_TOO_LONG_CLOSE,
		     LINED_UNTERMINATED_DELIVER}},
	{.name = "metrics"},
	{.name = "faulty",
	 .options = faulty_options,
	 .options_size = sizeof(struct faulty)},
};

static const struct lined_protocol *find_protocol(void *arg,
						  const char *module_dir,
						  const char *name, char *error,
						  size_t size)
{
	size_t i;

	(void)arg, (void)module_dir;
	for (i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(protocols[i].name, name) == 0)
			return &protocols[i];
	snprintf(error, size, "/usr/lib/lined/%s.so: not here", name);
	return NULL;
}

const struct conf_env fixture_env = {.find_protocol = find_protocol};

/* ---- files ----------------------------------------------------------- */

void fixture_setup(void)
{
	snprintf(directory, sizeof(directory), "/tmp/lined-conf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	conf_errors_init(&last);
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void fixture_teardown(void)
{
	while (load_count > 0)
		conf_unref(loads[--load_count]);
	conf_errors_fini(&last);
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fixture_path(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

void fixture_write_bytes(const char *name, const void *bytes, size_t len)
{
	FILE *file = fopen(fixture_path(name), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

void fixture_write(const char *name, const char *text)
{
	fixture_write_bytes(name, text, strlen(text));
}

/* ---- loads ----------------------------------------------------------- */

/* Joins all messages, and removes the directory wherever it occurs. */
static void collect(const struct conf_messages *messages, char *text,
		    size_t size)
{
	size_t i, cut = strlen(directory) + 1, used = 0;
	char prefix[sizeof(directory) + 1];
	const char *p;

	snprintf(prefix, sizeof(prefix), "%s/", directory);
	for (i = 0; i < messages->count; i++) {
		for (p = messages->items[i].text; *p != '\0'; p++) {
			if (strncmp(p, prefix, cut) == 0)
				p += cut;
			ck_assert_uint_lt(used + 2, size);
			text[used++] = *p;
		}
		text[used++] = '\n';
	}
	text[used] = '\0';
}

struct conf *fixture_load_with(const char *name, const struct conf_env *env)
{
	struct conf *conf;

	conf_errors_fini(&last);
	conf_errors_init(&last);
	conf = conf_load(fixture_path(name), env, &last);
	collect(&last.errors, errors_text, sizeof(errors_text));
	collect(&last.warnings, warnings_text, sizeof(warnings_text));
	ck_assert_int_eq(conf == NULL, last.errors.count > 0);
	if (conf != NULL) {
		ck_assert_uint_lt(load_count, LOADS_MAX);
		loads[load_count++] = conf;
	}
	return conf;
}

struct conf *fixture_load(const char *name)
{
	return fixture_load_with(name, &fixture_env);
}

const char *fixture_errors(void)
{
	return errors_text;
}

const char *fixture_warnings(void)
{
	return warnings_text;
}

const struct conf *fixture_good(const char *text)
{
	fixture_write("lined.conf", text);
	fixture_load("lined.conf");
	ck_assert_str_eq(errors_text, "");
	return loads[load_count - 1];
}

/* Writes a service section whose beginning is one line: the first line of text
 * is line 2. */
static void write_service(const char *text)
{
	char whole[8192];
	int len;

	len = snprintf(whole, sizeof(whole),
		       "service \"s\" { protocol = \"echo\" "
		       "listen = \"tcp://127.0.0.1:7007\"\n%s\n}\n",
		       text);
	ck_assert_int_lt(len, (int)sizeof(whole));
	fixture_write("lined.conf", whole);
	fixture_load("lined.conf");
}

const struct conf_service *fixture_good_service(const char *text)
{
	write_service(text);
	ck_assert_str_eq(errors_text, "");
	return &loads[load_count - 1]->services[0];
}

/* In the expected messages, "3: what" means "lined.conf:3: what". */
static void expect(const char *messages)
{
	char wanted[sizeof(errors_text)];
	size_t used = 0;
	bool begin = true;

	for (; *messages != '\0'; messages++) {
		if (begin && *messages >= '0' && *messages <= '9')
			used += (size_t)snprintf(wanted + used,
						 sizeof(wanted) - used,
						 "lined.conf:");
		ck_assert_uint_lt(used + 1, sizeof(wanted));
		wanted[used++] = *messages;
		begin = *messages == '\n';
	}
	wanted[used] = '\0';
	ck_assert_str_eq(errors_text, wanted);
}

void fixture_bad(const char *text, const char *messages)
{
	fixture_write("lined.conf", text);
	fixture_load("lined.conf");
	expect(messages);
}

void fixture_bad_service(const char *text, const char *messages)
{
	write_service(text);
	expect(messages);
}

TCase *fixture_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
	/* Valgrind is slow, and nothing here may hang. */
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int fixture_main(Suite *(*make)(void))
{
	SRunner *runner = srunner_create(make());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
