/* SPDX-License-Identifier: MIT */
/*
 * Reads the config file and applies it. A reload and `linectl plan` make their
 * plan with the same function.
 */
#include "config.h"

#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "cmdline.h"
#include "log/error_report.h"
#include "module/module.h"
#include "net/listener.h"
#include "net/systemd_fd_store.h"
#include "serve/reload_plan.h"
#include "serve/server.h"
#include "system/crash.h"
#include "system/inherited_sockets.h"
#include "watch/worker_watch.h"

/* ---- reading ------------------------------------------------------------ */

static const char *reload_find_dir(const struct reload *reload,
				   const char *module_dir, const char *name)
{
	const struct cmdline *cmdline = reload->cmdline;
	const char *dir = module_dir != NULL ? module_dir : MODULE_DIR;
	size_t i;

	if (reload->module_dir != NULL)
		dir = reload->module_dir;
	for (i = cmdline->module_dir_count; i-- > 0;)
		if (module_exists(cmdline->module_dirs[i], name) ||
		    !module_exists(dir, name))
			dir = cmdline->module_dirs[i];
	return dir;
}

static const struct lined_protocol *
reload_find_protocol(void *arg, const char *module_dir, const char *name,
		     char *error, size_t size)
{
	const struct reload *reload = arg;
	const struct lined_protocol *protocol;
	const char *dir = reload_find_dir(reload, module_dir, name);
	char names[256] = "", why[512];

	if (reload->modules == NULL) {
		snprintf(error, size, "%s", strerror(ENOMEM));
		return NULL;
	}
	protocol = module_load(reload->modules, dir, name, why, sizeof(why));
	if (protocol != NULL)
		return protocol;
	if (!module_exists(dir, name))
		module_list(dir, names, sizeof(names));
	snprintf(error, size, "%s%s%s%s", names[0] != '\0' ? "not one of " : "",
		 names, names[0] != '\0' ? ": " : "", why);
	return NULL;
}

static const struct lined_protocol *reload_find_loaded(void *arg,
						       const char *module_dir,
						       const char *name,
						       char *error, size_t size)
{
	const struct reload *reload = arg;
	const struct lined_protocol *protocol = module_find_loaded(
		reload->modules, reload_find_dir(reload, module_dir, name),
		name, error, size);

	return protocol == NULL && error[0] == '\0' ? &conf_protocol_unloaded
						    : protocol;
}

void reload_describe(const struct reload *reload, struct conf_source *source)
{
	const struct cmdline *cmdline = reload->cmdline;

	*source = (struct conf_source){
		.path = cmdline->config,
		.module_dirs = cmdline->module_dirs,
		.module_dir_count = cmdline->module_dir_count,
		.module_dir = reload->module_dir,
	};
}

static struct conf *reload_load(const struct reload *reload,
				const struct conf_subprocess *child,
				struct conf_errors *errors)
{
	const struct conf_env env = {
		.find_protocol = reload_find_protocol,
		.arg = (void *)(uintptr_t)reload,
		.read_tls = true,
	};

	return conf_subprocess_load(child, &env, errors);
}

struct conf *reload_read(const struct reload *reload, bool check_names,
			 struct conf_errors *errors)
{
	struct conf_source source;
	struct conf_subprocess child;
	struct conf *conf;

	reload_describe(reload, &source);
	source.check_names = check_names;
	conf_errors_init(errors);
	conf_subprocess_run(&child, &source);
	conf = reload_load(reload, &child, errors);
	conf_subprocess_fini(&child);
	return conf;
}

/* ---- in the child process ----------------------------------------------- */

static void reload_find_in_child(const struct conf_source *source,
				 struct conf_env *env)
{
	static struct cmdline cmdline;
	static struct reload reload = {.cmdline = &cmdline};

