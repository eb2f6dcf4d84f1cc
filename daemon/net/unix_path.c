/* SPDX-License-Identifier: MIT */
/*
 * Binds UNIX sockets to their paths. The directory is locked from the check of
 * a path until the bind: otherwise two daemons could replace each other's
 * socket.
 */
#include "config.h"

#include "net/unix_path.h"

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

#include "fail.h"
#include "net/systemd_fd_store.h"
#include "system/fd_close.h"
#include "system/hardening_helper.h"

#define LOCK_TRIES   25
#define LOCK_STEP_NS 20000000
#define LOCK_REST_S  60

/* ---- owners ------------------------------------------------------------ */

/* Looks up owner and group; (uid_t)-1 and (gid_t)-1 if mode does not name them.
 */
static int unix_path_find_owners(const struct unix_path_mode *mode, uid_t *uid,
				 gid_t *gid, char *error, size_t size)
{
	const struct passwd *user;
	const struct group *group;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if (mode->owner != NULL) {
		user = getpwnam(mode->owner);
		if (user == NULL) {
			snprintf(error, size,
				 "socket-owner \"%s\": no such user",
				 mode->owner);
			return -1;
		}
		*uid = user->pw_uid;
	}
	if (mode->group != NULL) {
		group = getgrnam(mode->group);
		if (group == NULL) {
			snprintf(error, size,
				 "socket-group \"%s\": no such group",
				 mode->group);
			return -1;
		}
		*gid = group->gr_gid;
	}
	return 0;
}

int unix_path_check_mode(const struct unix_path_mode *mode, char *error,
			 size_t size)
{
	uid_t uid;
	gid_t gid;

	return unix_path_find_owners(mode, &uid, &gid, error, size);
}

static bool unix_path_matches(const struct unix_path_file *file,
			      const struct stat *status)
{
	return status->st_dev == file->device && status->st_ino == file->inode;
}

static void unix_path_record(struct unix_path_file *file,
			     const struct stat *status)
{
	file->known = true;
	file->device = status->st_dev;
	file->inode = status->st_ino;
}

/* Whether this process may have made the file just now, by binding a socket. */
static bool unix_path_is_new(const struct stat *status)
{
	return S_ISSOCK(status->st_mode) && status->st_uid == geteuid() &&
	       status->st_nlink == 1;
}

static void unix_path_directory(const char *path, char *directory, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(directory, size, "%.*s/", (int)(slash - path), path);
}

/* If uid or gid is -1, sets it to the owner or group that a new socket at the
 * path would have, unless the present socket has the same. */
static int unix_path_reset_owners(const char *path, const struct stat *now,
				  uid_t *uid, gid_t *gid)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat parent;
	uid_t own = geteuid();
	gid_t group = getegid();

	unix_path_directory(path, directory, sizeof(directory));
	if (stat(directory, &parent) < 0)
		return -1;
	if (parent.st_mode & S_ISGID)
		group = parent.st_gid;
	if (*uid == (uid_t)-1 && now->st_uid != own)
		*uid = own;
	if (*gid == (gid_t)-1 && now->st_gid != group)
		*gid = group;
	return 0;
}

/* chown(2) does not say whether the owner or the group was refused, but the
 * advice depends on it. Without root's rights, lined's own user is the only
 * possible owner. */
static void unix_path_say_chown(const struct unix_path_mode *mode, uid_t uid,
				char *error, size_t size)
{
	int number = errno;

	if (number != EPERM)
		snprintf(error, size, "chown: %s", strerror(number));
	else if (uid != (uid_t)-1 && uid != geteuid())
		snprintf(error, size,
			 "socket-owner \"%s\": chown: %s (only root may give a "
			 "socket to another user)",
			 mode->owner != NULL ? mode->owner : "",
			 strerror(number));
	else
		snprintf(error, size,
			 "socket-group \"%s\": chown: %s (lined's user must be "
			 "a member of the group; under systemd see the drop-in "
			 "groups.conf of the examples)",
			 mode->group != NULL ? mode->group : "",
			 strerror(number));
}

/*
 * Returns a descriptor of the socket at the path. The directory may belong to
 * another user, who can replace the socket by a link to another file at any
 * time: a chown(2) of the path by root would then give that file away. So only
 * the file that was bound is accepted. -1 and errno.
 */
static int unix_path_hold(const char *path, struct unix_path_file *file,
			  struct stat *now)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, now) == 0) {
		if (file->known ? S_ISSOCK(now->st_mode) &&
					  unix_path_matches(file, now)
				: unix_path_is_new(now)) {
			unix_path_record(file, now);
			return fd;
		}
		errno = ESTALE;
	}
	fd_close(fd);
	return -1;
}

/* fchmod(2) refuses an O_PATH descriptor, but its path in /proc always leads to
 * the same file. */
static int unix_path_chmod(int fd, mode_t mode)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, mode);
}

