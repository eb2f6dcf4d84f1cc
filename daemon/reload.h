/* SPDX-License-Identifier: MIT */
/*
 * The config file: reading it at the start, on a reload and for a plan;
 * applying it to the server; and the log, which is opened by the command line
 * and the config. daemon.c says when, and what surrounds it. Main thread.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>
#include <time.h>

#include "config/conf.h"

struct cmdline;
struct control_text;
struct heartbeat;
struct modules;
struct reload_plan;
struct report;
struct server;

struct reload {
	const struct cmdline *cmdline;
	struct modules *modules;
	struct server *server;
	const struct heartbeat *heartbeat;
	time_t read; /* when the config in use was read */
	unsigned long done, refused;
};

/* Reads the config for the first time. errors is initialised, and the caller's
 * to finish. check_names: see conf.h. */
struct conf *reload_read(const struct reload *reload, bool check_names,
			 struct conf_errors *errors);

/* Adds the errors and warnings of reading a config. */
void reload_add_errors(struct report *report, const struct conf_errors *errors);

/* Calls tell for each thing that the config says and this version does not
 * serve yet. */
void reload_each_unserved(const struct conf *conf,
			  void (*tell)(const char *text));

/* Opens the log, or changes it; conf NULL: the config has not been read. -1
 * and errno. */
int reload_open_log(const struct cmdline *cmdline, const struct conf *conf);

/* Makes the server what the first config says. -1: logged. */
int reload_start(struct reload *reload, struct conf *conf);

/* Reads the config again and applies it. False: nothing was changed, see the
 * report (NULL: only the log has it). */
bool reload_run(struct reload *reload, struct report *report);

/* The plan of a reload of this text. NULL: the reload would be refused, see
 * errors, which the caller has initialised. */
struct reload_plan *reload_plan_text(const struct reload *reload,
				     const struct control_text *text,
				     struct conf_errors *errors);

#endif
