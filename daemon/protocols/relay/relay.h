/* SPDX-License-Identifier: MIT */
/*
 * The instance of a relay service and its clients. A line goes
 *
 *	client or upstream -> filter -> block -> bus (-> holder -> bus)
 *	-> dedupe -> history -> every member
 *
 * and is copied once, into its block. There is a holder only if the option hold
 * is set.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/bus.h>
#include <lined/protocol.h>

#include "relay/block.h"
#include "relay/options.h"

struct relay {
	struct lined_service *service;
	const struct relay_options *options;
	bool subscribe_only; /* what clients send is discarded */
	struct relay_filter *filter;
	struct relay_dedupe *dedupe;
	struct relay_history *history;
	struct relay_block block;
	char topic[RELAY_TOPIC_MAX + 1]; /* "": the feed is not shared */
	struct relay_client *clients;    /* members; none in mode proxy */
	struct lined_subscription *feed; /* NULL: clients only publish */
	struct relay_hold *hold;
	struct relay_upstreams *upstreams; /* on the primary worker */
	struct relay_pair *pairs;          /* clients in mode proxy */
};

struct relay_client {
	struct relay_client *prev, *next;
	struct relay *relay;
	struct lined_socket *sock;
	uint64_t id;
	uint64_t lost; /* lines since the last gap-notice */
	uint8_t tag_len;
	char tag[]; /* "ADDRESS " */
};

#endif
