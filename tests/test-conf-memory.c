/* SPDX-License-Identifier: MIT */
/*
 * Makes each allocation of a load fail, alone or with all later ones: the load
 * must end without a config and with an error, and the next load must succeed.
 * Also errors of libconfuse. The linker puts the functions below and those of
 * allocation.h in place of the functions that allocate. This includes those of
 * a pool, because most of its allocations come from a chunk that exists
 * already.
 */
#include "config.h"

#include "allocation.h"
#include "conf_fixture.h"
#include "config/conf_serialize.h"
#include "memory_pool.h"
#include "net/broker.h"
#include "tls.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *__real_malloc(size_t size);
void *__real_pool_alloc(struct pool *pool, size_t size);
void *__real_pool_array(struct pool *pool, size_t count, size_t size);
char *__real_pool_strdup(struct pool *pool, const char *text);
char *__real_pool_strndup(struct pool *pool, const char *text, size_t len);

cfg_t *__real_cfg_init(cfg_opt_t *opts, cfg_flag_t flags);
int __real_cfg_parse_fp(cfg_t *cfg, FILE *fp);

cfg_t *__wrap_cfg_init(cfg_opt_t *opts, cfg_flag_t flags);
int __wrap_cfg_parse_fp(cfg_t *cfg, FILE *fp);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);
void *__wrap_pool_alloc(struct pool *pool, size_t size);
void *__wrap_pool_array(struct pool *pool, size_t count, size_t size);
char *__wrap_pool_strdup(struct pool *pool, const char *text);
char *__wrap_pool_strndup(struct pool *pool, const char *text, size_t len);
char *__wrap_pool_printf(struct pool *pool, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

char *__wrap_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = allocation_fails() ? NULL : __real_malloc(size);

	return copy != NULL ? memcpy(copy, text, size) : NULL;
}

/* Only for a text of at least len bytes. */
char *__wrap_strndup(const char *text, size_t len)
{
	char *copy = allocation_fails() ? NULL : __real_malloc(len + 1);

	if (copy == NULL)
		return NULL;
	copy[len] = '\0';
	return memcpy(copy, text, len);
}

/* Fails as an allocation of a pool does when there is no memory. */
static void *pool_fails(struct pool *pool)
{
	return __real_pool_array(pool, SIZE_MAX, 2);
}

void *__wrap_pool_alloc(struct pool *pool, size_t size)
{
	return allocation_fails() ? pool_fails(pool)
				  : __real_pool_alloc(pool, size);
}

void *__wrap_pool_array(struct pool *pool, size_t count, size_t size)
{
	return allocation_fails() ? pool_fails(pool)
				  : __real_pool_array(pool, count, size);
}

char *__wrap_pool_strdup(struct pool *pool, const char *text)
{
	return allocation_fails() ? pool_fails(pool)
				  : __real_pool_strdup(pool, text);
}

char *__wrap_pool_strndup(struct pool *pool, const char *text, size_t len)
{
	return allocation_fails() ? pool_fails(pool)
				  : __real_pool_strndup(pool, text, len);
}

char *__wrap_pool_printf(struct pool *pool, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return allocation_fails() ? pool_fails(pool)
				  : __real_pool_strdup(pool, text);
}

cfg_t *__wrap_cfg_init(cfg_opt_t *opts, cfg_flag_t flags)
{
	return allocation_fails() ? NULL : __real_cfg_init(opts, flags);
}

/* ---- libconfuse -------------------------------------------------------- */

/* How cfg_parse_fp() behaves. */
static enum { READS, SAYS_WHY, FAILS, FINDS_NOTHING } confuse;

int __wrap_cfg_parse_fp(cfg_t *cfg, FILE *fp)
{
	if (confuse == READS)
		return __real_cfg_parse_fp(cfg, fp);
	cfg->line = 2;
	if (confuse == SAYS_WHY)
		cfg_error(cfg, "no %s today", "such option");
	return confuse == FINDS_NOTHING ? CFG_SUCCESS : CFG_PARSE_ERROR;
}

/* The syntax check refuses everything that libconfuse refuses, as far as we
 * know: this test makes libconfuse refuse. */
