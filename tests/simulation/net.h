/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: streams between two ends, each with a window and with
 * bytes under way, and listeners by port. An end is a descriptor of lined
 * (syscalls.c) or belongs to a peer. Written bytes arrive in pieces, when
 * net_step() says so. Resets, half-closes and refusals are as with TCP.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NET_STREAMS = 192,
	NET_LISTENERS = 32,
	NET_BACKLOG = 64,
	NET_WINDOW_MAX = 16384,
};

enum net_state {
	NET_FREE,
	NET_CONNECTING,
	NET_CONNECTED,
	NET_FAILED,
};

/* The bytes that one end writes and the other reads. */
struct net_way {
	char bytes[NET_WINDOW_MAX]; /* a ring */
	size_t start, len;          /* not read yet */
	size_t arrived;             /* of these: may be read */
	size_t window;
	bool fin, fin_arrived;
};

struct net_end {
	bool closed;    /* by its owner */
	bool reset;     /* by the other end, and it knows */
	bool reset_due; /* a reset is under way to it */
	int error;      /* the next call reports it */
};

struct net_stream {
	enum net_state state;
	unsigned id;            /* never used again in a world */
	uint16_t port;          /* of the listener */
	uint32_t address;       /* of who has connected */
	bool mute;              /* connecting, and never answered */
	bool cut;               /* nothing arrives */
	struct net_end ends[2]; /* who has connected; who has accepted */
	struct net_way ways[2]; /* written by that end */
	void *tag;              /* for run.c: the accepted client */
};

struct net_listener {
	bool open;
	uint16_t port;
	bool mute; /* it answers no connection attempts */
	struct net_stream *backlog[NET_BACKLOG];
	unsigned count;
};

/* The bytes that lined has read and written on connections to a port. */
struct net_totals {
	uint64_t accepted, bytes_in, bytes_out, newlines_in;
};

void net_begin(void);
/* How many streams and listeners there are. */
unsigned net_count(void);

/* NULL: the port is in use. */
struct net_listener *net_listen(uint16_t port);
void net_unlisten(struct net_listener *listener);
struct net_listener *net_find_listener(uint16_t port);
struct net_stream *net_accept(struct net_listener *listener);

/* Begins to connect; net_step() decides. NULL: too many streams. */
struct net_stream *net_connect(uint16_t port, uint32_t address);

/* How many bytes were taken. */
size_t net_write(struct net_stream *stream, unsigned end, const char *bytes,
		 size_t len);
size_t net_read(struct net_stream *stream, unsigned end, char *bytes,
		size_t size);
size_t net_readable(const struct net_stream *stream, unsigned end);
size_t net_room(const struct net_stream *stream, unsigned end);
/* Everything was read, and the other end has half-closed. */
bool net_has_ended(const struct net_stream *stream, unsigned end);

/* Half-closes; closes, which resets if something was not read; resets. */
void net_finish(struct net_stream *stream, unsigned end);
void net_close(struct net_stream *stream, unsigned end);
void net_reset(struct net_stream *stream, unsigned end);

/* Moves one packet. False: nothing is under way. */
bool net_step(void);

/* While cut, nothing arrives on the connections to a port; when it is healed,
 * all does. */
void net_cut(uint16_t port, bool cut);

struct net_totals *net_totals(uint16_t port);

/* ---- syscalls.c: the descriptors of lined -------------------------------- */

enum { NET_FD_FIRST = 400, NET_FDS = 400 };

void net_fds_begin(void);
unsigned net_fds_open(void);
/* enum poll_ready (lib/poller.h). */
unsigned net_fd_ready(int fd);
/* NULL: no stream. */
struct net_stream *net_fd_stream(int fd);

/* lib/wakeup.h */
int net_wakeup_open(void);
void net_wakeup_set(int fd, bool set);
