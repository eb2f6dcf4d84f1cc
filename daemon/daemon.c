/* SPDX-License-Identifier: MIT */
/*
 * The daemon's life: reads the config, opens the log, drops privileges, starts
 * the server, then handles signals until it stops. A failing step logs the
 * reason and sets the exit code.
 */
#include "config.h"

#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmdline.h"
#include "config/conf.h"
#include "config/conf_worst_memory.h"
#include "control/verbs.h"
#include "log/error_report.h"
#include "module/module.h"
#include "net/systemd_fd_store.h"
#include "reload.h"
#include "serve/server.h"
#include "system/crash.h"
#include "system/detach.h"
#include "system/hardening.h"
#include "system/inherited_sockets.h"
#include "system/pid_file.h"
#include "system/privileges.h"
#include "system/signals.h"
#include "system/spare_fds.h"
#include "watch/process_size.h"
#include "watch/running_protocol.h"
#include "watch/systemd.h"
#include "watch/worker_watch.h"

struct daemon {
	struct modules *modules;
	struct inherited *inherited;
	struct lined_dispatcher *dispatcher;
	struct signals signals;
	struct server server;
	struct running_protocol code;
	struct worker_watch worker_watch;
	struct process_size process_size;
	struct systemd systemd;
	struct control control;
	struct reload reload;
	time_t started;
	uint64_t started_ms; /* by the monotonic clock */
	bool reload_again;   /* another reload was asked for during this one */
	bool stopped;
};

/* ---- checking --------------------------------------------------------- */

/* Prints messages: the log is not open yet, so log_each() writes to stderr. */
static void daemon_print_messages(const struct conf_messages *messages,
				  enum lined_log_level level,
				  const char *prefix)
{
	size_t i;

	for (i = 0; i < messages->count; i++)
		log_each(level, "%s%s", prefix, messages->items[i].text);
}

enum exit_code daemon_check(const struct cmdline *cmdline)
{
	static struct server none;
	struct modules *modules = modules_new();
	const struct reload reload = {
		.cmdline = cmdline, .modules = modules, .server = &none};
	struct conf_errors errors;
	struct conf *conf;
	enum exit_code code = EXIT_BAD_CONFIG;

	crash_watch(NULL);
	if (modules == NULL) {
		fprintf(stderr, "lined: %s\n", strerror(ENOMEM));
		return EXIT_NOT_STARTED;
	}
	conf = reload_read(&reload, true, &errors);
	daemon_print_messages(&errors.errors, LINED_LOG_ERR, "");
	daemon_print_messages(&errors.warnings, LINED_LOG_WARNING, "warning: ");
	if (conf != NULL) {
		conf_worst_memory_print(conf, stderr);
		fprintf(stderr, "%s: the configuration is good\n",
			cmdline->config);
		code = EXIT_STOPPED;
	}
	conf_errors_fini(&errors);
	conf_unref(conf);
	modules_free(modules);
	return code;
}

/* ---- reload ----------------------------------------------------------- */

static void daemon_reload(struct daemon *daemon)
{
	if (daemon->server.stopping)
		return;
	daemon->reload_again = daemon->reload.reading;
	if (daemon->reload_again)
		return;
	systemd_reloading(&daemon->systemd);
	log_notice("reload: reading %s", daemon->reload.cmdline->config);
	verbs_reload_begins(&daemon->control);
	spare_fds_release();
	reload_begin(&daemon->reload);
}

static void daemon_reloaded(struct reload *reload, bool done,
			    struct report *report)
{
	struct daemon *daemon =
		lined_container_of(reload, struct daemon, reload);

	if (done)
		log_notice("reload: done");
	else
		log_err("reload: refused, nothing was changed");
	spare_fds_hold();
	systemd_reloaded(&daemon->systemd, done);
	verbs_reloaded(&daemon->control, done, report);
	if (daemon->reload_again)
		daemon_reload(daemon);
}

/* ---- control ---------------------------------------------------------- */

static struct daemon *daemon_of_control(struct control *control)
{
	return lined_container_of(control, struct daemon, control);
}

static void daemon_control_reload(struct control *control)
{
	daemon_reload(daemon_of_control(control));
}

static void daemon_describe_source(struct control *control,
				   struct conf_source *source)
{
	reload_describe(&daemon_of_control(control)->reload, source);
}

static struct reload_plan *daemon_plan(struct control *control,
				       const struct conf_subprocess *child,
				       struct conf_errors *errors)
{
	return reload_plan_read(&daemon_of_control(control)->reload, child,
				errors);
}

static void daemon_describe(struct control *control, struct response *response)
{
	const struct daemon *daemon = daemon_of_control(control);
	uint64_t now_ms = lined_dispatcher_now_ms(daemon->dispatcher);

	response_number(response, "pid", (uint64_t)getpid());
	response_text(response, "config", daemon->reload.cmdline->config);
	response_text(response, "log_level", log_level_text(log_level()));
	response_number(response, "log_lost", log_lost());
	response_number(response, "started_s", (uint64_t)daemon->started);
	response_number(response, "uptime_s",
			(now_ms - daemon->started_ms) / 1000);
	response_number(response, "config_read_s",
			(uint64_t)daemon->reload.read);
	response_number(response, "reloads.done", daemon->reload.done);
	response_number(response, "reloads.refused", daemon->reload.refused);
}

