/* SPDX-License-Identifier: MIT */
/*
 * A nats-server in memory, and the broker (net/broker.h) through which the
 * machines reach it. It promises no more than NATS: requests of a machine keep
 * their order, and so do the frames to it; its two watches, the frames and the
 * answers come in any order relative to each other. A link that is cut is
 * silent: the machine notices after a while; bytes under way are lost, or
 * arrive at the server when the link is whole again. The server's death ends
 * all links and loses the buckets.
 */
#pragma once

#include <stdbool.h>

void nats_begin(void);
void nats_end(void);

/* Something moves. False: nothing does. */
bool nats_step(void);

/* Perhaps cuts or heals a link, delays what is under way, loses a frame or an
 * an answer, or ends the server. */
void nats_trouble(void);
/* All links are whole and the server is there, for good. */
void nats_heal(void);

/* An answer was lost over a link that stayed: what it was for is asked for
 * again after some time. */
bool nats_lost_answer(void);

/* The machine dies: it sends nothing any more, and no farewell. */
void nats_lose_machine(unsigned machine);
