/* SPDX-License-Identifier: MIT */
/*
 * The limit of open files, and the user of the daemon. Each change of user
 * happens in a child, which reports its user and rights. As root the child
 * drops root; as another user it is refused.
 */
#include "config.h"

#include "system/privileges.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define BIND_SERVICE "0000000000000400"
#define NOTHING      "0000000000000000"

/* ---- a child and its report ------------------------------------------ */

static int told;
static char text[4096];

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vdprintf(told, format, arguments);
	va_end(arguments);
}

static const char *in_child(void (*run)(void))
{
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		told = fds[1];
		alarm(30);
		run();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "status 0x%x after: %s", (unsigned)status, text);
	return text;
}

/* Reports a line of a status file of /proc, with single blanks. */
static void tell_status(const char *file, const char *key)
{
	char line[256], *word, *rest;
	FILE *status = fopen(file, "r");

	if (status == NULL) {
		tell("%s: %s\n", file, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, key, strlen(key)) != 0 ||
		    line[strlen(key)] != ':')
			continue;
		tell("%s", key);
		rest = line + strlen(key) + 1;
		while ((word = strsep(&rest, " \t\n")) != NULL)
			if (*word != '\0')
				tell(" %s", word);
		tell("\n");
	}
	fclose(status);
}

static void tell_who(void)
{
	tell_status("/proc/self/status", "Uid");
	tell_status("/proc/self/status", "Gid");
	tell_status("/proc/self/status", "CapInh");
	tell_status("/proc/self/status", "CapPrm");
	tell_status("/proc/self/status", "CapEff");
	tell_status("/proc/self/status", "NoNewPrivs");
}

static void drop(const char *user, const char *group)
{
	char error[256] = "";

	if (privileges_drop(user, group, error, sizeof(error)) < 0)
		tell("refused: %s\n", error);
}

/* ---- open files ------------------------------------------------------ */

static void raise_files(void)
{
	struct rlimit files;
	uint64_t before = 0, limit = 0;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		_exit(1);
	files.rlim_cur = 64;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		_exit(2);
	if (privileges_raise_nofile(&before, &limit) < 0 ||
	    limit != files.rlim_max || before != 64)
		_exit(3);
	if (getrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    files.rlim_cur != files.rlim_max)
		_exit(4);
	tell("%llu", (unsigned long long)limit);
}

START_TEST(files_are_raised_to_the_hard_limit)
{
	struct rlimit files;
	char want[32];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	snprintf(want, sizeof(want), "%llu",
		 (unsigned long long)files.rlim_max);
	ck_assert_str_eq(in_child(raise_files), want);
}
END_TEST

/* ---- any user ---------------------------------------------------------- */

static void drop_to_nobody_known(void)
{
	drop("nosuch-user", NULL);
	drop(NULL, "nosuch-group");
	drop("root", "nosuch-group");
	drop("", NULL);
}

START_TEST(who_does_not_exist_is_named)
{
	ck_assert_str_eq(in_child(drop_to_nobody_known),
			 "refused: user \"nosuch-user\": no such user\n"
			 "refused: group \"nosuch-group\": no such group\n"
			 "refused: group \"nosuch-group\": no such group\n"
			 "refused: user \"\": no such user\n");
}
END_TEST

static void drop_to_oneself(void)
{
	const struct passwd *self = getpwuid(geteuid());

	drop(self->pw_name, getgrgid(getegid())->gr_name);
	tell("%d %d", (int)geteuid(), (int)getegid());
}

START_TEST(who_is_the_user_already_needs_no_right)
{
	char want[64];

	ck_assert_ptr_nonnull(getpwuid(geteuid()));
	ck_assert_ptr_nonnull(getgrgid(getegid()));
	snprintf(want, sizeof(want), "%d %d", (int)geteuid(), (int)getegid());
	ck_assert_str_eq(in_child(drop_to_oneself), want);
}
END_TEST

static void drop_without_right(void)
{
	/* Root becomes another user first. */
	if (geteuid() == 0)
		drop("daemon", NULL);
	drop("root", NULL);
	drop(NULL, "root");
}

START_TEST(without_the_right_it_is_refused_and_says_why)
{
	ck_assert_str_eq(in_child(drop_without_right),
			 "refused: user \"root\": cannot become: Operation not "
			 "permitted\n"
			 "refused: group \"root\": cannot become: Operation "
			 "not permitted\n");
}
END_TEST

/* ---- root ------------------------------------------------------------ */

static void drop_to_daemon(void)
{
	gid_t groups[3] = {0, 4, 27};
	int i, count;

	if (setgroups(3, groups) < 0)
		_exit(1);
	drop("daemon", NULL);
	if (privileges_no_new() < 0)
		_exit(2);
	tell_who();
	count = getgroups(3, groups);
	for (i = 0; i < count; i++)
		tell("group %d\n", (int)groups[i]);
	tell("root again: %d %d %d\n", setuid(0), seteuid(0), setgid(0));
}

