/* SPDX-License-Identifier: MIT */
/*
 * Puts faults in, by functions that wrap those of lined.
 */
#include "config.h"

#include "faults.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/cluster_priv.h"
#include "threads/bus.h"
#include "threads/registry.h"
#include "world.h"

enum { FAULT_ONCE_IN = 20 };

static enum fault chosen;

/* The message that is delivered after the next one (FAULT_SWAPPED). */
static struct {
	struct bus_end *end;
	struct bus_topic_name topic;
	uint64_t stamp;
	char *bytes; /* the topic with its NUL, then the message */
	size_t len;
} late;

bool faults_choose(const char *word)
{
	static const char *const words[] = {
		[FAULT_NONE] = "none",           [FAULT_LOST] = "lost",
		[FAULT_SWAPPED] = "swapped",     [FAULT_TWICE] = "twice",
		[FAULT_UNCOUNTED] = "uncounted", [FAULT_UNTOLD] = "untold",
		[FAULT_KEPT] = "kept",
	};
	unsigned i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0) {
			chosen = i;
			return true;
		}
	return false;
}

void faults_begin(void)
{
	late.bytes = NULL;
}

void faults_end(void)
{
	free(late.bytes);
	late.bytes = NULL;
}

/* ---- the bus ------------------------------------------------------------- */

bool __real_bus_end_deliver(struct bus_end *end,
			    const struct bus_topic_name *name, uint64_t stamp,
			    const void *data, size_t len,
			    void (*release)(void *arg), void *arg);
bool __wrap_bus_end_deliver(struct bus_end *end,
			    const struct bus_topic_name *name, uint64_t stamp,
			    const void *data, size_t len,
			    void (*release)(void *arg), void *arg);

static void late_keep(struct bus_end *end, const struct bus_topic_name *name,
		      uint64_t stamp, const void *data, size_t len)
{
	late.end = end;
	late.topic = *name;
	late.stamp = stamp;
	late.bytes = malloc(name->len + 1 + len);
	late.len = len;
	must(late.bytes != NULL);
	memcpy(late.bytes, name->text, name->len + 1);
	memcpy(late.bytes + name->len + 1, data, len);
	late.topic.text = late.bytes;
}

static void late_deliver(void)
{
	char *bytes = late.bytes;

	late.bytes = NULL;
	if (!__real_bus_end_deliver(late.end, &late.topic, late.stamp,
				    bytes + late.topic.len + 1, late.len, free,
				    bytes))
		free(bytes);
}

bool __wrap_bus_end_deliver(struct bus_end *end,
			    const struct bus_topic_name *name, uint64_t stamp,
			    const void *data, size_t len,
			    void (*release)(void *arg), void *arg)
{
	bool taken;

	if (chosen == FAULT_LOST && world_once_in(FAULT_ONCE_IN)) {
		trace("fault: a message is lost");
		return false;
	}
	if (chosen == FAULT_SWAPPED && late.bytes == NULL &&
	    world_once_in(FAULT_ONCE_IN)) {
		trace("fault: a message waits for the next one");
		late_keep(end, name, stamp, data, len);
		return false;
	}
	taken = __real_bus_end_deliver(end, name, stamp, data, len, release,
				       arg);
	if (late.bytes != NULL && late.end == end)
		late_deliver();
	return taken;
}

/* ---- the registry ---------------------------------------------------- */

void __real_registry_claim_answered(struct registry_claim *claim);
void __wrap_registry_claim_answered(struct registry_claim *claim);

static void (*told)(struct lined_socket *client, void *arg, bool won);

static void fault_claimed(struct lined_socket *client, void *arg, bool won)
{
	told(client, arg, true);
}

void __wrap_registry_claim_answered(struct registry_claim *claim)
{
	if (chosen == FAULT_TWICE && !claim->won &&
	    world_once_in(FAULT_ONCE_IN / 4)) {
		trace("fault: %s is given twice", claim->name);
		told = claim->claimed;
		claim->claimed = fault_claimed;
	}
	__real_registry_claim_answered(claim);
}

void __real_registry_claim_taken(struct registry_claim *claim);
void __wrap_registry_claim_taken(struct registry_claim *claim);

void __wrap_registry_claim_taken(struct registry_claim *claim)
{
	if (chosen != FAULT_KEPT || !world_once_in(2))
		__real_registry_claim_taken(claim);
	else
		trace("fault: the owner of %s is not told", claim->name);
}

/* ---- the broker ---------------------------------------------------------- */

/* Gives the first line of a frame the name of a service that no machine has. */
static void fault_misdirect(struct broker_event *event)
{
	char *bytes = (char *)(uintptr_t)event->text;
	struct frame frame;

	if (!frame_read(&frame, bytes, event->len) || frame.lines == 0 ||
	    bytes[FRAME_HEADER] == 0)
		return;
	trace("fault: a line is lost");
	bytes[FRAME_HEADER + 1] = '-';
}

bool faults_spoil_event(struct broker_event *event)
{
	if (chosen == FAULT_UNCOUNTED && event->kind == BROKER_FRAME &&
	    world_once_in(FAULT_ONCE_IN))
		fault_misdirect(event);
	if (chosen == FAULT_UNTOLD && event->bucket == BROKER_NAMES &&
	    (event->kind == BROKER_STORED || event->kind == BROKER_ERASED) &&
	    world_once_in(FAULT_ONCE_IN)) {
		trace("fault: %s is not told", event->key);
		return true;
	}
	return false;
}
