/* SPDX-License-Identifier: MIT */
/*
 * The daemon's life: config, log, server, privileges; then signals until it is
 * told to stop. Each step that fails says why and leaves the exit code.
 */
#include "config.h"

#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "config/conf.h"
#include "control/requests.h"
#include "system/crash.h"
#include "system/detach.h"
#include "net/fd_store.h"
#include "log/report.h"
#include "watch/current_code.h"
#include "watch/heartbeat.h"
#include "watch/memory_watch.h"
#include "watch/systemd_status.h"
#include "module/module.h"
#include "system/inherited.h"
#include "system/sd_notify.h"
#include "cmdline.h"
#include "system/privileges.h"
#include "system/spare_fds.h"
#include "serve/reload_plan.h"
#include "serve/server.h"
#include "system/signals.h"

struct daemon {
	const struct options *options;
	struct modules *modules;
	struct inherited *inherited;
	struct lined_dispatcher *dispatcher;
	struct signals signals;
	struct server server;
	struct current_code code;
	struct heartbeat heartbeat;
	struct memory_watch memory_watch;
	struct systemd_status systemd_status;
	struct control control;
	time_t started, read; /* when the config that holds was read */
	unsigned long reloads, refusals;
	bool stopped;
};

/* ---- config ----------------------------------------------------------- */

static const struct lined_protocol *find_protocol(void *arg,
						  const char *module_dir,
						  const char *name, char *error,
						  size_t size)
{
	return module_load(arg, module_dir != NULL ? module_dir : MODULE_DIR,
			   name, error, size);
}

/* Once lined runs: its module directory is that of the start. A plan, too, must
 * not run code from wherever a config points to. */
static const struct lined_protocol *find_protocol_here(void *arg,
						       const char *module_dir,
						       const char *name,
						       char *error, size_t size)
{
	const struct daemon *daemon = arg;

	(void)module_dir;
	module_dir = daemon->server.start_conf->module_dir;
	return find_protocol(daemon->modules, module_dir, name, error, size);
}

static struct conf *load_again(struct daemon *daemon,
			       struct conf_errors *errors)
{
	const struct conf_env env = {
		.module_dir = daemon->options->module_dir,
		.find_protocol = find_protocol_here,
		.arg = daemon,
	};

	conf_errors_init(errors);
	return conf_load(daemon->options->config, &env, errors);
}

static struct conf *load(const struct options *options, struct modules *modules,
			 bool check_names, struct conf_errors *errors)
{
	const struct conf_env env = {
		.module_dir = options->module_dir,
		.find_protocol = find_protocol,
		.arg = modules,
		.check_names = check_names,
	};

	conf_errors_init(errors);
	return conf_load(options->config, &env, errors);
}

/* What the config says and this version does not serve. */
static void tell_unserved(const struct conf *conf,
			  void (*tell)(const char *text))
{
	char text[512];
	size_t i, k;

	for (i = 0; i < conf->service_count; i++) {
		const struct conf_service *service = &conf->services[i];

		if (service->proxy_from_count > 0) {
			snprintf(text, sizeof(text),
				 "service %s: proxy-from: not served yet",
				 service->name);
			tell(text);
		}
		for (k = 0; k < service->listen_count; k++) {
			if (!listen_address_is_tls(&service->listen[k]))
				continue;
			snprintf(text, sizeof(text),
				 "service %s: listen %s: TLS is not served yet",
				 service->name, service->listen[k].text);
			tell(text);
		}
	}
}

static void tell_stderr(const char *text)
{
	fprintf(stderr, "lined: %s\n", text);
}

static void tell_log(const char *text)
{
	log_notice("%s", text);
}

/* The log is not open: to stderr, for the journal with its priority. */
static void print_messages(const struct conf_messages *messages,
			   enum lined_log_level level, const char *prefix)
{
	size_t i;

	for (i = 0; i < messages->count; i++)
		log_each(level, "%s%s", prefix, messages->items[i].text);
}

enum exit_code daemon_check(const struct options *options)
{
	struct modules *modules = modules_new();
	struct conf_errors errors;
	struct conf *conf;
	enum exit_code code = EXIT_BAD_CONFIG;

	crash_watch(NULL);
	if (modules == NULL) {
		fprintf(stderr, "lined: %s\n", strerror(ENOMEM));
		return EXIT_NOT_STARTED;
	}
	conf = load(options, modules, true, &errors);
	print_messages(&errors.errors, LINED_LOG_ERR, "");
	print_messages(&errors.warnings, LINED_LOG_WARNING, "warning: ");
	if (conf != NULL) {
		tell_unserved(conf, tell_stderr);
		fprintf(stderr, "%s: the configuration is good\n",
			options->config);
		code = EXIT_STOPPED;
	}
	conf_errors_fini(&errors);
	conf_unref(conf);
	modules_free(modules);
	return code;
}

