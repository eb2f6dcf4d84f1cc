/* SPDX-License-Identifier: MIT */
/*
 * linetest(1): reads transcripts, and plays each one over every transport, with
 * every number of workers and with every cut that the command line asks for.
 * With --record, writes a transcript instead.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "linetest/deadline.h"
#include "linetest/module_globals.h"
#include "linetest/cmdline.h"
#include "linetest/run.h"
#include "linetest/recorder.h"
#include "linetest/report.h"
#include "linetest/transcript.h"
#include "linetest/escape.h"

#define TIMEOUT_MS 120000

enum exit_code { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_WRONG = 2 };

/* ---- the daemon and its modules ----------------------------------------- */

static char *find_file(const char *dir, const char *name, int mode)
{
	char *path = memory_format("%s/%s", dir, name);

	if (access(path, mode) == 0)
		return path;
	free(path);
	return NULL;
}

/* The path of lined: that of --lined; or $LINED; or lined beside this program;
 * or the installed lined; or "lined", which is looked for in $PATH. */
static char *find_lined(const struct cmdline *cmdline, const char *self)
{
	const char *asked = cmdline->lined;
	char *dir, *found = NULL;

	if (asked == NULL)
		asked = getenv("LINED");
	if (asked != NULL && *asked != '\0')
		return memory_copy(asked, strlen(asked));
	dir = realpath("/proc/self/exe", NULL);
	if (dir == NULL && strchr(self, '/') != NULL)
		dir = realpath(self, NULL);
	if (dir != NULL) {
		*strrchr(dir, '/') = '\0';
		found = find_file(dir, "lined", X_OK);
		if (found == NULL)
			found = find_file(dir, "../sbin/lined", X_OK);
	}
	free(dir);
	if (found == NULL)
		found = find_file(SBINDIR, "lined", X_OK);
	return found != NULL ? found : memory_copy("lined", 5);
}

/* The modules of the build of lined; NULL for an installed lined, which finds
 * its own modules. */
static char *find_build_modules(const char *lined)
{
	const char *slash = strrchr(lined, '/');
	char *dir, *found;

	if (slash == NULL)
		return NULL;
	dir = memory_copy(lined, (size_t)(slash - lined));
	found = find_file(dir, ".libs", R_OK | X_OK);
	free(dir);
	return found;
}

static const char *asked_modules(const struct cmdline *cmdline)
{
	const char *asked = cmdline->module_dir;

	if (asked == NULL)
		asked = getenv("LINED_MODULES");
	return asked != NULL && *asked != '\0' ? asked : NULL;
}

/* ---- runs --------------------------------------------------------------- */

struct session {
	const struct cmdline *cmdline;
	struct run_settings settings;
	struct report report;
	uint64_t seed;
	const char *over; /* for instance "tls, "; "": the default */
};

/* False if no other run of this transcript is to follow. */
static bool session_run(struct session *session,
			const struct transcript *transcript, enum cut_mode mode,
			uint64_t seed)
{
	struct bytes failure = {0}, log = {0};
	char *cut, *about;
	bool passed;

	cut_init(&session->settings.cut, mode, seed);
	cut = cut_text(&session->settings.cut);
	if (session->settings.workers == 0)
		about = memory_format("%s%s", session->over, cut);
	else
		about = memory_format(
			"%s%s, %u %s", session->over, cut,
			session->settings.workers,
			session->settings.workers == 1 ? "worker" : "workers");
	report_begin(&session->report, transcript->path, about);
	passed = run_play(transcript, &session->settings, &failure, &log);
	if (session->cmdline->module_dir != NULL)
		report_warn_slow(&session->report, transcript->path, &log);
	report_run(&session->report, transcript->path, about, &failure, &log);
	free(cut);
	free(about);
	bytes_fini(&failure);
	bytes_fini(&log);
	return (passed || session->cmdline->keep_going) &&
	       !deadline_all_are_over();
}

