/* SPDX-License-Identifier: MIT */
/*
 * Implements signals.h with signalfd(2): the signals are blocked, interrupt no
 * system call and are read like other input.
 */
#include "config.h"

#include "system/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signals_read_fd(struct lined_delegate *delegate)
{
	struct signals *signals =
		lined_container_of(delegate, struct signals, delegate);
	struct signalfd_siginfo info;

	/* Reads one signal a turn. A reload closes addresses at the end of the
	 * turn: a second reload in the same turn could not open them again. */
	if (read(delegate->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		signals->handle(signals, (int)info.ssi_signo);
}

static const struct lined_delegate_handlers handlers = {
	.handle_read = signals_read_fd,
};

/* Blocks the signals, or they would be delivered and not read from the
 * signalfd. Ignores SIGPIPE. */
static int signals_block(sigset_t *set)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int error;

	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
	error = pthread_sigmask(SIG_BLOCK, set, NULL);
	if (error != 0) {
		errno = error;
		return -1;
	}
	return sigaction(SIGPIPE, &ignore, NULL);
}

void signals_hold(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int signals_start(struct signals *signals, struct lined_dispatcher *dispatcher,
		  void (*handle)(struct signals *signals, int number))
{
	sigset_t set;
	int error;

	if (signals_block(&set) < 0)
		return -1;
	signals->handle = handle;
	signals->delegate = (struct lined_delegate){
		.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC),
		.mode = LINED_MODE_READ,
		.handlers = &handlers,
	};
	if (signals->delegate.fd < 0)
		return -1;
	if (lined_dispatcher_register(dispatcher, &signals->delegate) == 0)
		return 0;
	error = errno;
	close(signals->delegate.fd);
	errno = error;
	return -1;
}

void signals_stop(struct signals *signals)
{
	lined_dispatcher_unregister(signals->delegate.dispatcher,
				    &signals->delegate);
	close(signals->delegate.fd);
}
