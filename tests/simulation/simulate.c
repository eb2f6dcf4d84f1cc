/* SPDX-License-Identifier: MIT */
/*
 * The command line of the simulation:
 *
 *	simulate [-f FAULT] [-m MACHINES] [-n COUNT] [FIRST]
 *		runs COUNT seeds from FIRST on
 *	simulate -t [-f FAULT] [-m MACHINES] SEED
 *		replays one, with its trace
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "machine.h"
#include "protocols.h"
#include "run.h"
#include "world.h"

static const char *simulate_modules(void)
{
	const char *dir = getenv("LINED_MODULES");

	return dir != NULL ? dir : ".libs";
}

/* malloc(3) counts the memory in two of its caches as in use. GLIBC_TUNABLES
 * can switch the caches off, but is read before main(): sets it, and executes
 * the program again. */
static void simulate_without_caches(char **argv)
{
	if (getenv("GLIBC_TUNABLES") != NULL)
		return;
	setenv("GLIBC_TUNABLES",
	       "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0", 1);
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	struct run_counts counts = {0};
	uint64_t count = 1, first = 1, i, hash = 0;
	bool shown = false;
	int option;

	simulate_without_caches(argv);
	while ((option = getopt(argc, argv, "f:m:n:t")) != -1) {
		if (option == 'n')
			count = strtoull(optarg, NULL, 10);
		else if (option == 't')
			shown = true;
		else if (option == 'm' && optarg[0] >= '1' &&
			 optarg[0] <= '0' + MACHINES && optarg[1] == '\0')
			run_set_machines((unsigned)(optarg[0] - '0'));
		else if (option != 'f' || !faults_choose(optarg))
			return 2;
	}
	if (optind < argc)
		first = strtoull(argv[optind], NULL, 10);
	protocols_open(simulate_modules());
	for (i = 0; i < count; i++)
		hash ^= run_seed(first + i, shown, &counts);
	trace_begin(0, false);
	protocols_close();
	printf("%" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64
	       " reloads, trace %016" PRIx64 "\n",
	       count, counts.steps, counts.reloads, hash);
	return 0;
}
