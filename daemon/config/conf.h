/* SPDX-License-Identifier: MIT */
/*
 * The configuration: what the files say, checked, in one structure that never
 * changes once it is loaded. Reads files and asks for protocols;
 * opens no socket, applies nothing and logs nothing.
 *
 * Thread: load and free on the main thread only (the parser behind is not
 * reentrant); a loaded structure may be read by every thread.
 */
#ifndef CONF_H
#define CONF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lined/line.h>
#include <lined/protocol.h>
#include <lined/socket.h>

#include "config/parse/conf_message.h"
#include "log/log.h"
#include "net/access.h"
#include "net/listen_address.h"

/* ---- the structure --------------------------------------------------- */

/* socket NULL: off. */
struct conf_control {
	const char *socket;
	const char *group;
	struct conf_place place;
};

struct conf_metrics {
	bool enabled;
	struct listen_address listen;
	struct conf_place place;
};

enum conf_client_cert {
	CONF_CLIENT_CERT_NONE,
	CONF_CLIENT_CERT_OPTIONAL,
	CONF_CLIENT_CERT_REQUIRED,
};

enum conf_tls_version {
	CONF_TLS_1_2,
	CONF_TLS_1_3,
};

/* The files are absolute, or relative to the working directory as the config
 * file's own name is. client_ca and crl: NULL where not set. */
struct conf_tls {
	const char *name;
	const char *certificate;
	const char *key;
	const char *client_ca;
	const char *crl;
	enum conf_client_cert client_cert;
	enum conf_tls_version min_version;
	struct conf_place place;
};

struct conf_service {
	const char *name;
	const char *protocol;
	const struct lined_protocol *module;
	/* The module's own struct; NULL where its options_size is 0. */
	const void *options;
	/* All its options as one text, for comparing; never NULL. */
	const char *options_text;

	struct lined_limits limits;
	uint32_t clients;
	uint32_t clients_per_address;      /* 0: no limit */
	uint32_t connect_rate_per_address; /* a second; 0: no limit */
	struct lined_framing framing;

	const struct listen_address *listen;
	size_t listen_count;
	mode_t socket_mode;
	const char *socket_owner; /* NULL: who the daemon is */
	const char *socket_group; /* NULL: its group */
	gid_t socket_gid;         /* (gid_t)-1: none, or not known */

	/* In the order written: the first is the default. */
	const struct conf_tls *const *tls;
	size_t tls_count;
	const struct lined_network *proxy_from;
	size_t proxy_from_count;
	struct access_rules access;
	struct conf_place place;
	/* Made of `control` or `metrics`: not one of the services that the
	 * operator speaks of. Served by the main thread. */
	bool internal;
};

#define CONF_INTERNAL_MAX 2

struct conf {
	atomic_uint refs;
	unsigned workers; /* 0: auto */
	const char *user, *group;
	const char *module_dir; /* NULL: the built-in one */
	uint32_t drain_timeout_ms;
	struct log_settings log;
	struct conf_control control;
	struct conf_metrics metrics;
	const struct conf_tls *tls;
	size_t tls_count;
	/* In file order. */
	const struct conf_service *services;
	size_t service_count;
	struct conf_service internal[CONF_INTERNAL_MAX];
	size_t internal_count;
	/* All memory of the above. */
	struct pool *pool;
};

/* ---- loading --------------------------------------------------------- */

struct conf_env {
	/* lined -m: wins over the config's module-dir. NULL: not given. */
	const char *module_dir;
	/*
	 * The protocol of this name, whose table must outlive the conf; NULL
	 * and why in error. The name is [a-z0-9_-]+ already; module_dir NULL
	 * is the built-in one.
	 */
	const struct lined_protocol *(*find_protocol)(void *arg,
						      const char *module_dir,
						      const char *name,
						      char *error, size_t size);
	void *arg;
	/* What is in the file, which then is not read; NULL: read it. */
	const char *text;
	size_t text_len;
	/* Whether an opened file may be read; NULL: all may. */
	bool (*may_read)(void *arg, int fd);
	void *may_read_arg;
	/* Warn of users and groups that this machine does not know: for a load
	 * that only looks. Whoever uses the conf finds out anyhow. */
	bool check_names;
};

/*
 * Reads path and what it includes. NULL where there was any error; then, and
 * for the warnings of a good one, see errors, which the caller has initialised
 * and finishes. (NULL without any error: not even memory for the message.)
 */
struct conf *conf_load(const char *path, const struct conf_env *env,
		       struct conf_errors *errors);

/* A conf is freed with its last reference; conf_load() returns the first. NULL
 * is fine for conf_unref(). MT-safe. */
struct conf *conf_ref(struct conf *conf);
void conf_unref(struct conf *conf);

const struct conf_service *conf_find_service(const struct conf *conf,
					     const char *name);

/* All services, the internal ones last: how many, and the i-th of them. */
size_t conf_count_all(const struct conf *conf);
const struct conf_service *conf_service_at(const struct conf *conf, size_t i);

/* At what level the clients of a service come and go in the log: who looks at
 * the daemon every few seconds is no news. */
enum lined_log_level conf_clients_level(const struct conf_service *service);

/* ---- comparing, for a reload ----------------------------------------- */

enum conf_change {
	CONF_CHANGE_PROTOCOL = 1,
	CONF_CHANGE_LISTEN = 2, /* addresses, or who may open UNIX sockets */
	CONF_CHANGE_LIMITS = 4,
	CONF_CHANGE_FRAMING = 8,
	CONF_CHANGE_ACCESS = 16, /* access or proxy-from */
	CONF_CHANGE_TLS = 32,    /* which sections, or what they say */
	CONF_CHANGE_OPTIONS = 64,
};

/* What differs between two services, a mask of enum conf_change; 0: nothing. */
unsigned conf_service_changes(const struct conf_service *a,
			      const struct conf_service *b);

/* The same protocol with the same options. */
bool conf_options_equal(const struct conf_service *a,
			const struct conf_service *b);

/* The same addresses, in any order, and the same socket-mode, -owner, -group.
 */
bool conf_service_same_listen(const struct conf_service *a,
			      const struct conf_service *b);

/* The same socket-mode, -owner, -group. */
bool conf_service_same_mode(const struct conf_service *a,
			    const struct conf_service *b);

bool conf_tls_equal(const struct conf_tls *a, const struct conf_tls *b);

#endif
