/* SPDX-License-Identifier: MIT */
/*
 * Receives inherited sockets with sd_listen_fds_with_names(3).
 */
#include "config.h"

#include "system/inherited_sockets.h"

#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

struct inherited *inherited_take(void)
{
	struct inherited *inherited;
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names), i;

	if (count <= 0)
		return NULL;
	inherited = calloc(1, sizeof(*inherited));
	if (inherited != NULL)
		inherited->items =
			calloc((size_t)count, sizeof(*inherited->items));
	for (i = 0; i < count; i++) {
		if (inherited == NULL || inherited->items == NULL) {
			close(SD_LISTEN_FDS_START + i);
			free(names[i]);
			continue;
		}
		inherited->items[i].name = names[i];
		inherited->items[i].fd = SD_LISTEN_FDS_START + i;
		inherited->count++;
	}
	free(names);
	return inherited;
}

void inherited_free(struct inherited *inherited)
{
	size_t i;

	if (inherited == NULL)
		return;
	for (i = 0; i < inherited->count; i++) {
		if (inherited->items[i].fd >= 0)
			close(inherited->items[i].fd);
		free(inherited->items[i].name);
	}
	free(inherited->items);
	free(inherited);
}
