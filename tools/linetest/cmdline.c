/* SPDX-License-Identifier: MIT */
/*
 * Parses the command line of linetest(1) by getopt_long(3), and prints help.
 */
#include "config.h"

#include "linetest/cmdline.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lined/word.h>

#include "linetest/word.h"

#include "tls.h"

#define RANDOM_CUTS     4
#define RANDOM_CUTS_MAX 10000
#define WORKERS_MAX     1024
#define PATIENCE_MS     10000

/* Options that have no letter. */
enum {
	OPTION_CONNECT = 256,
	OPTION_EXEC,
	OPTION_FRAGMENT,
	OPTION_KEEP,
	OPTION_LINED,
	OPTION_LISTEN,
	OPTION_OVER,
	OPTION_PATIENCE,
	OPTION_RECORD,
	OPTION_SEED,
	OPTION_TAP,
	OPTION_TIMEOUT,
	OPTION_WORKERS,
};

static const char help[] =
	"usage: linetest [-ktv] [-m DIR] [--fragment[=N]] [--workers N] "
	"FILE...\n"
	"       linetest --record NEW [--listen ADDRESS] [--connect ADDRESS] "
	"[FILE]\n"
	"\n"
	"  -m, --module-dir DIR    where lined finds its protocols\n"
	"      --exec COMMAND      serve this program, in place of `protocol`\n"
	"      --fragment[=N]      again with 1-byte writes, split CRLF, "
	"joined\n"
	"                          writes and N (4) random cuts\n"
	"      --seed SEED         the seed of the first random cuts\n"
	"      --over LIST         again over each of unix,tcp,tcp6,tls,\n"
	"                          ws,wss\n"
	"      --workers N         again with 1, 2, 4... up to N workers\n"
	"      --patience TIME     how long to wait for one thing (10s)\n"
	"      --timeout TIME      how long a run may take in all (2m)\n"
	"      --lined PROGRAM     the daemon to run\n"
	"      --tap               print the Test Anything Protocol\n"
	"  -k, --keep-going        continue a transcript after a failed run\n"
	"      --keep              do not remove the directories of the runs\n"
	"  -t, --check             read the transcripts, run nothing\n"
	"  -v, --verbose           report every run, and show the logs\n"
	"      --record NEW        write a transcript of what clients do\n"
	"      --listen ADDRESS    where clients connect (a free port)\n"
	"      --connect ADDRESS   play against a server that runs, or record "
	"it\n"
	"  -V, --version           print the version\n"
	"  -h, --help              print this\n"
	"\n"
	"TIME is 200ms, 2s or 1m. Exits 0 if all is as expected, 1 if not, 2 "
	"if a\n"
	"transcript or the command line is wrong.\n"
	"See linetest(1).\n";

