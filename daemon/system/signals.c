/* SPDX-License-Identifier: MIT */
/*
 * Catches signals, and passes them through a pipe to the main dispatcher.
 * signalfd(2) would need no handlers, but while the main thread hangs nobody
 * would read it.
 */
#include "config.h"

#include "system/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "log/log.h"

/* How long the main thread may take to end the process after a second signal.
 */
#define END_SECONDS 2

static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

/* The write end; static, because signal handlers get no argument. */
static int pipe_in = -1;

/* The number of SIGTERM and SIGINT received. */
static volatile sig_atomic_t stops;

/* The numbers that the pipe holds: each once, so that a flood of one signal
 * neither fills the pipe nor hides another signal. */
static volatile sig_atomic_t in_pipe[NSIG];

/* The main thread has not ended the process in time: end it by SIGTERM, which a
 * service manager still takes for a clean stop. */
static void signals_end(int number)
{
	log_last_words("stopping at once: the main thread stands still");
	signal(SIGTERM, SIG_DFL);
	raise(SIGTERM);
}

static void signals_note(int number)
{
	unsigned char byte = (unsigned char)number;
	int error = errno;

	if ((number == SIGTERM || number == SIGINT) && stops++ > 0)
		alarm(END_SECONDS);

	if (!in_pipe[number])
		in_pipe[number] = write(pipe_in, &byte, 1) == 1;
	errno = error;
}

static void signals_read_pipe(struct lined_delegate *delegate)
{
	struct signals *signals =
		lined_container_of(delegate, struct signals, delegate);
	unsigned char number;

	/* Only one signal a turn: a reload closes addresses at the end of
	 * the turn, so a second reload in the same turn could not open them
	 * again. */
	if (read(delegate->fd, &number, 1) != 1)
		return;
	/* Before the call: a signal that comes during it must not be lost. */
	in_pipe[number] = 0;
	signals->handle(signals, number);
}

static const struct lined_delegate_handlers handlers = {
	.handle_read = signals_read_pipe,
};

static int signals_catch(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler,
				   .sa_flags = SA_RESTART};
	size_t i;

	sigfillset(&action.sa_mask);
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		if (sigaction(caught[i], &action, NULL) < 0)
			return -1;
	action.sa_handler = signals_end;
	if (sigaction(SIGALRM, &action, NULL) < 0)
		return -1;
	action.sa_handler = SIG_IGN;
	return sigaction(SIGPIPE, &action, NULL);
}

/* Blocks or unblocks SIGALRM, and SIGHUP and SIGUSR1, which only a running
 * daemon handles. */
static void signals_mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

void signals_hold(void)
{
	signals_mask(SIG_BLOCK);
}

int signals_start(struct signals *signals, struct lined_dispatcher *dispatcher,
		  void (*handle)(struct signals *signals, int number))
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	signals->delegate = (struct lined_delegate){
		.fd = fds[0],
		.mode = LINED_MODE_READ,
		.handlers = &handlers,
	};
	signals->handle = handle;
	pipe_in = fds[1];
	if (signals_catch(signals_note) == 0 &&
	    lined_dispatcher_register(dispatcher, &signals->delegate) == 0) {
		signals_mask(SIG_UNBLOCK);
		return 0;
	}
	signals_stop(signals);
	return -1;
}

void signals_stop(struct signals *signals)
{
	size_t i;

	signals_catch(SIG_IGN);
	if (signals->delegate.dispatcher != NULL)
		lined_dispatcher_unregister(signals->delegate.dispatcher,
					    &signals->delegate);
	close(signals->delegate.fd);
	close(pipe_in);
	pipe_in = -1;
	for (i = 0; i < NSIG; i++)
		in_pipe[i] = 0;
}
