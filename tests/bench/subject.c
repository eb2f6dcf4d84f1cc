/* SPDX-License-Identifier: MIT */
/*
 * Starts, watches and ends a measured server, see subject.h. Measures nothing
 * itself.
 */
#include "config.h"

#include "subject.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../port.h"
#include "bare.h"

#define START_MS 10000
#define STOP_MS  20000
#define JOIN_MS  2000

noreturn void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

unsigned option_number(const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < min || value > max)
		fail("%s: not a number from %u to %u", text, min, max);
	return (unsigned)value;
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

static void unix_path(const struct subject *subject, char *path, size_t size)
{
	snprintf(path, size, "%s/lined.sock", subject->dir);
}

int subject_connect_unix(const struct subject *subject)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unix_path(subject, address.sun_path, sizeof(address.sun_path));
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("%s: %s: %s", subject->name, address.sun_path,
		     strerror(errno));
	return fd;
}

static uint16_t free_port(void)
{
	uint16_t port = private_port();

	if (port == 0)
		fail("no free port");
	return port;
}

/* ---- lined ------------------------------------------------------------ */

static void config_path(const struct subject *subject, char *path, size_t size)
{
	snprintf(path, size, "%s/lined.conf", subject->dir);
}

/* nats NULL: no cluster. */
static void write_config(const struct subject *subject, unsigned workers,
			 const char *protocol, const char *limits,
			 const char *nats)
{
	char path[96], listen[96];
	FILE *file;

	config_path(subject, path, sizeof(path));
	unix_path(subject, listen, sizeof(listen));
	file = fopen(path, "w");
	if (file == NULL)
		fail("%s: %s", path, strerror(errno));
	if (nats != NULL)
		fprintf(file,
			"cluster { servers = { \"%s\" } name = \"bench\" }\n",
			nats);
	fprintf(file,
		"workers = %u\n"
		"service \"%s\" {\n"
		"\tprotocol = \"%s\"\n"
		"\tlisten = { \"tcp://127.0.0.1:%u\", "
		"\"ws://127.0.0.1:%u\", \"unix://%s\" }\n"
		"\tweb { ping = 0 }\n"
		"%s"
		"\tlimits {\n"
		"\t\tclients = 20000\n"
		"\t\tclients-per-address = 0\n"
		"\t\tconnect-rate-per-address = 0\n"
		"\t\t%s\n"
		"\t}\n"
		"}\n",
		workers, protocol, protocol, subject->port, subject->web_port,
		listen, nats != NULL ? "\tcluster = true\n" : "", limits);
	if (fclose(file) != 0)
		fail("%s: %s", path, strerror(errno));
}

static void log_path(const struct subject *subject, char *path, size_t size)
{
	snprintf(path, size, "%s/lined.log", subject->dir);
}

static noreturn void run_lined(const struct subject *subject,
			       const char *program)
{
	const char *modules = getenv("LINED_MODULES");
	const char *level = subject->is_logged ? "notice" : "warning";
	char path[96];

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	log_path(subject, path, sizeof(path));
	if (subject->is_logged && freopen(path, "w", stderr) == NULL)
		_exit(127);
	config_path(subject, path, sizeof(path));
	if (modules != NULL)
		execlp(program, program, "-c", path, "-L", "stderr", "-l",
		       level, "-m", modules, (char *)NULL);
	else
		execlp(program, program, "-c", path, "-L", "stderr", "-l",
		       level, (char *)NULL);
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
	poll(NULL, 0, 50); /* until the daemon has seen the probe close */
}

static void prepare(struct subject *subject, const char *name)
{
	memset(subject, 0, sizeof(*subject));
	subject->name = name;
	strcpy(subject->dir, "/tmp/lined-bench-XXXXXX");
	if (mkdtemp(subject->dir) == NULL)
		fail("%s: %s", subject->dir, strerror(errno));
	subject->port = free_port();
}

static void start_lined(struct subject *subject, const char *path,
			unsigned workers, const char *protocol,
			const char *limits, const char *nats, bool logged)
{
	if (path == NULL)
		path = getenv("LINED");
	if (path == NULL)
		path = "lined";
	prepare(subject, "lined");
	subject->is_lined = true;
	subject->web_port = free_port();
	subject->is_logged = logged;
	write_config(subject, workers, protocol, limits, nats);
	fflush(NULL);
	subject->pid = fork();
	if (subject->pid < 0)
		fail("fork: %s", strerror(errno));
	if (subject->pid == 0)
		run_lined(subject, path);
	wait_until_served(subject);
}

void subject_start_service(struct subject *subject, const char *path,
			   unsigned workers, const char *protocol,
			   const char *limits)
{
	start_lined(subject, path, workers, protocol, limits, NULL, false);
}

void subject_start_counted(struct subject *subject, const char *path,
			   unsigned workers, const char *protocol)
{
	start_lined(subject, path, workers, protocol, "", NULL, true);
}

