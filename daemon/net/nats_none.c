/* SPDX-License-Identifier: MIT */
/* For a build without libnats: a config with a `cluster` section is refused. */
#include "config.h"

#include "net/broker.h"

bool broker_available(void)
{
	return false;
}

bool broker_is_left(void)
{
	return false;
}

/* Never used. */
const struct broker_ops broker_nats = {.open = NULL};
