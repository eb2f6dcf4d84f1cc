/* SPDX-License-Identifier: MIT */
/*
 * The paths of UNIX sockets: taking one, with its mode and owners, and giving
 * it back, among other daemons that may want the same.
 */
#include "config.h"

#include "net/listener_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "net/fd_store.h"

#define LOCK_TRIES   25
#define LOCK_STEP_NS 20000000

/* Whether somebody answers at the path. */
static bool is_live(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool live;

	if (fd < 0)
		return true;
	live = connect(fd, (const struct sockaddr *)address,
		       sizeof(*address)) == 0 ||
	       errno != ECONNREFUSED;
	close(fd);
	return live;
}

/* A socket that nobody answers at is left from before and goes; anything else
 * at that path is not ours to remove. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(status.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	if (is_live(address)) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(address->sun_path);
}

static int owner_id(const char *name, uid_t *uid)
{
	const struct passwd *user = getpwnam(name);

	if (user == NULL)
		return -1;
	*uid = user->pw_uid;
	return 0;
}

static int group_id(const char *name, gid_t *gid)
{
	const struct group *group = getgrnam(name);

	if (group == NULL)
		return -1;
	*gid = group->gr_gid;
	return 0;
}

/* Who is meant; -1 where nobody is. */
static int find_owners(const struct listener_mode *mode, uid_t *uid, gid_t *gid,
		       char *error, size_t size)
{
	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if (mode->owner != NULL && owner_id(mode->owner, uid) < 0) {
		snprintf(error, size, "socket-owner \"%s\": no such user",
			 mode->owner);
		return -1;
	}
	if (mode->group != NULL && group_id(mode->group, gid) < 0) {
		snprintf(error, size, "socket-group \"%s\": no such group",
			 mode->group);
		return -1;
	}
	return 0;
}

int listener_mode_check(const struct listener_mode *mode, char *error,
			size_t size)
{
	uid_t uid;
	gid_t gid;

	return find_owners(mode, &uid, &gid, error, size);
}

static void directory_of(const char *path, char *directory, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(directory, size, "%.*s/", (int)(slash - path), path);
}

/*
 * Who would own the path if it were made now, where nobody is meant; -1 where
 * that is who owns it already.
 */
static int take_back(const char *path, uid_t *uid, gid_t *gid)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat now, parent;
	uid_t own = geteuid();
	gid_t group = getegid();

	directory_of(path, directory, sizeof(directory));
	if (stat(path, &now) < 0 || stat(directory, &parent) < 0)
		return -1;
	if (parent.st_mode & S_ISGID)
		group = parent.st_gid;
	if (*uid == (uid_t)-1 && now.st_uid != own)
		*uid = own;
	if (*gid == (gid_t)-1 && now.st_gid != group)
		*gid = group;
	return 0;
}

int listener_set_mode(const struct listener *listener,
		      const struct listener_mode *mode, char *error,
		      size_t size)
{
	const char *path = listener->address.path;
	uid_t uid;
	gid_t gid;

	if (path == NULL)
		return 0;
	if (find_owners(mode, &uid, &gid, error, size) < 0)
		return -1;
	if (mode->again && take_back(path, &uid, &gid) < 0) {
		snprintf(error, size, "%s", strerror(errno));
		return -1;
	}
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) &&
	    chown(path, uid, gid) < 0) {
		snprintf(error, size, "chown: %s%s", strerror(errno),
			 errno == EPERM ? " (lined's user must be a member of "
					  "the group)"
					: "");
		return -1;
	}
	if (chmod(path, mode->mode) < 0) {
		snprintf(error, size, "chmod: %s", strerror(errno));
		return -1;
	}
	return 0;
}

/*
 * Keeps other daemons off the directory while a path in it is looked at and
 * taken: of two that find it stale the second would remove what the first has
 * just made. Whoever may read the directory may hold its lock, so it is waited
 * for a moment only. -1: there is no lock.
 */
static int lock_directory(const char *path)
{
	const struct timespec pause = {0, LOCK_STEP_NS};
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd, tries;

	directory_of(path, directory, sizeof(directory));
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		nanosleep(&pause, NULL);
	}
	close(fd);
	return -1;
}

static int bind_unix(int fd, const struct sockaddr_un *address)
{
	/* The path gets the mode that the socket has: whatever the umask, at
	 * no moment may others use it who should not. A system that knows no
	 * such mode has listen() still to come. */
	fchmod(fd, S_IRUSR | S_IWUSR);
	return bind(fd, (const struct sockaddr *)address, sizeof(*address));
}

static void note_path(struct listener *listener)
{
	struct stat status;

	if (lstat(listener->address.path, &status) < 0)
		return;
	listener->owns_path = true;
	listener->path_device = status.st_dev;
	listener->path_inode = status.st_ino;
}

void listener_remove_path(const struct listener *listener)
{
	struct stat status;

	if (lstat(listener->address.path, &status) == 0 &&
	    status.st_dev == listener->path_device &&
	    status.st_ino == listener->path_inode)
		unlink(listener->address.path);
}

/* Nobody can connect before listen(): by then mode and owner stand. */
static int take_path(struct listener *listener,
		     const struct sockaddr_un *address,
		     const struct listener_mode *mode, char *error, size_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || remove_stale(address) < 0 || bind_unix(fd, address) < 0) {
		snprintf(error, size, "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	listener_add(listener, fd, false);
	note_path(listener);
	if (listener_set_mode(listener, mode, error, size) < 0)
		return -1;
	if (listen(fd, LISTENER_BACKLOG) < 0) {
		snprintf(error, size, "%s", strerror(errno));
		return -1;
	}
	return 0;
}

int listener_open_unix(struct listener *listener,
		       const struct listener_mode *mode,
		       const struct inherited *inherited, char *error,
		       size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = listener->address.path;
	int fd, lock, result;

	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(error, size, "%s", strerror(ENAMETOOLONG));
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = fd_store_take(inherited, (struct sockaddr *)&address, SOCK_STREAM);
	if (fd >= 0) {
		listener_add(listener, fd, false);
		note_path(listener);
		return listener_set_mode(listener, mode, error, size);
	}
	lock = lock_directory(path);
	result = take_path(listener, &address, mode, error, size);
	if (lock >= 0)
		close(lock);
	return result;
}