START_TEST(root_is_dropped_for_good_but_for_low_ports)
{
	ck_assert_str_eq(in_child(drop_to_daemon), "Uid 1 1 1 1\n"
						   "Gid 1 1 1 1\n"
						   "CapInh " NOTHING "\n"
						   "CapPrm " BIND_SERVICE "\n"
						   "CapEff " BIND_SERVICE "\n"
						   "NoNewPrivs 1\n"
						   "group 1\n"
						   "root again: -1 -1 -1\n");
}
END_TEST

static void drop_with_group(void)
{
	drop("daemon", "adm");
	tell_status("/proc/self/status", "Uid");
	tell_status("/proc/self/status", "Gid");
}

START_TEST(the_group_may_be_another)
{
	char want[128];
	int adm = (int)getgrnam("adm")->gr_gid;

	snprintf(want, sizeof(want), "Uid 1 1 1 1\nGid %d %d %d %d\n", adm, adm,
		 adm, adm);
	ck_assert_str_eq(in_child(drop_with_group), want);
}
END_TEST

static void drop_group_only(void)
{
	drop(NULL, "daemon");
	tell_status("/proc/self/status", "Uid");
	tell_status("/proc/self/status", "Gid");
	tell_status("/proc/self/status", "Groups");
}

START_TEST(the_group_alone_may_change)
{
	ck_assert_str_eq(in_child(drop_group_only), "Uid 0 0 0 0\n"
						    "Gid 1 1 1 1\n"
						    "Groups 1\n");
}
END_TEST

/* Binds the highest free port below 1024. -1: no such port can be bound. */
static int bind_low_port(void)
{
	struct sockaddr_in address = support_loopback(0);
	int port, fd = socket(AF_INET, SOCK_STREAM, 0);

	for (port = 1023; fd >= 0 && port > 600; port--) {
		address.sin_port = htons((uint16_t)port);
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		if (errno != EADDRINUSE)
			break;
	}
	tell("bind: %s\n", strerror(errno));
	close(fd);
	return -1;
}

static void drop_and_bind(void)
{
	drop("daemon", NULL);
	tell("%s", bind_low_port() >= 0 ? "bound" : "not bound");
}

START_TEST(low_ports_can_still_be_bound)
{
	ck_assert_str_eq(in_child(drop_and_bind), "bound");
}
END_TEST

/* ---- other threads --------------------------------------------------- */

static pthread_barrier_t dropped;

static void *be_there(void *arg)
{
	pthread_barrier_wait(&dropped);
	tell_status("/proc/thread-self/status", "Uid");
	tell_status("/proc/thread-self/status", "CapPrm");
	return NULL;
}

static void drop_beside_a_thread(void)
{
	pthread_t thread;

	pthread_barrier_init(&dropped, NULL, 2);
	if (pthread_create(&thread, NULL, be_there, NULL) != 0)
		_exit(1);
	drop("daemon", NULL);
	pthread_barrier_wait(&dropped);
	pthread_join(thread, NULL);
}

START_TEST(a_thread_that_is_there_already_keeps_nothing)
{
	ck_assert_str_eq(in_child(drop_beside_a_thread),
			 "Uid 1 1 1 1\nCapPrm " NOTHING "\n");
}
END_TEST

/* ---- temporary changes --------------------------------------------------- */

static void tell_access(const char *path)
{
	int fd = open(path, O_RDONLY);

	tell(" %s %s", fd >= 0 ? "opens" : "refused",
	     access(path, R_OK) == 0 ? "reads" : "refused");
	if (fd >= 0)
		close(fd);
}

static void visit_and_open(void)
{
	struct privileges_visit *user = privileges_visit_new("daemon", NULL);
	struct privileges_visit *group = privileges_visit_new("daemon", "adm");
	const struct group *adm = getgrnam("adm");
	char path[] = "/tmp/lined-visit-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || adm == NULL || fchown(fd, 0, adm->gr_gid) < 0 ||
	    fchmod(fd, 0640) < 0)
		_exit(1);
	tell_access(path);
	if (!privileges_visit_begin(user))
		_exit(2);
	tell_access(path);
	privileges_visit_end(user);
	if (!privileges_visit_begin(group))
		_exit(3);
	tell_access(path);
	privileges_visit_end(group);
	tell_access(path);
	unlink(path);
	privileges_visit_free(user);
	privileges_visit_free(group);
}

START_TEST(root_reads_for_a_while_what_the_user_may)
{
	ck_assert_str_eq(in_child(visit_and_open),
			 " opens reads refused refused opens reads opens "
			 "reads");
}
END_TEST

