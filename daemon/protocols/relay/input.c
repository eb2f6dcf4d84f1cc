/* SPDX-License-Identifier: MIT */
/*
 * Filters the lines of clients and upstreams, tags them, and publishes them in
 * batches.
 */
#include "relay/input.h"

#include "relay/filter.h"
#include "relay/hold.h"
#include "relay/relay.h"
#include "relay/tag.h"
#include "relay/upstreams.h"

/* A batch is published before it exceeds this size, for readers with small
 * queues; a longer line gets its own batch. */
#define BATCH_MAX 16384
/* The most lines of a batch: delivering more could exceed the bus's budget for
 * a turn. */
#define BATCH_LINES 256

/* Whether the sender's lines go to the upstream: in mode upstream the lines of
 * clients do. All other lines go to the feed. */
static bool input_goes_up(const struct relay *relay, uint64_t sender)
{
	return relay->options->mode == RELAY_UPSTREAM && sender != 0;
}

void relay_input_publish(struct relay *relay, uint64_t sender)
{
	bool up = input_goes_up(relay, sender);
	struct lined_buffer *message;
	uint32_t lines = relay->batch.count;

	if (lines == 0)
		return;
	if (!up && relay_hold_batch(relay, &relay->batch, sender)) {
		relay_batch_clear(&relay->batch);
		return;
	}
	message = relay_batch_seal(&relay->batch, sender);
	if (message == NULL ||
	    (up ? lined_bus_publish(relay->service, RELAY_UP, message)
		: relay_topic_publish(relay, message)) < 0)
		relay_count(relay, "lines_not_relayed", lines);
	lined_buffer_unref(message);
}

bool relay_input_passes(struct relay *relay, const struct lined_line *line)
{
	if (relay_filter_allows(relay->filter, line->text, line->len))
		return true;
	relay_count(relay, "lines_filtered", 1);
	return false;
}

/* Whether to relay a line that has passed the filter; otherwise counts the
 * line. */
static bool input_accepts(struct relay *relay, uint64_t sender,
			  const struct lined_line *line)
{
	if (input_goes_up(relay, sender)) {
		if (relay_filter_allows(relay->filter_up, line->text,
					line->len))
			return true;
		relay_count(relay, "lines_filtered_up", 1);
		return false;
	}
	return !relay_topic_is_repeat(relay, line->text, line->len);
}

bool relay_input_line(struct relay *relay, const char *tag, size_t tag_len,
		      uint64_t sender, const struct lined_line *line)
{
	size_t len = line->len + tag_len;

	if (!relay_input_passes(relay, line))
		return false;
	if (!input_accepts(relay, sender, line))
		return true;
	if (relay->batch.count >= BATCH_LINES ||
	    (relay->batch.count > 0 &&
	     relay_batch_bytes(&relay->batch) + len > BATCH_MAX))
		relay_input_publish(relay, sender);
	if (relay_batch_add(&relay->batch, tag, tag_len, line,
			    lined_service_framing(relay->service)) < 0)
		relay_count(relay, "lines_not_relayed", 1);
	return true;
}

enum lined_line_status relay_input_discard(struct relay *relay,
					   struct lined_socket *sock)
{
	enum lined_line_status status;
	struct lined_line line;
	uint64_t lines = 0;

	do {
		status = lined_socket_read_line(sock, &line);
		lines += status == LINED_LINE_READY;
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	relay_count(relay, "lines_discarded", lines);
	return status;
}

void relay_input_read(struct relay *relay, struct lined_socket *sock)
{
	uint64_t sender = lined_client_id(sock);
	enum lined_line_status status;
	char tag[RELAY_TAG_MAX];
	struct lined_line line;
	size_t tag_len = 0;
	bool tagged = false;

	/* In mode proxy, only datagrams come here: nobody would get them. */
	if (relay->options->mode == RELAY_PROXY ||
	    relay_options_subscribe_only(relay->options)) {
		relay_input_discard(relay, sock);
		return;
	}
	do {
		status = lined_socket_read_line(sock, &line);
		if (status != LINED_LINE_READY)
			continue;
		/* A datagram socket has many senders. */
		if (!tagged || lined_socket_is_datagram(sock))
			tag_len = relay_tag_write_client(relay, sock, tag);
		tagged = true;
		relay_input_line(relay, tag, tag_len, sender, &line);
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	relay_input_publish(relay, sender);
}
