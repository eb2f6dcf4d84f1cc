/* SPDX-License-Identifier: MIT */
/*
 * Makes the contexts of the `tls` sections.
 */
#include "config.h"

#include "serve/tls_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/error_report.h"

static void tls_contexts_free(struct tls_context **contexts, size_t count)
{
	size_t i;

	if (contexts == NULL)
		return;
	for (i = 0; i < count; i++)
		tls_context_unref(contexts[i]);
	free(contexts);
}

/* Makes a context for each worker. NULL/ENOMEM. */
static struct tls_context **tls_contexts_make(struct tls_files *files,
					      size_t count,
					      const struct tls_tickets *tickets)
{
	struct tls_context **contexts =
		calloc(count, sizeof(struct tls_context *));
	size_t i;

	for (i = 0; contexts != NULL && i < count; i++) {
		contexts[i] = tls_context_new(files, &tickets[i]);
		if (contexts[i] == NULL) {
			tls_contexts_free(contexts, count);
			return NULL;
		}
	}
	return contexts;
}

void tls_set_free(struct tls_set *set)
{
	size_t i;

	if (set == NULL)
		return;
	for (i = 0; i < set->count; i++) {
		tls_contexts_free(set->sections[i].contexts, set->workers);
		tls_files_unref(set->sections[i].files);
	}
	conf_unref(set->conf);
	free(set);
}

/* The section of the set that has equal files. NULL: none. */
static const struct tls_section *tls_set_same(const struct tls_set *set,
					      const struct tls_files *files)
{
	size_t i;

	for (i = 0; set != NULL && i < set->count; i++)
		if (tls_files_equal(set->sections[i].files, files))
			return &set->sections[i];
	return NULL;
}

/* Returns the files of a section. Most were read with the config; credentials
 * are read here. NULL: reported. */
static struct tls_files *tls_section_files(const struct conf_tls *conf,
					   struct report *report)
{
	struct tls_settings settings = conf_tls_settings(conf);
	struct tls_problem problem;
	struct tls_warnings warnings;
	struct tls_files *files;

	if (conf->files != NULL)
		return tls_files_ref(conf->files);
	files = tls_files_read(&settings, time(NULL), &problem, &warnings);
	if (files == NULL)
		report_add(report, LINED_LOG_ERR, "tls %s: %s: %s", conf->name,
			   problem.key, problem.text);
	return files;
}

static int tls_section_make(struct tls_section *section,
			    const struct tls_set *before, size_t workers,
			    const struct tls_tickets *tickets)
{
	const struct tls_section *same = tls_set_same(before, section->files);
	size_t i;

	if (same == NULL) {
		section->contexts =
			tls_contexts_make(section->files, workers, tickets);
		return section->contexts != NULL ? 0 : -1;
	}
	section->contexts = calloc(workers, sizeof(struct tls_context *));
	if (section->contexts == NULL)
		return -1;
	for (i = 0; i < workers; i++)
		section->contexts[i] = tls_context_ref(same->contexts[i]);
	return 0;
}

struct tls_set *tls_set_new(struct conf *conf, const struct tls_set *before,
			    size_t workers, const struct tls_tickets *tickets,
			    struct report *report)
{
	struct tls_set *set = calloc(
		1, sizeof(*set) + conf->tls_count * sizeof(set->sections[0]));
	size_t i;

	if (set == NULL) {
		report_add(report, LINED_LOG_ERR, "tls: %s", strerror(ENOMEM));
		return NULL;
	}
	set->conf = conf_ref(conf);
	set->workers = workers;
	for (i = 0; i < conf->tls_count; i++) {
		struct tls_section *section = &set->sections[i];

		section->conf = &conf->tls[i];
		section->files = tls_section_files(section->conf, report);
		if (section->files == NULL)
			break;
		set->count++;
		if (tls_section_make(section, before, workers, tickets) < 0) {
			report_add(report, LINED_LOG_ERR, "tls %s: %s",
				   section->conf->name, strerror(errno));
			break;
		}
	}
	if (i == conf->tls_count)
		return set;
	tls_set_free(set);
	return NULL;
}

int tls_section_replace(struct tls_set *set, struct tls_section *section,
			struct tls_files *files,
			const struct tls_tickets *tickets)
{
	struct tls_context **contexts =
		tls_contexts_make(files, set->workers, tickets);

	if (contexts == NULL)
		return -1;
	tls_contexts_free(section->contexts, set->workers);
	tls_files_unref(section->files);
	section->contexts = contexts;
	section->files = files;
	return 0;
}

static const struct tls_section *tls_set_find(const struct tls_set *set,
					      const char *name)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (strcmp(set->sections[i].conf->name, name) == 0)
			return &set->sections[i];
	return NULL;
}

struct tls_server *tls_set_server(const struct tls_set *set,
				  const struct conf_service *conf,
				  size_t worker)
{
	struct tls_context **contexts;
	struct tls_server *server = NULL;
	size_t i;

	if (set == NULL || conf->tls_count == 0)
		return NULL;
	contexts = calloc(conf->tls_count, sizeof(struct tls_context *));
	if (contexts == NULL)
		return NULL;
	for (i = 0; i < conf->tls_count; i++) {
		const struct tls_section *section =
			tls_set_find(set, conf->tls[i]->name);

		if (section == NULL)
			break;
		contexts[i] = section->contexts[worker];
	}
	if (i == conf->tls_count)
		server = tls_server_new(contexts, i);
	free(contexts);
	return server;
}
