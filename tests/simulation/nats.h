/* SPDX-License-Identifier: MIT */
/*
 * A nats-server in memory, and the broker (net/broker.h) through which the
 * machines reach it. It promises no more than NATS: the requests of a machine
 * keep their order, and so do the frames to a machine; frames, answers and the
 * events of the two watches arrive in any order relative to each other. A link
 * that is cut is silent: the machine notices after a while; bytes under way are
 * lost, or arrive at the server when the link is whole again. When the server
 * dies, all links end, and the buckets are lost.
 */
#pragma once

#include <stdbool.h>

void nats_begin(void);
void nats_end(void);

/* Makes one step: an event or a request arrives, or a link changes. False:
 * nothing can happen. */
bool nats_step(void);

/* May cut or heal a link, delay the events of a machine, lose a frame or an
 * answer, or end the server. */
void nats_trouble(void);
/* Makes all links whole and starts the server, until the end of the seed. */
void nats_heal(void);

/* Whether an answer was lost on a link that stayed open. The machine sends such
 * a request again after some time. */
bool nats_lost_answer(void);

/* The machine dies: it sends nothing any more, not even an end of the link. */
void nats_lose_machine(unsigned machine);
