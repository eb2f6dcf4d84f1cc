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

/* While another connector is good, the longest delay is multiplied by this if
 * the last connection did not stay good for retry-max. */
#define PATIENCE 10

/* The time for the last lines has no limit here: drain-timeout limits it. */
#define FINISH_MS INT32_MAX

/* The longest time for which a connector that ends is read. */
#define READ_OUT_MS 1000

static void connector_set_state(struct relay_connector *connector,
				enum relay_connector_state state)
{
	connector->state = state;
	connector->state_ms = relay_now_ms(connector->relay);
}

const char *relay_connector_text(const struct relay_connector *connector,
				 char text[RELAY_CONNECTOR_TEXT_MAX])
{
	bool is_name = relay_address_is_name(&connector->address) &&
		       connector->reached[0] != '\0';

	snprintf(text, RELAY_CONNECTOR_TEXT_MAX, "%s%s%s%s",
		 connector->address.text, is_name ? " (" : "",
		 is_name ? connector->reached : "", is_name ? ")" : "");
	return text;
}

static bool connector_start_timer(struct relay_connector *connector,
				  uint64_t delay_ms)
{
	return relay_start_timer(connector->relay, connector->handlers->kind,
				 &connector->retry, delay_ms);
}

/* A failure is logged at a lower level while another connector is good. */
static enum lined_log_level
connector_level(const struct relay_connector *connector,
		enum lined_log_level level)
{
	return connector->patient ? LINED_LOG_INFO : level;
}

/* ---- the addresses of a name -------------------------------------------- */

/* Sets the addresses for a new round and keeps the failures of known addresses.
 * -1/ENOMEM. */
static int connector_set_targets(struct relay_connector *connector,
				 const struct lined_address *addresses,
				 size_t count)
{
	struct relay_connector_target *targets =
		calloc(count, sizeof(*targets));
	size_t i, k;

	if (targets == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		targets[i].to = addresses[i];
		for (k = 0; k < connector->target_count; k++)
			if (lined_address_equal(&connector->targets[k].to.any,
						&addresses[i].any))
				targets[i].failures =
					connector->targets[k].failures;
	}
	free(connector->targets);
	connector->targets = targets;
	connector->target_count = count;
	return 0;
}

/* Chooses an address not yet tried in this round, with the fewest failures; of
 * several such addresses the first. False: none is left. */
static bool connector_choose(struct relay_connector *connector)
{
	const struct relay_connector_target *target, *best = NULL;
	size_t i;

	for (i = 0; i < connector->target_count; i++) {
		target = &connector->targets[i];
		if (target->tried ||
		    (best != NULL && target->failures >= best->failures))
			continue;
		best = target;
		connector->target = i;
	}
	return best != NULL;
}

/* ---- attempts ----------------------------------------------------------- */

static void connector_keep_error(struct relay_connector *connector,
				 const char *why)
{
	snprintf(connector->error, sizeof(connector->error), "%s", why);
	if (connector->target < connector->target_count)
		connector->targets[connector->target].failures++;
}

static const struct lined_socket_handlers connector_socket_handlers;

/* Connects to the chosen address. -1 and errno. */
static int connector_connect(struct relay_connector *connector)
{
	struct relay_connector_target *target =
		&connector->targets[connector->target];

	target->tried = true;
	connector->reached[0] = '\0';
	if (target->to.len > 0)
		lined_address_format(&target->to.any, connector->reached,
				     sizeof(connector->reached));
	connector->sock = relay_address_connect(
		connector->relay->service, &connector->address,
		target->to.len > 0 ? &target->to : NULL, &connector->relay->tls,
		&connector_socket_handlers, connector);
	if (connector->sock == NULL)
		return -1;
	connector_set_state(connector, RELAY_CONNECTOR_CONNECTING);
	/* A device is connected already: continue outside this call. */
	if (lined_socket_is_connected(connector->sock))
		connector_start_timer(connector, 0);
	/* Lines that do not fit are dropped: closing the connection instead
	 * would stop the feed of an upstream. */
	lined_socket_set_overflow(connector->sock, LINED_OVERFLOW_DROP_NEWEST);
	return 0;
}

