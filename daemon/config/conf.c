/* SPDX-License-Identifier: MIT */
/*
 * Loads a configuration: conf_file.c reads the files into a tree, and the
 * readers of the sections, conf_*.c, check the tree and fill a struct conf.
 * Errors are collected, so that one load reports them all. This file has the
 * load itself, `log`, `hardening`, `defaults` and the keys outside of sections.
 */
#include "config.h"

#include "config/conf.h"

#include <stdlib.h>
#include <string.h>

#include "config/conf_build.h"
#include "config/conf_serialize.h"
#include "config/conf_value.h"
#include "system/cgroup.h"
#include "system/cpus.h"

#define WORKERS_MAX       1024
#define DRAIN_TIMEOUT_MAX (24 * 3600 * 1000)
/* Less than this would not serve one client with the default limits. */
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

static void conf_read_log(const struct conf_section *section)
{
	struct log_settings *log = &section->build->conf->log;

	conf_section_fill(section, log_table, log);
	/* The table has stored indexes of words; the log needs their values. */
	log->facility = log_facility_values[log->facility];
	log->level = (enum lined_log_level)(LINED_LOG_ERR + (int)log->level);
	log->ident = conf_section_text(section, "ident", log->ident);
}

/* ---- hardening -------------------------------------------------------- */

/* In the order of enum hardening_choice. */
static const char *const hardening_words[] = {"auto", "on", "off", NULL};

static const struct lined_option hardening_table[] = {
	{LINED_OPTION("no-new-privileges", CHOICE, struct hardening,
		      no_new_privileges),
	 .choices = hardening_words},
	{LINED_OPTION("landlock", CHOICE, struct hardening, landlock),
	 .choices = hardening_words},
	{LINED_OPTION("seccomp", CHOICE, struct hardening, seccomp),
	 .choices = hardening_words},
	{LINED_OPTION("writable", LIST, struct hardening, writable)},
	{.name = NULL},
};

