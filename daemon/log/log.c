/* SPDX-License-Identifier: MIT */
/*
 * The log as the rest of the daemon sees it: levels, messages, where they go.
 * It makes messages printable and hands them to the writer; it writes by
 * itself only while the log is not open.
 */
#include "config.h"

#include "log/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lined/text.h>

#include "log/log_journal.h"
#include "log/log_writer.h"

#define CLOSE_TIMEOUT_MS 2000

#define BURST      20
#define BURST_INFO 100

/* The lock is taken for writing by log_open() and log_close() alone. */
static pthread_rwlock_t the_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct log_writer *the_writer; /* NULL: not open */
static bool the_target_is_syslog;
static bool stderr_is_stuck;

/* For log_last_words(), which cannot take the lock. */
static struct {
	bool syslog, priorities;
	char head[128]; /* of a message to syslog, up to the process */
} the_last;

static _Atomic int the_level = LINED_LOG_INFO;
static atomic_bool errors_are_copied;
static atomic_bool the_access;

/* ---- opening and closing --------------------------------------------- */

/* Whether stderr is the stream that JOURNAL_STREAM names: systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL &&
	       sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

static void make_sink(struct log_sink *sink,
		      const struct log_settings *settings)
{
	bool is_terminal = isatty(STDERR_FILENO) == 1;

	memset(sink, 0, sizeof(*sink));
	sink->syslog = settings->target == LOG_TARGET_SYSLOG ||
		       (settings->target == LOG_TARGET_AUTO && !is_terminal);
	/* Where a service manager has the journal listen, it is told more. */
	sink->journal = settings->target == LOG_TARGET_AUTO && sink->syslog &&
			stderr_is_journal() && log_journal_exists();
	sink->priorities = !is_terminal;
	sink->facility = settings->facility;
	snprintf(sink->ident, sizeof(sink->ident), "%s", settings->ident);
}

int log_open(const struct log_settings *settings)
{
	struct log_sink sink;
	struct log_writer *writer = NULL;
	int saved = errno;

	make_sink(&sink, settings);
	pthread_rwlock_wrlock(&the_lock);
	if (the_writer != NULL)
		log_writer_set_sink(the_writer, &sink);
	else
		the_writer = log_writer_start(&sink);
	writer = the_writer;
	the_target_is_syslog = sink.syslog;
	the_last.syslog = sink.syslog;
	the_last.priorities = sink.priorities;
	snprintf(the_last.head, sizeof(the_last.head), "<%d>%s[",
		 sink.facility | LINED_LOG_ERR, sink.ident);
	pthread_rwlock_unlock(&the_lock);
	if (writer == NULL) {
		errno = ENOMEM;
		return -1;
	}
	log_set_level(settings->level);
	atomic_store(&the_access, settings->access);
	errno = saved;
	return 0;
}

void log_close(void)
{
	struct log_writer *writer;
	bool is_stuck;
	int saved = errno;

	pthread_rwlock_wrlock(&the_lock);
	writer = the_writer;
	the_writer = NULL;
	pthread_rwlock_unlock(&the_lock);
	if (writer == NULL)
		return;
	is_stuck = log_writer_stop(writer, CLOSE_TIMEOUT_MS) < 0;
	pthread_rwlock_wrlock(&the_lock);
	stderr_is_stuck = is_stuck && !the_target_is_syslog;
	pthread_rwlock_unlock(&the_lock);
	errno = saved;
}

void log_tick(uint32_t after_ms, uint32_t (*tick)(void *arg), void *arg)
{
	pthread_rwlock_rdlock(&the_lock);
	if (the_writer != NULL)
		log_writer_tick(the_writer, after_ms, tick, arg);
	pthread_rwlock_unlock(&the_lock);
}

/* ---- levels ---------------------------------------------------------- */

void log_set_level(enum lined_log_level level)
{
	atomic_store_explicit(&the_level, (int)level, memory_order_relaxed);
}

enum lined_log_level log_level(void)
{
	return atomic_load_explicit(&the_level, memory_order_relaxed);
}

bool log_enabled(enum lined_log_level level)
{
	return (int)level <=
	       atomic_load_explicit(&the_level, memory_order_relaxed);
}

bool log_access(void)
{
	return atomic_load_explicit(&the_access, memory_order_relaxed);
}

