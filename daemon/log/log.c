/* SPDX-License-Identifier: MIT */
/*
 * Levels and messages. Makes messages printable and passes them to the thread
 * that writes. While the log is not open, the calling thread writes to stderr.
 */
#include "config.h"

#include "log/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lined/text.h>

#include "log/log_journal.h"
#include "log/log_thread.h"

#define CLOSE_TIMEOUT_MS 2000

/* Only log_open() and log_close() lock this for writing. */
static pthread_rwlock_t log_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct log_thread *open_thread; /* NULL: closed */
static bool copies_errors;             /* errors may be copied to stderr */
static struct log_output_settings open_output;
static bool stderr_is_stuck;
/* Random: otherwise a peer could choose an address with the hash of another
 * address, so that messages about the other are suppressed. */
static uint64_t hash_seed;

/* Copies of settings for log_last_words(), which cannot take the lock. */
static struct {
	bool syslog;
	enum log_style style;
	char head[128]; /* a syslog message up to the PID */
} last_words;

static _Atomic int current_level = LINED_LOG_INFO;
static atomic_bool errors_are_copied;
static atomic_bool access_is_logged;

/* ---- opening and closing --------------------------------------------- */

/* Whether stderr is the stream that JOURNAL_STREAM names: systemd.exec(5). */
static bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL &&
	       sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

static enum log_output_kind log_choose_output(enum log_target target)
{
	bool may_journal = target == LOG_TARGET_JOURNAL;

	switch (target) {
	case LOG_TARGET_STDERR:
		return LOG_OUTPUT_STDERR;
	case LOG_TARGET_SYSLOG:
		return LOG_OUTPUT_SYSLOG;
	case LOG_TARGET_AUTO:
		if (isatty(STDERR_FILENO) == 1)
			return LOG_OUTPUT_STDERR;
		may_journal = log_stderr_is_journal();
		break;
	case LOG_TARGET_JOURNAL:
		break;
	}
	/* The journal comes first: unlike syslog, it takes fields. */
	if (may_journal && log_journal_exists())
		return LOG_OUTPUT_JOURNAL;
	return log_output_has_syslog() ? LOG_OUTPUT_SYSLOG : LOG_OUTPUT_STDERR;
}

static enum log_style log_choose_style(const struct log_settings *settings)
{
	switch (settings->format) {
	case LOG_FORMAT_PLAIN:
		return LOG_STYLE_TIME;
	case LOG_FORMAT_PRIORITY:
		return LOG_STYLE_PRIORITY;
	case LOG_FORMAT_AUTO:
		break;
	}
	if (isatty(STDERR_FILENO) == 1)
		return LOG_STYLE_BARE;
	if (settings->target == LOG_TARGET_STDERR || log_stderr_is_journal())
		return LOG_STYLE_PRIORITY;
	return LOG_STYLE_TIME;
}

static void log_make_output(struct log_output_settings *output,
			    const struct log_settings *settings)
{
	memset(output, 0, sizeof(*output));
	output->kind = log_choose_output(settings->target);
	output->fall_back = settings->target != LOG_TARGET_SYSLOG;
	output->style = log_choose_style(settings);
	output->facility = settings->facility;
	snprintf(output->ident, sizeof(output->ident), "%s", settings->ident);
}

int log_open(const struct log_settings *settings)
{
	struct log_output_settings output;
	struct log_thread *thread;
	int saved = errno;

	log_make_output(&output, settings);
	pthread_rwlock_wrlock(&log_lock);
	open_output = output;
	if (hash_seed == 0 &&
	    getrandom(&hash_seed, sizeof(hash_seed), GRND_NONBLOCK) < 0)
		hash_seed = (uint64_t)getpid();
	if (open_thread != NULL)
		log_thread_set(open_thread, &output);
	else
		open_thread = log_thread_start(&output);
	thread = open_thread;
	last_words.syslog = output.kind != LOG_OUTPUT_STDERR;
	copies_errors = last_words.syslog && !log_stderr_is_journal();
	last_words.style = output.style;
	snprintf(last_words.head, sizeof(last_words.head), "<%d>%s[",
		 output.facility | LINED_LOG_ERR, output.ident);
	pthread_rwlock_unlock(&log_lock);
	if (thread == NULL) {
		errno = ENOMEM;
		return -1;
	}
	log_set_level(settings->level);
	atomic_store(&access_is_logged, settings->access);
	errno = saved;
	return 0;
}

