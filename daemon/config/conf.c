/* SPDX-License-Identifier: MIT */
/*
 * Loads a configuration: conf_file.c reads the files into a tree, and the
 * readers of the sections, conf_*.c, check it and fill a struct conf. Errors
 * are collected, so that one load reports them all. This file has the load
 * itself, `log`, `defaults` and keys outside of sections.
 */
#include "config.h"

#include "config/conf.h"

#include <stdlib.h>
#include <string.h>

#include "config/conf_build.h"
#include "config/conf_file.h"
#include "config/conf_serialize.h"
#include "config/conf_value.h"
#include "system/cgroup.h"
#include "system/cpus.h"

#define WORKERS_MAX       1024
#define DRAIN_TIMEOUT_MAX (24 * 3600 * 1000)
/* Less memory would not serve one client with the default limits. */
#define MEMORY_MIN ((int64_t)1 << 20)

/* ---- log ------------------------------------------------------------- */

static const struct lined_option log_table[] = {
	{LINED_OPTION("target", CHOICE, struct log_settings, target),
	 .fallback = "auto", .choices = log_target_words},
	{LINED_OPTION("format", CHOICE, struct log_settings, format),
	 .fallback = "auto", .choices = log_format_words},
	{LINED_OPTION("facility", CHOICE, struct log_settings, facility),
	 .fallback = "daemon", .choices = log_facility_words},
	{LINED_OPTION("level", CHOICE, struct log_settings, level),
	 .fallback = "info", .choices = log_level_words},
	{LINED_OPTION("ident", STRING, struct log_settings, ident),
	 .fallback = "lined"},
	{LINED_OPTION("access", BOOLEAN, struct log_settings, access),
	 .fallback = "true"},
	{.name = NULL},
};

static void conf_read_log(struct conf_build *build, struct conf_node *node)
{
	struct conf_options options = conf_build_options(build, "log");
	struct log_settings *log = &build->conf->log;

	conf_options_fill(&options, node, log_table, log);
	/* The table has stored indexes of words; the log needs their values. */
	log->facility = log_facility_values[log->facility];
	log->level = (enum lined_log_level)(LINED_LOG_ERR + (int)log->level);
	log->ident = conf_build_text(build, "log", node, "ident", log->ident);
}

/* ---- hardening -------------------------------------------------------- */

struct hardening_section {
	int no_new_privileges, landlock, seccomp;
	struct lined_option_list writable;
};

/* In the order of enum hardening_choice. */
static const char *const hardening_words[] = {"auto", "on", "off", NULL};

static const struct lined_option hardening_table[] = {
	{LINED_OPTION("no-new-privileges", CHOICE, struct hardening_section,
		      no_new_privileges),
	 .choices = hardening_words},
	{LINED_OPTION("landlock", CHOICE, struct hardening_section, landlock),
	 .choices = hardening_words},
	{LINED_OPTION("seccomp", CHOICE, struct hardening_section, seccomp),
	 .choices = hardening_words},
	{LINED_OPTION("writable", LIST, struct hardening_section, writable)},
	{.name = NULL},
};

static const char *conf_read_writable(struct conf_build *build,
				      struct conf_node *node, const char *path)
{
	const struct conf_key *key = conf_options_key(node, "writable");

	if (path[0] == '\0') {
		conf_error(&build->report, &key->place,
			   "hardening: writable: a path is empty");
		return path;
	}
	path = conf_file_path(path, &key->place, build->conf->pool);
	if (path == NULL)
		conf_build_oom(build);
	return path;
}

static void conf_read_hardening(struct conf_build *build,
				struct conf_node *node)
{
	struct conf_options options = conf_build_options(build, "hardening");
	struct hardening *hardening = &build->conf->hardening;
	struct hardening_section read;
	const char **paths;
	size_t i;

	conf_options_fill(&options, node, hardening_table, &read);
	hardening->no_new_privileges =
		(enum hardening_choice)read.no_new_privileges;
	hardening->landlock = (enum hardening_choice)read.landlock;
	hardening->seccomp = (enum hardening_choice)read.seccomp;
	build->conf->hardening_text =
		conf_options_text(hardening_table, &read, build->conf->pool);
	if (build->conf->hardening_text == NULL)
		conf_build_oom(build);
	if (read.writable.count == 0)
		return;
	paths = pool_alloc(build->conf->pool,
			   read.writable.count * sizeof(*paths));
	if (paths == NULL) {
		conf_build_oom(build);
		return;
	}
	for (i = 0; i < read.writable.count; i++)
		paths[i] =
			conf_read_writable(build, node, read.writable.items[i]);
	hardening->writable = paths;
	hardening->writable_count = read.writable.count;
}

/* ---- the top --------------------------------------------------------- */

struct top {
	const char *workers, *memory, *user, *group, *module_dir, *pid_file;
	int64_t drain_timeout_ms;
};

