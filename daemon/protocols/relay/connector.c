/* SPDX-License-Identifier: MIT */
/*
 * Keeps the connection to one configured address: looks up its name, tries each
 * address, and waits between rounds. Lines are handled by the owner.
 */
#include "relay/connector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/backoff.h"
#include "relay/relay.h"

/* While another link is good, a link that connects but is never good for
 * retry-max is tried up to this many times less often. */
#define PATIENCE 10

/* No limit of its own: drain-timeout limits the time for the last lines. */
#define FINISH_MS INT32_MAX

/* The longest time for which a link that ends is read. */
#define READ_OUT_MS 1000

static uint64_t link_now_ms(const struct relay_link *link)
{
	return lined_dispatcher_now_ms(
		lined_service_dispatcher(link->relay->service));
}

bool relay_link_start_timer(const struct relay *relay,
			    struct lined_timer *timer, uint64_t delay_ms)
{
	if (lined_timer_start(timer, delay_ms, 0) == 0)
		return true;
	lined_service_log(relay->service, LINED_LOG_ERR,
			  "upstream: no timer: out of memory");
	return false;
}

static void link_set_state(struct relay_link *link, enum relay_link_state state)
{
	link->state = state;
	link->state_ms = link_now_ms(link);
}

const char *relay_link_text(const struct relay_link *link,
			    char text[RELAY_LINK_TEXT_MAX])
{
	bool is_name = relay_address_is_name(&link->address) &&
		       link->reached[0] != '\0';

	snprintf(text, RELAY_LINK_TEXT_MAX, "%s%s%s%s", link->address.text,
		 is_name ? " (" : "", is_name ? link->reached : "",
		 is_name ? ")" : "");
	return text;
}

/* A failure is logged at a lower level while another link is good. */
static enum lined_log_level link_level(const struct relay_link *link,
				       enum lined_log_level level)
{
	return link->patient ? LINED_LOG_INFO : level;
}

/* ---- the addresses of a name -------------------------------------------- */

/* Sets the addresses for a new round and keeps the failures of known addresses.
 * -1/ENOMEM. */
static int link_set_targets(struct relay_link *link,
			    const struct lined_address *addresses, size_t count)
{
	struct relay_link_target *targets = calloc(count, sizeof(*targets));
	size_t i, k;

	if (targets == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		targets[i].to = addresses[i];
		for (k = 0; k < link->target_count; k++)
			if (lined_address_equal(&link->targets[k].to.any,
						&addresses[i].any))
				targets[i].failures = link->targets[k].failures;
	}
	free(link->targets);
	link->targets = targets;
	link->target_count = count;
	return 0;
}

/* Chooses an address not yet tried in this round, with the fewest failures; of
 * several the first. False: none is left. */
static bool link_choose(struct relay_link *link)
{
	bool found = false;
	size_t i;

	for (i = 0; i < link->target_count; i++) {
		if (link->targets[i].tried ||
		    (found && link->targets[i].failures >=
				      link->targets[link->target].failures))
			continue;
		link->target = i;
		found = true;
	}
	return found;
}

/* ---- attempts ----------------------------------------------------------- */

static void link_keep_error(struct relay_link *link, const char *why)
{
	snprintf(link->error, sizeof(link->error), "%s", why);
	if (link->target < link->target_count)
		link->targets[link->target].failures++;
}

static const struct lined_socket_handlers link_socket_handlers;

/* Connects to the chosen address. -1 and errno. */
static int link_connect(struct relay_link *link)
{
	struct relay_link_target *target = &link->targets[link->target];

	target->tried = true;
	link->reached[0] = '\0';
	if (target->to.len > 0)
		lined_address_format(&target->to.any, link->reached,
				     sizeof(link->reached));
	link->sock = relay_address_connect(
		link->relay->service, &link->address,
		target->to.len > 0 ? &target->to : NULL, &link->relay->tls,
		&link_socket_handlers, link);
	if (link->sock == NULL)
		return -1;
	link_set_state(link, RELAY_LINK_CONNECTING);
	/* A device is connected already: continue outside this call. */
	if (lined_socket_is_connected(link->sock))
		relay_link_start_timer(link->relay, &link->retry, 0);
	/* Lines that do not fit are dropped: closing the connection instead
	 * would stop the feed. */
	lined_socket_set_overflow(link->sock, LINED_OVERFLOW_DROP_NEWEST);
	return 0;
}

