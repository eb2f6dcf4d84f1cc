/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: listeners by port, and streams between two ends, each
 * end with a window and with bytes under way. An end is a descriptor of lined
 * (syscalls.c) or belongs to a peer. Written bytes arrive in pieces, when
 * net_step() decides. Resets, half-closes and refusals are as with TCP.
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
	size_t arrived;             /* how many of these have arrived */
	size_t window;
	bool fin, fin_arrived;
};

struct net_end {
	bool closed;    /* closed by its owner */
	bool reset;     /* the other end's reset has arrived */
	bool reset_due; /* a reset from the other end is under way */
	int error;      /* the next call on this end fails with it */
};

struct net_stream {
	enum net_state state;
	unsigned id;            /* unique in a world */
	uint16_t port;          /* the listener's port */
	uint32_t address;       /* the address of the connecting end */
	bool mute;              /* the connection attempt is never answered */
	bool cut;               /* nothing arrives in either direction */
	struct net_end ends[2]; /* the connecting end, the accepting end */
	struct net_way ways[2]; /* the bytes that each end has written */
	void *tag;              /* the peer of the stream */
};

struct net_listener {
	bool open;
	uint16_t port;
	bool mute; /* answers no connection attempts */
	struct net_stream *backlog[NET_BACKLOG];
	unsigned count;
};

/* The bytes that lined has read and written on all connections to a port. */
struct net_totals {
	uint64_t accepted, bytes_in, bytes_out, newlines_in;
};

void net_begin(void);
/* The number of streams and listeners. */
unsigned net_count(void);

/* Opens a listener. NULL: the port is in use. */
struct net_listener *net_listen(uint16_t port);
void net_unlisten(struct net_listener *listener);
struct net_listener *net_find_listener(uint16_t port);
struct net_stream *net_accept(struct net_listener *listener);

/* Begins to connect; net_step() decides the result. NULL: there are too many
 * streams. */
struct net_stream *net_connect(uint16_t port, uint32_t address);

/* Both return how many bytes were written or read. */
size_t net_write(struct net_stream *stream, unsigned end, const char *bytes,
		 size_t len);
size_t net_read(struct net_stream *stream, unsigned end, char *bytes,
		size_t size);
size_t net_readable(const struct net_stream *stream, unsigned end);
size_t net_room(const struct net_stream *stream, unsigned end);
/* Whether everything was read and the other end has half-closed. */
bool net_has_ended(const struct net_stream *stream, unsigned end);

/* net_finish() half-closes an end, net_close() closes it, with a reset if it
 * has unread bytes, net_reset() resets it. */
void net_finish(struct net_stream *stream, unsigned end);
void net_close(struct net_stream *stream, unsigned end);
void net_reset(struct net_stream *stream, unsigned end);

/* Moves one packet. False: no packet is under way. */
bool net_step(void);

/* While a port is cut, nothing arrives on its connections; the bytes arrive
 * when it is healed. */
void net_cut(uint16_t port, bool cut);

struct net_totals *net_totals(uint16_t port);

/* ---- syscalls.c: the descriptors of lined -------------------------------- */

enum { NET_FD_FIRST = 400, NET_FDS = 400 };

void net_fds_begin(void);
unsigned net_fds_open(void);
/* The events that a poller would report: enum poll_ready (lib/poller.h). */
unsigned net_fd_ready(int fd);
/* The stream of a descriptor; NULL: it has none. */
struct net_stream *net_fd_stream(int fd);

/* For the functions of lib/wakeup.h. */
int net_wakeup_open(void);
void net_wakeup_set(int fd, bool set);
