/* SPDX-License-Identifier: MIT */
/*
 * Forbids system calls. The filter lists forbidden calls: a list of permitted
 * calls would break with the next libc, OpenSSL or module, which may use any
 * call. A forbidden call fails with EPERM, so that code that only tries it
 * continues. If the kernel can, audit logs the call.
 */
#include "config.h"

#include "system/hardening.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include "system/sanitized.h"

/* On s390 the first argument of clone(2) is the stack. */
#ifdef __s390__
#define CLONE_FLAGS_AT 1
#else
#define CLONE_FLAGS_AT 0
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Names instead of numbers: a call that this libseccomp does not know is
 * skipped. */
static const char *const forbidden[] = {
	/* Calls that execute a file: only the helper and the keepers of
	 * programs do that, which are not under this filter. */
	"execve",
	"execveat",
	/* Calls on other processes and their memory. */
	"kcmp",
	"pidfd_getfd",
	"process_madvise",
	"process_vm_readv",
	"process_vm_writev",
	/* Calls used in exploits of the kernel. */
	"bpf",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"perf_event_open",
	"userfaultfd",
	/* Calls on keys, which belong to the user and outlive the process. */
	"add_key",
	"keyctl",
	"request_key",
	/* Calls on the kernel, the machine and its clock. */
	"acct",
	"adjtimex",
	"clock_adjtime",
	"clock_adjtime64",
	"clock_settime",
	"clock_settime64",
	"delete_module",
	"finit_module",
	"init_module",
	"ioperm",
	"iopl",
	"kexec_file_load",
	"kexec_load",
	"modify_ldt",
	"nfsservctl",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"setdomainname",
	"sethostname",
	"settimeofday",
	"stime",
	"swapoff",
	"swapon",
	"syslog",
	"uselib",
	"vhangup",
	/* Calls on namespaces and mounts. */
	"chroot",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"mount",
	"mount_setattr",
	"move_mount",
	"open_by_handle_at",
	"open_tree",
	"pivot_root",
	"setns",
	"umount",
	"umount2",
	"unshare",
	/* Calls that change user or group: lined has already changed both.
	 * capset(2), with which each worker gives up capabilities, is allowed,
	 * because no process can gain capabilities with capset(2). */
	"setfsgid",
	"setfsgid32",
	"setfsuid",
	"setfsuid32",
	"setgid",
	"setgid32",
	"setgroups",
	"setgroups32",
	"setregid",
	"setregid32",
	"setresgid",
	"setresgid32",
	"setresuid",
	"setresuid32",
	"setreuid",
	"setreuid32",
	"setuid",
	"setuid32",
};

static int seccomp_forbid_names(scmp_filter_ctx filter)
{
	size_t i;

	for (i = 0; i < COUNT(forbidden); i++) {
		int number = seccomp_syscall_resolve_name(forbidden[i]);
		int result;

		if (number == __NR_SCMP_ERROR)
			continue;
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number,
					  0);
		if (result < 0)
			return result;
	}
	/* A leak checker uses ptrace(2) to stop threads. */
	return SANITIZED ? 0
			 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
					    SCMP_SYS(ptrace), 0);
}

/* Allows only UNIX, IPv4 and IPv6 sockets, and netlink for routes, because libc
 * uses it to find the machine's addresses. */
static int seccomp_forbid_sockets(scmp_filter_ctx filter)
{
	const uint32_t action = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	int family, result;

	for (family = 0; family < AF_NETLINK; family++) {
		if (family == AF_UNIX || family == AF_INET ||
		    family == AF_INET6)
			continue;
		result = seccomp_rule_add(
			filter, action, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0));
		if (result < 0)
			return result;
	}
	result = seccomp_rule_add(filter, action, SCMP_SYS(socket), 1,
				  SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0));
	if (result < 0)
		return result;
	return seccomp_rule_add(filter, action, SCMP_SYS(socket), 2,
				SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
				SCMP_A2(SCMP_CMP_NE, 0 /* NETLINK_ROUTE */, 0));
}

/* Allows clone(2) for threads and forks, but not for namespaces. */
static int seccomp_forbid_namespaces(scmp_filter_ctx filter)
{
	static const uint64_t flags[] = {
		CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,  CLONE_NEWIPC,
		CLONE_NEWPID, CLONE_NEWNET,    CLONE_NEWUSER,
	};
	size_t i;
	int result = 0;

	for (i = 0; i < COUNT(flags) && result == 0; i++)
		result = seccomp_rule_add(
			filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
			SCMP_CMP(CLONE_FLAGS_AT, SCMP_CMP_MASKED_EQ, flags[i],
				 flags[i]));
	return result;
}

/* Forbids changing the personality(2), and TIOCSTI, which types into a
 * terminal. */
static int seccomp_forbid_arguments(scmp_filter_ctx filter)
{
	int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
				      SCMP_SYS(personality), 1,
				      SCMP_A0(SCMP_CMP_NE, 0xffffffff, 0));

	return result < 0 ? result
			  : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
					     SCMP_SYS(ioctl), 1,
					     SCMP_A1(SCMP_CMP_MASKED_EQ,
						     0xffffffff, TIOCSTI));
}

/* A filter cannot see the flags of clone3(2), because they are in memory. After
 * ENOSYS libc uses clone(2). Each new thread tries clone3(2), so audit does not
 * log what this filter forbids. */
static int seccomp_forbid_clone3(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				SCMP_SYS(clone3), 0);
}

/* Makes and loads a filter with these rules. log: audit records what the filter
 * forbids. */
static int seccomp_apply(int (*const *rules)(scmp_filter_ctx filter), bool log)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int result = filter == NULL ? -ENOMEM : 0;

	if (filter != NULL) {
		/* no_new_privs is set elsewhere. */
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, log);
		/* Optimisation level 2: the filter is a tree, not a list. */
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	}
	for (; result == 0 && *rules != NULL; rules++)
		result = (*rules)(filter);
	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
	return result;
}

int hardening_seccomp(const struct hardening *wanted, const char **why)
{
	static int (*const forbid[])(scmp_filter_ctx) = {
		seccomp_forbid_names, seccomp_forbid_sockets,
		seccomp_forbid_namespaces, seccomp_forbid_arguments, NULL};
	static int (*const no_clone3[])(scmp_filter_ctx) = {
		seccomp_forbid_clone3, NULL};
	int result = seccomp_apply(no_clone3, false);

	if (result == 0)
		result = seccomp_apply(forbid, true);
	if (result == 0)
		return 0;
	*why = result == -EACCES || result == -EPERM
		       ? "it needs no-new-privileges"
		       : strerror(-result);
	return -1;
}