static void report_conf(struct report *report, const struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->errors.count; i++)
		report_add(report, LINED_LOG_ERR, "%s",
			   errors->errors.items[i].text);
	for (i = 0; i < errors->warnings.count; i++)
		report_add(report, LINED_LOG_WARNING, "%s",
			   errors->warnings.items[i].text);
}

/* ---- log -------------------------------------------------------------- */

/* By the command line, then the config (NULL: not read yet). */
static struct log_settings log_settings(const struct options *options,
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
	if (options->log_target_given)
		settings.target = options->log_target;
	/* Detached there is no terminal to write to, though it still seems so
	 * until the start is over. */
	if (options->detach && settings.target == LOG_TARGET_AUTO)
		settings.target = LOG_TARGET_SYSLOG;
	if (options->log_level_given)
		settings.level = options->log_level;
	return settings;
}

static int open_log(const struct options *options, const struct conf *conf)
{
	struct log_settings settings = log_settings(options, conf);

	return log_open(&settings);
}

/* ---- reload ----------------------------------------------------------- */

/* What the command line decides stays as it is; the level may be one that was
 * set by hand. */
static bool log_changes(const struct daemon *daemon, const struct conf *conf)
{
	struct log_settings a =
		log_settings(daemon->options, daemon->server.conf);
	struct log_settings b = log_settings(daemon->options, conf);

	return a.target != b.target || a.facility != b.facility ||
	       a.access != b.access || strcmp(a.ident, b.ident) != 0 ||
	       b.level != log_level();
}

static struct reload_plan *make_plan(struct daemon *daemon, struct conf *conf)
{
	struct reload_plan *plan = reload_plan_new(&daemon->server, conf);

	if (plan != NULL)
		plan->log = log_changes(daemon, conf);
	return plan;
}

static void warn_restart(const struct reload_plan *plan, struct report *report)
{
	if (plan->workers)
		report_add(report, LINED_LOG_WARNING,
			   "reload: workers: a change needs a restart");
	if (plan->user)
		report_add(report, LINED_LOG_WARNING,
			   "reload: user: a change needs a restart");
	if (plan->module_dir)
		report_add(report, LINED_LOG_WARNING,
			   "reload: module-dir: a change needs a restart");
}

static bool carry_out(struct daemon *daemon, struct reload_plan *plan,
		      struct report *report)
{
	warn_restart(plan, report);
	/* Every worker is waited for: with this one no signal would be heard
	 * any more. */
	if (heartbeat_find_stuck(&daemon->heartbeat) != NULL) {
		report_add(report, LINED_LOG_ERR, "reload: a worker is stuck");
		return false;
	}
	if (server_apply(plan, report) < 0)
		return false;
	if (plan->log)
		open_log(daemon->options, plan->conf);
	tell_unserved(plan->conf, tell_log);
	return true;
}

static bool apply_again(struct daemon *daemon, struct report *report)
{
	struct conf_errors errors;
	struct conf *conf = load_again(daemon, &errors);
	struct reload_plan *plan = NULL;
	bool done = false;

	report_conf(report, &errors);
	conf_errors_fini(&errors);
	if (conf != NULL) {
		plan = make_plan(daemon, conf);
		if (plan == NULL)
			report_add(report, LINED_LOG_ERR, "config: %s",
				   strerror(errno));
	}
	if (plan != NULL)
		done = carry_out(daemon, plan, report);
	reload_plan_free(plan);
	conf_unref(conf);
	return done;
}

/* Errors and warnings go to the report, unless that is NULL. */
static bool reload(struct daemon *daemon, struct report *report)
{
	bool done;

	if (daemon->server.stopping)
		return false;
	systemd_status_reloading(&daemon->systemd_status);
	log_notice("reload: reading %s", daemon->options->config);
	spare_fds_release();
	done = apply_again(daemon, report);
	if (done) {
		log_notice("reload: done");
		daemon->read = time(NULL);
		daemon->reloads++;
	} else {
		log_err("reload: refused, nothing was changed");
		daemon->refusals++;
	}
	spare_fds_hold();
	systemd_status_reloaded(&daemon->systemd_status, done);
	return done;
}

/* ---- control ---------------------------------------------------------- */

static bool control_reload(struct control *control, struct report *report)
{
	return reload(lined_container_of(control, struct daemon, control),
		      report);
}