/* Starts connecting to the next address of this round. False: none is left. */
static bool link_try_next(struct relay_link *link)
{
	while (link_choose(link)) {
		if (link_connect(link) == 0)
			return true;
		link_keep_error(link, relay_address_error_text(errno));
	}
	return false;
}

static void link_await_round(struct relay_link *link, const char *text,
			     const char *how)
{
	const struct relay_options *options = link->relay->options;
	uint64_t most_ms = (uint64_t)options->retry_max_ms;
	uint64_t delay_ms;

	if (link->patient && link->wasted)
		most_ms *= PATIENCE;
	delay_ms = relay_backoff_ms((uint64_t)options->retry_min_ms, most_ms,
				    link->failures);
	link->failures++;
	link->due_ms = link_now_ms(link) + delay_ms;
	link_set_state(link, RELAY_LINK_WAITING);
	relay_link_start_timer(link->relay, &link->retry, delay_ms);
	lined_service_log(
		link->relay->service, link_level(link, LINED_LOG_WARNING),
		"%s %s: %s, next try in %.1f s: %s", link->handlers->kind, text,
		how, (double)delay_ms / 1000, link->error);
}

/* An attempt or a connection has failed: tries the next address, or waits. */
static void link_failed(struct relay_link *link, bool was_connected,
			const char *why)
{
	const char *how = was_connected ? "lost" : "not connected";
	struct lined_service *service = link->relay->service;
	char text[RELAY_LINK_TEXT_MAX], error[sizeof(link->error)];

	relay_link_text(link, text);
	snprintf(error, sizeof(error), "%s", why);
	link_keep_error(link, error);
	lined_service_count(service,
			    was_connected ? link->handlers->losses
					  : link->handlers->failures,
			    1);
	if (!link_try_next(link))
		link_await_round(link, text, how);
	else
		lined_service_log(service, link_level(link, LINED_LOG_WARNING),
				  "%s %s: %s, trying %s: %s",
				  link->handlers->kind, text, how,
				  link->reached, error);
	link->handlers->handle_close(link, was_connected);
}

/* ---- rounds ------------------------------------------------------------- */

static void link_no_address(struct relay_link *link, const char *why)
{
	link->target_count = 0;
	link->reached[0] = '\0';
	link_failed(link, false, why);
}

static void link_start_round(struct relay_link *link, int error,
			     const struct lined_address *addresses,
			     size_t count)
{
	if (error == 0 && link_set_targets(link, addresses, count) < 0)
		error = ENOMEM;
	if (error != 0)
		link_no_address(link, relay_address_close_text(
					      &link->address, NULL,
					      LINED_CLOSE_ERROR, error, false));
	else if (!link_try_next(link))
		link_failed(link, false, link->error);
}

static void link_looked_up(void *arg, int error,
			   const struct lined_address *addresses, size_t count)
{
	struct relay_link *link = arg;

	link->lookup = NULL;
	lined_timer_stop(&link->retry);
	link_start_round(link, error, addresses, count);
}

static void link_begin_round(struct relay_link *link)
{
	struct lined_address address;

	link_set_state(link, RELAY_LINK_CONNECTING);
	if (!relay_address_is_name(&link->address)) {
		int result = relay_address_socket(&link->address, &address);

		link_start_round(link, result < 0 ? errno : 0, &address, 1);
		return;
	}
	link->lookup = lined_dispatcher_look_up(
		lined_service_dispatcher(link->relay->service),
		link->address.to.host, link->address.to.port, link_looked_up,
		link);
	if (link->lookup != NULL)
		relay_link_start_timer(link->relay, &link->retry,
				       RELAY_CONNECT_MS);
	else
		link_no_address(link, strerror(errno));
}

/* ---- the connection ----------------------------------------------------- */

/* Sends the preamble, with line ends of the service's framing. -1 and errno. */
static int link_send_preamble(const struct relay_link *link)
{
	const struct lined_option_list *preamble =
		link->handlers->preamble(link);
	const char *end;
	size_t i, end_len = lined_framing_terminator(
			  lined_socket_framing(link->sock), &end);

	if (relay_address_is_source(&link->address))
		return 0;
	for (i = 0; i < preamble->count; i++) {
		struct lined_line line = {
			.text = preamble->items[i],
			.len = strlen(preamble->items[i]),
			.terminator = end,
			.terminator_len = end_len,
		};

		if (lined_socket_send_line(link->sock, &line) < 0)
			return -1;
	}
	return 0;
}

