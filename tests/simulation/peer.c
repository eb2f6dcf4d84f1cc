/* SPDX-License-Identifier: MIT */
/*
 * Lets peers write, read and leave, and checks what they hear; see peer.h.
 */
#include "config.h"

#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct peer peers[PEERS];
unsigned peer_count;

void peers_begin(void)
{
	peer_count = 0;
}

static struct peer *peer_new(const struct peer_kind *kind,
			     struct net_stream *stream, unsigned end)
{
	struct peer *peer = &peers[peer_count];

	memset(peer, 0, sizeof(*peer));
	peer->kind = kind;
	peer->id = peer_count++;
	peer->stream = stream;
	peer->end = end;
	stream->tag = peer;
	return peer;
}

struct peer *peer_connect(const struct peer_kind *kind, uint16_t port)
{
	struct net_stream *stream;

	if (peer_count == PEERS)
		return NULL;
	/* There are few addresses, so that peers reach the limits for each
	 * address. */
	stream = net_connect(port, 0x0a000001 + world_below(5));
	if (stream == NULL)
		return NULL;
	trace("%s %u begins, s%u", kind->name, peer_count, stream->id);
	return peer_new(kind, stream, 0);
}

struct peer *peer_accepted(const struct peer_kind *kind,
			   struct net_stream *stream)
{
	struct peer *peer;

	if (peer_count == PEERS) {
		net_reset(stream, 1);
		return NULL;
	}
	trace("%s %u is reached, s%u", kind->name, peer_count, stream->id);
	peer = peer_new(kind, stream, 1);
	peer->open = true;
	return peer;
}

bool peer_is_near(const struct peer *peer, const struct peer *other)
{
	return peer->service >> 32 == other->service >> 32;
}

bool peer_is_with(const struct peer *peer, const struct peer *other)
{
	return other->service == peer->service ||
	       (peer->cluster != 0 && other->cluster == peer->cluster);
}

bool peer_is_open(const struct peer *peer)
{
	return peer->stream != NULL && peer->open && peer->closes == 0 &&
	       peer->opens == 1 && !peer->was_reset && !peer->was_ended;
}

/* Whether lined may have closed the client because it did not read: lined waits
 * at most so long. */
static bool peer_was_given_up(const struct peer *peer)
{
	return peer->closed_ns >= peer->accepted_ns + 30 * WORLD_SECOND_NS;
}

bool peer_was_heard(const struct peer *peer)
{
	if (peer_is_open(peer))
		return peer->out_len == 0;
	return peer->finished && !peer->was_reset && peer->opens == 1 &&
	       peer->closes == 1 && peer->reason == LINED_CLOSE_PEER &&
	       !peer_was_given_up(peer);
}

bool peer_server_was_heard(const struct peer *peer)
{
	if (peer->stream != NULL)
		return peer->out_len == 0;
	/* If the other side ended first, it discards what arrives later. */
	return peer->finished && peer->was_ended && peer->was_taken &&
	       peer->out_len == 0;
}

/* ---- speech -------------------------------------------------------------- */

static size_t speech_write(char *to, unsigned id, unsigned number)
{
	uint32_t hash = (id * 2654435761u) ^ (number * 40503u + 12345);
	size_t len = (size_t)sprintf(to, "L%u.%u ", id, number);
	size_t pad = (hash >> 7) % 60, i;

	if (hash % 11 == 0)
		pad = (hash >> 9) % 700;
	for (i = 0; i < pad; i++)
		to[len++] = (char)('a' + (hash + i * 7) % 26);
	to[len] = '\0';
	return len;
}

bool peer_say_next(struct peer *peer, const char *prefix)
{
	char text[PEER_LINE_MAX];
	size_t len = strlen(prefix);

	if (peer->spoken == PEER_LINES ||
	    peer->out_len + PEER_LINE_MAX > sizeof(peer->out))
		return false;
	memcpy(text, prefix, len);
	speech_write(text + len, peer->id, peer->spoken);
	peer->spoken_at[peer->spoken++] = world_steps();
	peer_say(peer, text);
	return true;
}

struct peer *peer_read_speech(const struct peer *peer, const char *text,
			      unsigned *number)
{
	char wanted[PEER_LINE_MAX];
	unsigned id;

	if (sscanf(text, "L%u.%u", &id, number) != 2 || id >= peer_count ||
	    *number >= peers[id].spoken)
		violated("%s %u: this was never said: %s", peer->kind->name,
			 peer->id, text);
	speech_write(wanted, id, *number);
	if (strcmp(text, wanted) != 0)
		violated("%s %u: torn: %s, of: %s", peer->kind->name, peer->id,
			 text, wanted);
	return &peers[id];
}

struct peer *peer_hear_speech(struct peer *peer, const char *text,
			      unsigned *number)
{
	struct peer *speaker = peer_read_speech(peer, text, number);

	if (peer_has_heard(peer, speaker, *number))
		violated("%s %u: line %u of %u comes again", peer->kind->name,
			 peer->id, *number, speaker->id);
	if (*number < peer->heard_last[speaker->id])
		violated("%s %u: line %u of %u comes behind line %u",
			 peer->kind->name, peer->id, *number, speaker->id,
			 peer->heard_last[speaker->id] - 1);
	peer->heard_last[speaker->id] = *number + 1;
	peer->heard_of[speaker->id] |= 1ull << *number;
	peer->heard++;
	return speaker;
}

bool peer_has_heard(const struct peer *peer, const struct peer *speaker,
		    unsigned number)
{
	return (peer->heard_of[speaker->id] >> number & 1) != 0;
}