/* Starts connecting to the next address of this round. False: none is left. */
static bool connector_try_next(struct relay_connector *connector)
{
	while (connector_choose(connector)) {
		if (connector_connect(connector) == 0)
			return true;
		connector_keep_error(connector,
				     relay_address_error_text(errno));
	}
	return false;
}

static void connector_await_round(struct relay_connector *connector,
				  const char *text, const char *how)
{
	const struct relay_options *options = connector->relay->options;
	uint64_t most_ms = (uint64_t)options->retry_max_ms;
	uint64_t delay_ms;

	if (connector->patient && connector->wasted)
		most_ms *= PATIENCE;
	delay_ms = relay_backoff_ms((uint64_t)options->retry_min_ms, most_ms,
				    connector->failures);
	connector->failures++;
	connector->due_ms = relay_now_ms(connector->relay) + delay_ms;
	connector_set_state(connector, RELAY_CONNECTOR_WAITING);
	connector_start_timer(connector, delay_ms);
	lined_service_log(connector->relay->service,
			  connector_level(connector, LINED_LOG_WARNING),
			  "%s %s: %s, next try in %.1f s: %s",
			  connector->handlers->kind, text, how,
			  (double)delay_ms / 1000, connector->error);
}

/* An attempt or a connection has failed: tries the next address, or waits. */
static void connector_failed(struct relay_connector *connector,
			     bool was_connected, const char *why)
{
	const char *how = was_connected ? "lost" : "not connected";
	char text[RELAY_CONNECTOR_TEXT_MAX], error[sizeof(connector->error)];

	relay_connector_text(connector, text);
	snprintf(error, sizeof(error), "%s", why);
	connector_keep_error(connector, error);
	relay_count(connector->relay,
		    was_connected ? connector->handlers->losses
				  : connector->handlers->failures,
		    1);
	if (!connector_try_next(connector))
		connector_await_round(connector, text, how);
	else
		lined_service_log(connector->relay->service,
				  connector_level(connector, LINED_LOG_WARNING),
				  "%s %s: %s, trying %s: %s",
				  connector->handlers->kind, text, how,
				  connector->reached, error);
	connector->handlers->handle_close(connector, was_connected);
}

/* ---- rounds ------------------------------------------------------------- */

static void connector_no_address(struct relay_connector *connector,
				 const char *why)
{
	connector->target_count = 0;
	connector->reached[0] = '\0';
	connector_failed(connector, false, why);
}

static void connector_start_round(struct relay_connector *connector, int error,
				  const struct lined_address *addresses,
				  size_t count)
{
	if (error == 0 &&
	    connector_set_targets(connector, addresses, count) < 0)
		error = ENOMEM;
	if (error != 0)
		connector_no_address(connector,
				     relay_address_close_text(
					     &connector->address, NULL,
					     LINED_CLOSE_ERROR, error, false));
	else if (!connector_try_next(connector))
		connector_failed(connector, false, connector->error);
}

static void connector_looked_up(void *arg, int error,
				const struct lined_address *addresses,
				size_t count)
{
	struct relay_connector *connector = arg;

	connector->lookup = NULL;
	lined_timer_stop(&connector->retry);
	connector_start_round(connector, error, addresses, count);
}

static void connector_begin_round(struct relay_connector *connector)
{
	struct lined_address address;

	connector_set_state(connector, RELAY_CONNECTOR_CONNECTING);
	if (!relay_address_is_name(&connector->address)) {
		int error =
			relay_address_socket(&connector->address, &address) < 0
				? errno
				: 0;

		connector_start_round(connector, error, &address, 1);
		return;
	}
	connector->lookup = lined_dispatcher_look_up(
		lined_service_dispatcher(connector->relay->service),
		connector->address.to.host, connector->address.to.port,
		connector_looked_up, connector);
	if (connector->lookup != NULL)
		connector_start_timer(connector, RELAY_CONNECT_MS);
	else
		connector_no_address(connector, strerror(errno));
}