static void visit_and_return(void)
{
	struct privileges_visit *visit = privileges_visit_new("daemon", NULL);
	const gid_t groups[] = {4, 7};

	privileges_visit_free(visit);
	if (setgroups(2, groups) < 0)
		_exit(1);
	visit = privileges_visit_new("daemon", NULL);
	tell_status("/proc/self/status", "CapEff");
	if (!privileges_visit_begin(visit))
		_exit(2);
	tell_status("/proc/thread-self/status", "Uid");
	tell_status("/proc/thread-self/status", "Gid");
	tell_status("/proc/thread-self/status", "CapEff");
	privileges_visit_end(visit);
	tell_status("/proc/self/status", "Uid");
	tell_status("/proc/self/status", "Gid");
	tell_status("/proc/self/status", "Groups");
	tell_status("/proc/self/status", "CapEff");
	privileges_visit_free(visit);
}

START_TEST(root_has_all_its_rights_again)
{
	const char *told_all = in_child(visit_and_return);
	char own[64], want[512];

	snprintf(own, sizeof(own), "%.*s", (int)strcspn(told_all, "\n"),
		 told_all);
	snprintf(want, sizeof(want),
		 "%s\nUid 1 1 0 1\nGid 1 1 0 1\nCapEff " NOTHING
		 "\nUid 0 0 0 0\nGid 0 0 0 0\nGroups 4 7\n%s\n",
		 own, own);
	ck_assert_str_eq(told_all, want);
}
END_TEST

#ifdef __linux__

/* On some machines, another system call has large ids. */
#ifdef SYS_setresuid32
#define SET_UID SYS_setresuid32
#define SET_GID SYS_setresgid32
#else
#define SET_UID SYS_setresuid
#define SET_GID SYS_setresgid
#endif

static void visit_without(unsigned call)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]),
				     filter};
	const gid_t groups[] = {4, 7};
	struct privileges_visit *visit;

	if (setgroups(2, groups) < 0)
		_exit(1);
	visit = privileges_visit_new("daemon", NULL);
	/* The filter is for all threads: a sanitizer may have one, and the C
	 * library ends a process whose threads have different ids. */
	if (visit == NULL || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				     SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		_exit(2);
	tell("%d\n", privileges_visit_begin(visit));
	tell_status("/proc/self/status", "Uid");
	tell_status("/proc/self/status", "Gid");
	tell_status("/proc/self/status", "Groups");
	privileges_visit_free(visit);
}

static void visit_without_uid(void)
{
	visit_without(SET_UID);
}

static void visit_without_gid(void)
{
	visit_without(SET_GID);
}

/* A sandbox may permit only some of the calls. */
START_TEST(a_call_that_is_forbidden_leaves_root_as_it_was)
{
	ck_assert_str_eq(
		in_child(_i == 0 ? visit_without_uid : visit_without_gid),
		"0\nUid 0 0 0 0\nGid 0 0 0 0\nGroups 4 7\n");
}
END_TEST

#endif

static void visit_nobody(void)
{
	tell("%d", privileges_visit_new(NULL, NULL) != NULL);
	tell("%d", privileges_visit_new("root", NULL) != NULL);
	tell("%d", privileges_visit_new("nosuch-user", NULL) != NULL);
	if (geteuid() == 0)
		drop("nobody", NULL);
	tell("%d", privileges_visit_new("daemon", NULL) != NULL);
	tell("%d", privileges_visit_begin(NULL));
}

START_TEST(only_root_visits_and_only_another)
{
	ck_assert_str_eq(in_child(visit_nobody), "00000");
}
END_TEST

static Suite *privileges_suite(void)
{
	Suite *suite = suite_create("privileges");
	TCase *tc = support_case(suite, "anybody");

	tcase_add_test(tc, files_are_raised_to_the_hard_limit);
	tcase_add_test(tc, who_does_not_exist_is_named);
	tcase_add_test(tc, who_is_the_user_already_needs_no_right);
	tcase_add_test(tc, without_the_right_it_is_refused_and_says_why);
	tcase_add_test(tc, only_root_visits_and_only_another);

	if (geteuid() != 0)
		return suite;
	tc = support_case(suite, "root");
	tcase_add_test(tc, root_is_dropped_for_good_but_for_low_ports);
	tcase_add_test(tc, the_group_may_be_another);
	tcase_add_test(tc, the_group_alone_may_change);
	tcase_add_test(tc, low_ports_can_still_be_bound);
	tcase_add_test(tc, a_thread_that_is_there_already_keeps_nothing);
	tcase_add_test(tc, root_reads_for_a_while_what_the_user_may);
	tcase_add_test(tc, root_has_all_its_rights_again);
#ifdef __linux__
	tcase_add_loop_test(tc, a_call_that_is_forbidden_leaves_root_as_it_was,
			    0, 2);
#endif
	return suite;
}

int main(void)
{
	return support_main_once(privileges_suite);
}
