/* SPDX-License-Identifier: MIT */
/*
 * Timers of a dispatcher: one-shot or periodic, on the monotonic clock,
 * O(log n) to start and to stop.
 *
 * A timer is open: it lives inside the structure it serves, and its handler
 * finds that structure by lined_container_of(). Thread: the dispatcher's.
 */
#ifndef LINED_TIMER_H
#define LINED_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

struct lined_dispatcher;

/* The structure of type `type` whose member `member` ptr points to. */
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

/*
 * Prepares a timer in the caller's memory. The memory must stay until the
 * timer is stopped; an armed timer keeps lined_dispatcher_poll() at 1.
 */
LINED_API void lined_timer_init(struct lined_timer *timer,
				struct lined_dispatcher *dispatcher,
				void (*handler)(struct lined_timer *timer));

/*
 * Arms the timer, anew where it was armed: the handler is called delay_ms
 * from now (at the earliest in the next turn), then, where interval_ms is not
 * 0, every interval_ms. A periodic timer that was held up fires once and goes
 * on from there. Legal in every callback, its own too. -1/ENOMEM, and then
 * the timer is not armed.
 */
LINED_API int lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
				uint32_t interval_ms);

/* Disarms; does nothing to a timer that is not armed. Legal anywhere. */
LINED_API void lined_timer_stop(struct lined_timer *timer);

LINED_API bool lined_timer_is_armed(const struct lined_timer *timer);

LINED_END_DECLS

#endif