static void conf_read_hardening(const struct conf_section *section)
{
	struct conf *conf = section->build->conf;
	struct lined_option_list *writable = &conf->hardening.writable;
	const struct conf_key *key = conf_section_key(section, "writable");
	const char **paths;
	size_t i;

	conf_section_fill(section, hardening_table, &conf->hardening);
	conf->hardening_text =
		conf_section_values(section, hardening_table, &conf->hardening);
	paths = pool_array(section->pool, writable->count, sizeof(*paths));
	if (paths == NULL)
		return;
	for (i = 0; i < writable->count; i++) {
		paths[i] = conf_file_path(writable->items[i], &key->place,
					  section->pool);
		if (writable->items[i][0] == '\0')
			conf_error_in(section, &key->place,
				      "writable: a path is empty");
	}
	writable->items = paths;
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

static void conf_read_workers(const struct conf_section *root, const char *text)
{
	const struct conf_key *key = conf_section_key(root, "workers");
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
		root->build->conf->workers = (unsigned)number;
	else
		conf_error_in(root, &key->place,
			      "workers: \"%s\" %s (auto, or 1 to %d)",
			      conf_quoted(text, quoted), why, WORKERS_MAX);
}

static void conf_read_memory(const struct conf_section *root, const char *text)
{
	const struct conf_key *key = conf_section_key(root, "memory");
	struct conf *conf = root->build->conf;
	char quoted[CONF_QUOTED_MAX];
	int64_t bytes = 0;

	conf->memory = -1;
	if (key == NULL || strcmp(text, "auto") == 0)
		return;
	if (conf_value_size(text, &bytes) == CONF_VALUE_OK &&
	    !conf_value_has_leading_zero(text) &&
	    (bytes == 0 || bytes >= MEMORY_MIN))
		conf->memory = bytes;
	else
		conf_error_in(root, &key->place,
			      "memory: \"%s\" is not auto, 0 (no ceiling) or a "
			      "size of at least 1M",
			      conf_quoted(text, quoted));
}

/* Reads the path in a top-level key. NULL: not set, or reported. */
static const char *conf_read_path(const struct conf_section *root,
				  const char *name, const char *text)
{
	text = conf_section_text(root, name, text);
	return text == NULL
		       ? NULL
		       : conf_file_path(text, conf_section_place(root, name),
					root->pool);
}

static void conf_read_defaults(struct conf_section defaults)
{
	static const struct lined_option none[] = {{.name = NULL}};
	static const char *const sections[] = {"limits", "class", NULL};
	struct conf_section limits = conf_section_inner(&defaults, "limits");

	defaults.sections = sections;
	if (defaults.node != NULL) {
		conf_class_read_defaults(&defaults);
		conf_section_fill(&defaults, none, NULL);
	}
	conf_limits_read_defaults(&limits);
}

/* Reads everything but the services, which need the module directory, the tls
 * sections and the defaults. */
static void conf_read_top(struct conf_section root)
{
	static const char *const sections[] = {
		"log",      "control",   "metrics", "cluster", "tls",
		"defaults", "hardening", "service", "include", NULL};
	struct conf_section log = conf_section_inner(&root, "log");
	struct conf_section control = conf_section_inner(&root, "control");
	struct conf_section metrics = conf_section_inner(&root, "metrics");
	struct conf_section defaults = conf_section_inner(&root, "defaults");
	struct conf_section cluster = conf_section_inner(&root, "cluster");
	struct conf_section hardening = conf_section_inner(&root, "hardening");
	struct conf *conf = root.build->conf;
	struct conf_node *node;
	struct top top;

	conf_read_log(&log);
	conf_read_defaults(defaults);
	conf_cluster_read(&cluster);
	conf_read_hardening(&hardening);
	conf_tls_read(&root);
	/* Services are read later: mark them, or they would be reported as
	 * unknown. */
	for (node = root.node->children; node != NULL; node = node->next)
		node->used |= strcmp(node->name, "service") == 0;
	root.sections = sections;
	conf_section_fill(&root, top_table, &top);
	conf->drain_timeout_ms = (uint32_t)top.drain_timeout_ms;
	conf->user = conf_section_text(&root, "user", top.user);
	conf->group = conf_section_text(&root, "group", top.group);
	conf_build_check_user(&root, "user", conf->user);
	conf_build_check_group(&root, "group", conf->group);
	conf_read_workers(&root, top.workers);
	conf_read_memory(&root, top.memory);
	conf->module_dir = conf_read_path(&root, "module-dir", top.module_dir);
	conf->pid_file = conf_read_path(&root, "pid-file", top.pid_file);
	conf_control_read(&control, &metrics);
}

static void conf_check(struct conf_build *build, const char *path)
{
	const struct conf_section root = conf_build_root(build);
	const struct conf_place file = {path, 0, 0};

	conf_tree_find_doubles(&build->tree, &build->tree.root);
	conf_build_find_user(build);
	conf_file_check_user(build);
	conf_read_top(root);
	conf_services_read(&root);
	conf_cluster_check_used(&root);
	conf_collisions_report(build);
	if (build->conf->service_count == 0)
		conf_warning_in(&root, &file, "there is no service");
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
	return -1;
}

struct conf *conf_load(const char *path, const struct conf_env *env,
		       struct conf_errors *errors)
{
	struct conf_build build = {
		.conf = conf_new(), .env = env, .report = {.errors = errors}};
	bool *oom = &build.report.oom, good;

	build.uses_end = &build.uses;
	conf_tree_init(&build.tree, pool_new());
	*oom = build.conf == NULL || build.tree.pool == NULL;
	if (!*oom && conf_read(&build, path) == 0 && errors->needs.count == 0)
		conf_check(&build, path);
	*oom = *oom || pool_failed(build.conf->pool) ||
	       pool_failed(build.tree.pool);
	good = errors->errors.count == 0 && errors->needs.count == 0 && !*oom;
	if (good && env->write_tree != NULL)
		serialize_tree(env->write_tree, &build.tree);
	privileges_visit_free(build.visit);
	pool_free(build.tree.pool);
	conf_report_finish(&build.report);
	if (good)
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