void log_copy_errors(bool on)
{
	atomic_store(&errors_are_copied, on);
}

/* ---- messages -------------------------------------------------------- */

static unsigned burst_of(enum lined_log_level level)
{
	return level == LINED_LOG_INFO ? BURST_INFO : BURST;
}

/* The message in text, printable; its length. */
static size_t format_text(char text[LOG_TEXT_MAX], const char *format,
			  va_list arguments)
{
	char raw[LOG_TEXT_MAX + 1];
	int n = vsnprintf(raw, sizeof(raw), format, arguments);

	if (n < 0)
		n = snprintf(raw, sizeof(raw), "%s", format);
	/* One byte more than fits, so that the cut is marked. */
	if ((size_t)n >= sizeof(raw))
		n = sizeof(raw) - 1;
	return lined_text_escape_rest(text, LOG_TEXT_MAX, raw, (size_t)n);
}

static void put_sync(enum lined_log_level level, const char *format,
		     va_list arguments, bool wait)
{
	char text[LOG_TEXT_MAX];
	size_t len = format_text(text, format, arguments);

	log_write_stderr((int)level, stderr_is_journal(), text, len, wait);
}

static void put(struct log_writer *writer, const void *kind,
		enum lined_log_level level, const char *format,
		va_list arguments)
{
	bool admitted = true, sample = false;
	char text[LOG_TEXT_MAX];
	size_t len;

	if (kind != NULL && level < LINED_LOG_DEBUG)
		admitted = log_writer_admits(writer, kind, (int)level,
					     burst_of(level), &sample);
	if (!admitted && !sample)
		return;
	len = format_text(text, format, arguments);
	if (!admitted) {
		log_writer_sample(writer, kind, text);
		return;
	}
	log_writer_put(writer, (int)level, text, len);
	if (level <= LINED_LOG_ERR && the_target_is_syslog &&
	    atomic_load(&errors_are_copied))
		log_write_stderr((int)level, stderr_is_journal(), text, len,
				 true);
}

static void message(const void *kind, enum lined_log_level level,
		    const char *format, va_list arguments)
{
	int saved = errno;

	if (!log_enabled(level))
		return;
	pthread_rwlock_rdlock(&the_lock);
	if (the_writer != NULL)
		put(the_writer, kind, level, format, arguments);
	else
		put_sync(level, format, arguments, !stderr_is_stuck);
	pthread_rwlock_unlock(&the_lock);
	errno = saved;
}

void log_msg(enum lined_log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	message(format, level, format, arguments);
	va_end(arguments);
}

void log_msg_of(const void *kind, enum lined_log_level level,
		const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	message(kind, level, format, arguments);
	va_end(arguments);
}

/* ---- last words ------------------------------------------------------- */

struct words {
	char bytes[LOG_TEXT_MAX];
	size_t len;
};

static void add(struct words *words, const char *bytes, size_t len)
{
	size_t room = sizeof(words->bytes) - words->len;

	if (len > room)
		len = room;
	memcpy(words->bytes + words->len, bytes, len);
	words->len += len;
}

static void add_pid(struct words *words)
{
	char digits[24], *at = digits + sizeof(digits);
	unsigned pid = (unsigned)getpid();

	do
		*--at = (char)('0' + pid % 10);
	while ((pid /= 10) > 0);
	add(words, at, (size_t)(digits + sizeof(digits) - at));
}

/* As syslog(3) does it, which may not be called. */
static int send_to_syslog(const struct words *words)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX,
					    .sun_path = "/dev/log"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) ==
	    0)
		n = send(fd, words->bytes, words->len, MSG_NOSIGNAL);
	close(fd);
	return n < 0 ? -1 : 0;
}

void log_last_words(const char *text, size_t len)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct words words = {.len = 0};

	if (the_last.syslog) {
		add(&words, the_last.head, strlen(the_last.head));
		add_pid(&words);
		add(&words, "]: ", 3);
		add(&words, text, len);
		if (send_to_syslog(&words) == 0)
			return;
		words.len = 0;
	}
	if (the_last.priorities)
		add(&words, "<3>", 3);
	add(&words, text, len);
	add(&words, "\n", 1);
	if (poll(&pfd, 1, 0) > 0 &&
	    write(STDERR_FILENO, words.bytes, words.len) < 0)
		return; /* and there is nobody to tell */
}