static const struct control_ops daemon_control_ops = {
	.reload = daemon_control_reload,
	.source = daemon_describe_source,
	.plan = daemon_plan,
	.describe = daemon_describe,
};

/* ---- signals ------------------------------------------------------ */

static void daemon_stop(struct daemon *daemon)
{
	/* The second signal to stop: do not wait for clients. */
	if (daemon->server.stopping) {
		log_notice("stopping at once");
		server_abandon(&daemon->server);
		daemon->stopped = true;
		return;
	}
	log_notice("stopping");
	daemon->server.stopping = true;
	/* Marks the requests for a reload made so far: reload_cancel() answers
	 * them. */
	verbs_reload_begins(&daemon->control);
	reload_cancel(&daemon->reload);
	plan_end_all(&daemon->control);
	server_stop(&daemon->server);
	systemd_stopping(&daemon->systemd,
			 daemon->server.conf->drain_timeout_ms);
}

static void daemon_on_signal(struct signals *signals, int number)
{
	struct daemon *daemon =
		lined_container_of(signals, struct daemon, signals);

	switch (number) {
	case SIGHUP:
		daemon_reload(daemon);
		break;
	case SIGUSR1:
		server_log_counters(&daemon->server);
		break;
	default:
		daemon_stop(daemon);
		break;
	}
}

/* ---- calls from the server ---------------------------------------------- */

static struct daemon *daemon_of_server(struct server *server)
{
	return lined_container_of(server, struct daemon, server);
}

static void daemon_service_drains(struct server *server,
				  struct service *service)
{
	verbs_service_drains(&daemon_of_server(server)->control, service);
}

static void daemon_service_ended(struct server *server, struct service *service)
{
	verbs_service_ended(&daemon_of_server(server)->control, service);
}

static void daemon_server_stopped(struct server *server)
{
	daemon_of_server(server)->stopped = true;
}

static const struct server_events daemon_server_events = {
	.drains = daemon_service_drains,
	.ended = daemon_service_ended,
	.stopped = daemon_server_stopped,
};

/* ---- start and end ---------------------------------------------------- */