static const struct option longs[] = {
	{"connect", required_argument, NULL, OPTION_CONNECT},
	{"exec", required_argument, NULL, OPTION_EXEC},
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"record", required_argument, NULL, OPTION_RECORD},
	{"module-dir", required_argument, NULL, 'm'},
	{"fragment", optional_argument, NULL, OPTION_FRAGMENT},
	{"over", required_argument, NULL, OPTION_OVER},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"workers", required_argument, NULL, OPTION_WORKERS},
	{"patience", required_argument, NULL, OPTION_PATIENCE},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"lined", required_argument, NULL, OPTION_LINED},
	{"tap", no_argument, NULL, OPTION_TAP},
	{"keep-going", no_argument, NULL, 'k'},
	{"keep", no_argument, NULL, OPTION_KEEP},
	{"check", no_argument, NULL, 't'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int option_wrong(const char *option, const char *value,
			const char *wanted)
{
	fprintf(stderr, "linetest: %s \"%s\": expected %s\n", option, value,
		wanted);
	return -1;
}

static bool option_number(uint64_t max, uint64_t *number)
{
	const struct lined_word word = {optarg, strlen(optarg)};

	return lined_word_unsigned(&word, max, number);
}

static int option_count(const char *option, unsigned max, unsigned *count)
{
	uint64_t number;
	char wanted[64];

	if (option_number(max, &number) && number > 0) {
		*count = (unsigned)number;
		return 0;
	}
	snprintf(wanted, sizeof(wanted), "a number from 1 to %u", max);
	return option_wrong(option, optarg, wanted);
}

/* Accepts only transports of streams, because a transcript that chooses no
 * transport expects streams. */
static int option_over(struct cmdline *cmdline)
{
	const char *at = optarg;
	enum transport found;
	size_t len;

	cmdline->over_count = 0;
	cmdline->over_given = true;
	for (;; at += len + 1) {
		len = strcspn(at, ",");
		found = transport_find(at, len);
		if (found == TRANSPORTS ||
		    transports[found].type != SOCK_STREAM ||
		    cmdline->over_count == TRANSPORTS)
			return option_wrong("--over", optarg,
					    "a list of unix, tcp, tcp6, tls, "
					    "ws and wss, such as unix,tls");
		if (transports[found].tls && !tls_available()) {
			fprintf(stderr,
				"linetest: --over %s: built without OpenSSL\n",
				transports[found].name);
			return -1;
		}
		cmdline->over[cmdline->over_count++] = found;
		if (at[len] == '\0')
			return 0;
	}
}

static int option_seed(struct cmdline *cmdline)
{
	cmdline->seed_given = true;
	if (option_number(UINT64_MAX, &cmdline->seed))
		return 0;
	return option_wrong("--seed", optarg, "a number");
}

static int option_time(const char *option, uint32_t *ms)
{
	if (word_duration(optarg, ms) && *ms > 0)
		return 0;
	return option_wrong(option, optarg, "a time such as 200ms, 2s or 1m");
}

/* -1: the option is wrong, and a message was printed. */
static int option_take(struct cmdline *cmdline, int option)
{
	switch (option) {
	case 'm':
		cmdline->module_dir = optarg;
		return 0;
	case OPTION_EXEC:
		cmdline->exec = optarg;
		return 0;
	case OPTION_FRAGMENT:
		cmdline->fragment = true;
		return optarg == NULL
			       ? 0
			       : option_count("--fragment", RANDOM_CUTS_MAX,
					      &cmdline->random_cuts);
	case OPTION_OVER:
		return option_over(cmdline);
	case OPTION_SEED:
		return option_seed(cmdline);
	case OPTION_WORKERS:
		return option_count("--workers", WORKERS_MAX,
				    &cmdline->workers);
	case OPTION_PATIENCE:
		return option_time("--patience", &cmdline->patience_ms);
	case OPTION_TIMEOUT:
		return option_time("--timeout", &cmdline->timeout_ms);
	case OPTION_LINED:
		cmdline->lined = optarg;
		return 0;
	case OPTION_RECORD:
		cmdline->record = optarg;
		return 0;
	case OPTION_LISTEN:
		cmdline->listen = optarg;
		return 0;
	case OPTION_CONNECT:
		cmdline->connect = optarg;
		return 0;
	case OPTION_TAP:
		cmdline->tap = true;
		return 0;
	case OPTION_KEEP:
		cmdline->keep = true;
		return 0;
	case 'k':
		cmdline->keep_going = true;
		return 0;
	case 't':
		cmdline->check = true;
		return 0;
	case 'v':
		cmdline->verbose = true;
		return 0;
	default:
		return -1;
	}
}

static int options_check_files(const struct cmdline *cmdline)
{
	const char *message = NULL;

	if (cmdline->record == NULL && cmdline->file_count == 0)
		message = "no FILE is named";
	else if ((cmdline->record != NULL || cmdline->connect != NULL) &&
		 cmdline->over_given)
		message = "--over is for a daemon that linetest starts: "
			  "without --record and --connect";
	else if (cmdline->record == NULL && cmdline->listen != NULL)
		message = "--listen can only go with --record";
	else if (cmdline->record == NULL && cmdline->connect != NULL &&
		 (cmdline->workers > 0 || cmdline->exec != NULL))
		message = "--connect plays against a server that runs: "
			  "without --workers and --exec";
	else if (cmdline->record != NULL && cmdline->file_count > 1)
		message = "--record takes one FILE, which says what is served";
	else if (cmdline->record != NULL && cmdline->file_count == 0 &&
		 cmdline->connect == NULL)
		message = "--record needs a FILE that says what is served, or "
			  "--connect";
	if (message == NULL)
		return 0;
	fprintf(stderr, "linetest: %s\n", message);
	return -1;
}

enum cmdline_result cmdline_read(struct cmdline *cmdline, int argc, char **argv)
{
	int option;

	memset(cmdline, 0, sizeof(*cmdline));
	cmdline->random_cuts = RANDOM_CUTS;
	cmdline->patience_ms = PATIENCE_MS;
	cmdline->over[0] = TRANSPORT_UNIX;
	cmdline->over_count = 1;
	optind = 1;
	while ((option = getopt_long(argc, argv, "km:tvVh", longs, NULL)) !=
	       -1) {
		if (option == 'V') {
			printf("linetest %s\n", PACKAGE_VERSION);
			return CMDLINE_SHOWN;
		}
		if (option == 'h') {
			fputs(help, stdout);
			return CMDLINE_SHOWN;
		}
		if (option_take(cmdline, option) < 0)
			goto usage;
	}
	cmdline->files = argv + optind;
	cmdline->file_count = argc - optind;
	if (options_check_files(cmdline) == 0)
		return CMDLINE_RUN;
usage:
	fputs("linetest -h shows the options\n", stderr);
	return CMDLINE_WRONG;
}
