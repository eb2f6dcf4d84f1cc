/* SPDX-License-Identifier: MIT */
/*
 * The clients of echo and relay, and the upstreams of relay.
 */
#include "config.h"

#include "clients.h"

#include "account.h"
#include "machine.h"
#include "scenes.h"
#include "world.h"

static void client_speak(struct peer *peer)
{
	unsigned lines = world_once_in(4) ? world_between(1, 6) : 1;

	while (lines-- > 0 && peer_say_next(peer, ""))
		;
}

/* ---- echo ---------------------------------------------------------------- */

static void echo_hear(struct peer *peer, char *text, size_t len)
{
	unsigned number;

	if (peer_hear_speech(peer, text, &number) != peer)
		violated("%s %u: another's line: %s", peer->kind->name,
			 peer->id, text);
	if (number + 1 != peer->heard)
		peer_misses(peer, peer, peer->heard - 1);
}

static void echo_settled(struct peer *peer)
{
	if (peer_was_heard(peer) && !peer->left && peer->heard != peer->spoken)
		peer_misses(peer, peer, peer->heard);
}

const struct peer_kind echo_client_kind = {
	.name = "echo",
	.speak = client_speak,
	.hear = echo_hear,
	.ended = echo_settled,
	.settled = echo_settled,
};

/* ---- hub ----------------------------------------------------------------- */

/* Whether the two peers hear each other. */
static bool hub_is_with(const struct peer *peer, const struct peer *other)
{
	return other->kind == peer->kind && other->opens > 0 &&
	       (scene.shared || peer_is_with(peer, other));
}

/* A client may connect in the middle of a speech, but then it hears all later
 * lines. */
static void hub_check_gap(const struct peer *peer, const struct peer *speaker,
			  unsigned number)
{
	bool began = false;
	unsigned i;

	for (i = 0; i < number; i++) {
		bool heard = peer_has_heard(peer, speaker, i);

		if (began && !heard && scene_passes(i))
			peer_misses(peer, speaker, i);
		began |= heard;
	}
}

static void hub_hear(struct peer *peer, char *text, size_t len)
{
	unsigned number;
	const struct peer *speaker = peer_hear_speech(peer, text, &number);

	if ((speaker == peer && !scene.loopback) ||
	    (!hub_is_with(peer, speaker) && !scene.held) ||
	    !scene_passes(number))
		violated("hub %u: not for it: %s", peer->id, text);
	if (!scene.lossy && !scene.held && peer_is_near(peer, speaker))
		hub_check_gap(peer, speaker, number);
}

/* The client must have heard each line that was said after it was accepted. */
static void hub_settled(struct peer *peer)
{
	unsigned i, k;

	if (!peer_is_open(peer) || scene.lossy)
		return;
	for (i = 0; i < peer_count; i++) {
		const struct peer *other = &peers[i];

		if ((other == peer && !scene.loopback) ||
		    !hub_is_with(peer, other) || !peer_was_heard(other))
			continue;
		for (k = 0; k < other->spoken; k++)
			if (other->spoken_at[k] > peer->accepted_at &&
			    scene_passes(k) && !peer_has_heard(peer, other, k))
				account_miss(peer, other, k);
	}
}

const struct peer_kind hub_client_kind = {
	.name = "hub",
	.speak = client_speak,
	.hear = hub_hear,
	.settled = hub_settled,
};

/* ---- a feed from an upstream ----------------------------------------- */

static void feed_hear(struct peer *peer, char *text, size_t len)
{
	unsigned number;
	const struct peer *speaker = peer_hear_speech(peer, text, &number);

	if (speaker->kind != &upstream_kind)
		violated("feed %u: not for it: %s", peer->id, text);
}

/* The client must have heard each line of its upstream. With a backup, this
 * function cannot know which of the two upstreams is in use. A service that
 * ends, or whose machine is no longer the primary, discards lines of its
 * upstream while the last lines go up: such upstreams are left out. */
static void feed_settled(struct peer *peer)
{
	unsigned i, k;

	if (!peer_is_open(peer) || scene.backup)
		return;
	for (i = 0; i < peer_count; i++) {
		const struct peer *other = &peers[i];

		if (other->kind != &upstream_kind ||
		    !peer_is_with(peer, other) ||
		    machine_service(other) == NULL ||
		    !peer_server_was_heard(other) ||
		    (machine_count > 1 &&
		     account_was_primary(machine_of_peer(other))))
			continue;
		for (k = 0; k < other->spoken; k++)
			if (other->spoken_at[k] > peer->accepted_at &&
			    !peer_has_heard(peer, other, k))
				account_miss(peer, other, k);
	}
}

const struct peer_kind feed_client_kind = {
	.name = "feed",
	.speak = client_speak,
	.hear = feed_hear,
	.settled = feed_settled,
};

/* Clients may send lines to the upstream; no other peer may. */
static void upstream_hear(struct peer *peer, char *text, size_t len)
{
	unsigned number;
	const struct peer *speaker = peer_hear_speech(peer, text, &number);

	if (speaker->kind != &feed_client_kind)
		violated("upstream %u: not for it: %s", peer->id, text);
}

static bool server_stays(void)
{
	return !scene.faulty;
}

const struct peer_kind upstream_kind = {
	.name = "upstream",
	.speak = client_speak,
	.hear = upstream_hear,
	.stays = server_stays,
};

/* ---- a proxy before an echo server ----------------------------------- */

/* If the server of the proxy has no faults, all lines come back. */
static void gate_settled(struct peer *peer)
{
	if (!scene.faulty)
		echo_settled(peer);
}

const struct peer_kind gate_client_kind = {
	.name = "gate",
	.may_be_cut = true,
	.speak = client_speak,
	.hear = echo_hear,
	.ended = gate_settled,
	.settled = gate_settled,
};

static void echo_server_speak(struct peer *peer)
{
}

static void echo_server_hear(struct peer *peer, char *text, size_t len)
{
	peer_say(peer, text);
}

const struct peer_kind echo_server_kind = {
	.name = "echo server",
	.speak = echo_server_speak,
	.hear = echo_server_hear,
	.stays = server_stays,
};
