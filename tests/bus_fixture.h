/* SPDX-License-Identifier: MIT */
/*
 * Publishers and subscribers for the suites of the bus, on the hall of a test.
 */
#pragma once

#include <lined/bus.h>

#include "worker_fixture.h"

extern struct hall hall;

/* A protocol without callbacks. */
extern const struct lined_protocol quiet;

/* A protocol whose stop() publishes, and leaves its subscription. */
extern const struct lined_protocol late;

enum { TEXT_MAX = 64 };

/* The messages that a subscription has received, one after the other. */
struct inbox {
	struct lined_service *service;
	const char *topic;
	char text[TEXT_MAX];
	unsigned got;
	struct lined_buffer *last; /* for comparison only: it may be freed */
	struct lined_subscription *subscription;
	/* The handler also subscribes or unsubscribes an inbox, and publishes
	 * a text. NULL: not. */
	struct inbox *subscribe, *unsubscribe;
	const char *publish;
};

/* Both subscribe the inbox arg. These functions and publish_own() have the type
 * that hall_call() takes. */
void subscribe(struct lined_service *service, void *arg);
void subscribe_shared(struct lined_service *service, void *arg);
void unsubscribe(struct inbox *inbox);

/* The handler of a subscription; arg is its inbox. */
void take(void *arg, struct lined_buffer *message);

int publish_text(struct lined_service *service, const char *topic,
		 const char *text);

/* Publishes the text arg to the topic "t". */
void publish_own(struct lined_service *service, void *arg);

/* Runs one turn of the main dispatcher. */
void turn(void);