static const struct lined_option top_table[] = {
	{LINED_OPTION("workers", STRING, struct top, workers),
	 .fallback = "auto"},
	{LINED_OPTION("memory", STRING, struct top, memory),
	 .fallback = "auto"},
	{LINED_OPTION("user", STRING, struct top, user)},
	{LINED_OPTION("group", STRING, struct top, group)},
	{LINED_OPTION("module-dir", STRING, struct top, module_dir)},
	{LINED_OPTION("pid-file", STRING, struct top, pid_file)},
	{LINED_OPTION("drain-timeout", DURATION, struct top, drain_timeout_ms),
	 .fallback = "10s", .min = 1, .max = DRAIN_TIMEOUT_MAX},
	{.name = NULL},
};

static void conf_read_workers(struct conf_build *build, const char *text)
{
	const struct conf_key *key =
		conf_options_key(&build->tree.root, "workers");
	const char *why = "is out of range";
	char quoted[CONF_QUOTED_MAX];
	int64_t number = 0;

	if (key == NULL || strcmp(text, "auto") == 0)
		return;
	if (conf_value_integer(text, &number) == CONF_VALUE_BAD)
		why = "is not a whole number";
	else if (conf_value_has_leading_zero(text))
		why = "has a leading zero";
	else if (number >= 1 && number <= WORKERS_MAX)
		why = NULL;
	if (why == NULL)
		build->conf->workers = (unsigned)number;
	else
		conf_error(&build->report, &key->place,
			   "workers: \"%s\" %s (auto, or 1 to %d)",
			   conf_quoted(text, quoted), why, WORKERS_MAX);
}

static void conf_read_memory(struct conf_build *build, const char *text)
{
	const struct conf_key *key =
		conf_options_key(&build->tree.root, "memory");
	char quoted[CONF_QUOTED_MAX];
	int64_t bytes = 0;

	build->conf->memory = -1;
	if (key == NULL || strcmp(text, "auto") == 0)
		return;
	if (conf_value_size(text, &bytes) == CONF_VALUE_OK &&
	    !conf_value_has_leading_zero(text) &&
	    (bytes == 0 || bytes >= MEMORY_MIN))
		build->conf->memory = bytes;
	else
		conf_error(&build->report, &key->place,
			   "memory: \"%s\" is not auto, 0 (no ceiling) or a "
			   "size of at least 1M",
			   conf_quoted(text, quoted));
}

/* Reads the path in a top-level key; NULL: not set. */
static const char *conf_read_path(struct conf_build *build, const char *name,
				  const char *text)
{
	struct conf_node *root = &build->tree.root;
	const struct conf_key *key = conf_options_key(root, name);

	text = conf_build_text(build, "", root, name, text);
	if (text == NULL || key == NULL)
		return NULL;
	text = conf_file_path(text, &key->place, build->conf->pool);
	if (text == NULL)
		conf_build_oom(build);
	return text;
}

static void conf_read_defaults(struct conf_build *build, struct conf_node *node)
{
	static const struct lined_option none[] = {{.name = NULL}};
	static const char *const sections[] = {"limits", "class", NULL};
	struct conf_options options = conf_build_options(build, "defaults");
	struct conf_node *limits = NULL;

	options.sections = sections;
	if (node != NULL) {
		limits = conf_options_section(&options, node, "limits");
		conf_class_read_defaults(build, node);
		conf_options_fill(&options, node, none, NULL);
	}
	conf_limits_read_defaults(build, limits);
}

/* Reads everything but the services, which need the module directory, the tls
 * sections and the defaults. */
static void conf_read_top(struct conf_build *build)
{
	static const char *const sections[] = {
		"log",      "control",   "metrics", "cluster", "tls",
		"defaults", "hardening", "service", "include", NULL};
	struct conf_options options = conf_build_options(build, "");
	struct conf_node *root = &build->tree.root, *control, *metrics;
	struct top top;

	options.sections = sections;
	conf_read_log(build, conf_options_section(&options, root, "log"));
	control = conf_options_section(&options, root, "control");
	metrics = conf_options_section(&options, root, "metrics");
	conf_read_defaults(build,
			   conf_options_section(&options, root, "defaults"));
	conf_cluster_read(build,
			  conf_options_section(&options, root, "cluster"));
	conf_read_hardening(build,
			    conf_options_section(&options, root, "hardening"));
	conf_tls_read(build);
	/* Services are read later: mark them, or they would be reported as
	 * unknown. */
	for (struct conf_node *n = root->children; n != NULL; n = n->next)
		n->used |= strcmp(n->name, "service") == 0;
	conf_options_fill(&options, root, top_table, &top);
	build->conf->drain_timeout_ms = (uint32_t)top.drain_timeout_ms;
	build->conf->user = conf_build_text(build, "", root, "user", top.user);
	build->conf->group =
		conf_build_text(build, "", root, "group", top.group);
	conf_build_check_user(build, "", root, "user", build->conf->user);
	conf_build_check_group(build, "", root, "group", build->conf->group);
	conf_read_workers(build, top.workers);
	conf_read_memory(build, top.memory);
	build->conf->module_dir =
		conf_read_path(build, "module-dir", top.module_dir);
	build->conf->pid_file = conf_read_path(build, "pid-file", top.pid_file);
	conf_control_read(build, control, metrics);
}