START_TEST(what_libconfuse_refuses_is_an_error)
{
	static const char text[] = "workers = 1\nlog { }\n";

	confuse = SAYS_WHY;
	fixture_bad(text, "2: no such option today\n");
	confuse = FAILS;
	fixture_bad(text, "lined.conf: libconfuse cannot read this file\n");
	confuse = FINDS_NOTHING;
	fixture_bad(text, "lined.conf: libconfuse cannot read this file\n");
	confuse = READS;
	fixture_good(text);
}
END_TEST

/* ---- loads ------------------------------------------------------------ */

/* A config with every section that the daemon knows. */
static const char everything[] =
	"workers = 2\nmemory = 64M\nuser = \"root\"\ngroup = \"root\"\n"
	"module-dir = \"modules\"\npid-file = \"lined.pid\"\n"
	"hardening { writable = { \"state\", \"/srv\" } }\n"
	"log { level = debug ident = \"${LINED_NONE:-l}\" }\n"
	"control { socket = \"/run/c\" group = \"root\" }\n"
	"metrics { listen = \"tcp://127.0.0.1:9117\" }\n"
	"defaults { limits { clients = 5 exempt = { \"192.0.2.1\" } }\n"
	"class \"near\" { from = { \"10.0.0.0/8\", \"::1\" } clients = 2 } }\n"
	"include(\"more/*.conf\")\n"
	"service \"s\" { protocol = \"relay\"\n"
	"listen = { \"tcp://localhost:7007\", \"ws://127.0.0.1:7080/s\" }\n"
	"proxy-from = { \"192.0.2.1\", \"unix\" }\n"
	"web { origins = { \"https://a.example\", \"https://b.example\" } }\n"
	"framing { terminator = lf line-length = 100 }\n"
	"limits { idle-timeout = 1m penalty = 1s }\n"
	"access { allow = { \"10.0.0.0/8\" } deny = { \"10.1.0.0/16\" } }\n"
	"class \"near\" { clients = 3 }\n"
	"class \"far\" { from = \"192.0.2.0/24\" send-queue = 2k }\n"
	"relay { mode = upstream pace = trot style = \"walk\" hold = 1k\n"
	"filter = { \"a\", \"b\", \"c\" } order = \"tag\"\n"
	"room \"a\" { topic = \"t\" size = 3k } room \"b\" { open = no } }\n"
	"}\n"
	"service \"u\" { protocol = \"echo\" listen = \"unix:///tmp/u\"\n"
	"socket-mode = 0660 socket-owner = \"root\" }\n";

static const char tls[] =
	"tls \"t\" { certificate = \"a.conf\" key = \"a.conf\"\n"
	"client-cert = optional client-ca = \"credential:ca\" }\n"
	"service \"t\" { protocol = \"echo\" tls = \"t\"\n"
	"listen = \"tls://127.0.0.1:7443\" }\n";

/* A config with an error for the reader of each section. */
static const char wrong[] =
	"colour = 1\nworkers = 010\nmemory = 1k\nuser = \"nosuch-user\"\n"
	"pid-file = \"\"\nhardening { writable = \"\" }\n"
	"metrics { listen = \"tcp://nowhere\" }\n"
	"control { socket = \"c\" group = \"nosuch-group\" }\n"
	"defaults { limits { clients = no } class \"c\" { from = \"x\" } }\n"
	"include(\"nosuch.conf\")\n"
	"service \"s\" { protocol = \"relay\" listen = { \"a\", \"b\" }\n"
	"access { allow = \"x\" } limits { penalty = 2s penalty-max = 1s }\n"
	"relay { level = 14 order = \"x\" retry-min = 1m room \"a\" { } } }\n"
	"service \"s\" { protocol = \"nosuch\" nosuch { a = 1 } }\n"
	"service \"faulty\" { protocol = \"faulty\" listen = \"unix:///f\" }\n"
	"service \"cluster\" { protocol = \"echo\" listen = \"unix:///f\"\n"
	"cluster = true web { origins = \"x\" } }\n";

static const struct conf_env *env;
static const char *path; /* NULL: the fixture's lined.conf */

static struct conf *load(struct conf_errors *errors)
{
	conf_errors_init(errors);
	return conf_load(path != NULL ? path : fixture_path("lined.conf"), env,
			 errors);
}

