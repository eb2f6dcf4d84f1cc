/* SPDX-License-Identifier: MIT */
/*
 * Server CPU time per echoed line of 64 bytes: lined and a bare epoll loop get
 * the same load in one run, in turns A B A B. The numbers are for reading: only
 * wrong data makes it exit non-zero. --web compares WebSocket clients of lined
 * with plain clients of the same daemon.
 *
 *	echo-bench [--json] [--web] [--rounds N] [--round-ms N] [LINED]
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
	double lined_ns, other_ns, ratio, target;
};

static void compare(const struct subject *lined, const struct subject *other,
		    struct result *result, unsigned rounds, unsigned round_ms)
{
	static struct echo_load of_lined, of_other;
	double lined_ns[ROUNDS], other_ns[ROUNDS], ratios[ROUNDS];

	if (other == lined)
		echo_load_open_web(&of_lined, lined, result->window);
	else
		echo_load_open(&of_lined, lined, 1, result->window, 0);
	echo_load_open(&of_other, other, 1, result->window, 0);
	echo_load_measure(&of_lined, round_ms / 2); /* warm up */
	echo_load_measure(&of_other, round_ms / 2);
	for (unsigned i = 0; i < rounds; i++) {
		lined_ns[i] = echo_load_measure(&of_lined, round_ms);
		other_ns[i] = echo_load_measure(&of_other, round_ms);
		ratios[i] = lined_ns[i] / other_ns[i];
	}
	result->lined_ns = median(lined_ns, rounds);
	result->other_ns = median(other_ns, rounds);
	result->ratio = median(ratios, rounds);
	echo_load_close(&of_lined);
	echo_load_close(&of_other);
}

static void print_table(const struct result *results, unsigned count, bool web)
{
	printf("echo of %u-byte lines, %d clients: server CPU per line\n\n"
	       "in flight   %-9s   %-10s   ratio   target\n",
	       ECHO_LINE, ECHO_CLIENTS, web ? "lined, ws" : "lined",
	       web ? "lined" : "bare epoll");
	for (unsigned i = 0; i < count; i++)
		printf("%9u   %6.0f ns   %7.0f ns   %5.2f   %6.2f\n",
		       results[i].window, results[i].lined_ns,
		       results[i].other_ns, results[i].ratio,
		       results[i].target);
}

static void print_json(const struct result *results, unsigned count, bool web)
{
	printf("{\"line_bytes\": %u, \"clients\": %d, \"results\": [",
	       ECHO_LINE, ECHO_CLIENTS);
	for (unsigned i = 0; i < count; i++)
		printf("%s{\"in_flight\": %u, \"lined_ns\": %.1f, "
		       "\"%s_ns\": %.1f, \"ratio\": %.3f, "
		       "\"target\": %.2f}",
		       i > 0 ? ", " : "", results[i].window,
		       results[i].lined_ns, web ? "plain" : "bare",
		       results[i].other_ns, results[i].ratio,
		       results[i].target);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"web", no_argument, NULL, 'w'},
		{"rounds", required_argument, NULL, 'r'},
		{"round-ms", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	struct result results[] = {{.window = 1, .target = 1.15},
				   {.window = 16, .target = 1.30}};
	unsigned rounds = 9, round_ms = 500, count = 2;
	struct subject lined, bare;
	bool json = false, web = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'w')
			web = true;
		else if (option == 'r')
			rounds = option_number(optarg, 1, ROUNDS);
		else if (option == 'm')
			round_ms = option_number(optarg, 1, 60000);
		else
			return 2;
	}
	subject_start_lined(&lined, argv[optind]);
	if (web)
		results[1].target = 1.15;
	else
		subject_start_bare(&bare);
	for (unsigned i = 0; i < count; i++)
		compare(&lined, web ? &lined : &bare, &results[i], rounds,
			round_ms);
	subject_stop(&lined);
	if (!web)
		subject_stop(&bare);
	if (json)
		print_json(results, count, web);
	else
		print_table(results, count, web);
	return EXIT_SUCCESS;
}
