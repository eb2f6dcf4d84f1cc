/* SPDX-License-Identifier: MIT */
/* Names the bus topics. Services with the same topic option share a feed. */
#include "relay/channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "relay/relay.h"

static const char *const channel_names[] = {
	[RELAY_FEED] = "feed",
	[RELAY_UP] = "up",
};

static bool channel_is_shared(const struct relay *relay,
			      enum relay_channel channel)
{
	return relay->topic[0] != '\0' && channel != RELAY_UP;
}

static void channel_name(const struct relay *relay, enum relay_channel channel,
			 char *name, size_t size)
{
	if (channel_is_shared(relay, channel))
		snprintf(name, size, "relay %s %s", channel_names[channel],
			 relay->topic);
	else
		snprintf(name, size, "%s", channel_names[channel]);
}

struct lined_subscription *relay_channel_subscribe(
	struct relay *relay, enum relay_channel channel,
	void (*handler)(void *arg, struct lined_buffer *message), void *arg)
{
	struct lined_subscription *subscription;
	char name[LINED_TOPIC_MAX + 1];

	channel_name(relay, channel, name, sizeof(name));
	if (channel_is_shared(relay, channel))
		subscription = lined_bus_subscribe_shared(relay->service, name,
							  handler, arg);
	else
		subscription =
			lined_bus_subscribe(relay->service, name, handler, arg);
	if (subscription == NULL)
		lined_service_log(relay->service, LINED_LOG_ERR,
				  "cannot subscribe: %s", strerror(errno));
	return subscription;
}

int relay_channel_publish(struct relay *relay, enum relay_channel channel,
			  struct lined_buffer *message)
{
	char name[LINED_TOPIC_MAX + 1];

	channel_name(relay, channel, name, sizeof(name));
	if (channel_is_shared(relay, channel))
		return lined_bus_publish_shared(relay->service, name, message);
	return lined_bus_publish(relay->service, name, message);
}
