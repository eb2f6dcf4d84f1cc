/* SPDX-License-Identifier: MIT */
/*
 * Reads the `tls "name"` sections. Checks that the files can be read, and
 * checks the contents of the files.
 */
#include "config.h"

#include "config/conf_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* In the order of enum conf_client_cert and enum conf_tls_version. */
static const char *const client_certs[] = {"none", "optional", "required",
					   NULL};
static const char *const versions[] = {"1.2", "1.3", NULL};

static const struct lined_option tls_table[] = {
	{LINED_OPTION("certificate", STRING, struct conf_tls, certificate)},
	{LINED_OPTION("key", STRING, struct conf_tls, key)},
	{LINED_OPTION("client-ca", STRING, struct conf_tls, client_ca)},
	{LINED_OPTION("client-cert", CHOICE, struct conf_tls, client_cert),
	 .fallback = "none", .choices = client_certs},
	{LINED_OPTION("crl", STRING, struct conf_tls, crl)},
	{LINED_OPTION("min-version", CHOICE, struct conf_tls, min_version),
	 .fallback = "1.2", .choices = versions},
	{LINED_OPTION("auto-reload", BOOLEAN, struct conf_tls, auto_reload),
	 .fallback = "true"},
	{.name = NULL},
};

/* Returns 0, or the errno that reading the file would give. */
static int tls_file_error(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int error = 0;

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) < 0)
		error = errno;
	else if (S_ISDIR(st.st_mode))
		error = EISDIR;
	close(fd);
	return error;
}

/* Reports a file that this process cannot read. As root, also reports a file
 * that the config's user cannot read, because a reload reads the file again; a
 * credential is exempt, because systemd gives the service access to it. False:
 * reported. */
static bool tls_check_file(const struct conf_section *section, const char *name,
			   const char *path, bool credential)
{
	const struct conf_build *build = section->build;
	const struct conf_place *place = conf_section_place(section, name);
	char quoted[CONF_QUOTED_MAX];
	int error = tls_file_error(path);

	if (error != 0) {
		conf_error_in(section, place, "%s: %s: %s", name, path,
			      strerror(error));
		return false;
	}
	if (credential || !privileges_visit_begin(build->visit))
		return true;
	error = tls_file_error(path);
	privileges_visit_end(build->visit);
	if (error == 0)
		return true;
	conf_error_in(section, place, "%s: %s: user \"%s\" cannot read it: %s",
		      name, path, conf_quoted(build->user, quoted),
		      strerror(error));
	return false;
}

#define CREDENTIAL "credential:"

/* systemd's rule: the name of a credential is a file name without a directory.
 */