static void conf_check(struct conf_build *build, const char *path)
{
	const struct conf_place file = {path, 0, 0};

	if (conf_tree_find_doubles(&build->tree, &build->tree.root) < 0)
		conf_build_oom(build);
	conf_read_top(build);
	conf_services_read(build);
	conf_cluster_check_used(build);
	conf_build_check_uses(build);
	if (build->conf->service_count == 0)
		conf_warning_in(&build->report, "", &file,
				"there is no service");
}

/* ---- loading --------------------------------------------------------- */

static struct conf *conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return NULL;
	conf->pool = pool_new();
	if (conf->pool == NULL) {
		free(conf);
		return NULL;
	}
	atomic_init(&conf->refs, 1);
	return conf;
}

static int conf_read(struct conf_build *build, const char *path)
{
	const struct conf_env *env = build->env;
	const struct conf_place itself = {path, 0, 0};
	struct deserializer tree;

	if (env->tree == NULL)
		return conf_file_read(path, env, build->conf->pool,
				      &build->tree, &build->report);
	tree = (struct deserializer){env->tree, env->tree + env->tree_len,
				     false};
	if (deserialize_tree(&tree, build->conf->pool, &build->tree) == 0)
		return 0;
	if (tree.failed)
		conf_error(&build->report, &itself,
			   "what was read from it is damaged");
	else
		conf_build_oom(build);
	return -1;
}

struct conf *conf_load(const char *path, const struct conf_env *env,
		       struct conf_errors *errors)
{
	struct conf_build build = {
		.conf = conf_new(), .env = env, .report = {.errors = errors}};
	bool good;

	build.uses_end = &build.uses;
	conf_tree_init(&build.tree, pool_new());
	if (build.conf == NULL || build.tree.pool == NULL)
		conf_build_oom(&build);
	else if (conf_read(&build, path) == 0 && errors->needs.count == 0)
		conf_check(&build, path);
	good = errors->errors.count == 0 && errors->needs.count == 0;
	if (good && !build.report.oom && env->write_tree != NULL)
		serialize_tree(env->write_tree, &build.tree);
	pool_free(build.tree.pool);
	conf_report_finish(&build.report);
	if (good && !build.report.oom)
		return build.conf;
	conf_unref(build.conf);
	return NULL;
}

struct conf *conf_ref(struct conf *conf)
{
	atomic_fetch_add_explicit(&conf->refs, 1, memory_order_relaxed);
	return conf;
}

void conf_unref(struct conf *conf)
{
	size_t i;

	if (conf == NULL ||
	    atomic_fetch_sub_explicit(&conf->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (i = 0; i < conf->tls_count; i++)
		tls_files_unref(conf->tls[i].files);
	pool_free(conf->pool);
	free(conf);
}

const struct conf_service *conf_find_service(const struct conf *conf,
					     const char *name)
{
	size_t i;

	for (i = 0; i < conf->service_count; i++)
		if (strcmp(conf->services[i].name, name) == 0)
			return &conf->services[i];
	return NULL;
}

bool conf_listens_on(const struct conf *conf, const char *name)
{
	size_t i, k;

	for (i = 0; i < conf_count_all(conf); i++) {
		const struct conf_service *service = conf_service_at(conf, i);

		for (k = 0; k < service->listen_count; k++)
			if (service->listen[k].name != NULL &&
			    strcmp(service->listen[k].name, name) == 0)
				return true;
	}
	return false;
}

size_t conf_count_all(const struct conf *conf)
{
	return conf->service_count + conf->internal_count;
}

const struct conf_service *conf_service_at(const struct conf *conf, size_t i)
{
	return i < conf->service_count
		       ? &conf->services[i]
		       : &conf->internal[i - conf->service_count];
}

size_t conf_workers(const struct conf *conf)
{
	return conf->workers > 0 ? conf->workers : cpus_available();
}

uint64_t conf_memory(const struct conf *conf)
{
	return conf->memory >= 0 ? (uint64_t)conf->memory
				 : cgroup_memory_available() / 4;
}

bool conf_is_proxy(const struct conf_service *service,
		   const struct sockaddr *address)
{
	if (address->sa_family == AF_UNIX)
		return service->proxy_from_unix;
	return service->proxy_from_count > 0 &&
	       lined_network_longest(service->proxy_from,
				     service->proxy_from_count,
				     address) != NULL;
}

enum lined_log_level conf_clients_level(const struct conf_service *service)
{
	return service->internal ? LINED_LOG_DEBUG : LINED_LOG_INFO;
}