static bool session_run_cuts(struct session *session,
			     const struct transcript *transcript)
{
	static const enum cut_mode modes[] = {CUT_BYTES, CUT_SPLIT, CUT_JOINED};
	unsigned i;

	if (!session_run(session, transcript, CUT_WHOLE, 0))
		return false;
	if (!session->cmdline->fragment || transcript->is_whole)
		return true;
	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!session_run(session, transcript, modes[i], 0))
			return false;
	for (i = 0; i < session->cmdline->random_cuts; i++)
		if (!session_run(session, transcript, CUT_RANDOM,
				 session->seed + i))
			return false;
	return true;
}

/* Plays a transcript with 1, 2, 4 and so on workers, and at last with the
 * number of --workers. A number in the transcript replaces all of these. With
 * --connect, linetest sets no number. */
static void session_run_transcript(struct session *session,
				   const struct transcript *transcript)
{
	unsigned workers = 1, most = session->cmdline->workers;
	bool more;

	if (session->settings.server != NULL)
		workers = most = 0;
	else if (transcript->fixes_workers || transcript->workers > 0)
		workers = most = transcript->workers;
	do {
		session->settings.workers = workers;
		more = session_run_cuts(session, transcript) && workers < most;
		workers = workers * 2 < most ? workers * 2 : most;
	} while (more);
}

/* Plays a transcript over each transport. `transcripts` holds the parsed
 * transcript once for each transport. */
static void session_run_file(struct session *session,
			     struct transcript **transcripts)
{
	const struct cmdline *cmdline = session->cmdline;
	char over[16] = "";
	size_t i;

	session->over = over;
	for (i = 0; i < cmdline->over_count && !deadline_all_are_over(); i++) {
		if (cmdline->over_given)
			snprintf(over, sizeof(over), "%s, ",
				 transports[cmdline->over[i]].name);
		session_run_transcript(session, transcripts[i]);
	}
	report_file(&session->report, transcripts[0]->path);
}

static void warn_globals(const struct report *report, const char *dir)
{
	struct bytes found = {0};
	char *at, *line;

	module_globals_find(dir, &found);
	for (at = found.data; at != NULL && (line = strsep(&at, "\n")) != NULL;)
		if (line[0] != '\0')
			report_warn(report,
				    "%s: writable variables, which all workers "
				    "share without a lock",
				    line);
	bytes_fini(&found);
}

static uint64_t new_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return 0;
	return seed % 1000000000;
}

static enum exit_code play_transcripts(const struct cmdline *cmdline,
				       struct transcript **transcripts,
				       const struct daemon_settings *daemon)
{
	struct net_address server;
	struct session session = {
		.cmdline = cmdline,
		.settings = {.daemon = *daemon,
			     .patience_ms = cmdline->patience_ms,
			     .timeout_ms = cmdline->timeout_ms > 0
						   ? cmdline->timeout_ms
						   : TIMEOUT_MS,
			     .keep = cmdline->keep},
		.report = {.tap = cmdline->tap, .verbose = cmdline->verbose},
		.seed = cmdline->seed_given ? cmdline->seed : new_seed(),
	};
	char *error;
	int i;

	report_init(&session.report);
	if (cmdline->module_dir != NULL)
		warn_globals(&session.report, cmdline->module_dir);
	if (cmdline->connect != NULL) {
		session.settings.server = &server;
		if (net_address_read(&server, cmdline->connect, &error) < 0) {
			escape_print(stderr, "linetest: --connect: %s\n",
				     error);
			free(error);
			return EXIT_WRONG;
		}
	}
	for (i = 0; i < cmdline->file_count && !deadline_all_are_over(); i++)
		session_run_file(&session,
				 transcripts + (size_t)i * cmdline->over_count);
	report_end(&session.report);
	return session.report.failed_runs > 0 ? EXIT_FAILED : EXIT_PASSED;
}

/* ---- recording ---------------------------------------------------------- */

static bool transcript_is_head(const struct transcript *transcript)
{
	size_t i;

	for (i = 0; i < transcript->step_count; i++) {
		if (transcript->steps[i].kind == STEP_START)
			continue;
		escape_print(stderr,
			     "%s:%u: the FILE of --record may only say what is "
			     "served\n",
			     transcript->steps[i].file,
			     transcript->steps[i].line);
		return false;
	}
	if (transcript->config != NULL)
		return true;
	escape_print(stderr, "%s: it does not say what is served\n",
		     transcript->path);
	return false;
}

