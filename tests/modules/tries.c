/* SPDX-License-Identifier: MIT */
/*
 * Tries calls that lined may no longer make after its start. A line names a
 * call and a path, and the answer is "done" or the text of errno. Calls that
 * need no path ignore it.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <lined/protocol.h>

static long tries_fd(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd;
}

static long tries_exec(const char *path)
{
	return execl(path, path, (char *)0);
}

static long tries_read(const char *path)
{
	return tries_fd(open(path, O_RDONLY));
}

static long tries_list(const char *path)
{
	return tries_fd(open(path, O_RDONLY | O_DIRECTORY));
}

static long tries_write(const char *path)
{
	return tries_fd(open(path, O_WRONLY));
}

static long tries_create(const char *path)
{
	return tries_fd(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static long tries_truncate(const char *path)
{
	return truncate(path, 0);
}

static long tries_remove(const char *path)
{
	return unlink(path);
}

static long tries_rename(const char *path)
{
	char other[512];

	strcpy(other, path);
	strcat(other, ".other");
	return rename(path, other);
}

static long tries_mkdir(const char *path)
{
	return mkdir(path, 0700);
}

static long tries_bind(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	long result;

	strcpy(address.sun_path, path);
	result = bind(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return result;
}

static long tries_device(const char *path)
{
	return tries_fd(lined_open_device(path));
}

static void *tries_nothing(void *arg)
{
	return arg;
}

static long tries_thread(const char *path)
{
	pthread_t thread;

	(void)path;
	errno = pthread_create(&thread, NULL, tries_nothing, NULL);
	return errno != 0 ? -1 : pthread_join(thread, NULL);
}

static long tries_ptrace(const char *path)
{
	(void)path;
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long tries_unshare(const char *path)
{
	(void)path;
	return unshare(CLONE_NEWUSER);
}

static long tries_setuid(const char *path)
{
	(void)path;
	return setuid(getuid());
}

static long tries_tiocsti(const char *path)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	long result = fd < 0 ? -1 : ioctl(fd, TIOCSTI, "x");
	int error = errno;

	(void)path;
	tries_fd(fd);
	errno = error;
	return result;
}

static const struct {
	const char *name;
	long (*try)(const char *path);
} tries_calls[] = {
	{"exec", tries_exec},     {"read", tries_read},
	{"list", tries_list},     {"write", tries_write},
	{"create", tries_create}, {"truncate", tries_truncate},
	{"remove", tries_remove}, {"rename", tries_rename},
	{"mkdir", tries_mkdir},   {"bind", tries_bind},
	{"device", tries_device}, {"thread", tries_thread},
	{"ptrace", tries_ptrace}, {"unshare", tries_unshare},
	{"setuid", tries_setuid}, {"tiocsti", tries_tiocsti},
};

/* These calls are made with all arguments zero: if they were permitted, each
 * would fail with another errno. */
static const struct {
	const char *name;
	long number;
} tries_numbers[] = {
	{"process_vm_readv", SYS_process_vm_readv},
	{"process_vm_writev", SYS_process_vm_writev},
	{"bpf", SYS_bpf},
	{"userfaultfd", SYS_userfaultfd},
	{"perf_event_open", SYS_perf_event_open},
	{"io_uring_setup", SYS_io_uring_setup},
	{"keyctl", SYS_keyctl},
	{"add_key", SYS_add_key},
	{"init_module", SYS_init_module},
	{"finit_module", SYS_finit_module},
	{"mount", SYS_mount},
	{"umount2", SYS_umount2},
	{"chroot", SYS_chroot},
	{"pivot_root", SYS_pivot_root},
	{"reboot", SYS_reboot},
	{"kexec_load", SYS_kexec_load},
	{"swapon", SYS_swapon},
	{"personality", SYS_personality},
	{"clock_settime", SYS_clock_settime},
	{"sethostname", SYS_sethostname},
	{"setns", SYS_setns},
};

static const struct {
	const char *name;
	int family, protocol;
} tries_sockets[] = {
	{"unix", AF_UNIX, 0},
	{"inet", AF_INET, 0},
	{"inet6", AF_INET6, 0},
	{"route", AF_NETLINK, 0},
	{"netlink", AF_NETLINK, 4},
	{"packet", AF_PACKET, 0},
	{"alg", AF_ALG, 0},
	{"vsock", AF_VSOCK, 0},
	{"bluetooth", AF_BLUETOOTH, 0},
	{"ax25", AF_AX25, 0},
};

static long tries_any(const char *name, const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(tries_calls) / sizeof(tries_calls[0]); i++)
		if (strcmp(tries_calls[i].name, name) == 0)
			return tries_calls[i].try(path);
	for (i = 0; i < sizeof(tries_numbers) / sizeof(tries_numbers[0]); i++)
		if (strcmp(tries_numbers[i].name, name) == 0)
			return syscall(tries_numbers[i].number, 0, 0, 0, 0, 0);
	for (i = 0; i < sizeof(tries_sockets) / sizeof(tries_sockets[0]); i++)
		if (strcmp(tries_sockets[i].name, name) == 0)
			return tries_fd(socket(tries_sockets[i].family,
					       SOCK_DGRAM,
					       tries_sockets[i].protocol));
	errno = ENOTSUP;
	return -1;
}

static void tries_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	char text[512] = "";
	const char *answer = "done";
	char *path;

	memcpy(text, line->text, line->len < 500 ? line->len : 500);
	path = strchr(text, ' ');
	if (path != NULL)
		*path++ = '\0';
	if (tries_any(text, path != NULL ? path : "") < 0)
		answer = strerror(errno);
	lined_socket_send(client, answer, strlen(answer));
	lined_socket_send(client, "\n", 1);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "tries",
	.summary = "tries what is forbidden",
	.handle_line = tries_line,
};
