/* SPDX-License-Identifier: MIT */
/*
 * Keeps Linux capabilities when the user changes. CAP_NET_BIND_SERVICE is kept:
 * otherwise a reload could not open a port below 1024. Capabilities belong to a
 * thread: existing threads lose all of them, new threads inherit those of their
 * creator.
 */
#include "config.h"

#include "system/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOW_PORTS (1u << CAP_NET_BIND_SERVICE)

int privileges_no_new(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
}

int privileges_keep_begin(void)
{
	return prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L);
}

int privileges_keep_end(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	/* In a container root may not have the capability, and so cannot keep
	 * it. */
	data[0].permitted &= LOW_PORTS;
	data[0].effective = data[0].permitted;
	data[0].inheritable = 0;
	data[1] = (struct __user_cap_data_struct){0};
	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	return prctl(PR_SET_KEEPCAPS, 0L, 0L, 0L, 0L);
}

int privileges_give_up_ports(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (geteuid() == 0)
		return 0;
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	if (((data[0].permitted | data[0].inheritable) & LOW_PORTS) == 0)
		return 0;
	data[0].permitted &= ~LOW_PORTS;
	data[0].effective &= ~LOW_PORTS;
	/* The kernel then also removes the ambient capability. */
	data[0].inheritable &= ~LOW_PORTS;
	return syscall(SYS_capset, &header, data) < 0 ? -1 : 0;
}
