/* SPDX-License-Identifier: MIT */
/*
 * Publishes and subscribes for the suites of the bus.
 */
#include "config.h"

#include "bus_fixture.h"

#include <string.h>

#include "support.h"

void subscribe(struct lined_service *service, void *arg)
{
	struct inbox *inbox = arg;

	inbox->service = service;
	inbox->subscription =
		lined_bus_subscribe(service, inbox->topic, take, inbox);
	must(inbox->subscription != NULL);
}

void subscribe_shared(struct lined_service *service, void *arg)
{
	struct inbox *inbox = arg;

	inbox->service = service;
	inbox->subscription =
		lined_bus_subscribe_shared(service, inbox->topic, take, inbox);
	must(inbox->subscription != NULL);
}

void unsubscribe(struct inbox *inbox)
{
	lined_bus_unsubscribe(inbox->subscription);
	inbox->subscription = NULL;
}

int publish_text(struct lined_service *service, const char *topic,
		 const char *text)
{
	struct lined_buffer *message = lined_buffer_new(text, strlen(text));
	int result;

	must(message != NULL);
	result = lined_bus_publish(service, topic, message);
	lined_buffer_unref(message);
	return result;
}

void take(void *arg, struct lined_buffer *message)
{
	struct inbox *inbox = arg;
	size_t len = strlen(inbox->text);

	must(inbox->subscription != NULL);
	must(len + lined_buffer_len(message) < TEXT_MAX);
	memcpy(inbox->text + len, lined_buffer_data(message),
	       lined_buffer_len(message));
	inbox->last = message;
	if (inbox->subscribe != NULL && inbox->subscribe->subscription == NULL)
		subscribe(inbox->service, inbox->subscribe);
	if (inbox->publish != NULL)
		must(publish_text(inbox->service, inbox->topic,
				  inbox->publish) == 0);
	inbox->publish = NULL;
	if (inbox->unsubscribe != NULL)
		unsubscribe(inbox->unsubscribe);
	inbox->unsubscribe = NULL;
	hall_count(&inbox->got);
}

const struct lined_protocol quiet = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "quiet",
};

struct hall hall;

void turn(void)
{
	ck_assert_int_eq(lined_dispatcher_poll(hall.main, 0), 1);
}

void publish_own(struct lined_service *service, void *arg)
{
	must(publish_text(service, "t", arg) == 0);
}

static void stop_late(struct lined_service *service)
{
	publish_text(service, "t", "late");
}

const struct lined_protocol late = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "late",
	.stop = stop_late,
};
