/* SPDX-License-Identifier: MIT */
/*
 * Moves bytes, connections and resets between the ends of streams, see net.h.
 */
#include "config.h"

#include "net.h"

#include <errno.h>
#include <string.h>

#include "world.h"

enum { NET_PORTS = 32 };

static struct {
	struct net_stream streams[NET_STREAMS];
	struct net_listener listeners[NET_LISTENERS];
	struct {
		uint16_t port;
		struct net_totals totals;
	} ports[NET_PORTS];
	unsigned last_id;
	/* The streams in use, in any order. */
	struct net_stream *live[NET_STREAMS];
	unsigned live_count;
} net;

void net_begin(void)
{
	net.live_count = 0;
	memset(net.listeners, 0, sizeof(net.listeners));
	memset(net.ports, 0, sizeof(net.ports));
	net.last_id = 0;
}

unsigned net_count(void)
{
	unsigned count = net.live_count, i;

	for (i = 0; i < NET_LISTENERS; i++)
		count += net.listeners[i].open;
	return count;
}

struct net_totals *net_totals(uint16_t port)
{
	unsigned i;

	for (i = 0; i < NET_PORTS; i++) {
		if (net.ports[i].port == 0)
			net.ports[i].port = port;
		if (net.ports[i].port == port)
			return &net.ports[i].totals;
	}
	violated("too many ports");
}

/* ---- listeners ----------------------------------------------------------- */

struct net_listener *net_find_listener(uint16_t port)
{
	unsigned i;

	for (i = 0; i < NET_LISTENERS; i++)
		if (net.listeners[i].open && net.listeners[i].port == port)
			return &net.listeners[i];
	return NULL;
}

struct net_listener *net_listen(uint16_t port)
{
	unsigned i;

	if (net_find_listener(port) != NULL)
		return NULL;
	for (i = 0; net.listeners[i].open; i++)
		must(i + 1 < NET_LISTENERS);
	net.listeners[i] = (struct net_listener){.open = true, .port = port};
	return &net.listeners[i];
}

void net_unlisten(struct net_listener *listener)
{
	unsigned i;

	listener->open = false;
	for (i = 0; i < listener->count; i++)
		net_reset(listener->backlog[i], 1);
}

struct net_stream *net_accept(struct net_listener *listener)
{
	struct net_stream *stream = listener->backlog[0];

	if (listener->count == 0)
		return NULL;
	listener->count--;
	memmove(listener->backlog, listener->backlog + 1,
		listener->count * sizeof(stream));
	return stream;
}

/* ---- streams ------------------------------------------------------------- */

struct net_stream *net_connect(uint16_t port, uint32_t address)
{
	struct net_stream *stream;
	unsigned i, k;

	if (net.live_count == NET_STREAMS)
		return NULL;
	for (i = 0; net.streams[i].state != NET_FREE;)
		i++;
	stream = net.live[net.live_count++] = &net.streams[i];
	stream->state = NET_CONNECTING;
	stream->id = ++net.last_id;
	stream->port = port;
	stream->address = address;
	stream->mute = stream->cut = false;
	stream->tag = NULL;
	for (k = 0; k < 2; k++) {
		struct net_way *way = &stream->ways[k];

		stream->ends[k] = (struct net_end){.error = 0};
		way->start = way->len = way->arrived = 0;
		way->fin = way->fin_arrived = false;
		way->window = world_once_in(3)
				      ? world_between(64, 1024)
				      : world_between(1024, NET_WINDOW_MAX);
	}
	stream->ends[1].closed = true; /* until the listener has accepted it */
	return stream;
}

/* Frees a stream if both ends are closed: nobody reads the bytes under way. */
static void net_release(struct net_stream *stream)
{
	unsigned i;

	if (!stream->ends[0].closed || !stream->ends[1].closed)
		return;
	stream->state = NET_FREE;
	for (i = 0; net.live[i] != stream;)
		i++;
	net.live[i] = net.live[--net.live_count];
}

size_t net_write(struct net_stream *stream, unsigned end, const char *bytes,
		 size_t len)
{
	struct net_way *way = &stream->ways[end];
	size_t room = net_room(stream, end), at, first;

	if (len > room)
		len = room;
	at = (way->start + way->len) % NET_WINDOW_MAX;
	first = NET_WINDOW_MAX - at < len ? NET_WINDOW_MAX - at : len;
	memcpy(way->bytes + at, bytes, first);
	memcpy(way->bytes, bytes + first, len - first);
	way->len += len;
	return len;
}

size_t net_room(const struct net_stream *stream, unsigned end)
{
	const struct net_way *way = &stream->ways[end];

	if (stream->state != NET_CONNECTED || stream->ends[end].reset ||
	    way->fin || way->len >= way->window)
		return 0;
	return way->window - way->len;
}