static struct reload_plan *control_plan(struct control *control,
					const struct control_text *text,
					struct conf_errors *errors)
{
	struct daemon *daemon =
		lined_container_of(control, struct daemon, control);
	const struct conf_env env = {
		.module_dir = daemon->options->module_dir,
		.find_protocol = find_protocol_here,
		.arg = daemon,
		.text = text->text,
		.text_len = text->len,
		.may_read = text->may_read,
		.may_read_arg = text->may_read_arg,
		.check_names = true,
	};
	struct conf *conf = conf_load(text->path, &env, errors);
	struct reload_plan *plan =
		conf != NULL ? make_plan(daemon, conf) : NULL;

	conf_unref(conf);
	return plan;
}

static void control_describe(struct control *control, struct response *response)
{
	const struct daemon *daemon =
		lined_container_of(control, struct daemon, control);
	time_t now = time(NULL);

	response_number(response, "pid", (uint64_t)getpid());
	response_text(response, "config", daemon->options->config);
	response_text(response, "log_level", log_level_text(log_level()));
	response_number(response, "started_s", (uint64_t)daemon->started);
	response_number(response, "uptime_s",
			(uint64_t)(now - daemon->started));
	response_number(response, "config_read_s", (uint64_t)daemon->read);
	response_number(response, "reloads.done", daemon->reloads);
	response_number(response, "reloads.refused", daemon->refusals);
}

static const struct control_ops control_ops = {
	.reload = control_reload,
	.plan = control_plan,
	.describe = control_describe,
};

/* ---- signals and timers ----------------------------------------------- */

static void stop(struct daemon *daemon)
{
	/* The second time nobody waits for clients any more. */
	if (daemon->server.stopping) {
		log_notice("stopping at once");
		server_abandon(&daemon->server);
		daemon->stopped = true;
		return;
	}
	log_notice("stopping");
	server_stop(&daemon->server);
	systemd_status_stopping(&daemon->systemd_status,
				daemon->server.conf->drain_timeout_ms);
}

static void on_signal(struct signals *signals, int number)
{
	struct daemon *daemon =
		lined_container_of(signals, struct daemon, signals);

	switch (number) {
	case SIGHUP:
		reload(daemon, NULL);
		break;
	case SIGUSR1:
		server_log_counters(&daemon->server);
		break;
	default:
		stop(daemon);
		break;
	}
}

/* ---- what the server reports ------------------------------------------ */

static struct daemon *daemon_of_server(struct server *server)
{
	return lined_container_of(server, struct daemon, server);
}

static void server_drains(struct server *server, struct service *service)
{
	requests_service_drains(&daemon_of_server(server)->control, service);
}

static void server_ended(struct server *server, struct service *service)
{
	requests_service_ended(&daemon_of_server(server)->control, service);
}

/* A worker that is stuck keeps the main thread waiting, and is to be logged all
 * the same. */
static void server_waiting(struct server *server)
{
	heartbeat_check(&daemon_of_server(server)->heartbeat);
}

static void server_stopped(struct server *server)
{
	daemon_of_server(server)->stopped = true;
}

static const struct server_events server_events = {
	.drains = server_drains,
	.ended = server_ended,
	.waiting = server_waiting,
	.stopped = server_stopped,
};

/* ---- start and end ---------------------------------------------------- */

static size_t workers_of(const struct conf *conf)
{
	long cpus;

	if (conf->workers > 0)
		return conf->workers;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	return cpus > 0 ? (size_t)cpus : 1;
}

static int drop_root(const struct conf *conf)
{
	char error[256];

	if (geteuid() == 0 && conf->user == NULL)
		log_warning("running as root: set \"user\" in the config");
	if (conf->user == NULL && conf->group == NULL)
		return 0;
	if (geteuid() != 0) {
		log_notice("user: left as it is, lined was not started as "
			   "root");
		return 0;
	}
	if (privileges_drop(conf->user, conf->group, error, sizeof(error)) <
	    0) {
		log_err("%s", error);
		return -1;
	}
	return 0;
}

static void raise_files(void)
{
	uint64_t before, limit;

	/* Where it may not be asked for, whoever forbids it has set it. */
	if (privileges_raise_nofile(&before, &limit) < 0)
		log_at(errno == EPERM ? LINED_LOG_INFO : LINED_LOG_WARNING,
		       "open files: %s", strerror(errno));
	else
		log_info("open files: at most %llu (the limit was %llu)",
			 (unsigned long long)limit, (unsigned long long)before);
}

static void tell_kept(size_t count)
{
	if (count > 0)
		log_notice("listening sockets kept over the restart: %zu",
			   count);
}