/* ---- the connection ----------------------------------------------------- */

static void connector_on_connect(struct lined_socket *sock, void *arg)
{
	struct relay_connector *connector = arg;
	struct lined_service *service = connector->relay->service;
	char text[RELAY_CONNECTOR_TEXT_MAX];

	if (!relay_address_connected(sock))
		return;
	connector_set_state(connector, RELAY_CONNECTOR_CONNECTED);
	connector->connected_ms = connector->state_ms;
	connector->connects++;
	relay_count(connector->relay, connector->handlers->connects, 1);
	lined_service_log(service, connector_level(connector, LINED_LOG_NOTICE),
			  "%s %s: connected", connector->handlers->kind,
			  relay_connector_text(connector, text));
	if (relay_connector_send_preamble(connector) < 0)
		lined_service_log(service, LINED_LOG_WARNING,
				  "%s %s: preamble not sent: %s",
				  connector->handlers->kind,
				  relay_connector_text(connector, text),
				  strerror(errno));
	connector->preamble_bytes = lined_socket_queued(connector->sock);
	connector->handlers->handle_connect(connector);
	connector->handlers->handle_write(connector);
}

static void connector_on_write(struct lined_socket *sock, void *arg)
{
	struct relay_connector *connector = arg;

	lined_socket_want_write(sock, false);
	connector->handlers->handle_write(connector);
}

static void connector_on_read(struct lined_socket *sock, void *arg)
{
	struct relay_connector *connector = arg;

	connector->handlers->handle_read(connector);
}

static void connector_drop_socket(struct relay_connector *connector)
{
	struct lined_traffic traffic;

	lined_socket_traffic(connector->sock, &traffic);
	connector->sent_bytes = traffic.bytes_out;
	connector->sock = NULL;
	connector->handlers->handle_unsent(connector);
}

/* Restarts back-off only after a connection that stayed good for retry-max:
 * otherwise there would be no pause between connections to a server that
 * greets and closes. */
static void connector_judge(struct relay_connector *connector,
			    bool was_connected)
{
	uint64_t retry_max_ms =
		(uint64_t)connector->relay->options->retry_max_ms;
	bool was_good = connector->good_ms > 0 &&
			relay_now_ms(connector->relay) - connector->good_ms >=
				retry_max_ms;
	size_t i;

	connector->good_ms = 0;
	connector->wasted = was_connected && !was_good;
	if (!was_good)
		return;
	connector->failures = 0;
	connector->targets[connector->target].failures = 0;
	for (i = 0; i < connector->target_count; i++)
		connector->targets[i].tried = i == connector->target;
}

static void connector_on_close(struct lined_socket *sock, void *arg,
			       enum lined_close_reason reason, int error)
{
	struct relay_connector *connector = arg;
	bool was_connected = connector->state == RELAY_CONNECTOR_CONNECTED;

	connector_drop_socket(connector);
	connector_judge(connector, was_connected);
	connector_failed(connector, was_connected,
			 relay_address_close_text(&connector->address, sock,
						  reason, error,
						  was_connected));
}

static const struct lined_socket_handlers connector_socket_handlers = {
	.handle_connect = connector_on_connect,
	.handle_read = connector_on_read,
	.handle_write = connector_on_write,
	.handle_close = connector_on_close,
};

void relay_connector_good(struct relay_connector *connector)
{
	if (connector->good_ms == 0)
		connector->good_ms = connector->state_ms =
			relay_now_ms(connector->relay);
}

/* ---- finishing ---------------------------------------------------------- */

static void connector_finished(struct lined_socket *sock, void *arg,
			       enum lined_close_reason reason, int error)
{
	struct relay_connector *connector = arg;

	lined_timer_stop(&connector->retry);
	connector_set_state(connector, RELAY_CONNECTOR_IDLE);
	connector_drop_socket(connector);
}

static void connector_close(struct relay_connector *connector)
{
	static const struct lined_socket_handlers handlers = {
		.handle_close = connector_finished,
	};

	lined_socket_set_handlers(connector->sock, &handlers, connector);
	lined_socket_close_after_flush(connector->sock, LINED_CLOSE_LOCAL,
				       connector->flush_ms);
}