void subject_start_node(struct subject *subject, const char *path,
			const char *nats)
{
	start_lined(subject, path, 1, "relay", "", nats, false);
	poll(NULL, 0, JOIN_MS);
}

void subject_start_lined(struct subject *subject, const char *path)
{
	subject_start_service(subject, path, 1, "echo", "");
}

/* ---- redis ------------------------------------------------------------ */

static bool is_installed(const char *program)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1",
		 program);
	return system(command) == 0;
}

bool subject_start_redis(struct subject *subject)
{
	char port[8];

	if (!is_installed("redis-server"))
		return false;
	prepare(subject, "redis");
	snprintf(port, sizeof(port), "%u", subject->port);
	fflush(NULL);
	subject->pid = fork();
	if (subject->pid < 0)
		fail("fork: %s", strerror(errno));
	if (subject->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (freopen("/dev/null", "w", stdout) != NULL)
			execlp("redis-server", "redis-server", "--bind",
			       "127.0.0.1", "--port", port, "--save", "",
			       "--appendonly", "no", "--dir", subject->dir,
			       (char *)NULL);
		_exit(127);
	}
	wait_until_served(subject);
	return true;
}

/* ---- the bare loops --------------------------------------------------- */

static void start_bare(struct subject *subject, const char *name,
		       void (*run)(int listener))
{
	struct sockaddr_in address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(subject, 0, sizeof(*subject));
	subject->name = name;
	subject->port = free_port();
	address = loopback(subject->port);
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 4096) < 0)
		fail("listen: %s", strerror(errno));
	fflush(NULL);
	subject->pid = fork();
	if (subject->pid < 0)
		fail("fork: %s", strerror(errno));
	if (subject->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(listener);
	}
	close(listener);
}

void subject_start_bare(struct subject *subject)
{
	start_bare(subject, "bare epoll", bare_echo);
}

void subject_start_bare_hub(struct subject *subject)
{
	start_bare(subject, "bare epoll", bare_hub);
}

/* ---- the end ---------------------------------------------------------- */

void subject_stop(struct subject *subject)
{
	uint64_t start = now_ns();
	char path[96];
	int status;

	kill(subject->pid, subject->is_lined ? SIGTERM : SIGKILL);
	while (waitpid(subject->pid, &status, WNOHANG) == 0) {
		if (now_ns() - start > STOP_MS * UINT64_C(1000000)) {
			kill(subject->pid, SIGKILL);
			fail("%s does not stop", subject->name);
		}
		poll(NULL, 0, 10);
	}
	if (subject->dir[0] != '\0') {
		config_path(subject, path, sizeof(path));
		unlink(path);
		log_path(subject, path, sizeof(path));
		unlink(path);
		rmdir(subject->dir);
	}
	if (!subject->is_lined)
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("lined ended with status 0x%x", (unsigned)status);
}

/* ---- its counters ----------------------------------------------------- */

/* Looks in the part of the log after `from` for ", NAME 42". */
static bool find_counter(FILE *log, long from, const char *name,
			 unsigned long long *value)
{
	char line[1024], wanted[64];

	snprintf(wanted, sizeof(wanted), ", %s ", name);
	if (fseek(log, from, SEEK_SET) < 0)
		fail("log: %s", strerror(errno));
	while (fgets(line, sizeof(line), log) != NULL) {
		const char *at = strstr(line, wanted);

		if (at != NULL && strchr(line, '\n') != NULL)
			return sscanf(at + strlen(wanted), "%llu", value) == 1;
	}
	return false;
}

uint64_t subject_counter(const struct subject *subject, const char *name)
{
	uint64_t start = now_ns();
	unsigned long long value;
	char path[96];
	FILE *log;
	long from;

	log_path(subject, path, sizeof(path));
	log = fopen(path, "r");
	if (log == NULL || fseek(log, 0, SEEK_END) < 0)
		fail("%s: %s", path, strerror(errno));
	from = ftell(log);
	kill(subject->pid, SIGUSR1);
	while (!find_counter(log, from, name, &value)) {
		if (now_ns() - start > START_MS * UINT64_C(1000000))
			fail("%s: no counter \"%s\"", path, name);
		poll(NULL, 0, 5);
	}
	fclose(log);
	return value;
}

/* ---- /proc ------------------------------------------------------------ */

uint64_t subject_cpu_ns(const struct subject *subject)
{
	struct timespec cpu;
	clockid_t clock;

	if (clock_getcpuclockid(subject->pid, &clock) != 0 ||
	    clock_gettime(clock, &cpu) < 0)
		fail("%s: no CPU clock", subject->name);
	return (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
}

void subject_pin(const struct subject *subject, int cpu)
{
	struct dirent *entry;
	char path[64];
	cpu_set_t cpus;
	DIR *dir;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	snprintf(path, sizeof(path), "/proc/%ld/task", (long)subject->pid);
	dir = opendir(path);
	if (dir == NULL)
		fail("%s: %s", path, strerror(errno));
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			sched_setaffinity((pid_t)atol(entry->d_name),
					  sizeof(cpus), &cpus);
	closedir(dir);
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