static int apply_first(struct daemon *daemon, struct conf *conf)
{
	struct reload_plan *plan = reload_plan_new(&daemon->server, conf);
	int result = plan != NULL ? server_apply(plan, NULL) : -1;

	if (plan == NULL)
		log_err("config: %s", strerror(errno));
	reload_plan_free(plan);
	conf_unref(conf);
	return result;
}

/* From the config to the first client; conf is the server's, or freed. */
static int start(struct daemon *daemon, struct conf *conf)
{
	raise_files();
	daemon->inherited = inherited_take();
	if (drop_root(conf) < 0) {
		conf_unref(conf);
		return -1;
	}
	daemon->dispatcher = lined_dispatcher_new();
	if (daemon->dispatcher == NULL ||
	    signals_start(&daemon->signals, daemon->dispatcher, on_signal) <
		    0 ||
	    server_init(&daemon->server, daemon->dispatcher, workers_of(conf),
			daemon->inherited, &server_events) < 0 ||
	    memory_watch_start(&daemon->memory_watch, &daemon->server) < 0 ||
	    heartbeat_start(&daemon->heartbeat, &daemon->server,
			    &daemon->code) < 0 ||
	    systemd_status_start(&daemon->systemd_status, &daemon->server,
				 &daemon->heartbeat) < 0) {
		log_err("start: %s", strerror(errno));
		conf_unref(conf);
		return -1;
	}
	requests_init(&daemon->control, &daemon->server, &control_ops);
	daemon->started = daemon->read = time(NULL);
	if (apply_first(daemon, conf) < 0)
		return -1;
	tell_kept(fd_store_taken(daemon->inherited));
	fd_store_drop(daemon->inherited);
	return 0;
}

/* False: it could not go on. */
static bool serve(struct daemon *daemon)
{
	const struct conf *conf = daemon->server.conf;
	size_t services = conf->service_count;
	size_t workers = daemon->server.worker_count;

	spare_fds_hold();
	tell_unserved(conf, tell_log);
	log_notice("lined %s: %zu service%s, %zu worker%s, %s", PACKAGE_VERSION,
		   services, services == 1 ? "" : "s", workers,
		   workers == 1 ? "" : "s",
		   lined_dispatcher_poller(daemon->dispatcher));
	log_copy_errors(false);
	systemd_status_ready(&daemon->systemd_status);
	detach_done(EXIT_STOPPED);
	while (!daemon->stopped) {
		worker_turn(daemon->server.env.main_worker);
		if (lined_dispatcher_poll(daemon->dispatcher, -1) < 0) {
			log_err("poll: %s", strerror(errno));
			return false;
		}
	}
	return true;
}

/* What a clean stop gives back; one that was hurried leaves it all to exit. */
static void clean_up(struct daemon *daemon)
{
	if (!server_is_empty(&daemon->server))
		return;
	spare_fds_release();
	systemd_status_stop(&daemon->systemd_status);
	heartbeat_stop(&daemon->heartbeat);
	memory_watch_stop(&daemon->memory_watch);
	server_fini(&daemon->server);
	signals_stop(&daemon->signals);
	lined_dispatcher_free(daemon->dispatcher);
	inherited_free(daemon->inherited);
	modules_free(daemon->modules);
}

static enum exit_code run(struct daemon *daemon)
{
	struct conf_errors errors;
	struct conf *conf =
		load(daemon->options, daemon->modules, false, &errors);

	report_conf(NULL, &errors);
	conf_errors_fini(&errors);
	if (conf == NULL)
		return EXIT_BAD_CONFIG;
	if (open_log(daemon->options, conf) < 0) {
		conf_unref(conf);
		return EXIT_NOT_STARTED;
	}
	if (start(daemon, conf) < 0)
		return EXIT_NOT_STARTED;
	if (!serve(daemon))
		return EXIT_NOT_STARTED;
	log_notice("stopped");
	clean_up(daemon);
	return EXIT_STOPPED;
}

enum exit_code daemon_run(const struct options *options)
{
	/* Static: whoever looks for leaks after a hurried stop still sees it
	 * all. */
	static struct daemon daemon;
	enum exit_code code = EXIT_NOT_STARTED;

	signals_hold();
	daemon.options = options;
	daemon.modules = modules_new();
	if (options->detach && detach() < 0) {
		fprintf(stderr, "lined: detach: %s\n", strerror(errno));
		return EXIT_NOT_STARTED;
	}
	if (daemon.modules != NULL && open_log(options, NULL) == 0) {
		log_copy_errors(true);
		current_code_init(&daemon.code, &daemon.server, daemon.modules);
		crash_watch(&daemon.code.reporter);
		code = run(&daemon);
	}
	log_close();
	detach_done(code);
	return code;
}
