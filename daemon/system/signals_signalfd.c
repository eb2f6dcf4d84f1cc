/* SPDX-License-Identifier: MIT */
/*
 * signals.h by signalfd(2): the signals are blocked, interrupt no system call
 * and are read like any other input.
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

	/* One a turn: an address that a reload closes is closed when the turn
	 * ends, and the next reload may open it again. */
	if (read(delegate->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		signals->handle(signals, (int)info.ssi_signo);
}

static const struct lined_delegate_handlers handlers = {
	.handle_read = signals_read_fd,
};

/* Blocks them, or signalfd(2) would not get them; ignores SIGPIPE. */
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
