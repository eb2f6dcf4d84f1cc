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

/* The messages that a subscription has had, one after the other. */
struct inbox {
	struct lined_service *service;
	const char *topic;
	char text[TEXT_MAX];
	unsigned got;
	struct lined_buffer *last; /* compared, not used */
	struct lined_subscription *subscription;
	/* Further actions of the handler: */
	struct inbox *subscribe, *unsubscribe;
	const char *publish;
};

/* Subscribe an inbox (arg). Of the type that hall_call() takes, as is
 * publish_own(). */
void subscribe(struct lined_service *service, void *arg);
void subscribe_shared(struct lined_service *service, void *arg);
void unsubscribe(struct inbox *inbox);

/* The handler of an inbox (arg). */
void take(void *arg, struct lined_buffer *message);

int publish_text(struct lined_service *service, const char *topic,
		 const char *text);

/* Publishes a text (arg) to the topic "t". */
void publish_own(struct lined_service *service, void *arg);

/* One turn of the main dispatcher. */
void turn(void);
