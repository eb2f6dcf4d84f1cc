/* SPDX-License-Identifier: MIT */
/*
 * A connection to an upstream: made and dropped, told the preamble, and sent
 * what clients say, as far as it takes it. When there is to be one, and to
 * where, is the upstream's business.
 */
#include "relay/link.h"

#include <errno.h>
#include <string.h>

#include "relay/relay.h"

int relay_link_open(struct relay_link *link, const struct relay *relay,
		    const struct relay_address *address,
		    const struct lined_socket_handlers *handlers)
{
	link->stands = link->delivered = false;
	link->sock =
		relay_address_connect(relay->service, address, handlers, link);
	if (link->sock == NULL)
		return -1;
	/* More than fits is dropped; closing would stop the feed. */
	lined_socket_set_overflow(link->sock, LINED_OVERFLOW_DROP_NEWEST);
	return 0;
}

void relay_link_drop(struct relay_link *link)
{
	if (link->sock == NULL)
		return;
	lined_socket_set_handlers(link->sock, NULL, NULL);
	lined_socket_set_group(link->sock, NULL);
	lined_socket_close(link->sock);
	relay_link_gone(link);
}

void relay_link_gone(struct relay_link *link)
{
	link->sock = NULL;
	link->stands = false;
}

int relay_link_send_preamble(const struct relay_link *link,
			     const struct lined_option_list *preamble)
{
	bool crlf = lined_socket_framing(link->sock)->terminator ==
		    LINED_TERMINATOR_CRLF;
	size_t i;

	for (i = 0; i < preamble->count; i++) {
		struct lined_line line = {
			.text = preamble->items[i],
			.len = strlen(preamble->items[i]),
			.terminator = crlf ? "\r\n" : "\n",
			.terminator_len = crlf ? 2 : 1,
		};

		if (lined_socket_send_line(link->sock, &line) < 0)
			return -1;
	}
	return 0;
}

/* ---- what clients say --------------------------------------------------- */

/* Above its high mark the core stops reading: there would be no feed for who
 * does not listen. So that is the limit here, and as much as the config says.
 */
void relay_link_limit(struct lined_socket_group *group)
{
	struct lined_limits *limits = &group->limits;
	uint32_t queue = limits->send_queue > 0 ? limits->send_queue
						: LINED_SEND_QUEUE_DEFAULT;

	limits->send_queue = queue < UINT32_MAX / 4 ? queue * 4 : UINT32_MAX;
}

static size_t room_of(const struct lined_socket *sock)
{
	size_t mark = lined_socket_group(sock)->limits.send_queue / 4;
	size_t queued = lined_socket_queued(sock);

	return queued < mark ? mark - queued : 0;
}

/* Line by line, until one has no room; how many went. A line that is longer
 * than all the room there can be goes alone. */
static uint32_t send_lines(struct lined_socket *sock,
			   const struct relay_message *message)
{
	size_t offset = message->bytes_at;
	uint32_t i;

	for (i = 0; i < message->count; i++) {
		size_t len = relay_message_line_len(message, i);

		if ((len > room_of(sock) && lined_socket_queued(sock) > 0) ||
		    lined_socket_send_shared(sock, message->buffer, offset,
					     len) < 0)
			break;
		offset += len;
	}
	return i;
}

uint32_t relay_link_send(struct relay_link *link,
			 const struct relay_message *message)
{
	if (message->bytes > room_of(link->sock))
		return send_lines(link->sock, message);
	return lined_socket_send_shared(link->sock, message->buffer,
					message->bytes_at, message->bytes) == 0
		       ? message->count
		       : 0;
}