static void link_on_connect(struct lined_socket *sock, void *arg)
{
	struct relay_link *link = arg;
	struct lined_service *service = link->relay->service;
	char text[RELAY_LINK_TEXT_MAX];

	if (!relay_address_connected(sock))
		return;
	link_set_state(link, RELAY_LINK_CONNECTED);
	link->connected_ms = link->state_ms;
	link->connects++;
	lined_service_count(service, link->handlers->connects, 1);
	lined_service_log(service, link_level(link, LINED_LOG_NOTICE),
			  "%s %s: connected", link->handlers->kind,
			  relay_link_text(link, text));
	if (link_send_preamble(link) < 0)
		lined_service_log(service, LINED_LOG_WARNING,
				  "%s %s: preamble not sent: %s",
				  link->handlers->kind,
				  relay_link_text(link, text), strerror(errno));
	link->preamble_bytes = lined_socket_queued(link->sock);
	link->handlers->handle_connect(link);
}

static void link_on_write(struct lined_socket *sock, void *arg)
{
	struct relay_link *link = arg;

	lined_socket_want_write(sock, false);
	if (link->handlers->handle_write != NULL)
		link->handlers->handle_write(link);
}

/* Fills the queue only to the high mark, a quarter: above it the core stops
 * reading. See relay_upstream_set_limits(). */
bool relay_link_send(struct relay_link *link, struct lined_buffer *buffer,
		     size_t offset, size_t len)
{
	size_t mark = lined_socket_group(link->sock)->limits.send_queue / 4;
	size_t queued = lined_socket_queued(link->sock);

	if ((queued == 0 || queued + len <= mark) &&
	    lined_socket_send_shared(link->sock, buffer, offset, len) == 0)
		return true;
	lined_socket_want_write(link->sock, true);
	return false;
}

uint64_t relay_link_sent(const struct relay_link *link)
{
	struct lined_traffic traffic = {.bytes_out = link->sent_bytes};

	if (link->sock != NULL)
		lined_socket_traffic(link->sock, &traffic);
	return traffic.bytes_out > link->preamble_bytes
		       ? traffic.bytes_out - link->preamble_bytes
		       : 0;
}

uint64_t relay_link_given(const struct relay_link *link)
{
	struct lined_traffic traffic;

	lined_socket_traffic(link->sock, &traffic);
	return traffic.bytes_out + lined_socket_queued(link->sock) -
	       link->preamble_bytes;
}

static void link_on_read(struct lined_socket *sock, void *arg)
{
	struct relay_link *link = arg;

	link->handlers->handle_read(link);
}

static void link_drop_socket(struct relay_link *link)
{
	struct lined_traffic traffic;

	lined_socket_traffic(link->sock, &traffic);
	link->sent_bytes = traffic.bytes_out;
	link->sock = NULL;
	link->handlers->handle_unsent(link);
}

/* Restarts back-off only after a connection that was good for retry-max:
 * otherwise a server that greets and closes would be called without a pause. */
static void link_judge(struct relay_link *link, bool was_connected)
{
	uint64_t retry_max_ms = (uint64_t)link->relay->options->retry_max_ms;
	bool was_good = link->good_ms > 0 &&
			link_now_ms(link) - link->good_ms >= retry_max_ms;
	size_t i;

	link->good_ms = 0;
	link->wasted = was_connected && !was_good;
	if (!was_good)
		return;
	link->failures = 0;
	link->targets[link->target].failures = 0;
	for (i = 0; i < link->target_count; i++)
		link->targets[i].tried = i == link->target;
}

static void link_on_close(struct lined_socket *sock, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct relay_link *link = arg;
	bool was_connected = link->state == RELAY_LINK_CONNECTED;

	link_drop_socket(link);
	link_judge(link, was_connected);
	link_failed(link, was_connected,
		    relay_address_close_text(&link->address, sock, reason,
					     error, was_connected));
}

static const struct lined_socket_handlers link_socket_handlers = {
	.handle_connect = link_on_connect,
	.handle_read = link_on_read,
	.handle_write = link_on_write,
	.handle_close = link_on_close,
};

