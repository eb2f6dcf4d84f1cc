/* SPDX-License-Identifier: MIT */
/*
 * Handles the signals of faults, and an exit(3) that lined itself did not call.
 * The signal handler allocates nothing, takes no lock and does not use
 * printf(3). The signal is blocked while its handler runs, so a second fault
 * with the same signal ends the process at once.
 */
#include "config.h"

#include "system/crash.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"

#define STACK_MIN ((size_t)64 * 1024)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	int number;
	const char *name;
} watched[] = {
	{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
	{SIGFPE, "SIGFPE"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
};

static struct sigaction before[COUNT(watched)];
static const struct crash_reporter *reporter;
static _Thread_local const char *doing;
static pid_t the_process;
static atomic_bool exit_is_due, exit_is_reported;

/* ---- one line of the report -------------------------------------------- */

/* Writes "worker 2: SIGSEGV in protocol x, service y". */
static void crash_format(struct log_words *line, const char *what,
			 const struct crash_thread *thread)
{
	if (thread->worker != CRASH_NO_WORKER) {
		log_words_add(line, "worker ");
		log_words_add_number(line, (unsigned)thread->worker);
		log_words_add(line, ": ");
	} else {
		log_words_add(line, "main thread: ");
	}
	log_words_add(line, what);
	if (thread->protocol == NULL)
		return;
	log_words_add(line, " in protocol ");
	log_words_add(line, thread->protocol);
	if (thread->service == NULL)
		return;
	log_words_add(line, ", service ");
	log_words_add(line, thread->service);
}

static void crash_format_this(struct log_words *line, const char *what)
{
	struct crash_thread thread = {.worker = CRASH_NO_WORKER};

	if (reporter != NULL)
		reporter->this_thread(reporter, &thread);
	if (doing != NULL)
		thread.protocol = NULL;
	crash_format(line, what, &thread);
	if (doing != NULL) {
		log_words_add(line, " in ");
		log_words_add(line, doing);
	}
}

/* ---- signals ------------------------------------------------------------ */

/* Logs which workers run a protocol's code. The signal came from another
 * process, perhaps a watchdog, and a hanging worker may be the reason. */
static void crash_log_others(void)
{
	struct crash_thread thread;
	size_t i;

	if (reporter == NULL)
		return;
	for (i = 0; reporter->others(reporter, i, &thread); i++) {
		struct log_words line = {.len = 0};

		if (thread.protocol == NULL)
			continue;
		crash_format(&line, "busy", &thread);
		log_last_words(line.text);
	}
}

static void crash_signalled(int number, siginfo_t *info, void *context)
{
	struct log_words line = {.len = 0};
	int saved = errno;
	size_t i = 0;

	while (watched[i].number != number)
		i++;
	crash_format_this(&line, watched[i].name);
	log_last_words(line.text);
	if (info->si_code == SI_USER)
		crash_log_others();
	/* A fault occurs again when the handler has returned, and then has its
	 * usual effect. A signal sent by a process must be sent again. */
	sigaction(number, &before[i], NULL);
	if (info->si_code <= 0)
		raise(number);
	errno = saved;
}

/* ---- exit --------------------------------------------------------------- */

/*
 * Only main() may call exit(3), after crash_watch_end(). If a module calls
 * exit(0), this would look like a clean stop, and a service manager would not
 * restart lined: hence abort(). This is not a signal handler, so it may wait
 * for the log. A child process forked by a module may exit.
 */
static void crash_exit_called(void)
{
	struct log_words line = {.len = 0};

	if (atomic_load(&exit_is_due) || getpid() != the_process)
		return;
	while (atomic_exchange(&exit_is_reported, true))
		pause();
	crash_format_this(&line, "exit() called");
	log_each(LINED_LOG_ERR, "%s", line.text);
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
	/* SIGABRT is not unblocked: if another process sends SIGABRT, the main
	 * thread handles it. abort(3) unblocks SIGABRT itself. */
	sigemptyset(&faults);
	for (size_t i = 0; i < COUNT(watched); i++)
		if (watched[i].number != SIGABRT)
			sigaddset(&faults, watched[i].number);
	pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
	/* Registered once for each thread: if several threads call exit(3) at
	 * once, each of them finds a registered call to run. Otherwise one of
	 * them could end the process before the report. */
	atexit(crash_exit_called);
}

void crash_thread_end(struct crash_stack *stack)
{
	if (stack->memory != NULL)
		sigaltstack(&stack->before, NULL);
	free(stack->memory);
}

void crash_watch(const struct crash_reporter *given)
{
	static struct crash_stack stack;
	struct sigaction action = {
		.sa_sigaction = crash_signalled,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	size_t i;

	reporter = given;
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
