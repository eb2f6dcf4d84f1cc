/* SPDX-License-Identifier: MIT */
/*
 * A descriptor by which other threads wake a waiting dispatcher: an eventfd
 * where the system has it (wakeup_eventfd.c), a pipe elsewhere (wakeup_pipe.c).
 */
#pragma once

struct wakeup {
	int read_fd;  /* becomes readable; for the poller */
	int write_fd; /* the same descriptor, for an eventfd */
};

/* 0; -1 and errno. */
int wakeup_open(struct wakeup *wakeup);
void wakeup_close(struct wakeup *wakeup);

/* Makes read_fd readable. MT-safe, async-signal-safe. */
void wakeup_signal(struct wakeup *wakeup);

/* Makes the descriptor unreadable again. */
void wakeup_clear(struct wakeup *wakeup);