size_t net_readable(const struct net_stream *stream, unsigned end)
{
	return stream->ways[1 - end].arrived;
}

size_t net_read(struct net_stream *stream, unsigned end, char *bytes,
		size_t size)
{
	struct net_way *way = &stream->ways[1 - end];
	size_t len = way->arrived < size ? way->arrived : size, first;

	first = NET_WINDOW_MAX - way->start;
	if (first > len)
		first = len;
	memcpy(bytes, way->bytes + way->start, first);
	memcpy(bytes + first, way->bytes, len - first);
	way->start = (way->start + len) % NET_WINDOW_MAX;
	way->len -= len;
	way->arrived -= len;
	return len;
}

bool net_has_ended(const struct net_stream *stream, unsigned end)
{
	const struct net_way *way = &stream->ways[1 - end];

	return way->arrived == 0 && way->fin_arrived;
}

void net_finish(struct net_stream *stream, unsigned end)
{
	stream->ways[end].fin = true;
}

void net_reset(struct net_stream *stream, unsigned end)
{
	stream->ends[end].closed = true;
	stream->ends[1 - end].reset_due = true;
	net_release(stream);
}

void net_close(struct net_stream *stream, unsigned end)
{
	if (stream->state != NET_CONNECTED || stream->ways[1 - end].len > 0 ||
	    stream->ends[end].reset) {
		net_reset(stream, end);
		return;
	}
	stream->ways[end].fin = true;
	stream->ends[end].closed = true;
	net_release(stream);
}

/* ---- packets ------------------------------------------------------------- */

static bool net_way_moves(const struct net_way *way)
{
	return way->len > way->arrived || (way->fin && !way->fin_arrived);
}

static bool net_moves(const struct net_stream *stream)
{
	switch (stream->state) {
	case NET_CONNECTING:
		return !stream->mute;
	case NET_CONNECTED:
		if (stream->cut)
			return false;
		return net_way_moves(&stream->ways[0]) ||
		       net_way_moves(&stream->ways[1]) ||
		       stream->ends[0].reset_due || stream->ends[1].reset_due;
	default:
		return false;
	}
}

static void net_step_connect(struct net_stream *stream)
{
	struct net_listener *listener = net_find_listener(stream->port);

	if (listener != NULL && listener->mute) {
		stream->mute = true;
		return;
	}
	if (listener == NULL || listener->count == NET_BACKLOG) {
		stream->state = NET_FAILED;
		stream->ends[0].error = ECONNREFUSED;
		trace("s%u refused at port %u", stream->id, stream->port);
		return;
	}
	stream->state = NET_CONNECTED;
	stream->ends[1].closed = false;
	listener->backlog[listener->count++] = stream;
	trace("s%u connected to port %u", stream->id, stream->port);
}

/* Bytes under way arrive before the reset, or are lost. */
static void net_step_reset(struct net_stream *stream, unsigned end)
{
	struct net_way *way = &stream->ways[1 - end];

	trace("s%u end %u is reset", stream->id, end);
	stream->ends[end].reset_due = false;
	stream->ends[end].reset = true;
	stream->ends[end].error = ECONNRESET;
	if (world_once_in(2))
		way->arrived = way->len;
	else
		way->len = way->arrived;
	way->fin = way->fin_arrived = true;
	stream->ways[end].len = stream->ways[end].arrived = 0;
}

static void net_step_way(struct net_stream *stream, unsigned end)
{
	struct net_way *way = &stream->ways[end];
	size_t under_way = way->len - way->arrived;

	if (stream->ends[1 - end].closed && under_way > 0) {
		way->len = way->arrived = 0;
		stream->ends[end].reset_due = !stream->ends[end].reset;
		return;
	}
	if (under_way > 0)
		way->arrived += world_once_in(2)
					? under_way
					: world_between(1, (unsigned)under_way);
	else
		way->fin_arrived = true;
}

static void net_step_stream(struct net_stream *stream)
{
	unsigned end = world_below(2);

	if (stream->state == NET_CONNECTING) {
		net_step_connect(stream);
		return;
	}
	if (stream->ends[end].reset_due)
		net_step_reset(stream, end);
	else if (net_way_moves(&stream->ways[end]))
		net_step_way(stream, end);
	else if (stream->ends[1 - end].reset_due)
		net_step_reset(stream, 1 - end);
	else
		net_step_way(stream, 1 - end);
}

void net_cut(uint16_t port, bool cut)
{
	unsigned i;

	for (i = 0; i < net.live_count; i++)
		if (net.live[i]->port == port)
			net.live[i]->cut = cut;
}

bool net_step(void)
{
	unsigned from = world_below(net.live_count + 1), i;

	for (i = 0; i < net.live_count; i++) {
		struct net_stream *stream =
			net.live[(from + i) % net.live_count];

		if (!net_moves(stream))
			continue;
		net_step_stream(stream);
		return true;
	}
	return false;
}
