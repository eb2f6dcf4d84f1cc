/* SPDX-License-Identifier: MIT */
/*
 * Starting, watching and ending what is measured, see subject.h. Measures
 * nothing by itself.
 */
#include "config.h"

#include "subject.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS 10000
#define STOP_MS  20000

noreturn void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 == 1 ? values[count / 2]
			      : (values[count / 2 - 1] + values[count / 2]) / 2;
}

unsigned long raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		fail("getrlimit: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		fail("setrlimit: %s", strerror(errno));
	return limit.rlim_cur;
}

/* ---- connecting ------------------------------------------------------- */

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return address;
}

static int try_connect(uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int subject_connect(const struct subject *subject)
{
	int fd = try_connect(subject->port);

	if (fd < 0)
		fail("%s: connect: %s", subject->name, strerror(errno));
	return fd;
}

static int bind_free_port(uint16_t *port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		fail("no free port: %s", strerror(errno));
	*port = ntohs(address.sin_port);
	return fd;
}

/* ---- lined ------------------------------------------------------------ */

static void config_path(const struct subject *subject, char *path, size_t size)
{
	snprintf(path, size, "%s/lined.conf", subject->dir);
}

static void write_config(const struct subject *subject)
{
	char path[96];
	FILE *file;

	config_path(subject, path, sizeof(path));
	file = fopen(path, "w");
	if (file == NULL)
		fail("%s: %s", path, strerror(errno));
	fprintf(file,
		"workers = 1\n"
		"service \"echo\" {\n"
		"\tprotocol = \"echo\"\n"
		"\tlisten = { \"tcp://127.0.0.1:%u\" }\n"
		"\tlimits {\n"
		"\t\tclients = 20000\n"
		"\t\tclients-per-address = 0\n"
		"\t\tconnect-rate-per-address = 0\n"
		"\t}\n"
		"}\n",
		subject->port);
	if (fclose(file) != 0)
		fail("%s: %s", path, strerror(errno));
}

static noreturn void run_lined(const struct subject *subject,
			       const char *program)
{
	const char *modules = getenv("LINED_MODULES");
	char path[96];

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	config_path(subject, path, sizeof(path));
	if (modules != NULL)
		execlp(program, program, "-c", path, "-L", "stderr", "-l",
		       "warning", "-m", modules, (char *)NULL);
	else
		execlp(program, program, "-c", path, "-L", "stderr", "-l",
		       "warning", (char *)NULL);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

static void wait_until_served(struct subject *subject)
{
	uint64_t start = now_ns();
	int fd, status;

	while ((fd = try_connect(subject->port)) < 0) {
		if (waitpid(subject->pid, &status, WNOHANG) == subject->pid)
			fail("%s ended before it served", subject->name);
		if (now_ns() - start > START_MS * UINT64_C(1000000))
			fail("%s does not serve", subject->name);
		poll(NULL, 0, 10);
	}
	close(fd);
	poll(NULL, 0, 50); /* the probe is gone again */
}

void subject_start_lined(struct subject *subject, const char *path)
{
	if (path == NULL)
		path = getenv("LINED");
	if (path == NULL)
		path = "lined";
	memset(subject, 0, sizeof(*subject));
	subject->name = "lined";
	strcpy(subject->dir, "/tmp/lined-bench-XXXXXX");
	if (mkdtemp(subject->dir) == NULL)
		fail("%s: %s", subject->dir, strerror(errno));
	close(bind_free_port(&subject->port));
	write_config(subject);
	fflush(NULL);
	subject->pid = fork();
	if (subject->pid < 0)
		fail("fork: %s", strerror(errno));
	if (subject->pid == 0)
		run_lined(subject, path);
	wait_until_served(subject);
}

/* ---- the bare loop ---------------------------------------------------- */

static void send_all(int fd, const char *data, ssize_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, (size_t)len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd poll_fd = {fd, POLLOUT, 0};

			poll(&poll_fd, 1, -1);
			continue;
		}
		if (n < 0)
			return;
		data += n;
		len -= n;
	}
}

static void watch(int poller, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
		_exit(1);
}

static noreturn void run_bare(int listener)
{
	static char buffer[65536];
	struct epoll_event events[256];
	int poller = epoll_create1(0), n, on = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	watch(poller, listener);
	for (;;) {
		n = epoll_wait(poller, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			ssize_t len;

			if (fd == listener) {
				fd = accept4(listener, NULL, NULL,
					     SOCK_NONBLOCK);
				if (fd < 0)
					continue;
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
					   sizeof(on));
				watch(poller, fd);
				continue;
			}
			len = recv(fd, buffer, sizeof(buffer), 0);
			if (len > 0)
				send_all(fd, buffer, len);
			else if (len == 0 || errno != EAGAIN)
				close(fd);
		}
	}
}

void subject_start_bare(struct subject *subject)
{
	int listener;

	memset(subject, 0, sizeof(*subject));
	subject->name = "bare epoll";
	listener = bind_free_port(&subject->port);
	if (listen(listener, 4096) < 0)
		fail("listen: %s", strerror(errno));
	fflush(NULL);
	subject->pid = fork();
	if (subject->pid < 0)
		fail("fork: %s", strerror(errno));
	if (subject->pid == 0)
		run_bare(listener);
	close(listener);
}

/* ---- the end ---------------------------------------------------------- */

void subject_stop(struct subject *subject)
{
	bool is_lined = subject->dir[0] != '\0';
	uint64_t start = now_ns();
	char path[96];
	int status;

	kill(subject->pid, is_lined ? SIGTERM : SIGKILL);
	while (waitpid(subject->pid, &status, WNOHANG) == 0) {
		if (now_ns() - start > STOP_MS * UINT64_C(1000000)) {
			kill(subject->pid, SIGKILL);
			fail("%s does not stop", subject->name);
		}
		poll(NULL, 0, 10);
	}
	if (!is_lined)
		return;
	config_path(subject, path, sizeof(path));
	unlink(path);
	rmdir(subject->dir);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("lined ended with status 0x%x", (unsigned)status);
}

/* ---- /proc ------------------------------------------------------------ */

uint64_t subject_cpu_ns(const struct subject *subject)
{
	uint64_t total = 0;
	struct dirent *entry;
	char path[320];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)subject->pid);
	dir = opendir(path);
	if (dir == NULL)
		fail("%s: %s", path, strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		unsigned long long ns;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/task/%s/schedstat",
			 (long)subject->pid, entry->d_name);
		file = fopen(path, "r");
		if (file == NULL)
			fail("%s: %s", path, strerror(errno));
		if (fscanf(file, "%llu", &ns) == 1)
			total += ns;
		fclose(file);
	}
	closedir(dir);
	return total;
}

uint64_t subject_rss(const struct subject *subject)
{
	unsigned long long kib = 0;
	char line[256], path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)subject->pid);
	file = fopen(path, "r");
	if (file == NULL)
		fail("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmRSS: %llu", &kib) == 1)
			break;
	fclose(file);
	return kib * 1024;
}

bool subject_is_sanitized(const struct subject *subject)
{
	char line[512], path[64];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/maps", (long)subject->pid);
	file = fopen(path, "r");
	if (file == NULL)
		fail("%s: %s", path, strerror(errno));
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, "libasan") != NULL ||
			strstr(line, "libtsan") != NULL;
	fclose(file);
	return found;
}

unsigned subject_fds(const struct subject *subject)
{
	struct dirent *entry;
	unsigned count = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)subject->pid);
	dir = opendir(path);
	if (dir == NULL)
		fail("%s: %s", path, strerror(errno));
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}
