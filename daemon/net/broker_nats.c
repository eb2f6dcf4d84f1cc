/* SPDX-License-Identifier: MIT */
/*
 * The broker nats-server, through libnats.
 */
#include "config.h"

#include "net/broker.h"

bool broker_available(void)
{
	return true;
}
