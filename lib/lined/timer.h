/* SPDX-License-Identifier: MIT */
/*
 * Timers of a dispatcher, one-shot or periodic, on the monotonic clock.
 * Starting or stopping a timer takes O(log n).
 *
 * A timer is a member of the structure that it serves, and its handler finds
 * that structure with lined_container_of(). Thread: the dispatcher's.
 */
#ifndef LINED_TIMER_H
#define LINED_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

struct lined_dispatcher;

/* The structure of this type that contains the member at ptr. */
#define lined_container_of(ptr, type, member)                                  \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct lined_timer {
	/* Read-only; set by lined_timer_init(). */
	struct lined_dispatcher *dispatcher;
	void (*handler)(struct lined_timer *timer);
	/* Private. */
	uint32_t interval_ms;
	uint32_t slot;
};

/* Prepares a timer in the caller's memory, which must not be freed while the
 * timer is armed. lined_dispatcher_poll() returns 1 while a timer is armed. */
LINED_API void lined_timer_init(struct lined_timer *timer,
				struct lined_dispatcher *dispatcher,
				void (*handler)(struct lined_timer *timer));

/*
 * Arms a timer, or changes one that is armed. The handler is called delay_ms
 * from now, in the next turn at the earliest, and then every interval_ms (0:
 * only once). The handler of a periodic timer that is late is called once, and
 * the next interval begins with this call. Legal in every callback, also its
 * own. -1/ENOMEM: the timer is not armed.
 */
LINED_API int lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
				uint32_t interval_ms);

/* Disarms a timer, if it is armed. A zeroed timer that was never prepared is
 * not armed. Legal in every callback. */
LINED_API void lined_timer_stop(struct lined_timer *timer);

/* Whether the timer is armed: the handler will still be called. */
LINED_API bool lined_timer_is_armed(const struct lined_timer *timer);

LINED_END_DECLS

#endif
