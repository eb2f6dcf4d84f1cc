/* SPDX-License-Identifier: MIT */
/*
 * Handles readers that are slower than the feed: the options slow, gap-notice
 * and max-age. If readers lose lines rather than their connection, each line is
 * sent separately, so that only whole lines are lost.
 */
#include "relay/slow_readers.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "relay/relay.h"

/* ---- sending ------------------------------------------------------------ */

bool relay_slow_loses_lines(const struct relay *relay)
{
	return relay->options->slow != RELAY_SLOW_DISCONNECT ||
	       relay->options->max_age_ms > 0;
}

static void slow_count_lost(struct relay_client *client, uint64_t lines)
{
	struct relay *relay = client->relay;

	if (lines == 0)
		return;
	relay_count(relay, "lines_dropped", lines);
	if (relay->options->gap_notice[0] == '\0')
		return;
	if (client->lost == 0)
		lined_socket_want_write(client->sock, true);
	client->lost += lines;
}

void relay_slow_lose(struct relay_client *client, uint64_t lines)
{
	if (relay_slow_loses_lines(client->relay))
		slow_count_lost(client, lines);
	else
		lined_socket_close_for(client->sock, LINED_CLOSE_ERROR, ENOMEM);
}

void relay_slow_count_dropped(struct relay_client *client)
{
	slow_count_lost(client, lined_socket_take_dropped(client->sock));
}

/*
 * With drop-newest, a client that has lost a line also loses further lines
 * until the notice fits into its queue, so that the notice is at the gap. With
 * drop-oldest the client still gets lines, and the notice follows when its
 * queue is empty.
 */
static void slow_send_lines(struct relay_client *client,
			    const struct relay_message *message)
{
	const struct relay_options *options = client->relay->options;
	bool waits = options->slow == RELAY_SLOW_DROP_NEWEST &&
		     options->gap_notice[0] != '\0';
	size_t offset = message->bytes_at;
	uint32_t i;

	for (i = 0; i < message->count; i++) {
		size_t len = relay_message_line_len(message, i);

		if (waits && client->lost > 0) {
			/* A shorter line might still fit, but would precede the
			 * notice. */
			slow_count_lost(client, message->count - i);
			return;
		}
		if (lined_socket_send_shared(client->sock, message->buffer,
					     offset, len) < 0 &&
		    errno == ENOMEM)
			relay_slow_lose(client, 1);
		offset += len;
		relay_slow_count_dropped(client);
	}
}

void relay_slow_send(struct relay_client *client,
		     const struct relay_message *message)
{
	if (relay_slow_loses_lines(client->relay))
		slow_send_lines(client, message);
	else if (lined_socket_send_shared(client->sock, message->buffer,
					  message->bytes_at,
					  message->bytes) < 0 &&
		 errno == ENOMEM)
		relay_slow_lose(client, message->count);
}

/* Room for a count in place of "{count}". */
#define COUNT_ROOM sizeof("18446744073709551615")

/* Writes the form, such as "# lost {count} lines", with the count in place of
 * "{count}"; returns the length. */
static size_t slow_write_notice(const char *form, uint64_t count, char *text,
				size_t size)
{
	const char *place = strstr(form, "{count}");
	int len;

	if (place == NULL)
		len = snprintf(text, size, "%s", form);
	else
		len = snprintf(text, size, "%.*s%" PRIu64 "%s",
			       (int)(place - form), form, count,
			       place + strlen("{count}"));
	return len > 0 ? (size_t)len : 0;
}

void relay_slow_send_notice(struct relay_client *client)
{
	const struct relay_options *options = client->relay->options;
	char text[RELAY_NOTICE_MAX + COUNT_ROOM];
	size_t len = slow_write_notice(options->gap_notice, client->lost, text,
				       sizeof(text));

	/* In a queue with lines the notice could become the oldest item and be
	 * dropped. From an empty queue the notice is sent at the end of the
	 * turn. */
	if (client->lost > 0 && options->slow != RELAY_SLOW_DROP_NEWEST &&
	    lined_socket_is_send_data_buffered(client->sock))
		return;
	if (client->lost > 0 && len > 0 &&
	    relay_send_text(client->sock, text, len) < 0) {
		/* No room yet. The dropped notice is not a lost line. */
		lined_socket_take_dropped(client->sock);
		return;
	}
	lined_socket_want_write(client->sock, false);
	client->lost = 0;
}

/* ---- max-age ------------------------------------------------------------- */

/* The most bytes for a reader in the kernel: these cannot be dropped any more.
 */
#define AGING_SNDBUF 16384
#define AGING_UNSENT 4096

/* Old lines are looked for this many times within max-age. */
#define AGING_CHECKS 10
#define AGING_MIN_MS 20

static void slow_set_aging(const struct relay *relay, struct lined_socket *sock)
{
	static const int sndbuf = AGING_SNDBUF, unsent = AGING_UNSENT;
	int fd = lined_socket_fd(sock);

	lined_socket_keep_apart(sock, relay->options->max_age_ms > 0);
	if (relay->options->max_age_ms == 0)
		return;
	/* Errors are ignored: the reader then gets more old lines. A UNIX
	 * socket does not have TCP_NOTSENT_LOWAT. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent,
			 sizeof(unsent));
}

void relay_slow_set(struct relay *relay)
{
	uint64_t every_ms = (uint64_t)relay->options->max_age_ms / AGING_CHECKS;

	if (every_ms < AGING_MIN_MS)
		every_ms = AGING_MIN_MS;
	if (relay->options->max_age_ms == 0 || relay->options->publish_only)
		lined_timer_stop(&relay->aging);
	else if (lined_timer_start(&relay->aging, every_ms, every_ms) < 0)
		lined_service_log(relay->service, LINED_LOG_ERR,
				  "max-age: no timer: out of memory");
}

static void slow_aging_fired(struct lined_timer *timer)
{
	struct relay *relay = lined_container_of(timer, struct relay, aging);
	uint32_t age_ms = (uint32_t)relay->options->max_age_ms;
	struct relay_client *client;

	for (client = relay->clients; client != NULL; client = client->next)
		if (lined_socket_drop_older(client->sock, age_ms) > 0)
			relay_slow_count_dropped(client);
}

void relay_slow_set_reader(const struct relay *relay, struct lined_socket *sock)
{
	static const enum lined_overflow overflows[] = {
		[RELAY_SLOW_DISCONNECT] = LINED_OVERFLOW_CLOSE,
		[RELAY_SLOW_DROP_OLDEST] = LINED_OVERFLOW_DROP_OLDEST,
		[RELAY_SLOW_DROP_NEWEST] = LINED_OVERFLOW_DROP_NEWEST,
	};

	lined_socket_set_overflow(sock, overflows[relay->options->slow]);
	slow_set_aging(relay, sock);
}

void relay_slow_init(struct relay *relay)
{
	lined_service_timer(relay->service, &relay->aging, slow_aging_fired);
	relay_slow_set(relay);
}
