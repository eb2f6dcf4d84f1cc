/* SPDX-License-Identifier: MIT */
/*
 * The options of the exec protocol, as lined.conf(5) describes them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <lined/protocol.h>

enum exec_mode {
	EXEC_SHARED,
	EXEC_EACH,
};

enum exec_stdout {
	EXEC_STDOUT_PTY,
	EXEC_STDOUT_PIPE,
};

struct exec_options {
	struct lined_option_list command, environment, readable;
	enum exec_mode mode;
	enum exec_stdout stdout_kind;
	int64_t programs; /* see exec_options_programs() */
	int64_t restart_max_ms, kill_after_ms;
	const char *directory;
	int64_t memory, cpu_time_ms, files;
};

extern const struct lined_option exec_option_table[];

/* Implements struct lined_protocol.check_options. */
void exec_options_check(struct lined_check *check, const void *arg);

/* The number in the config; by default 1 in mode shared, 100 in mode each. */
size_t exec_options_programs(const struct exec_options *options);