static int daemon_drop_root(const struct conf *conf)
{
	char error[256];

	if (geteuid() == 0 && conf->user == NULL)
		log_warning("running as root: set \"user\" in the config");
	if (conf->user == NULL && conf->group == NULL)
		return 0;
	if (geteuid() != 0) {
		log_notice("user: not changed, lined was not started as "
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

static void daemon_raise_files(void)
{
	uint64_t before, limit;

	/* EPERM gives no warning: e.g. a container may fix the limit on
	 * purpose. */
	if (privileges_raise_nofile(&before, &limit) < 0)
		log_at(errno == EPERM ? LINED_LOG_INFO : LINED_LOG_WARNING,
		       "open files: %s", strerror(errno));
	else
		log_info("open files: at most %llu (the limit was %llu)",
			 (unsigned long long)limit, (unsigned long long)before);
}

/* The path of the pid file; NULL: none. */
static const char *daemon_pid_file(const struct daemon *daemon,
				   const struct conf *conf)
{
	const char *path = daemon->reload.cmdline->pid_file;

	return path != NULL ? path : conf->pid_file;
}

static int daemon_open_pid_file(const struct daemon *daemon,
				const struct conf *conf)
{
	const char *path = daemon_pid_file(daemon, conf);
	char error[256];

	if (path == NULL || pid_file_open(path, error, sizeof(error)) == 0)
		return 0;
	log_err("pid-file %s: %s", path, error);
	return -1;
}

/* Applies `hardening`. The log's thread is restarted, because a thread keeps
 * the rights that it was created with. -1: logged. */
static int daemon_harden(const struct daemon *daemon, const struct conf *conf)
{
	const struct hardening *wanted = &conf->hardening;
	char report[512];
	size_t i;
	int result;

	for (i = 0; i < wanted->writable.count; i++)
		if (access(wanted->writable.items[i], F_OK) < 0)
			log_warning("hardening: writable %s: %s",
				    wanted->writable.items[i], strerror(errno));
	log_close();
	result = hardening_apply(wanted, daemon_pid_file(daemon, conf), report,
				 sizeof(report));
	if (reload_open_log(daemon->reload.cmdline, conf) < 0)
		return -1;
	if (result == 0)
		log_notice("hardening: %s", report);
	else
		log_err("hardening: %s", report);
	return result;
}

/* Starts everything, the listeners last. -1: logged. */
static int daemon_start(struct daemon *daemon, struct conf *conf)
{
	size_t kept;

	daemon_raise_files();
	daemon->inherited = inherited_take();
	if (daemon_open_pid_file(daemon, conf) < 0 ||
	    daemon_drop_root(conf) < 0 || daemon_harden(daemon, conf) < 0)
		return -1;
	daemon->dispatcher = lined_dispatcher_new();
	if (daemon->dispatcher == NULL ||
	    signals_start(&daemon->signals, daemon->dispatcher,
			  daemon_on_signal) < 0 ||
	    server_init(&daemon->server, daemon->dispatcher, conf_workers(conf),
			daemon->inherited, &daemon_server_events) < 0 ||
	    process_size_start(&daemon->process_size, &daemon->server) < 0 ||
	    worker_watch_start(&daemon->worker_watch, &daemon->server,
			       &daemon->code) < 0 ||
	    systemd_start(&daemon->systemd, &daemon->server,
			  &daemon->worker_watch) < 0) {
		log_err("start: %s", strerror(errno));
		return -1;
	}
	verbs_init(&daemon->control, &daemon->server, &daemon_control_ops);
	daemon->started = time(NULL);
	daemon->started_ms = lined_dispatcher_now_ms(daemon->dispatcher);
	if (reload_start(&daemon->reload, conf) < 0)
		return -1;
	kept = fd_store_taken(daemon->inherited);
	if (kept > 0)
		log_notice("listening sockets kept over the restart: %zu",
			   kept);
	fd_store_drop(daemon->inherited);
	return 0;
}

/* Writes a newline and closes the descriptor, as s6-supervise expects. */
static void daemon_notify_fd(int fd)
{
	if (fd < 0)
		return;
	if (write(fd, "\n", 1) < 0)
		log_warning("notify-fd: descriptor %d: %s", fd,
			    strerror(errno));
	close(fd);
}

/* Runs the loop until the daemon stops. False: an error has ended the loop, and
 * was logged. */
static bool daemon_serve(struct daemon *daemon)
{
	const struct conf *conf = daemon->server.conf;
	size_t services = conf->service_count;
	size_t workers = daemon->server.worker_count;

	spare_fds_hold();
	log_notice("lined %s: %zu service%s, %zu worker%s, %s", PACKAGE_VERSION,
		   services, services == 1 ? "" : "s", workers,
		   workers == 1 ? "" : "s",
		   lined_dispatcher_poller(daemon->dispatcher));
	log_copy_errors(false);
	if (pid_file_write() < 0)
		log_warning("pid-file: %s", strerror(errno));
	systemd_ready(&daemon->systemd);
	daemon_notify_fd(daemon->reload.cmdline->notify_fd);
	/* This is the last chance to print: detach_done() makes standard error
	 * /dev/null. */
	if (daemon->reload.cmdline->detach && log_is_lost())
		fputs("lined: there is no syslog (/dev/log): messages are lost "
		      "until there is one\n",
		      stderr);
	detach_done(EXIT_STOPPED);
	while (!daemon->stopped)
		if (!worker_poll(daemon->server.env.main_worker)) {
			log_err("poll fails again and again: lined ends");
			return false;
		}
	return true;
}

static enum exit_code daemon_run_config(struct daemon *daemon)
{
	struct conf_errors errors;
	struct conf *conf = reload_read(&daemon->reload, false, &errors);
	enum exit_code code = EXIT_NOT_STARTED;

	reload_add_errors(NULL, &errors);
	conf_errors_fini(&errors);
	if (conf == NULL)
		return EXIT_BAD_CONFIG;
	if (reload_open_log(daemon->reload.cmdline, conf) == 0 &&
	    daemon_start(daemon, conf) == 0 && daemon_serve(daemon)) {
		log_notice("stopped");
		/* After a second signal to stop, services may be left. Then
		 * nothing is freed here. */
		if (server_is_empty(&daemon->server)) {
			spare_fds_release();
			systemd_stop(&daemon->systemd);
			worker_watch_stop(&daemon->worker_watch);
			process_size_stop(&daemon->process_size);
			server_fini(&daemon->server);
			signals_stop(&daemon->signals);
			lined_dispatcher_free(daemon->dispatcher);
			inherited_free(daemon->inherited);
			modules_free(daemon->modules);
		}
		code = EXIT_STOPPED;
	}
	conf_unref(conf);
	return code;
}

enum exit_code daemon_run(const struct cmdline *cmdline)
{
	/* Static: memory that is not freed after a second signal stays
	 * referenced, and a leak checker does not report it. */
	static struct daemon daemon;
	enum exit_code code = EXIT_NOT_STARTED;

	signals_hold();
	daemon.modules = modules_new();
	daemon.reload = (struct reload){
		.cmdline = cmdline,
		.modules = daemon.modules,
		.server = &daemon.server,
		.worker_watch = &daemon.worker_watch,
		.finished = daemon_reloaded,
	};
	if (cmdline->detach && detach() < 0) {
		fprintf(stderr, "lined: detach: %s\n", strerror(errno));
		return EXIT_NOT_STARTED;
	}
	if (daemon.modules == NULL) {
		fprintf(stderr, "lined: %s\n", strerror(ENOMEM));
	} else if (reload_open_log(cmdline, NULL) == 0) {
		log_copy_errors(true);
		running_protocol_init(&daemon.code, &daemon.server,
				      daemon.modules);
		crash_watch(&daemon.code.reporter);
		code = daemon_run_config(&daemon);
	}
	pid_file_remove();
	log_close();
	detach_done(code);
	return code;
}
