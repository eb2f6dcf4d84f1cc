/* SPDX-License-Identifier: MIT */
/* Keeps the addresses in a table that all workers share, indexed by a hash of
 * the address. */
#include "relay/unreached.h"

#include <stdio.h>

#include "relay/relay.h"

#define PLACES       64
#define UNREACHED_MS 60000

struct unreached_place {
	uint32_t hash;     /* of the address that has this place */
	uint64_t since_ms; /* 0: was reached */
};

static uint32_t unreached_hash(const char *text)
{
	uint32_t hash = 2166136261u;

	while (*text != '\0')
		hash = (hash ^ (uint8_t)*text++) * 16777619u;
	return hash;
}

/* Returns the place for this hash and locks the table. NULL: no memory. */
static struct unreached_place *unreached_lock(struct relay *relay,
					      uint32_t hash)
{
	char name[LINED_TOPIC_MAX + 1];
	struct unreached_place *places;

	if (relay->unreached == NULL) {
		snprintf(name, sizeof(name), "relay proxy %s",
			 lined_service_name(relay->service));
		relay->unreached = lined_shared_get(relay->service, name,
						    PLACES * sizeof(*places));
	}
	if (relay->unreached == NULL)
		return NULL;
	places = lined_shared_lock(relay->unreached);
	return &places[hash % PLACES];
}

void relay_unreached_mark(struct relay *relay, const char *address,
			  bool reached)
{
	uint32_t hash = unreached_hash(address);
	struct unreached_place *place = unreached_lock(relay, hash);

	if (place == NULL)
		return;
	/* Success does not clear a place that another address has taken. */
	if (!reached || place->hash == hash) {
		place->hash = hash;
		place->since_ms = reached ? 0 : relay_now_ms(relay);
	}
	lined_shared_unlock(relay->unreached);
}

bool relay_unreached_lately(struct relay *relay, const char *address)
{
	uint32_t hash = unreached_hash(address);
	const struct unreached_place *place = unreached_lock(relay, hash);
	bool lately;

	if (place == NULL)
		return false;
	lately = place->hash == hash && place->since_ms > 0 &&
		 relay_now_ms(relay) < place->since_ms + UNREACHED_MS;
	lined_shared_unlock(relay->unreached);
	return lately;
}