void peer_misses(const struct peer *peer, const struct peer *speaker,
		 unsigned number)
{
	violated("%s %u: line %u of %u is missing", peer->kind->name, peer->id,
		 number, speaker->id);
}

/* ---- acting -------------------------------------------------------------- */

void peer_say(struct peer *peer, const char *text)
{
	size_t len = strlen(text), i;

	trace("%s %u says: %.60s", peer->kind->name, peer->id, text);
	must(peer->out_len + len + 1 <= sizeof(peer->out));
	for (i = 0; i <= len; i++)
		peer->out[(peer->out_start + peer->out_len++) %
			  sizeof(peer->out)] = i < len ? text[i] : '\n';
}

void peer_leave(struct peer *peer, bool reset)
{
	trace("%s %u %s", peer->kind->name, peer->id,
	      reset ? "resets" : "closes");
	peer->left = true;
	if (reset)
		net_reset(peer->stream, peer->end);
	else
		net_close(peer->stream, peer->end);
	peer->stream = NULL;
}

static bool peer_write(struct peer *peer, bool calm)
{
	size_t len = peer->out_len, first, sent;

	if (len > 0 && !calm && world_once_in(2))
		len = world_between(1, (unsigned)len);
	first = sizeof(peer->out) - peer->out_start;
	if (first > len)
		first = len;
	sent = net_write(peer->stream, peer->end, peer->out + peer->out_start,
			 first);
	peer->out_start = (peer->out_start + sent) % sizeof(peer->out);
	peer->out_len -= sent;
	return sent > 0;
}

static void peer_take_bytes(struct peer *peer, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (bytes[i] != '\n') {
			must(peer->line_len + 1 < sizeof(peer->line));
			peer->line[peer->line_len++] = bytes[i];
			continue;
		}
		peer->line[peer->line_len] = '\0';
		trace("%s %u hears: %.60s", peer->kind->name, peer->id,
		      peer->line);
		peer->kind->hear(peer, peer->line, peer->line_len);
		peer->line_len = 0;
	}
}

/* If lined has not given the peer up, its output ends with a whole line. */
static void peer_end(struct peer *peer)
{
	trace("%s %u: %s, lined says %s", peer->kind->name, peer->id,
	      peer->was_reset ? "reset" : "the end",
	      peer->closes > 0 ? lined_close_reason_text(peer->reason)
			       : "nothing yet");
	if (peer->line_len > 0 && !peer->was_reset && peer->closes > 0 &&
	    peer->reason == LINED_CLOSE_PEER && !peer->kind->may_be_cut &&
	    !peer_was_given_up(peer))
		violated("%s %u: the last line is torn: %.*s", peer->kind->name,
			 peer->id, (int)peer->line_len, peer->line);
	if (peer->kind->ended != NULL)
		peer->kind->ended(peer);
	net_close(peer->stream, peer->end);
	peer->stream = NULL;
}

static bool peer_read(struct peer *peer, bool calm)
{
	struct net_end *end = &peer->stream->ends[peer->end];
	char bytes[NET_WINDOW_MAX];
	size_t len = sizeof(bytes);

	if (net_readable(peer->stream, peer->end) > 0) {
		if (!calm && world_once_in(3))
			len = world_between(1, 100);
		len = net_read(peer->stream, peer->end, bytes, len);
		peer_take_bytes(peer, bytes, len);
		return true;
	}
	if (!end->reset && !net_has_ended(peer->stream, peer->end))
		return false;
	if (end->reset) {
		peer->was_reset = true;
	} else if (peer->out_len > 0 && !peer->finished) {
		return peer_write(peer, calm); /* the peer closes when all is
						* written */
	} else {
		peer->was_ended = true;
		peer->was_taken = !end->reset_due &&
				  peer->stream->ways[peer->end].len == 0;
	}
	peer_end(peer);
	return true;
}

static void peer_finish(struct peer *peer)
{
	trace("%s %u half-closes", peer->kind->name, peer->id);
	peer->finished = true;
	net_finish(peer->stream, peer->end);
}

static bool peer_is_connected(struct peer *peer)
{
	if (peer->stream->state == NET_FAILED) {
		peer->left = true;
		net_close(peer->stream, peer->end);
		peer->stream = NULL;
		return false;
	}
	peer->open |= peer->stream->state == NET_CONNECTED;
	return peer->open;
}

bool peer_act(struct peer *peer, bool calm)
{
	unsigned chance = world_below(1000);

	if (peer->stream == NULL || !peer_is_connected(peer))
		return false;
	if (calm) {
		peer->stalled = false;
		return peer_write(peer, true) || peer_read(peer, true);
	}
	if (chance < 350)
		return peer_write(peer, false);
	if (chance < 750)
		return !peer->stalled && peer_read(peer, false);
	if (chance < 950) {
		if (!peer->finished)
			peer->kind->speak(peer);
		return true;
	}
	if (chance < 970)
		peer->stalled = !peer->stalled;
	else if (peer->kind->stays != NULL && peer->kind->stays())
		return false;
	else if (chance < 980 && !peer->finished && peer->out_len == 0)
		peer_finish(peer);
	else if (chance < 983)
		peer_leave(peer, false);
	else if (chance < 986)
		peer_leave(peer, true);
	return true;
}

bool peers_act(bool calm)
{
	unsigned from = world_below(peer_count), i;

	for (i = 0; i < peer_count; i++)
		if (peer_act(&peers[(from + i) % peer_count], calm))
			return true;
	return false;
}
