/* SPDX-License-Identifier: MIT */
/*
 * The subscriptions of an instance. bus_member_leave() ends those that remain.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "threads/bus_priv.h"

void bus_member_init(struct bus_member *member, const struct worker *worker,
		     struct lined_service *instance, uint64_t scope,
		     void (*hold)(struct bus_member *member, bool on))
{
	member->end = worker->bus;
	member->instance = instance;
	member->scope = scope;
	member->clustered = NULL;
	member->hold = hold;
	list_init(&member->subscriptions);
	list_init(&member->held_link);
	member->left = false;
}

struct lined_subscription *
bus_subscribe(struct bus_member *member, uint64_t scope, const char *text,
	      void (*handler)(void *arg, struct lined_buffer *message),
	      void *arg)
{
	struct bus_topics *topics = &member->end->topics;
	struct lined_subscription *subscription;
	struct bus_topic_name name;

	if (member->left) {
		errno = ESHUTDOWN;
		return NULL;
	}
	if (bus_topic_name(topics, &name, scope, text) < 0)
		return NULL;
	subscription = malloc(sizeof(*subscription));
	if (subscription == NULL)
		return NULL;
	subscription->topic = bus_topic_get(topics, &name);
	if (subscription->topic == NULL) {
		free(subscription);
		return NULL;
	}
	subscription->member = member;
	subscription->mark = bus_mark(member);
	subscription->handler = handler;
	subscription->arg = arg;
	list_append(&subscription->topic->subscriptions, &subscription->link);
	list_append(&member->subscriptions, &subscription->member_link);
	return subscription;
}

static void bus_subscription_detach(struct lined_subscription *subscription)
{
	struct bus_end *end = subscription->member->end;
	struct bus_topic *topic = subscription->topic;

	if (topic == NULL)
		return;
	if (end->cursor == &subscription->link)
		end->cursor = subscription->link.next;
	list_remove(&subscription->link);
	subscription->topic = NULL;
	bus_end_release(end, topic);
}

void lined_bus_unsubscribe(struct lined_subscription *subscription)
{
	if (subscription == NULL)
		return;
	bus_subscription_detach(subscription);
	list_remove(&subscription->member_link);
	free(subscription);
}

void bus_member_leave(struct bus_member *member)
{
	struct lined_subscription *subscription;

	if (member->left)
		return;
	member->left = true;
	bus_hold_end(member);
	list_for_each(subscription, &member->subscriptions, member_link)
		bus_subscription_detach(subscription);
}

void bus_member_fini(struct bus_member *member)
{
	struct lined_subscription *subscription, *next;

	list_for_each_safe(subscription, next, &member->subscriptions,
			   member_link)
		free(subscription);
	list_init(&member->subscriptions);
}
