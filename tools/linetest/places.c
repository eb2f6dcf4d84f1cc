/* SPDX-License-Identifier: MIT */
/*
 * The directory and the addresses of a run. The path of a UNIX socket has room
 * for about a hundred bytes: where TMPDIR is too long for that, /tmp is taken.
 */
#include "config.h"

#include "linetest/places.h"

#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DIR_LEN_MAX 60

/* Room for the longest name of a socket in it, and for what a config adds. */
static size_t parent_len_max(const struct script *script)
{
	struct sockaddr_un sun;
	size_t room = sizeof(sun.sun_path) - sizeof("/linetest-XXXXXX/.sock"),
	       i, len, most = DIR_LEN_MAX;

	for (i = 0; i < script->place_count; i++) {
		len = strlen(script->places[i].name);
		if (script->places[i].transport == TRANSPORT_UNIX &&
		    room < len + most)
			most = room > len ? room - len : 0;
	}
	return most;
}

static char *make_dir(const struct script *script, char **error)
{
	const char *parent = getenv("TMPDIR");
	char *dir;

	if (parent == NULL || *parent != '/' ||
	    strlen(parent) > parent_len_max(script))
		parent = "/tmp";
	dir = memory_format("%s/linetest-XXXXXX", parent);
	if (mkdtemp(dir) != NULL)
		return dir;
	*error = memory_format("%s: %s", dir, strerror(errno));
	free(dir);
	return NULL;
}

static int find_address(struct net_address *address,
			const struct script_place *place, const char *dir)
{
	char *path;
	int result;

	switch (place->transport) {
	case TRANSPORT_TCP:
		return net_address_free(address, AF_INET, SOCK_STREAM);
	case TRANSPORT_TCP6:
		return net_address_free(address, AF_INET6, SOCK_STREAM);
	case TRANSPORT_UDP:
		return net_address_free(address, AF_INET, SOCK_DGRAM);
	case TRANSPORT_UDP6:
		return net_address_free(address, AF_INET6, SOCK_DGRAM);
	default:
		path = memory_format("%s/%s.sock", dir,
				     *place->name != '\0' ? place->name : "_");
		result = net_address_unix(address, path);
		free(path);
		return result;
	}
}

int places_open(struct places *places, const struct script *script,
		char **error)
{
	size_t i;

	memset(places, 0, sizeof(*places));
	places->script = script;
	places->dir = make_dir(script, error);
	if (places->dir == NULL)
		return -1;
	places->addresses = memory_get((script->place_count + 1) *
				       sizeof(*places->addresses));
	for (i = 0; i < script->place_count; i++) {
		const struct script_place *place = &script->places[i];

		if (find_address(&places->addresses[i], place, places->dir) ==
		    0)
			continue;
		*error = memory_format("no address for {%s:%s}: %s",
				       transport_names[place->transport],
				       place->name, strerror(errno));
		places_close(places, false);
		return -1;
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *about, int type,
		      struct FTW *place)
{
	(void)about;
	(void)type;
	(void)place;
	remove(path);
	return 0;
}

void places_close(struct places *places, bool keep)
{
	if (places->dir != NULL && !keep)
		nftw(places->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(places->dir);
	free(places->addresses);
	memset(places, 0, sizeof(*places));
}

static void fill_place(const struct places *places, struct bytes *out,
		       enum transport transport, const char *name,
		       size_t name_len)
{
	size_t found =
		script_find_place(places->script, transport, name, name_len);
	char *url;

	if (found == SIZE_MAX)
		return;
	url = net_address_url(&places->addresses[found]);
	bytes_add_text(out, url);
	free(url);
}

char *places_fill(const struct places *places, const char *config)
{
	struct bytes out = {0};
	unsigned transport;
	const char *name;
	size_t name_len, len;

	while (*config != '\0') {
		len = script_placeholder(config, &transport, &name, &name_len);
		if (len == 0)
			bytes_add_byte(&out, *config++);
		else if (transport == TRANSPORTS)
			bytes_add_text(&out, places->dir);
		else if (transport > TRANSPORTS)
			bytes_add_text(&out, places->script->here);
		else
			fill_place(places, &out, (enum transport)transport,
				   name, name_len);
		config += len;
	}
	return bytes_take(&out);
}

char *places_write(const struct places *places, const char *config,
		   unsigned workers, char **error)
{
	char *path = memory_format("%s/lined.conf", places->dir);
	FILE *file = fopen(path, "we");
	bool good = file != NULL;

	if (good) {
		if (workers > 0)
			fprintf(file, "workers = %u ", workers);
		good = fputs(config, file) >= 0;
		good = fclose(file) == 0 && good;
	}
	if (good)
		return path;
	*error = memory_format("%s: %s", path, strerror(errno));
	free(path);
	return NULL;
}
