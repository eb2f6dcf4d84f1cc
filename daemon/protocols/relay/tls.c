/* SPDX-License-Identifier: MIT */
/*
 * Makes the TLS client of an instance from the options.
 */
#include "relay/tls.h"

#include <string.h>

/* The longest server name in TLS. */
#define NAME_MAX_BYTES 255

/* Returns NULL for an empty text: the option is not set. */
static const char *tls_path(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

bool relay_tls_is_in(const struct lined_option_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strncmp(list->items[i], "tls://", 6) == 0)
			return true;
	return false;
}

bool relay_tls_is_wanted(const struct relay_options *options)
{
	return relay_tls_is_in(&options->upstream) ||
	       relay_tls_is_in(&options->push);
}

static struct lined_tls_client *
tls_client_of(const struct relay_options *options, char *error, size_t size)
{
	const struct lined_tls_client_settings settings = {
		.ca = tls_path(options->upstream_ca),
		.certificate = tls_path(options->upstream_certificate),
		.key = tls_path(options->upstream_key),
		.insecure = !options->upstream_verify,
	};

	return lined_tls_client_new(&settings, error, size);
}

/* Reports an error that begins with a key of struct lined_tls_client_settings.
 */
static void tls_report(struct lined_check *check, const char *error)
{
	static const char *const keys[][2] = {
		{"ca: ", "upstream-ca"},
		{"certificate: ", "upstream-certificate"},
		{"key: ", "upstream-key"},
	};
	size_t i, len;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		len = strlen(keys[i][0]);
		if (strncmp(error, keys[i][0], len) != 0)
			continue;
		lined_check_error(check,
				  lined_check_is_set(check, keys[i][1])
					  ? keys[i][1]
					  : "upstream",
				  "%s", error + len);
		return;
	}
	lined_check_error(check, "upstream", "tls://: %s", error);
}

void relay_tls_check(struct lined_check *check,
		     const struct relay_options *options)
{
	struct lined_tls_client *client;
	char error[512];

	if (!relay_tls_is_wanted(options))
		return;
	if ((options->upstream_certificate[0] == '\0') !=
	    (options->upstream_key[0] == '\0')) {
		lined_check_error(
			check,
			options->upstream_key[0] == '\0'
				? "upstream-certificate"
				: "upstream-key",
			"upstream-certificate and upstream-key need each "
			"other");
		return;
	}
	if (strlen(options->upstream_name) > NAME_MAX_BYTES)
		lined_check_error(check, "upstream-name",
				  "a name has at most %d characters",
				  NAME_MAX_BYTES);
	if (!options->upstream_verify)
		lined_check_warning(check, "upstream-verify",
				    "false: the certificates of upstreams are "
				    "not checked, anybody may be one");
	client = tls_client_of(options, error, sizeof(error));
	if (client == NULL)
		tls_report(check, error);
	lined_tls_client_free(client);
}

int relay_tls_read(struct relay_tls *tls, struct lined_service *service,
		   const struct relay_options *options)
{
	struct lined_tls_client *client = NULL;
	char error[512];

	tls->name = options->upstream_name;
	if (relay_tls_is_wanted(options)) {
		client = tls_client_of(options, error, sizeof(error));
		if (client == NULL) {
			lined_service_log(
				service, LINED_LOG_ERR, "tls://: %s%s", error,
				tls->client != NULL ? ": the files before stay "
						      "in use"
						    : "");
			return -1;
		}
	}
	lined_tls_client_free(tls->client);
	tls->client = client;
	return 0;
}

void relay_tls_fini(struct relay_tls *tls)
{
	lined_tls_client_free(tls->client);
}