	cmdline.module_dir_count = source->module_dir_count;
	if (cmdline.module_dir_count > CMDLINE_MODULE_DIRS_MAX)
		cmdline.module_dir_count = CMDLINE_MODULE_DIRS_MAX;
	memcpy(cmdline.module_dirs, source->module_dirs,
	       cmdline.module_dir_count * sizeof(*cmdline.module_dirs));
	reload.module_dir = source->module_dir;
	reload.modules = modules_new();
	env->find_protocol = reload_find_protocol;
	env->arg = &reload;
	env->read_tls = true;
}

int reload_child_main(void)
{
	int code;

	crash_watch(NULL);
	code = conf_subprocess_main(reload_find_in_child);
	crash_watch_end();
	return code;
}

/* ---- messages ------------------------------------------------------------ */

void reload_add_errors(struct report *report, const struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->errors.count; i++)
		report_add(report, LINED_LOG_ERR, "%s",
			   errors->errors.items[i].text);
	for (i = 0; i < errors->warnings.count; i++)
		report_add(report, LINED_LOG_WARNING, "%s",
			   errors->warnings.items[i].text);
}

/* ---- the log ------------------------------------------------------------ */

/* The log settings: the command line overrides the config. conf NULL: not read
 * yet. */
static struct log_settings reload_log_settings(const struct cmdline *cmdline,
					       const struct conf *conf)
{
	struct log_settings settings = {
		.target = LOG_TARGET_AUTO,
		.facility = LOG_DAEMON,
		.level = LINED_LOG_INFO,
		.ident = "lined",
	};

	if (conf != NULL)
		settings = conf->log;
	if (cmdline->log_target_given)
		settings.target = cmdline->log_target;
	/* With -d, `auto` must not choose a terminal on stderr: the daemon
	 * detaches from the terminal. */
	if (cmdline->detach && settings.target == LOG_TARGET_AUTO)
		settings.target = LOG_TARGET_SYSLOG;
	if (cmdline->log_level_given)
		settings.level = cmdline->log_level;
	return settings;
}

int reload_open_log(const struct cmdline *cmdline, const struct conf *conf)
{
	struct log_settings settings = reload_log_settings(cmdline, conf);

	if (log_open(&settings) == 0)
		return 0;
	log_err("log: %s", strerror(errno));
	return -1;
}

/* Whether conf changes the log's settings. Compares the new log level with the
 * level in use, not with the old config's, because a reload undoes `linectl
 * log`. */
static bool reload_changes_log(const struct reload *reload,
			       const struct conf *conf)
{
	struct log_settings a =
		reload_log_settings(reload->cmdline, reload->server->conf);
	struct log_settings b = reload_log_settings(reload->cmdline, conf);

	return a.target != b.target || a.format != b.format ||
	       a.facility != b.facility || a.access != b.access ||
	       strcmp(a.ident, b.ident) != 0 || b.level != log_level();
}

/* ---- plans -------------------------------------------------------------- */

/* Makes a plan and takes over the reference to conf. Returns NULL if conf is
 * NULL or if there is no memory. */
static struct reload_plan *reload_make_plan(const struct reload *reload,
					    struct conf *conf)
{
	struct reload_plan *plan = NULL;

	if (conf != NULL)
		plan = reload_plan_new(reload->server, conf);
	if (plan != NULL)
		plan->log = reload_changes_log(reload, conf);
	conf_unref(conf);
	return plan;
}

struct reload_plan *reload_plan_read(const struct reload *reload,
				     const struct conf_subprocess *child,
				     struct conf_errors *errors)
{
	const struct conf_env env = {
		.find_protocol = reload_find_loaded,
		.arg = (void *)(uintptr_t)reload,
	};

	return reload_make_plan(reload,
				conf_subprocess_load(child, &env, errors));
}

/* Warns of sockets that a socket unit passes and no service names. These
 * sockets stay open, because a later reload may name them. Until then their
 * clients wait. systemd would keep the sockets open anyway. */
