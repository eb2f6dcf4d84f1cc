/* SPDX-License-Identifier: MIT */
/*
 * The CPUs and the memory that the daemon may use, read from files in the
 * format of Linux.
 */
#include "config.h"

#include "system/cpus.h"

#include <check.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"
#include "system/cgroup.h"

static char root[64];

static void put(const char *path, const char *text)
{
	char whole[256], *slash;
	FILE *file;

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (slash = whole + strlen(root) + 1;
	     (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		mkdir(whole, 0755);
		*slash = '/';
	}
	file = fopen(whole, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *place)
{
	return remove(path);
}

static void setup(void)
{
	strcpy(root, "/tmp/test-cpus.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

START_TEST(without_cgroups_there_is_no_quota)
{
	ck_assert_uint_eq(cpus_quota(root), 0);
	put("/proc/self/cgroup", "0::/\n");
	ck_assert_uint_eq(cpus_quota(root), 0);
	put("/proc/self/cgroup", "junk\n::\n1:\n\n");
	ck_assert_uint_eq(cpus_quota(root), 0);
}
END_TEST

START_TEST(cgroup_2_has_cpu_max)
{
	put("/proc/self/cgroup", "0::/system.slice/lined.service\n");
	put("/sys/fs/cgroup/system.slice/lined.service/cpu.max",
	    "max 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 0);
	put("/sys/fs/cgroup/system.slice/lined.service/cpu.max",
	    "300000 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 3);
	/* A parent group may allow less; a higher limit of the parent has no
	 * effect. */
	put("/sys/fs/cgroup/system.slice/cpu.max", "500000 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 3);
	put("/sys/fs/cgroup/system.slice/cpu.max", "200000 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 2);
}
END_TEST

START_TEST(a_part_of_a_cpu_counts_as_one)
{
	put("/proc/self/cgroup", "0::/a\n");
	put("/sys/fs/cgroup/a/cpu.max", "10000 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 1);
	put("/sys/fs/cgroup/a/cpu.max", "210000 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 3);
	put("/sys/fs/cgroup/a/cpu.max", "0 0\n");
	ck_assert_uint_eq(cpus_quota(root), 0);
}
END_TEST

START_TEST(a_container_sees_its_group_as_the_root)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 2);
	/* Version 1 names the group by its path on the host. */
	put("/proc/self/cgroup",
	    "5:memory:/docker/12\n4:cpu,cpuacct:/docker/12\n");
	put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
	ck_assert_uint_eq(cpus_quota(root), 4);
	put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
	ck_assert_uint_eq(cpus_quota(root), 0);
}
END_TEST

START_TEST(cgroups_limit_the_memory)
{
	ck_assert_uint_eq(cgroup_memory(root), 0);
	put("/proc/self/cgroup", "0::/system.slice/lined.service\n");
	put("/sys/fs/cgroup/system.slice/lined.service/memory.max", "max\n");
	ck_assert_uint_eq(cgroup_memory(root), 0);
	put("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
	ck_assert_uint_eq(cgroup_memory(root), 1073741824);
	put("/sys/fs/cgroup/system.slice/lined.service/memory.high",
	    "536870912\n");
	ck_assert_uint_eq(cgroup_memory(root), 536870912);
	put("/proc/self/cgroup", "7:memory:/docker/12\n4:cpu:/x\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes",
	    "9223372036854771712\n");
	ck_assert_uint_eq(cgroup_memory(root), 0);
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
	ck_assert_uint_eq(cgroup_memory(root), 104857600);
	ck_assert_uint_gt(cgroup_memory_available(), 0);
}
END_TEST

START_TEST(the_affinity_mask_counts)
{
	cpu_set_t mask;
	int cpu;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(mask), &mask), 0);
	for (cpu = 0; !CPU_ISSET(cpu, &mask); cpu++)
		;
	ck_assert_uint_le(cpus_available(), (size_t)CPU_COUNT(&mask));
	CPU_ZERO(&mask);
	CPU_SET(cpu, &mask);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(mask), &mask), 0);
	ck_assert_uint_eq(cpus_available(), 1);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("cpus");
	TCase *tcase = tcase_create("cpus");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_cgroups_there_is_no_quota);
	tcase_add_test(tcase, cgroup_2_has_cpu_max);
	tcase_add_test(tcase, a_part_of_a_cpu_counts_as_one);
	tcase_add_test(tcase, a_container_sees_its_group_as_the_root);
	tcase_add_test(tcase, cgroups_limit_the_memory);
#ifdef HAVE_SCHED_GETAFFINITY
	tcase_add_test(tcase, the_affinity_mask_counts);
#endif
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
