/* SPDX-License-Identifier: MIT */
/*
 * The clients of echo and of a hub.
 */
#include "config.h"

#include "clients.h"

#include "world.h"

static void client_speak(struct peer *peer)
{
	unsigned lines = world_once_in(4) ? world_between(1, 6) : 1;

	while (lines-- > 0 && peer_say_next(peer, ""))
		;
}

/* ---- echo ------------------------------------------------------------------
 */

static void echo_hear(struct peer *peer, char *text, size_t len)
{
	unsigned number;

	(void)len;
	if (peer_hear_speech(peer, text, &number) != peer)
		violated("echo %u: another's line: %s", peer->id, text);
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

/* ---- hub -------------------------------------------------------------------
 */

static void hub_hear(struct peer *peer, char *text, size_t len)
{
	unsigned number;
	const struct peer *speaker = peer_hear_speech(peer, text, &number);

	(void)len;
	if (speaker == peer || speaker->service != peer->service)
		violated("hub %u: not for it: %s", peer->id, text);
	/* It may have come in the middle, but it hears all from then on. */
	if (number > 0 && !peer_has_heard(peer, speaker, number - 1) &&
	    (peer->heard_of[speaker->id] & ((1ull << number) - 1)) != 0)
		peer_misses(peer, speaker, number - 1);
}

/* It has heard each line that was said after it had come. */
static void hub_settled(struct peer *peer)
{
	unsigned i, k;

	if (!peer_is_open(peer))
		return;
	for (i = 0; i < peer_count; i++) {
		const struct peer *other = &peers[i];

		if (other == peer || other->kind != peer->kind ||
		    other->service != peer->service || !peer_was_heard(other))
			continue;
		for (k = 0; k < other->spoken; k++)
			if (other->spoken_at[k] > peer->accepted_at &&
			    !peer_has_heard(peer, other, k))
				peer_misses(peer, other, k);
	}
}

const struct peer_kind hub_client_kind = {
	.name = "hub",
	.speak = client_speak,
	.hear = hub_hear,
	.settled = hub_settled,
};