static void reload_warn_unnamed(const struct reload *reload,
				const struct conf *conf, struct report *report)
{
	const struct inherited *inherited = reload->server->inherited;
	char text[LISTENER_TEXT_MAX];
	size_t i;

	for (i = 0; inherited != NULL && i < inherited->count; i++) {
		const struct inherited_socket *item = &inherited->items[i];

		if (fd_store_is_own(item) || conf_listens_on(conf, item->name))
			continue;
		report_add(
			report, LINED_LOG_WARNING,
			"systemd:%s: no service listens on this socket (%s): "
			"its clients wait until a reload names it",
			item->name,
			listener_fd_text(item->fd, text, sizeof(text)));
	}
}

/* ---- applying ----------------------------------------------------------- */

int reload_start(struct reload *reload, struct conf *conf)
{
	struct reload_plan *plan = reload_plan_new(reload->server, conf);
	int result = -1;

	if (plan == NULL)
		log_err("config: %s", strerror(errno));
	else
		result = reload_apply(plan, NULL);
	reload_plan_free(plan);
	if (result == 0)
		reload_warn_unnamed(reload, conf, NULL);
	reload->read = time(NULL);
	reload->module_dir =
		conf->module_dir != NULL ? conf->module_dir : MODULE_DIR;
	return result;
}

static bool reload_try(const struct reload *reload, struct reload_plan *plan,
		       struct report *report)
{
	const char *const *key;

	for (key = plan->restart_keys; *key != NULL; key++)
		report_add(report, LINED_LOG_WARNING,
			   "reload: %s: a change needs a restart", *key);
	/* A reload waits for every worker. Refuse to wait for a stuck worker:
	 * meanwhile the main thread could not handle signals. */
	if (worker_watch_find_stuck(reload->worker_watch) != NULL) {
		report_add(report, LINED_LOG_ERR, "reload: a worker is stuck");
		return false;
	}
	if (reload_apply(plan, report) < 0)
		return false;
	if (plan->log)
		reload_open_log(reload->cmdline, plan->conf);
	reload_warn_unnamed(reload, plan->conf, report);
	return true;
}

static bool reload_run(struct reload *reload, struct report *report)
{
	struct conf_errors errors;
	bool good, done = false;
	struct reload_plan *plan;
	struct conf *conf;

	conf_errors_init(&errors);
	conf = reload_load(reload, &reload->child, &errors);
	good = conf != NULL;
	reload_add_errors(report, &errors);
	conf_errors_fini(&errors);
	plan = reload_make_plan(reload, conf);
	if (plan != NULL)
		done = reload_try(reload, plan, report);
	else if (good)
		report_add(report, LINED_LOG_ERR, "config: %s",
			   strerror(ENOMEM));
	reload_plan_free(plan);
	return done;
}

static void reload_finish(struct reload *reload, bool done,
			  struct report *report)
{
	reload->reading = false;
	conf_subprocess_fini(&reload->child);
	if (done) {
		reload->read = time(NULL);
		reload->done++;
	} else {
		reload->refused++;
	}
	reload->finished(reload, done, report);
	report_fini(report);
}

static void reload_child_done(struct conf_subprocess *child)
{
	struct reload *reload = lined_container_of(child, struct reload, child);
	struct report report = {.count = 0};

	reload_finish(reload, reload_run(reload, &report), &report);
}

void reload_begin(struct reload *reload)
{
	struct conf_source source;

	reload->reading = true;
	reload_describe(reload, &source);
	if (conf_subprocess_start(&reload->child, &source,
				  reload->server->dispatcher,
				  reload_child_done) < 0)
		reload_child_done(&reload->child);
}

void reload_cancel(struct reload *reload)
{
	struct report report = {.count = 0};

	if (!reload->reading)
		return;
	report_add(&report, LINED_LOG_ERR, "reload: lined is stopping");
	reload_finish(reload, false, &report);
}
