/* SPDX-License-Identifier: MIT */
/*
 * Sends on the connection of a connector, and counts the bytes that have left.
 */
#include <string.h>

#include "relay/connector.h"
#include "relay/relay.h"

bool relay_connector_is_open(const struct relay_connector *connector)
{
	return relay_connector_connected(connector) &&
	       !lined_socket_is_closed(connector->sock);
}

/*
 * Above the high mark, a quarter of the queue, lined stops reading: an upstream
 * that does not read would stop its own feed. So the queue is made four times
 * as long as configured and filled only to the high mark, which equals the
 * configured size.
 */
void relay_connector_set_limits(struct relay *relay)
{
	struct lined_limits *limits =
		&lined_service_group(relay->service)->limits;
	uint32_t queue = limits->send_queue > 0 ? limits->send_queue
						: LINED_SEND_QUEUE_DEFAULT;

	if (relay->limits_set)
		return;
	limits->send_queue = queue < UINT32_MAX / 4 ? queue * 4 : UINT32_MAX;
	relay->limits_set = true;
}

size_t relay_connector_room(const struct relay_connector *connector)
{
	size_t mark =
		lined_socket_group(connector->sock)->limits.send_queue / 4;
	size_t queued = lined_socket_queued(connector->sock);

	return queued < mark ? mark - queued : 0;
}

bool relay_connector_send(struct relay_connector *connector,
			  struct lined_buffer *buffer, size_t offset,
			  size_t len)
{
	if ((len <= relay_connector_room(connector) ||
	     lined_socket_queued(connector->sock) == 0) &&
	    lined_socket_send_shared(connector->sock, buffer, offset, len) == 0)
		return true;
	lined_socket_want_write(connector->sock, true);
	return false;
}

uint64_t relay_connector_sent(const struct relay_connector *connector)
{
	struct lined_traffic traffic = {.bytes_out = connector->sent_bytes};

	if (connector->sock != NULL)
		lined_socket_traffic(connector->sock, &traffic);
	return traffic.bytes_out > connector->preamble_bytes
		       ? traffic.bytes_out - connector->preamble_bytes
		       : 0;
}

uint64_t relay_connector_given(const struct relay_connector *connector)
{
	struct lined_traffic traffic;

	lined_socket_traffic(connector->sock, &traffic);
	return traffic.bytes_out + lined_socket_queued(connector->sock) -
	       connector->preamble_bytes;
}

int relay_connector_send_preamble(const struct relay_connector *connector)
{
	const char *options = (const char *)connector->relay->options;
	const struct lined_option_list *preamble =
		(const void *)(options + connector->handlers->preamble);
	size_t i;

	if (relay_address_is_source(&connector->address))
		return 0;
	for (i = 0; i < preamble->count; i++)
		if (relay_send_text(connector->sock, preamble->items[i],
				    strlen(preamble->items[i])) < 0)
			return -1;
	return 0;
}