/* Returns whether the load reached the failing allocation. If so, the load must
 * have failed with an error about memory. */
static bool refused(unsigned long at, bool from_then_on)
{
	struct conf_errors errors;
	struct conf *conf;
	bool met, says = false;
	size_t i;

	allocation_fail(at, from_then_on);
	conf = load(&errors);
	met = allocation_count() >= at;
	allocation_fail(0, false);
	for (i = 0; i < errors.errors.count; i++)
		says |= strstr(errors.errors.items[i].text, "memory") != NULL;
	ck_assert_msg(!met || (conf == NULL && says),
		      "allocation %lu%s: %s, %zu messages, the last one: %s",
		      at, from_then_on ? " and all after it" : "",
		      conf != NULL ? "loaded" : "refused", i,
		      i > 0 ? errors.errors.items[i - 1].text : "");
	conf_unref(conf);
	conf_errors_fini(&errors);
	return met;
}

/* Makes each allocation of a load of the file fail. Afterwards the load has the
 * same result as before. */
static void refuse_each(bool good)
{
	struct conf_errors errors;
	struct conf *conf;
	unsigned long at;

	for (at = 1; refused(at, false); at++)
		ck_assert(refused(at, true));
	ck_assert_uint_gt(at, 20);
	conf = load(&errors);
	ck_assert_int_eq(conf != NULL, good);
	ck_assert_int_eq(errors.errors.count == 0, good);
	conf_unref(conf);
	conf_errors_fini(&errors);
}

START_TEST(no_allocation_of_a_good_file_fails_unseen)
{
	env = &fixture_env;
	ck_assert_int_eq(mkdir(fixture_path("more"), 0755), 0);
	fixture_write("more/a.conf", "service \"a\" { protocol = \"echo\" "
				     "listen = \"unix:///tmp/a\" }\n");
	if (broker_available())
		fixture_write("more/b.conf",
			      "cluster { servers = \"nats://127.0.0.1:4222\" "
			      "user = \"u\" password = \"p\" }\n");
	if (tls_available())
		fixture_write("more/c.conf", tls);
	fixture_write("lined.conf", everything);
	refuse_each(true);
}
END_TEST

START_TEST(no_allocation_of_a_wrong_file_fails_unseen)
{
	env = &fixture_env;
	fixture_write("lined.conf", wrong);
	refuse_each(false);
}
END_TEST

START_TEST(no_allocation_of_files_that_are_given_fails_unseen)
{
	static const char files[] = "file 20 - lined.conf\n"
				    "include(\"d/*.conf\")\n"
				    "glob 0 - d/*.conf\n"
				    "file 12 1.2 d/a.conf\nworkers = 3\n\n"
				    "file 1 1.4 d/b.conf\n\n";
	struct conf_env with = fixture_env;

	env = &with;
	with.files = files;
	with.files_len = sizeof(files) - 1;
	path = "lined.conf";
	refuse_each(true);
}
END_TEST

/* A config in the form in which another process has read it, as at a start and
 * a reload. */
START_TEST(no_allocation_of_a_tree_fails_unseen)
{
	struct conf_env with = fixture_env;
	struct serialized tree = {NULL, 0, 0, false};

	env = &with;
	fixture_write("lined.conf", everything);
	with.write_tree = &tree;
	fixture_load_with("lined.conf", &with);
	ck_assert_str_eq(fixture_errors(), "");
	with.write_tree = NULL;
	with.tree = tree.data;
	with.tree_len = tree.len;
	refuse_each(true);
	serialized_fini(&tree);
}
END_TEST

static Suite *memory_suite(void)
{
	Suite *suite = suite_create("conf-memory");
	TCase *tcase = fixture_case(suite, "memory");

	tcase_add_test(tcase, no_allocation_of_a_good_file_fails_unseen);
	tcase_add_test(tcase, no_allocation_of_a_wrong_file_fails_unseen);
	tcase_add_test(tcase,
		       no_allocation_of_files_that_are_given_fails_unseen);
	tcase_add_test(tcase, no_allocation_of_a_tree_fails_unseen);
	tcase_add_test(tcase, what_libconfuse_refuses_is_an_error);
	return suite;
}

int main(void)
{
	return fixture_main(memory_suite);
}