void relay_connector_finish(struct relay_connector *connector)
{
	if (connector->state != RELAY_CONNECTOR_CONNECTED) {
		relay_connector_stop(connector);
		return;
	}
	connector_set_state(connector, RELAY_CONNECTOR_FINISHING);
	connector_close(connector);
}

static void connector_check_rest(struct relay_connector *connector)
{
	if (lined_socket_is_quiet(connector->sock) ||
	    relay_now_ms(connector->relay) - connector->state_ms >= READ_OUT_MS)
		connector_close(connector);
	else
		connector_start_timer(connector, RELAY_END_STEP_MS);
}

void relay_connector_read_out(struct relay_connector *connector)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = connector_on_read,
		.handle_close = connector_finished,
	};

	connector_set_state(connector, RELAY_CONNECTOR_FINISHING);
	lined_socket_set_handlers(connector->sock, &handlers, connector);
	connector_check_rest(connector);
}

/* ---- time --------------------------------------------------------------- */

/* Fires when a wait is over, when a device is open, and when a lookup takes too
 * long. While the connector finishes, checks whether there is more to read. */
static void connector_retry_fired(struct lined_timer *timer)
{
	struct relay_connector *connector =
		lined_container_of(timer, struct relay_connector, retry);

	if (connector->state == RELAY_CONNECTOR_FINISHING) {
		connector_check_rest(connector);
		return;
	}
	if (connector->sock != NULL &&
	    lined_socket_is_connected(connector->sock)) {
		lined_socket_resume(connector->sock);
		connector_on_connect(connector->sock, connector);
		return;
	}
	if (connector->lookup == NULL) {
		connector_begin_round(connector);
		return;
	}
	lined_lookup_cancel(connector->lookup);
	connector->lookup = NULL;
	connector_no_address(connector, "the name cannot be looked up now");
}

/* ---- life --------------------------------------------------------------- */

void relay_connector_init(struct relay_connector *connector,
			  struct relay *relay,
			  const struct relay_address *address,
			  const struct relay_connector_handlers *handlers)
{
	connector->relay = relay;
	connector->address = *address;
	connector->handlers = handlers;
	connector->flush_ms = FINISH_MS;
	lined_service_timer(relay->service, &connector->retry,
			    connector_retry_fired);
	connector_set_state(connector, RELAY_CONNECTOR_IDLE);
}

void relay_connector_fini(struct relay_connector *connector)
{
	relay_connector_stop(connector);
	free(connector->targets);
}

void relay_connector_start(struct relay_connector *connector)
{
	uint64_t now_ms = relay_now_ms(connector->relay);

	if (connector->state != RELAY_CONNECTOR_IDLE)
		return;
	if (now_ms >= connector->due_ms) {
		connector_begin_round(connector);
		return;
	}
	connector_set_state(connector, RELAY_CONNECTOR_WAITING);
	connector_start_timer(connector, connector->due_ms - now_ms);
}

void relay_connector_stop(struct relay_connector *connector)
{
	if (connector->state == RELAY_CONNECTOR_CONNECTED)
		connector_judge(connector, false);
	lined_timer_stop(&connector->retry);
	lined_lookup_cancel(connector->lookup);
	connector->lookup = NULL;
	if (connector->state != RELAY_CONNECTOR_IDLE)
		connector_set_state(connector, RELAY_CONNECTOR_IDLE);
	if (connector->sock != NULL) {
		lined_socket_set_handlers(connector->sock, NULL, NULL);
		lined_socket_set_group(connector->sock, NULL);
		lined_socket_close(connector->sock);
		connector_drop_socket(connector);
	}
}

void relay_connector_retry_changed(struct relay_connector *connector)
{
	connector->failures = 0;
	connector->due_ms = 0;
	if (connector->state != RELAY_CONNECTOR_WAITING)
		return;
	lined_timer_stop(&connector->retry);
	connector_begin_round(connector);
}