void log_close(void)
{
	struct log_thread *thread;
	bool is_stuck;
	int saved = errno;

	pthread_rwlock_wrlock(&log_lock);
	thread = open_thread;
	open_thread = NULL;
	pthread_rwlock_unlock(&log_lock);
	if (thread == NULL)
		return;
	is_stuck = log_thread_stop(thread, CLOSE_TIMEOUT_MS) < 0;
	pthread_rwlock_wrlock(&log_lock);
	stderr_is_stuck = is_stuck && open_output.kind == LOG_OUTPUT_STDERR;
	pthread_rwlock_unlock(&log_lock);
	errno = saved;
}

void log_tick(uint32_t after_ms, uint32_t (*tick)(void *arg), void *arg)
{
	pthread_rwlock_rdlock(&log_lock);
	if (open_thread != NULL)
		log_thread_tick(open_thread, after_ms, tick, arg);
	pthread_rwlock_unlock(&log_lock);
}

/* ---- levels ---------------------------------------------------------- */

void log_set_level(enum lined_log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum lined_log_level log_level(void)
{
	return atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool log_enabled(enum lined_log_level level)
{
	return (int)level <=
	       atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool log_access(void)
{
	return atomic_load_explicit(&access_is_logged, memory_order_relaxed);
}

bool log_is_lost(void)
{
	bool is_syslog;

	pthread_rwlock_rdlock(&log_lock);
	is_syslog =
		open_output.kind == LOG_OUTPUT_SYSLOG && !open_output.fall_back;
	pthread_rwlock_unlock(&log_lock);
	return is_syslog && !log_output_has_syslog();
}

uint64_t log_lost(void)
{
	return log_thread_lost();
}

void log_copy_errors(bool on)
{
	atomic_store(&errors_are_copied, on);
}

/* ---- messages -------------------------------------------------------- */

/* FNV-1a. */
static uint64_t log_hash(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	while (len-- > 0)
		hash = (hash ^ *at++) * 0x100000001b3;
	return hash;
}

/* Hashes an address without its port; of an IPv6 address only the /64, because
 * one owner has all addresses of a /64. */
static uint64_t log_hash_peer(uint64_t hash, const struct log_word *peer)
{
	const char *end = memrchr(peer->text, ':', peer->len);
	size_t len = end != NULL ? (size_t)(end - peer->text) : peer->len;
	unsigned char bytes[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN + 2];

	if (len > 2 && len < sizeof(text) && peer->text[0] == '[') {
		memcpy(text, peer->text + 1, len - 2);
		text[len - 2] = '\0';
		if (inet_pton(AF_INET6, text, bytes) == 1)
			return log_hash(hash, bytes, 8);
	}
	return log_hash(hash, peer->text, len);
}

static struct log_limit_key log_make_key(const void *kind, const char *text,
					 size_t len)
{
	struct log_limit_key key = {.from = 0};
	struct log_subject subject;

	log_subject_read(&subject, text, len);
	key.kind = log_hash(hash_seed, &kind, sizeof(kind));
	key.kind =
		log_hash(key.kind, subject.service.text, subject.service.len) |
		1;
	/* A protocol's message about a client: "service NAME: client ID PEER:".
	 * Such a subject is not trusted, so it makes no journal fields. */
	if (subject.client.len == 0 && subject.service.len > 0 &&
	    subject.peer.len == 0)
		log_subject_read(&subject, subject.rest,
				 (size_t)(text + len - subject.rest));
	if (subject.peer.len > 0)
		key.from = log_hash_peer(key.kind, &subject.peer) | 1;
	return key;
}

/* Formats a message and makes it printable. Returns the length. */
static size_t log_format(char text[LOG_TEXT_MAX], const char *format,
			 va_list arguments)
{
	char raw[LOG_TEXT_MAX + 1];
	int n = vsnprintf(raw, sizeof(raw), format, arguments);

	if (n < 0)
		n = snprintf(raw, sizeof(raw), "%s", format);
	/* If the text was cut, pass one byte more than fits into `text`: then
	 * lined_text_escape_rest() ends it with "...". */
	if ((size_t)n >= sizeof(raw))
		n = sizeof(raw) - 1;
	return lined_text_escape_rest(text, LOG_TEXT_MAX, raw, (size_t)n);
}

static void log_put_stderr(enum lined_log_level level, const char *format,
			   va_list arguments, bool wait)
{
	char text[LOG_TEXT_MAX];
	size_t len = log_format(text, format, arguments);

	log_output_stderr((int)level,
			  log_stderr_is_journal() ? LOG_STYLE_PRIORITY
						  : LOG_STYLE_BARE,
			  text, len, wait);
}

static void log_put(struct log_thread *thread, const void *kind,
		    enum lined_log_level level, const char *format,
		    va_list arguments)
{
	static const struct log_burst few = {.each = 20, .all = 100};
	/* A flood of connections to one service makes four kinds of messages:
	 * together they must stay below 10,000 in 30 s, the most that journald
	 * accepts by default. Otherwise journald would drop errors, too. */
	static const struct log_burst many = {.each = 100, .all = 300};
	char text[LOG_TEXT_MAX];
	size_t len = log_format(text, format, arguments);

	if (kind != NULL && level < LINED_LOG_DEBUG) {
		struct log_limit_key key = log_make_key(kind, text, len);

		if (!log_thread_admits(thread, &key, (int)level,
				       level == LINED_LOG_INFO ? &many : &few,
				       text))
			return;
	}
	log_thread_put(thread, (int)level, text, len);
	if (level <= LINED_LOG_ERR && copies_errors &&
	    atomic_load(&errors_are_copied))
		log_output_stderr((int)level, LOG_STYLE_BARE, text, len, true);
}

static void log_put_message(const void *kind, enum lined_log_level level,
			    const char *format, va_list arguments)
{
	int saved = errno;

	if (!log_enabled(level))
		return;
	pthread_rwlock_rdlock(&log_lock);
	if (open_thread != NULL)
		log_put(open_thread, kind, level, format, arguments);
	else
		log_put_stderr(level, format, arguments, !stderr_is_stuck);
	pthread_rwlock_unlock(&log_lock);
	errno = saved;
}

void log_msg(enum lined_log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_put_message(format, level, format, arguments);
	va_end(arguments);
}

void log_msg_of(const void *kind, enum lined_log_level level,
		const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_put_message(kind, level, format, arguments);
	va_end(arguments);
}

/* ---- last words ------------------------------------------------------- */

void log_words_add(struct log_words *words, const char *text)
{
	while (*text != '\0' && words->len + 1 < sizeof(words->text))
		words->text[words->len++] = *text++;
	words->text[words->len] = '\0';
}

void log_words_add_number(struct log_words *words, unsigned number)
{
	char digits[16], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	log_words_add(words, at);
}

/* Sends what syslog(3) would send: syslog(3) itself must not be used in a
 * signal handler. */
static int log_words_send(const struct log_words *words)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX,
					    .sun_path = "/dev/log"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) ==
	    0)
		n = send(fd, words->text, words->len, MSG_NOSIGNAL);
	close(fd);
	return n < 0 ? -1 : 0;
}

void log_last_words(const char *text)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct log_words words = {.len = 0};

	if (last_words.syslog) {
		log_words_add(&words, last_words.head);
		log_words_add_number(&words, (unsigned)getpid());
		log_words_add(&words, "]: ");
		log_words_add(&words, text);
		if (log_words_send(&words) == 0)
			return;
		words.len = 0;
	}
	if (last_words.style == LOG_STYLE_PRIORITY)
		log_words_add(&words, "<3>");
	log_words_add(&words, text);
	/* If the text was cut, make room for the newline. */
	if (words.len + 1 == sizeof(words.text))
		words.len--;
	log_words_add(&words, "\n");
	if (poll(&pfd, 1, 0) > 0 &&
	    write(STDERR_FILENO, words.text, words.len) < 0)
		return; /* no other place to report the error */
}