void relay_link_good(struct relay_link *link)
{
	if (link->good_ms == 0)
		link->good_ms = link->state_ms = link_now_ms(link);
}

/* ---- its end ------------------------------------------------------------ */

static void link_finished(struct lined_socket *sock, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct relay_link *link = arg;

	lined_timer_stop(&link->retry);
	link_set_state(link, RELAY_LINK_IDLE);
	link_drop_socket(link);
}

static void link_close(struct relay_link *link)
{
	static const struct lined_socket_handlers handlers = {
		.handle_close = link_finished,
	};

	lined_socket_set_handlers(link->sock, &handlers, link);
	lined_socket_close_after_flush(link->sock, LINED_CLOSE_LOCAL,
				       link->flush_ms);
}

void relay_link_finish(struct relay_link *link)
{
	if (link->state != RELAY_LINK_CONNECTED) {
		relay_link_stop(link);
		return;
	}
	link_set_state(link, RELAY_LINK_FINISHING);
	link_close(link);
}

static void link_check_rest(struct relay_link *link)
{
	if (lined_socket_is_quiet(link->sock) ||
	    link_now_ms(link) - link->state_ms >= READ_OUT_MS)
		link_close(link);
	else
		relay_link_start_timer(link->relay, &link->retry,
				       RELAY_END_STEP_MS);
}

void relay_link_read_out(struct relay_link *link)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = link_on_read,
		.handle_close = link_finished,
	};

	link_set_state(link, RELAY_LINK_FINISHING);
	lined_socket_set_handlers(link->sock, &handlers, link);
	link_check_rest(link);
}

/* ---- time --------------------------------------------------------------- */

/* Fires when a wait is over, a device is open, a lookup takes too long, or to
 * check whether there is more to read. */
static void link_retry_fired(struct lined_timer *timer)
{
	struct relay_link *link =
		lined_container_of(timer, struct relay_link, retry);

	if (link->state == RELAY_LINK_FINISHING) {
		link_check_rest(link);
		return;
	}
	if (link->sock != NULL && lined_socket_is_connected(link->sock)) {
		lined_socket_resume(link->sock);
		link_on_connect(link->sock, link);
		return;
	}
	if (link->lookup == NULL) {
		link_begin_round(link);
		return;
	}
	lined_lookup_cancel(link->lookup);
	link->lookup = NULL;
	link_no_address(link, "the name cannot be looked up now");
}

/* ---- life --------------------------------------------------------------- */

void relay_link_init(struct relay_link *link, struct relay *relay,
		     const struct relay_address *address,
		     const struct relay_link_handlers *handlers)
{
	link->relay = relay;
	link->address = *address;
	link->handlers = handlers;
	link->flush_ms = FINISH_MS;
	lined_service_timer(relay->service, &link->retry, link_retry_fired);
	link_set_state(link, RELAY_LINK_IDLE);
}

void relay_link_fini(struct relay_link *link)
{
	relay_link_stop(link);
	free(link->targets);
}

void relay_link_start(struct relay_link *link)
{
	uint64_t now_ms = link_now_ms(link);

	if (link->state != RELAY_LINK_IDLE)
		return;
	if (now_ms >= link->due_ms) {
		link_begin_round(link);
		return;
	}
	link_set_state(link, RELAY_LINK_WAITING);
	relay_link_start_timer(link->relay, &link->retry,
			       link->due_ms - now_ms);
}

void relay_link_stop(struct relay_link *link)
{
	if (link->state == RELAY_LINK_CONNECTED)
		link_judge(link, false);
	lined_timer_stop(&link->retry);
	lined_lookup_cancel(link->lookup);
	link->lookup = NULL;
	if (link->state != RELAY_LINK_IDLE)
		link_set_state(link, RELAY_LINK_IDLE);
	if (link->sock != NULL) {
		lined_socket_set_handlers(link->sock, NULL, NULL);
		lined_socket_set_group(link->sock, NULL);
		lined_socket_close(link->sock);
		link_drop_socket(link);
	}
}

void relay_link_retry_changed(struct relay_link *link)
{
	link->failures = 0;
	link->due_ms = 0;
	if (link->state != RELAY_LINK_WAITING)
		return;
	lined_timer_stop(&link->retry);
	link_begin_round(link);
}
