/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log (lined(8), LOG): syslog(3), the journal, or lines on stderr.
 * A message is "subject: what: cause", one line, without a full stop.
 *
 * Thread: everything here but log_open() and log_close() is MT-safe and never
 * waits for a reader of the log. While the log is open, messages go through a
 * bounded buffer to a thread that writes them; messages that do not fit are
 * dropped and counted, and the count is logged. Before log_open() and after
 * log_close() the caller itself writes to stderr, so that errors of the start
 * are seen. All functions keep errno.
 *
 * Before log_open() a line on stderr begins with its priority, "<3>"
 * (sd-daemon(3)), if JOURNAL_STREAM says that stderr is the journal; afterwards
 * the settings decide.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/service.h>

enum log_target {
	/* stderr if it is a terminal; the journal if stderr is the journal;
	 * syslog if there is one; else stderr */
	LOG_TARGET_AUTO,
	LOG_TARGET_STDERR,
	LOG_TARGET_SYSLOG,
	LOG_TARGET_JOURNAL, /* without a journal: as AUTO does without one */
};

/* The prefix of each line on stderr. */
enum log_format {
	/* Nothing on a terminal; the priority if stderr is the journal or the
	 * target is STDERR; else as PLAIN. */
	LOG_FORMAT_AUTO,
	LOG_FORMAT_PLAIN,    /* time and level */
	LOG_FORMAT_PRIORITY, /* "<N>", sd-daemon(3) */
};

struct log_settings {
	enum log_target target;
	enum log_format format;
	int facility; /* LOG_DAEMON and its like */
	enum lined_log_level level;
	const char *ident; /* in syslog; copied, at most 63 bytes */
	bool access;       /* a line for each connection that has ended */
};

/*
 * Opens the log, or changes the settings of the open one. To be called after
 * the last fork(): the thread that writes exists only in its process. If the
 * thread cannot be created, the log is open and the callers write. -1/ENOMEM:
 * nothing is changed.
 */
int log_open(const struct log_settings *settings);

/* Writes the messages that wait and ends the thread. After two seconds it gives
 * up: if a reader of the log hangs, the rest is lost. Other threads should have
 * ended. Does nothing if the log is not open. */
void log_close(void);

/*
 * Calls tick(arg) after after_ms, then again after as many ms as it returns. It
 * runs on the thread that writes the log, the only one that no module can
 * block, and is meant for the heartbeat. tick NULL: no more calls; waits for
 * one that runs. There is no call while the thread hangs in a write, nor
 * without the thread. Main thread, while the log is open.
 */
void log_tick(uint32_t after_ms, uint32_t (*tick)(void *arg), void *arg);

/* Messages above this level are not logged. Default: info. */
void log_set_level(enum lined_log_level level);
enum lined_log_level log_level(void);
bool log_enabled(enum lined_log_level level);

/* The setting `access`: whether access lines are logged. */
bool log_access(void);

/* While on, errors also go to stderr, unless the log goes there or to the
 * journal behind stderr. It is on during the start, when a person or a script
 * waits for the result. Default: off. */
void log_copy_errors(bool on);

/*
 * Logs one message, formatted as by printf(3). Bytes that are not printable are
 * escaped; a text over 2 KiB is cut and ends in "...". Text from a peer must go
 * through lined_text_escape() first, or it could imitate an escape.
 *
 * Messages with the same format string about the same service are one kind; the
 * subject says what a message is about ("service NAME: refused PEER: ...", as
 * log_journal.h reads it). In 5 s, 20 messages of a kind are logged (100 at
 * LINED_LOG_INFO, all at LINED_LOG_DEBUG). If they are about a peer, that is
 * for each address, and five times as many for all (three times at
 * LINED_LOG_INFO). The rest are counted and reported as
 * "N similar messages suppressed: TEXT OF THE FIRST".
 */
void log_msg(enum lined_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same if the format alone does not identify the kind: `kind` is an address
 * that does, such as a reason's name. NULL: the message is never suppressed. */
void log_msg_of(const void *kind, enum lined_log_level level,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Whether messages of the open log would be lost now: its target is syslog, and
 * there is none. */
bool log_is_lost(void);

/* How many messages were lost since the start: dropped because the log was
 * slow, or not taken by its target. */
uint64_t log_lost(void);

/* Writes a printable message at level err at once, or drops it if that would
 * block. For the handler of a signal that ends the process.
 * Async-signal-safe. */
void log_last_words(const char *text, size_t len);

/* Arguments are evaluated only if the level is enabled. */
#define log_at(level, ...)                                                     \
	do {                                                                   \
		if (log_enabled(level))                                        \
			log_msg(level, __VA_ARGS__);                           \
	} while (0)
#define log_err(...)     log_at(LINED_LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LINED_LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_at(LINED_LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_at(LINED_LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LINED_LOG_DEBUG, __VA_ARGS__)

/* For lists, such as the errors of a config or the listen addresses: no item is
 * suppressed. */
#define log_each(level, ...) log_msg_of(NULL, level, __VA_ARGS__)

/* ---- words ------------------------------------------------------------- */

/* The words of the config and the command line, NULL-ended: levels from
 * LINED_LOG_ERR on, targets in the order of enum log_target, facilities in the
 * order of log_facility_values (LOG_DAEMON and so on). */
extern const char *const log_level_words[];
extern const char *const log_target_words[];
extern const char *const log_format_words[]; /* of enum log_format */
extern const char *const log_facility_words[];
extern const int log_facility_values[];

/* -1: no such word. */
int log_level_from_text(const char *text);
int log_target_from_text(const char *text);

const char *log_level_text(enum lined_log_level level);
