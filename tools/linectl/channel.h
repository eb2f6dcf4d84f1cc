/* SPDX-License-Identifier: MIT */
/*
 * A connection to the control socket of a daemon: sends requests, one at a
 * time, and hands on the records that answer them. Shows nothing.
 */
#ifndef LINECTL_CHANNEL_H
#define LINECTL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include <lined/dispatcher.h>

#include "linectl/record.h"

struct channel;

/* How a request ended. */
enum channel_end {
	CHANNEL_OK,
	CHANNEL_REFUSED, /* by the daemon: the text says why */
	CHANNEL_BROKEN,  /* the connection is lost: likewise */
};

struct channel_handlers {
	/* A record of the answer, which may be taken: it is finished else. */
	void (*record)(void *arg, struct record *record);
	/* Nothing follows; text is "" for CHANNEL_OK. It is as the daemon gave
	 * it: error_print() and utf8_shown() make it fit for a terminal. */
	void (*ended)(void *arg, enum channel_end end, const char *text);
	bool endless; /* records are not kept: there may be any number */
};

/*
 * Connects, waiting for it. NULL: what is wrong and what to do about it is in
 * error, which the caller frees.
 */
struct channel *channel_open(const char *path, char **error);
void channel_close(struct channel *channel);

struct lined_dispatcher *channel_dispatcher(struct channel *channel);

/*
 * Sends a request (a line and its LF, and what follows it). ended() is called
 * later, once; when timeout_ms (0: never) have passed without a record, with
 * CHANNEL_BROKEN.
 */
void channel_ask(struct channel *channel, const char *request, size_t len,
		 unsigned timeout_ms, const struct channel_handlers *handlers,
		 void *arg);

/* Sends more while a request is answered. */
void channel_send(struct channel *channel, const char *bytes, size_t len);

/* One turn of at most timeout_ms; false: nothing is asked any more. */
bool channel_poll(struct channel *channel, int timeout_ms);

#endif
