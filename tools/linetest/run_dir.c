/* SPDX-License-Identifier: MIT */
/*
 * Makes and removes the directory of a run, and writes configs into it. The
 * path of a UNIX socket may have about a hundred bytes. If $TMPDIR is too long
 * for that, the directory is made in /tmp.
 */
#include "config.h"

#include "linetest/run_dir.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "linetest/certificate.h"

/* The limit is lower than necessary, because a config may append the names of
 * further sockets to {dir}. */
#define DIR_LEN_MAX 60

/* How long the path of the parent directory may be, so that the path of every
 * socket fits into its address. */
static size_t run_dir_parent_max(const struct transcript *transcript)
{
	struct sockaddr_un sun;
	size_t room = sizeof(sun.sun_path) - sizeof("/linetest-XXXXXX/.sock"),
	       i, len, most = DIR_LEN_MAX;

	for (i = 0; i < transcript->address_count; i++) {
		len = strlen(transcript->addresses[i].name);
		if (transcript->addresses[i].transport == TRANSPORT_UNIX &&
		    room < len + most)
			most = room > len ? room - len : 0;
	}
	return most;
}

static char *run_dir_make(const struct transcript *transcript, char **error)
{
	const char *parent = getenv("TMPDIR");
	char *dir;

	if (parent == NULL || *parent != '/' ||
	    strlen(parent) > run_dir_parent_max(transcript))
		parent = "/tmp";
	dir = memory_format("%s/linetest-XXXXXX", parent);
	if (mkdtemp(dir) != NULL)
		return dir;
	*error = memory_format("%s: %s", dir, strerror(errno));
	free(dir);
	return NULL;
}

static int run_dir_find_address(struct net_address *address,
				const struct transcript_address *wanted,
				const char *dir, int *held)
{
	char *path;
	int result;

	if (wanted->transport != TRANSPORT_UNIX)
		return net_address_free(address, wanted->transport, held);
	path = memory_format("%s/%s.sock", dir,
			     *wanted->name != '\0' ? wanted->name : "_");
	result = net_address_unix(address, path);
	free(path);
	return result;
}

static bool run_dir_has_tls(const struct transcript *transcript)
{
	size_t i;

	for (i = 0; i < transcript->address_count; i++)
		if (transports[transcript->addresses[i].transport].tls)
			return true;
	return false;
}

int run_dir_open(struct run_dir *dir, const struct transcript *transcript,
		 char **error)
{
	size_t i;

	memset(dir, 0, sizeof(*dir));
	dir->transcript = transcript;
	dir->path = run_dir_make(transcript, error);
	if (dir->path == NULL)
		return -1;
	dir->addresses = memory_new(transcript->address_count + 1,
				    sizeof(*dir->addresses));
	dir->held =
		memory_new(transcript->address_count + 1, sizeof(*dir->held));
	for (i = 0; i < transcript->address_count; i++)
		dir->held[i] = -1;
	for (i = 0; i < transcript->address_count; i++) {
		const struct transcript_address *wanted =
			&transcript->addresses[i];

		if (run_dir_find_address(&dir->addresses[i], wanted, dir->path,
					 &dir->held[i]) == 0)
			continue;
		*error = memory_format("no address for {%s:%s}: %s",
				       transports[wanted->transport].name,
				       wanted->name, strerror(errno));
		run_dir_close(dir, false);
		return -1;
	}
	if (!run_dir_has_tls(transcript) || certificate_write(dir->path) == 0)
		return 0;
	*error = memory_format("%s: %s", dir->path, strerror(errno));
	run_dir_close(dir, false);
	return -1;
}

static int remove_entry(const char *path, const struct stat *about, int type,
			struct FTW *where)
{
	remove(path);
	return 0;
}

void run_dir_close(struct run_dir *dir, bool keep)
{
	size_t i;

	for (i = 0; dir->held != NULL && i < dir->transcript->address_count;
	     i++)
		if (dir->held[i] >= 0)
			close(dir->held[i]);
	if (dir->path != NULL && !keep)
		nftw(dir->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(dir->path);
	free(dir->addresses);
	free(dir->held);
	memset(dir, 0, sizeof(*dir));
}

static void run_dir_fill_address(const struct run_dir *dir, struct bytes *out,
				 const struct placeholder *address)
{
	size_t found =
		transcript_find_address(dir->transcript, address->transport,
					address->name, address->name_len);
	char *url;

	if (found == SIZE_MAX)
		return;
	url = net_address_url(&dir->addresses[found]);
	bytes_add_text(out, url);
	free(url);
}

char *run_dir_fill(const struct run_dir *dir, const char *config)
{
	struct placeholder found;
	struct bytes out = {0};

	while (*config != '\0') {
		if (!placeholder_read(&found, config)) {
			bytes_add_byte(&out, *config++);
			continue;
		}
		if (found.kind == PLACEHOLDER_ADDRESS)
			run_dir_fill_address(dir, &out, &found);
		else
			bytes_add_text(&out, found.kind == PLACEHOLDER_DIR
						     ? dir->path
						     : dir->transcript->here);
		config += found.len;
	}
	return bytes_take(&out);
}

char *run_dir_write_config(const struct run_dir *dir, const char *config,
			   unsigned workers, char **error)
{
	char *path = memory_format("%s/lined.conf", dir->path);
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
