/* SPDX-License-Identifier: MIT */
/*
 * Finds a poller by its name, among those that were built.
 */
#include "config.h"

#include "poller.h"

#include <string.h>

#include "fail.h"

static const struct poller_ops *const pollers[] = {
#ifdef HAVE_EPOLL
	&poller_epoll,
#endif
	&poller_poll,
};

const struct poller_ops *poller_find(const char *name)
{
	size_t i;

	if (name == NULL)
		return pollers[0];
	for (i = 0; i < sizeof(pollers) / sizeof(pollers[0]); i++)
		if (strcmp(pollers[i]->name, name) == 0)
			return pollers[i];
	return fail_null(EINVAL);
}
