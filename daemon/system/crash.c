/* SPDX-License-Identifier: MIT */
/*
 * The handlers of the signals that a fault makes, and of an exit(3) that is not
 * lined's own. All in the former may be called from a signal's handler: it asks
 * nobody for memory, takes no lock, and formats by itself. A fault within it
 * ends the process at once, the signal being blocked.
 */
#include "config.h"

#include "system/crash.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "watch/current_code.h"
#include "serve/server.h"

#define STACK_MIN ((size_t)64 * 1024)
#define TEXT_MAX  512

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The last two are not blocked where a worker runs: what is sent to the process
 * comes to the main thread. abort(3) unblocks its own. */
static const struct {
	int number;
	const char *name;
} watched[] = {
	{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
	{SIGFPE, "SIGFPE"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
};

static struct sigaction before[COUNT(watched)];
static const struct server *the_server;
static _Thread_local const char *doing;
static pid_t the_process;
static atomic_bool exit_is_due, exit_is_told;

/* ---- text -------------------------------------------------------------- */

struct text {
	char bytes[TEXT_MAX];
	size_t len;
};

static void add(struct text *text, const char *more)
{
	while (*more != '\0' && text->len + 1 < sizeof(text->bytes))
		text->bytes[text->len++] = *more++;
	text->bytes[text->len] = '\0';
}

static void add_number(struct text *text, unsigned n)
{
	char digits[16], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	add(text, at);
}

/* ---- who --------------------------------------------------------------- */

/* The worker whose thread this is; NULL: none. */
static const struct worker *find_worker(const struct server *server)
{
	size_t i;

	for (i = 0; i < server->worker_count; i++) {
		const struct worker *worker = &server->workers[i];

		if (!worker->threaded ||
		    pthread_equal(worker->thread, pthread_self()))
			return worker;
	}
	return NULL;
}

static void add_worker(struct text *text, const struct worker *worker,
		       const char *what)
{
	add(text, "worker ");
	add_number(text, worker->index);
	add(text, ": ");
	add(text, what);
}

static void add_running(struct text *text, const struct running *running)
{
	add(text, " in protocol ");
	add(text, running->protocol);
	if (running->service == NULL)
		return;
	add(text, ", service ");
	add(text, running->service);
}

/* What happened to this thread, and whose code it ran. */
static void add_own(struct text *text, const char *what)
{
	const struct server *server = the_server;
	const struct worker *worker = find_worker(server);
	struct running running;

	if (worker != NULL) {
		add_worker(text, worker, what);
	} else {
		add(text, "main thread: ");
		add(text, what);
	}
	if (doing != NULL) {
		add(text, " in ");
		add(text, doing);
	} else if (worker != NULL &&
		   running_find_own(server, worker, &running)) {
		add_running(text, &running);
	}
}

static void tell(const char *signal_name)
{
	struct text text = {.len = 0};

	add_own(&text, signal_name);
	log_last_words(text.bytes, text.len);
}

/* Somebody has had enough of us, a watchdog: what do the workers do? */
static void tell_workers(void)
{
	const struct server *server = the_server;
	struct running running;
	size_t i;

	for (i = 0; i < server->worker_count; i++) {
		const struct worker *worker = &server->workers[i];
		struct text text = {.len = 0};

		if (!worker->threaded ||
		    !running_find(server, worker, &running))
			continue;
		add_worker(&text, worker, "busy");
		add_running(&text, &running);
		log_last_words(text.bytes, text.len);
	}
}

static void on_crash(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	size_t i = 0;

	(void)context;
	while (watched[i].number != number)
		i++;
	tell(watched[i].name);
	if (info->si_code == SI_USER)
		tell_workers();
	/* A fault comes again as soon as this returns, and does then what it
	 * would have done; what was sent has to be sent again. */
	sigaction(number, &before[i], NULL);
	if (info->si_code <= 0)
		raise(number);
	errno = saved;
}

/* ---- exit --------------------------------------------------------------- */

/*
 * Only main() exits, and says so before. Anybody else has ended all services,
 * and its status may well say that this was to be: whoever starts lined again
 * would leave it down. What is no signal's handler may wait for the log. A
 * process that a module has forked may end as it likes.
 */
static void on_exit_called(void)
{
	struct text text = {.len = 0};

	if (atomic_load(&exit_is_due) || getpid() != the_process)
		return;
	while (atomic_exchange(&exit_is_told, true))
		pause();
	add_own(&text, "exit() called");
	log_each(LINED_LOG_ERR, "%s", text.bytes);
	log_close();
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* ---- begin and end ------------------------------------------------------ */

void crash_thread_begin(struct crash_stack *stack)
{
	long wanted = sysconf(_SC_SIGSTKSZ);
	size_t size = wanted > (long)STACK_MIN ? (size_t)wanted : STACK_MIN;
	stack_t mine = {.ss_size = size};
	sigset_t faults;

	stack->memory = mine.ss_sp = malloc(size);
	if (stack->memory != NULL)
		sigaltstack(&mine, &stack->before);
	sigemptyset(&faults);
	for (size_t i = 0; i < COUNT(watched); i++)
		if (watched[i].number != SIGABRT)
			sigaddset(&faults, watched[i].number);
	pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
	/* Several may exit at once, and each handler is called by one. */
	atexit(on_exit_called);
}

void crash_thread_end(struct crash_stack *stack)
{
	if (stack->memory != NULL)
		sigaltstack(&stack->before, NULL);
	free(stack->memory);
}

void crash_watch(const struct server *server)
{
	static struct crash_stack stack;
	struct sigaction action = {
		.sa_sigaction = on_crash,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	size_t i;

	the_server = server;
	the_process = getpid();
	sigemptyset(&action.sa_mask);
	crash_thread_begin(&stack);
	for (i = 0; i < COUNT(watched); i++)
		sigaction(watched[i].number, &action, &before[i]);
}

void crash_watch_end(void)
{
	atomic_store(&exit_is_due, true);
}

void crash_doing(const char *what)
{
	doing = what;
}
