/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log (lined(8), LOG): syslog(3), the journal, or lines on stderr.
 * A message is "subject: what: cause", one line, without a full stop.
 *
 * Thread: all functions but log_open(), log_close() and log_tick() are MT-safe.
 * While the log is open, messages go through a bounded buffer to a thread that
 * writes them, so that no other thread waits for a reader of the log. Messages
 * that do not fit are dropped and counted, and the count is logged. Before
 * log_open() and after log_close() the calling thread writes to stderr, so that
 * errors of the start are seen. All functions keep errno.
 *
 * While the log is not open, a line on stderr begins with its priority, "<3>"
 * (sd-daemon(3)), if JOURNAL_STREAM says that stderr is the journal. While the
 * log is open, the settings decide.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/service.h>

enum log_target {
	/* stderr if it is a terminal; else the journal if stderr is the
	 * journal; else syslog if there is one; else stderr */
	LOG_TARGET_AUTO,
	LOG_TARGET_STDERR,
	LOG_TARGET_SYSLOG,
	/* without a journal: syslog if there is one, else stderr */
	LOG_TARGET_JOURNAL,
};

/* The prefix of each line on stderr. */
enum log_format {
	/* No prefix on a terminal; the priority if stderr is the journal or the
	 * target is STDERR; else as PLAIN. */
	LOG_FORMAT_AUTO,
	LOG_FORMAT_PLAIN,    /* time and level */
	LOG_FORMAT_PRIORITY, /* "<N>", sd-daemon(3) */
};

struct log_settings {
	enum log_target target;
	enum log_format format;
	int facility; /* LOG_DAEMON or another of syslog(3) */
	enum lined_log_level level;
	const char *ident; /* in syslog; copied, at most 63 bytes */
	bool access;       /* log a line for each ended connection */
};

/*
 * Opens the log, or changes the settings of the open log. Call it after the
 * last fork(), because the writing thread exists only in the process that
 * created it. If the thread cannot be created, the log opens all the same, and
 * the thread that logs a message writes the message. -1/ENOMEM: the log stays
 * closed.
 */
int log_open(const struct log_settings *settings);

/* Writes the waiting messages and ends the thread. Gives up after two seconds:
 * if a reader of the log hangs, the remaining messages are lost. Other threads
 * should have ended. Does nothing if the log is not open. */
void log_close(void);

/*
 * Calls tick(arg) after after_ms. tick returns the time in ms until its next
 * call. tick runs on the thread that writes the log, because no module can
 * block that thread. Meant for worker_watch.c. tick NULL: no more calls; waits
 * for a call that runs. tick is not called while the thread hangs in a write,
 * or if there is no thread. Main thread, while the log is open.
 */
void log_tick(uint32_t after_ms, uint32_t (*tick)(void *arg), void *arg);

/* Messages above this level are not logged. Default: info. */
void log_set_level(enum lined_log_level level);
enum lined_log_level log_level(void);
bool log_enabled(enum lined_log_level level);

/* The setting `access`: whether access lines are logged. */
bool log_access(void);

/* While on, errors also go to stderr, unless the log goes to stderr or stderr
 * is the journal. The calling thread writes the copy. Switched on for the
 * start, when a person or a script waits for the result. Default: off. */
void log_copy_errors(bool on);

/*
 * Logs one message in the format of printf(3). Unprintable bytes are escaped; a
 * text over 2 KiB is cut and ends in "...". Pass text from a peer through
 * lined_text_escape() first: otherwise it could imitate an escape.
 *
 * Messages with the same format string about the same service are one kind; the
 * subject says what a message is about ("service NAME: refused PEER: ...", see
 * log_journal.h). In 5 s, 20 messages of a kind are logged (100 at
 * LINED_LOG_INFO, all at LINED_LOG_DEBUG). For messages about a peer this limit
 * holds for each address, and the limit for all addresses is five times as high
 * (three times at LINED_LOG_INFO). Further messages are counted and reported as
 * "N similar messages suppressed: TEXT OF THE FIRST".
 */
void log_msg(enum lined_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* As log_msg(), for a format that is not enough to identify the kind. `kind`: a
 * pointer that identifies the kind, such as one to a reason's name. NULL: never
 * suppressed. */
void log_msg_of(const void *kind, enum lined_log_level level,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Whether the open log loses messages at present: its target is syslog, and no
 * process reads /dev/log. */
bool log_is_lost(void);

/* The number of messages lost since the start: dropped because the log was
 * slow, or not accepted by its target. */
uint64_t log_lost(void);

/* ---- in a signal handler ------------------------------------------------ */

/* A text made without printf(3); what does not fit is cut. Starts zeroed. */
struct log_words {
	char text[512];
	size_t len;
};

/* Async-signal-safe. */
void log_words_add(struct log_words *words, const char *text);
void log_words_add_number(struct log_words *words, unsigned number);

/* Writes a printable message at level err at once, or drops it if that would
 * block. For the handler of a signal that ends the process.
 * Async-signal-safe. */
void log_last_words(const char *text);

/* log_msg() that evaluates its arguments only if the level is enabled. */
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

/* Logs a message that is never suppressed: an item of a list, such as an error
 * of a config or a listen address. */
#define log_each(level, ...) log_msg_of(NULL, level, __VA_ARGS__)

/* ---- words ------------------------------------------------------------- */

/* The words of config and command line, each list ending with NULL. Levels
 * start at LINED_LOG_ERR; targets are in the order of enum log_target, formats
 * of enum log_format, facilities of log_facility_values. */
extern const char *const log_level_words[];
extern const char *const log_target_words[];
extern const char *const log_format_words[];
extern const char *const log_facility_words[];
extern const int log_facility_values[];

/* -1: no such word. */
int log_level_from_text(const char *text);
int log_target_from_text(const char *text);

const char *log_level_text(enum lined_log_level level);
