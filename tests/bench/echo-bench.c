/* SPDX-License-Identifier: MIT */
/*
 * Server CPU per echoed line of 64 bytes, lined beside a bare epoll loop under
 * the same load in one run, in turns A B A B. Exits non-zero on wrong data
 * only: the numbers are for reading.
 *
 *	echo-bench [--json] [--rounds N] [--round-ms N] [LINED]
 */
#include "config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "echo_load.h"
#include "subject.h"

#define ROUNDS 31

struct result {
	unsigned window;
	double lined_ns, bare_ns, ratio, target;
};

static void compare(const struct subject *lined, const struct subject *bare,
		    struct result *result, unsigned rounds, unsigned round_ms)
{
	static struct echo_load of_lined, of_bare;
	double lined_ns[ROUNDS], bare_ns[ROUNDS], ratios[ROUNDS];

	echo_load_open(&of_lined, lined, 1, result->window, 0);
	echo_load_open(&of_bare, bare, 1, result->window, 0);
	echo_load_measure(&of_lined, round_ms / 2); /* warm */
	echo_load_measure(&of_bare, round_ms / 2);
	for (unsigned i = 0; i < rounds; i++) {
		lined_ns[i] = echo_load_measure(&of_lined, round_ms);
		bare_ns[i] = echo_load_measure(&of_bare, round_ms);
		ratios[i] = lined_ns[i] / bare_ns[i];
	}
	result->lined_ns = median(lined_ns, rounds);
	result->bare_ns = median(bare_ns, rounds);
	result->ratio = median(ratios, rounds);
	echo_load_close(&of_lined);
	echo_load_close(&of_bare);
}

static void print_table(const struct result *results, unsigned count)
{
	printf("echo of %u-byte lines, %d clients: server CPU per line\n\n"
	       "in flight   lined       bare epoll   ratio   target\n",
	       ECHO_LINE, ECHO_CLIENTS);
	for (unsigned i = 0; i < count; i++)
		printf("%9u   %6.0f ns   %7.0f ns   %5.2f   %6.2f\n",
		       results[i].window, results[i].lined_ns,
		       results[i].bare_ns, results[i].ratio, results[i].target);
}

static void print_json(const struct result *results, unsigned count)
{
	printf("{\"line_bytes\": %u, \"clients\": %d, \"results\": [",
	       ECHO_LINE, ECHO_CLIENTS);
	for (unsigned i = 0; i < count; i++)
		printf("%s{\"in_flight\": %u, \"lined_ns\": %.1f, "
		       "\"bare_ns\": %.1f, \"ratio\": %.3f, "
		       "\"target\": %.2f}",
		       i > 0 ? ", " : "", results[i].window,
		       results[i].lined_ns, results[i].bare_ns,
		       results[i].ratio, results[i].target);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"rounds", required_argument, NULL, 'r'},
		{"round-ms", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	struct result results[] = {{.window = 1, .target = 1.15},
				   {.window = 16, .target = 1.30}};
	unsigned rounds = 9, round_ms = 500, count = 2;
	struct subject lined, bare;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'r')
			rounds = option_number(optarg, 1, ROUNDS);
		else if (option == 'm')
			round_ms = option_number(optarg, 1, 60000);
		else
			return 2;
	}
	subject_start_bare(&bare);
	subject_start_lined(&lined, argv[optind]);
	for (unsigned i = 0; i < count; i++)
		compare(&lined, &bare, &results[i], rounds, round_ms);
	subject_stop(&lined);
	subject_stop(&bare);
	if (json)
		print_json(results, count);
	else
		print_table(results, count);
	return EXIT_SUCCESS;
}