static int unix_path_apply(int fd, const char *path, const struct stat *now,
			   const struct unix_path_mode *mode, char *error,
			   size_t size)
{
	uid_t uid;
	gid_t gid;

	if (unix_path_find_owners(mode, &uid, &gid, error, size) < 0)
		return -1;
	if (mode->again && unix_path_reset_owners(path, now, &uid, &gid) < 0)
		return fail_text(error, size, strerror(errno));
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) &&
	    fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0) {
		unix_path_say_chown(mode, uid, error, size);
		return -1;
	}
	if (unix_path_chmod(fd, mode->mode) < 0) {
		snprintf(error, size, "chmod: %s", strerror(errno));
		return -1;
	}
	return 0;
}

int unix_path_set_mode(const char *path, struct unix_path_file *file,
		       const struct unix_path_mode *mode, char *error,
		       size_t size)
{
	struct stat now;
	int fd = unix_path_hold(path, file, &now), result;

	if (fd < 0)
		return fail_text(error, size,
				 errno == ESTALE
					 ? "another file is in its place"
					 : strerror(errno));
	result = unix_path_apply(fd, path, &now, mode, error, size);
	close(fd);
	return result;
}

/* ---- the file at the path ---------------------------------------------- */

bool unix_path_is(const char *path, const struct unix_path_file *file)
{
	struct stat status;

	return file->known && lstat(path, &status) == 0 &&
	       unix_path_matches(file, &status);
}

void unix_path_remove(const char *path, const struct unix_path_file *file)
{
	if (unix_path_is(path, file))
		helper_remove(path);
}

/* Whether a process listens on the path; true if that is unknown. */
static bool unix_path_is_live(const struct sockaddr_un *address)
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

/* Removes a socket that a killed daemon left. Any other file at the path is an
 * error: lined must not remove it. */
static int unix_path_remove_stale(const struct sockaddr_un *address)
{
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(status.st_mode))
		return fail_with(EEXIST);
	if (unix_path_is_live(address))
		return fail_with(EADDRINUSE);
	return helper_remove(address->sun_path);
}

/* ---- opening ----------------------------------------------------------- */

/* Whether to wait once more for a lock that another process holds. Waiting
 * stops the main thread, so all paths together wait at most LOCK_TRIES times in
 * LOCK_REST_S. */
static bool unix_path_may_wait(void)
{
	static time_t since_s;
	static unsigned waits;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - since_s >= LOCK_REST_S) {
		since_s = now.tv_sec;
		waits = 0;
	}
	return waits++ < LOCK_TRIES;
}

/*
 * Without the lock, two daemons could find a path stale at the same time, and
 * the second would remove the new socket of the first. Any process that may
 * read the directory can hold the lock for ever, so this waits half a second at
 * most. -1: no lock.
 */
static int unix_path_lock_directory(const char *path)
{
	const struct timespec pause = {0, LOCK_STEP_NS};
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;

	unix_path_directory(path, directory, sizeof(directory));
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (!unix_path_may_wait()) {
			close(fd);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int unix_path_bind(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* On Linux the bound path gets this mode of the socket, so nobody else
	 * can connect yet. On other systems the umask decides until chmod(). */
	fchmod(fd, S_IRUSR | S_IWUSR);
	if (unix_path_remove_stale(address) == 0 &&
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return fd;
	fd_close(fd);
	return -1;
}

int unix_path_open(const char *path, const struct unix_path_mode *mode,
		   int backlog, const struct inherited *inherited,
		   struct unix_path_file *file, char *error, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	bool listening = true;
	int fd, lock = -1;

	file->known = false;
	if (strlen(path) >= sizeof(address.sun_path))
		return fail_text(error, size, strerror(ENAMETOOLONG));
	strcpy(address.sun_path, path);
	fd = fd_store_take(inherited, (struct sockaddr *)&address, SOCK_STREAM);
	if (fd >= 0) {
		/* The stored socket was found by the device and inode of the
		 * file at the path (systemd_fd_store.h). So the file belongs to
		 * the socket, even if socket-owner has given the file to
		 * another user. */
		if (lstat(path, &status) == 0)
			unix_path_record(file, &status);
	} else {
		listening = false;
		lock = unix_path_lock_directory(path);
		fd = unix_path_bind(&address);
	}
	if (fd < 0) {
		snprintf(error, size, "%s", strerror(errno));
		goto unlock;
	}
	if (unix_path_set_mode(path, file, mode, error, size) < 0)
		goto fail;
	if (!listening && listen(fd, backlog) < 0) {
		snprintf(error, size, "%s", strerror(errno));
		goto fail;
	}
	goto unlock;

fail:
	/* file is not filled in yet if there was no descriptor left to open the
	 * new file. */
	if (!listening && !file->known && lstat(path, &status) == 0 &&
	    unix_path_is_new(&status))
		unix_path_record(file, &status);
	unix_path_remove(path, file);
	close(fd);
	fd = -1;
unlock:
	fd_close(lock);
	return fd;
}
