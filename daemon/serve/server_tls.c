/* SPDX-License-Identifier: MIT */
/*
 * Checks the files of certificates every LOOK_MS. Changed files are read only
 * when the next check finds them unchanged, because a certificate and its key
 * are not written at the same instant. stat(2) sees swapped symbolic links and
 * directories, and works on file systems without inotify.
 */
#include "config.h"

#include "serve/server_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "log/log.h"

#define LOOK_MS 1500
#define TURN_MS (12 * 3600 * 1000)

struct server_tls_call {
	struct worker_call call;
	struct tls_tickets *to, tickets;
};

/* ---- session tickets ----------------------------------------------------- */

static void server_tls_run_turn(struct worker_call *call)
{
	struct server_tls_call *turn =
		lined_container_of(call, struct server_tls_call, call);

	*turn->to = turn->tickets;
}

static void server_tls_turn_fired(struct lined_timer *timer)
{
	struct server_tls *tls =
		lined_container_of(timer, struct server_tls, turn);
	size_t i;

	if (tls_tickets_turn(&tls->tickets) < 0) {
		log_warning("tls: session tickets keep their key: %s",
			    strerror(errno));
		return;
	}
	for (i = 0; i < tls->worker_count; i++) {
		struct server_tls_call *turn = &tls->calls[i];

		turn->call.run = server_tls_run_turn;
		turn->to = &tls->copies[i];
		turn->tickets = tls->tickets;
		worker_post(&tls->workers[i], &turn->call);
	}
}

/* ---- files --------------------------------------------------------------- */

static void server_tls_mix(uint64_t *hash, uint64_t value)
{
	*hash = (*hash ^ value) * 0x9e3779b97f4a7c15u;
	*hash ^= *hash >> 29;
}

/* Mixes the state of a file into the hash: when the file changes, so does the
 * hash. */
static void server_tls_stat(uint64_t *hash, const char *path)
{
	struct stat st;

	if (path == NULL)
		return;
	if (stat(path, &st) < 0) {
		server_tls_mix(hash, (uint64_t)errno);
		return;
	}
	server_tls_mix(hash, (uint64_t)st.st_dev);
	server_tls_mix(hash, (uint64_t)st.st_ino);
	server_tls_mix(hash, (uint64_t)st.st_size);
	server_tls_mix(hash, (uint64_t)st.st_mtim.tv_sec);
	server_tls_mix(hash, (uint64_t)st.st_mtim.tv_nsec);
	server_tls_mix(hash, (uint64_t)st.st_ctim.tv_sec);
	server_tls_mix(hash, (uint64_t)st.st_ctim.tv_nsec);
}

static void server_tls_log_new(const struct tls_section *section,
			       const struct tls_warnings *warnings)
{
	time_t end = (time_t)tls_files_not_after(section->files);
	char date[16] = "?";
	struct tm day;
	size_t i;

	if (gmtime_r(&end, &day) != NULL)
		strftime(date, sizeof(date), "%F", &day);
	log_notice("tls %s: new files, the certificate is valid until %s",
		   section->conf->name, date);
	for (i = 0; i < warnings->count; i++)
		log_warning("tls %s: %s: %s", section->conf->name,
			    warnings->items[i].key, warnings->items[i].text);
}

static void server_tls_read(struct server_tls *tls, struct tls_section *section)
{
	struct tls_settings settings = conf_tls_settings(section->conf);
	struct tls_problem problem;
	struct tls_warnings warnings;
	struct tls_files *files =
		tls_files_read(&settings, time(NULL), &problem, &warnings);

	if (files == NULL) {
		log_err("tls %s: %s: %s: the files before stay in use",
			section->conf->name, problem.key, problem.text);
		return;
	}
	if (tls_files_equal(files, section->files)) {
		tls_files_unref(files);
		return;
	}
	if (tls_section_replace(tls->set, section, files, tls->copies) < 0) {
		log_err("tls %s: %s", section->conf->name, strerror(errno));
		tls_files_unref(files);
		return;
	}
	server_tls_log_new(section, &warnings);
	tls->changed(tls, section);
}

static void server_tls_look_fired(struct lined_timer *timer)
{
	struct server_tls *tls =
		lined_container_of(timer, struct server_tls, look);
	size_t i;

	for (i = 0; i < tls->set->count; i++) {
		struct tls_section *section = &tls->set->sections[i];
		uint64_t now = 1;

		if (!section->conf->auto_reload)
			continue;
		server_tls_stat(&now, section->conf->certificate);
		server_tls_stat(&now, section->conf->key);
		server_tls_stat(&now, section->conf->client_ca);
		server_tls_stat(&now, section->conf->crl);
		if (now != section->seen) {
			section->seen = now;
			section->changed = true;
		} else if (section->changed) {
			section->changed = false;
			server_tls_read(tls, section);
		}
	}
}

/* ---- life ---------------------------------------------------------------- */

int server_tls_init(struct server_tls *tls, struct lined_dispatcher *d,
		    struct worker *workers, size_t worker_count,
		    void (*changed)(struct server_tls *tls,
				    const struct tls_section *section))
{
	size_t i;

	tls->workers = workers;
	tls->worker_count = worker_count;
	tls->changed = changed;
	lined_timer_init(&tls->look, d, server_tls_look_fired);
	lined_timer_init(&tls->turn, d, server_tls_turn_fired);
	tls->copies = calloc(worker_count, sizeof(*tls->copies));
	tls->calls = calloc(worker_count, sizeof(*tls->calls));
	if (tls->copies == NULL || tls->calls == NULL ||
	    tls_tickets_turn(&tls->tickets) < 0)
		return -1;
	for (i = 0; i < worker_count; i++)
		tls->copies[i] = tls->tickets;
	return 0;
}

void server_tls_fini(struct server_tls *tls)
{
	if (tls->look.dispatcher != NULL) {
		lined_timer_stop(&tls->look);
		lined_timer_stop(&tls->turn);
	}
	tls_set_free(tls->set);
	free(tls->copies);
	free(tls->calls);
}

struct tls_set *server_tls_use(struct server_tls *tls, struct tls_set *set)
{
	struct tls_set *before = tls->set;

	tls->set = set;
	if (set == NULL || set->count == 0) {
		lined_timer_stop(&tls->look);
		lined_timer_stop(&tls->turn);
		return before;
	}
	if (!lined_timer_is_armed(&tls->look))
		lined_timer_start(&tls->look, LOOK_MS, LOOK_MS);
	if (!lined_timer_is_armed(&tls->turn))
		lined_timer_start(&tls->turn, TURN_MS, TURN_MS);
	return before;
}