static enum exit_code record_transcript(const struct cmdline *cmdline,
					struct transcript **transcripts,
					const struct daemon_settings *daemon)
{
	const struct transcript *head =
		cmdline->file_count > 0 ? transcripts[0] : NULL;
	struct recorder_settings settings = {
		.file = cmdline->record,
		.head = head,
		.listen = cmdline->listen,
		.connect = cmdline->connect,
		.daemon = *daemon,
		.workers = cmdline->workers > 0 ? cmdline->workers : 1,
		.timeout_ms = cmdline->timeout_ms,
	};

	if (head != NULL && !transcript_is_head(head))
		return EXIT_WRONG;
	if (head != NULL && head->workers > 0)
		settings.workers = head->workers;
	return recorder_run(&settings) < 0 ? EXIT_FAILED : EXIT_PASSED;
}

/* ---- main --------------------------------------------------------------- */

/* Ends all waits, so that the daemon is stopped and the directory of the run is
 * removed. */
static void handle_end_signal(int number)
{
	deadline_end_all();
}

static void catch_end_signals(void)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = handle_end_signal};
	size_t i;

	sigemptyset(&action.sa_mask);
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &action, NULL);
}

/* Fails if results could not be written. */
static enum exit_code flush_results(enum exit_code code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "linetest: standard output: %s\n", strerror(errno));
	return code == EXIT_PASSED ? EXIT_FAILED : code;
}

static enum exit_code run_transcripts(const struct cmdline *cmdline,
				      struct transcript **transcripts,
				      const char *self)
{
	char *lined = find_lined(cmdline, self);
	char *build_modules = find_build_modules(lined);
	const struct daemon_settings daemon = {lined, asked_modules(cmdline),
					       build_modules};
	enum exit_code code;

	catch_end_signals();
	code = cmdline->record != NULL
		       ? record_transcript(cmdline, transcripts, &daemon)
		       : play_transcripts(cmdline, transcripts, &daemon);
	free(lined);
	free(build_modules);
	return code;
}

/* A transcript that is to be played must have a step. */
static struct transcript *read_transcript(const struct cmdline *cmdline,
					  const char *path, enum transport over,
					  struct bytes *errors)
{
	struct transcript *transcript = transcript_read(
		path, cmdline->exec,
		cmdline->record == NULL && cmdline->connect != NULL, over,
		errors);

	if (transcript != NULL && transcript->step_count == 0 &&
	    cmdline->record == NULL)
		bytes_add_format(errors, "%s: it has nothing to play\n", path);
	return transcript;
}

int main(int argc, char **argv)
{
	struct cmdline cmdline;
	struct transcript **transcripts;
	struct bytes errors = {0};
	enum exit_code code = EXIT_PASSED;
	size_t count, i;

	switch (cmdline_read(&cmdline, argc, argv)) {
	case CMDLINE_SHOWN:
		return flush_results(EXIT_PASSED);
	case CMDLINE_WRONG:
		return EXIT_WRONG;
	case CMDLINE_RUN:
		break;
	}
	count = (size_t)cmdline.file_count * cmdline.over_count;
	transcripts = memory_new(count, sizeof(*transcripts));
	for (i = 0; i < count; i++) {
		size_t transport = i % cmdline.over_count;

		/* The errors of a transcript are reported once. */
		if (transport > 0 && transcripts[i - 1] == NULL)
			continue;
		transcripts[i] = read_transcript(
			&cmdline, cmdline.files[i / cmdline.over_count],
			cmdline.over[transport], &errors);
	}
	if (errors.len > 0) {
		escape_print(stderr, "%s", bytes_text(&errors));
		code = EXIT_WRONG;
	} else if (!cmdline.check) {
		code = run_transcripts(&cmdline, transcripts, argv[0]);
	}
	for (i = 0; i < count; i++)
		transcript_free(transcripts[i]);
	free(transcripts);
	bytes_fini(&errors);
	return flush_results(code);
}
