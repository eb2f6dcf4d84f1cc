/* SPDX-License-Identifier: MIT */
/*
 * The common order of a registry's changes in this daemon: the primary worker
 * of the service decides, every worker hears of it in the order it decided.
 */
#ifndef REGISTRY_ORDER_H
#define REGISTRY_ORDER_H

#include "threads/registry.h"

/* Both on the claimant's worker; what comes of it comes later. Neither fails:
 * a claim has room for all the messages that it will ever need. */
void registry_order_claim(struct registry_claim *claim);
void registry_order_release(struct registry_claim *claim);

#endif