static bool credential_is_name(const char *name)
{
	return name[0] != '\0' && strlen(name) <= 255 &&
	       strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

/*
 * The path of a credential that systemd passes to the service: systemd.exec(5).
 * Without CREDENTIALS_DIRECTORY, for example in an operator's lined -t, this
 * warns and returns the text unchanged. Also returns the text if this process
 * may not enter the directory. NULL: not a valid name (reported), or no memory.
 */
static const char *credential_path(const struct conf_section *section,
				   const struct conf_key *key, const char *text)
{
	const char *name = text + strlen(CREDENTIAL);
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char quoted[CONF_QUOTED_MAX];

	if (!credential_is_name(name)) {
		conf_error_in(section, &key->place,
			      "%s: \"%s\" is not the name of a credential",
			      key->name, conf_quoted(name, quoted));
		return NULL;
	}
	if (directory == NULL) {
		conf_warning_in(section, &key->place,
				"%s: %s: only lined's own service has its "
				"credentials, so this was not checked",
				key->name, text);
		return text;
	}
	/* E.g. the lined -t in ExecReload= may not enter the directory, but the
	 * daemon may. */
	if (access(directory, X_OK) < 0 && errno == EACCES)
		return text;
	return pool_printf(section->pool, "%s/%s", directory, name);
}

const char *conf_tls_file(const struct conf_section *section, const char *name,
			  const char *text, bool *unread)
{
	const struct conf_key *key = conf_section_key(section, name);
	const char *path;
	bool credential;

	text = conf_section_text(section, name, text);
	if (text == NULL || key == NULL)
		return NULL;
	credential = strncmp(text, CREDENTIAL, strlen(CREDENTIAL)) == 0;
	if (credential) {
		path = credential_path(section, key, text);
		if (path == NULL || path == text) {
			*unread = true;
			return path;
		}
	} else {
		path = conf_file_path(text, &key->place, section->pool);
		if (path == NULL)
			return NULL;
	}
	if (!conf_build_is_blind(section->build) &&
	    !tls_check_file(section, name, path, credential))
		*unread = true;
	return path;
}

struct tls_settings conf_tls_settings(const struct conf_tls *tls)
{
	/* In the order of enum conf_client_cert. */
	static const enum tls_client_cert certs[] = {
		TLS_CLIENT_CERT_NONE,
		TLS_CLIENT_CERT_OPTIONAL,
		TLS_CLIENT_CERT_REQUIRED,
	};

	return (struct tls_settings){
		.certificate = tls->certificate,
		.key = tls->key,
		.client_ca = tls->client_ca,
		.crl = tls->crl,
		.client_cert = certs[tls->client_cert],
		.tls_1_3 = tls->min_version == CONF_TLS_1_3,
	};
}

static void tls_read_files(const struct conf_section *section,
			   struct conf_tls *tls)
{
	struct tls_settings settings = conf_tls_settings(tls);
	struct tls_problem problem;
	struct tls_warnings warnings;
	size_t i;

	tls->files = tls_files_read(&settings, time(NULL), &problem, &warnings);
	if (tls->files == NULL) {
		conf_error_in(section, conf_section_place(section, problem.key),
			      "%s: %s", problem.key, problem.text);
		return;
	}
	for (i = 0; i < warnings.count; i++)
		conf_warning_in(
			section,
			conf_section_place(section, warnings.items[i].key),
			"%s: %s", warnings.items[i].key,
			warnings.items[i].text);
}

static void tls_check(const struct conf_section *section,
		      const struct conf_tls *tls)
{
	const struct conf_place *place = &section->node->place;

	if (conf_section_key(section, "certificate") == NULL)
		conf_error_in(section, place, "certificate is missing");
	if (conf_section_key(section, "key") == NULL)
		conf_error_in(section, place, "key is missing");
	if (tls->client_cert != CONF_CLIENT_CERT_NONE && !tls->client_ca)
		conf_error_in(section, place, "client-cert needs client-ca");
	if (tls->client_cert == CONF_CLIENT_CERT_NONE &&
	    (tls->client_ca != NULL || tls->crl != NULL))
		conf_warning_in(section, place,
				"client-ca and crl do nothing while "
				"client-cert is none");
}

static void tls_read(const struct conf_section *section, struct conf_tls *tls)
{
	const struct conf_env *env = section->build->env;
	bool unread = !env->read_tls || env->blind;

	tls->name = conf_option_copy(section, section->node->title);
	tls->place = section->node->place;
	conf_section_fill(section, tls_table, tls);
	tls->certificate = conf_tls_file(section, "certificate",
					 tls->certificate, &unread);
	tls->key = conf_tls_file(section, "key", tls->key, &unread);
	tls->client_ca =
		conf_tls_file(section, "client-ca", tls->client_ca, &unread);
	tls->crl = conf_tls_file(section, "crl", tls->crl, &unread);
	tls_check(section, tls);
	if (!unread && tls->certificate != NULL && tls->key != NULL)
		tls_read_files(section, tls);
}

void conf_tls_read(const struct conf_section *root)
{
	struct conf *conf = root->build->conf;
	struct conf_node *node;
	struct conf_tls *all;

	all = pool_array(root->pool, conf_section_count(root, "tls"),
			 sizeof(*all));
	if (all == NULL)
		return;
	conf->tls = all;
	for (node = root->node->children; node != NULL; node = node->next) {
		struct conf_section section;

		if (strcmp(node->name, "tls") != 0)
			continue;
		conf_section_check_title(root, node);
		if (node->title == NULL)
			continue;
		section = conf_section_titled(root, node);
		tls_read(&section, &all[conf->tls_count++]);
	}
}

static const struct conf_tls *tls_find(const struct conf *conf,
				       const char *name)
{
	size_t i;

	for (i = 0; i < conf->tls_count; i++)
		if (strcmp(conf->tls[i].name, name) == 0)
			return &conf->tls[i];
	return NULL;
}

void conf_tls_select(const struct conf_section *section,
		     struct conf_service *service)
{
	const struct conf_key *key = conf_section_key(section, "tls");
	const struct conf_tls **selected;
	const struct conf_value *value;
	char quoted[CONF_QUOTED_MAX];

	if (key == NULL)
		return;
	selected = pool_array(section->pool, key->count, sizeof(*selected));
	if (selected == NULL)
		return;
	service->tls = selected;
	for (value = key->values; value != NULL; value = value->next) {
		selected[service->tls_count] =
			tls_find(section->build->conf, value->text);
		if (selected[service->tls_count] != NULL)
			service->tls_count++;
		else
			conf_error_in(section, &value->place,
				      "tls: there is no section tls \"%s\"",
				      conf_quoted(value->text, quoted));
	}
}
