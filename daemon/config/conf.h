/* SPDX-License-Identifier: MIT */
/*
 * The configuration: the contents of the files, checked, in one struct that
 * does not change after loading. Reads files and looks up protocols; opens no
 * socket, applies nothing and logs nothing.
 *
 * Thread: conf_load() on the main thread only (libconfuse is not reentrant);
 * every thread may read a loaded conf.
 */
#pragma once

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
#include "net/access_rules.h"
#include "net/admission.h"
#include "net/broker.h"
#include "net/listen_address.h"
#include "net/penalty.h"
#include "system/hardening.h"
#include "tls.h"

/* ---- the structure --------------------------------------------------- */

enum conf_client_cert {
	CONF_CLIENT_CERT_NONE,
	CONF_CLIENT_CERT_OPTIONAL,
	CONF_CLIENT_CERT_REQUIRED,
};

enum conf_tls_version {
	CONF_TLS_1_2,
	CONF_TLS_1_3,
};

/* Paths can be opened as they are: relative ones already begin with the config
 * file's directory. But a credential stays "credential:NAME" if its directory
 * is unknown or closed to this process. client_ca and crl: NULL if not set. */
struct conf_tls {
	const char *name;
	const char *certificate;
	const char *key;
	const char *client_ca;
	const char *crl;
	enum conf_client_cert client_cert;
	enum conf_tls_version min_version;
	bool auto_reload;
	/* The checked contents of the files. NULL: this load has not read the
	 * files. */
	struct tls_files *files;
	struct conf_place place;
};

enum conf_web_page {
	CONF_WEB_PAGE_NONE,
	CONF_WEB_PAGE_CONSOLE,
};

/* The section `web`. */
struct conf_web {
	const char *const *origins;
	size_t origin_count;
	uint32_t ping_ms; /* 0: no pings */
	enum conf_web_page page;
};

struct conf_networks {
	const struct lined_network *items;
	size_t count;
};

/* The limits of a service or of a class. */
struct conf_bounds {
	struct lined_limits sockets;
	struct admission_limits admission;
	uint32_t handshake_ms; /* for TLS, a PROXY header, an upgrade */
	struct penalty_limits penalty;
};

/* A `class "name"`: clients from some networks. bounds has all limits: those
 * that the class does not set come from `limits`. */
struct conf_class {
	const char *name;
	struct conf_networks from;
	struct conf_bounds bounds;
	struct conf_place place;
};

#define CONF_CLASSES_MAX 255

struct conf_service {
	const char *name;
	const char *protocol;
	const struct lined_protocol *module;
	/* The struct that the module has declared; NULL if options_size is 0.
	 */
	const void *options;
	/* All options as one text, for comparisons; never NULL. */
	const char *options_text;

	struct conf_bounds bounds;
	uint32_t drain_timeout_ms; /* copied from struct conf */
	struct lined_framing framing;

	const struct listen_address *listen;
	size_t listen_count;
	mode_t socket_mode;
	const char *socket_owner; /* NULL: the daemon's user */
	const char *socket_group; /* NULL: the daemon's group */
	gid_t socket_gid;         /* (gid_t)-1: none, or unknown */

	/* In config order: the first section is the default. */
	const struct conf_tls *const *tls;
	size_t tls_count;
	const struct lined_network *proxy_from;
	size_t proxy_from_count;
	bool proxy_from_unix;
	struct access_rules access;
	/* A class number n above 0 means classes[n - 1]; 0 means no class. */
	const struct conf_class *classes;
	const struct lined_limits
		*class_limits; /* bounds.sockets of each class */
	size_t class_count;
	struct conf_web web;
	bool cluster; /* nodes share bus and registry */
	struct conf_place place;
	/* Made by the section `control` or `metrics`; runs on the main thread.
	 */
	bool internal;
};

/* The section `cluster`. Paths as in struct conf_tls. */
struct conf_cluster {
	bool is_set;
	struct broker_settings broker;
	uint32_t lease_ms;
};

#define CONF_INTERNAL_MAX 2

struct conf {
	atomic_uint refs;
	unsigned workers; /* 0: auto */
	const char *user, *group;
	const char *module_dir; /* NULL: the built-in one */
	const char *pid_file;   /* NULL: none */
	uint32_t drain_timeout_ms;
	int64_t memory; /* ceiling for all clients; 0: none, -1: auto */
	struct log_settings log;
	struct conf_cluster cluster;
	struct hardening hardening;
	const char *hardening_text; /* `hardening` as text, to compare */
	const struct conf_tls *tls;
	size_t tls_count;
	/* In file order. */
	const struct conf_service *services;
	size_t service_count;
	struct conf_service internal[CONF_INTERNAL_MAX];
	size_t internal_count;
	/* Owns the memory of all members above. */
	struct pool *pool;
};

/* ---- loading --------------------------------------------------------- */

struct serialized;

/* find_protocol returns this for a module that is not loaded. A service of such
 * a module has no options and must not be started. */
extern const struct lined_protocol conf_protocol_unloaded;

struct conf_env {
	/* Finds a protocol by its name, which matches [a-z0-9_-]+. The result
	 * must outlive the conf. module_dir NULL: the built-in directory.
	 * Returns NULL, and the reason in error, if there is no such protocol.
	 */
	const struct lined_protocol *(*find_protocol)(void *arg,
						      const char *module_dir,
						      const char *name,
						      char *error, size_t size);
	void *arg;
	/*
	 * The contents of the files; NULL: read the files. A sequence of items,
	 * each a line followed by LENGTH bytes:
	 *
	 * - "file LENGTH ID PATH": the file's text. Paths with equal IDs are
	 *   one file.
	 * - "fail LENGTH - PATH": the reason why the file could not be read.
	 * - "glob 0 - PATTERN": every file that matches has an item.
	 *
	 * An include of any other path is added to conf_errors.needs.
	 */
	const char *files;
	size_t files_len;
	/*
	 * If set, the load does not open files that the config names, such as
	 * TLS keys, and does not call the checks of modules, which might read
	 * files. Otherwise the messages would show the sender of the config
	 * what only the daemon may see. `tree` has the same effect, but permits
	 * read_tls.
	 */
	bool blind;
	/* The tree of a load that has checked everything, used in place of
	 * files. */
	const char *tree;
	size_t tree_len;
	/* A load without errors writes its tree here; NULL: not wanted. */
	struct serialized *write_tree;
	/* Warns of users and groups that this machine does not know: for lined
	 * -t and `linectl plan`. Applying such a config fails anyway. */
	bool check_names;
	/* Reads and checks the files of `tls` sections, unless `blind` is set.
	 * Needed with `tree`, too, because a tree does not hold the contents of
	 * these files. */
	bool read_tls;
};

/* Reads path and its includes. Adds messages to *errors, which the caller
 * initialises and frees. NULL: there was an error, or an include is needed
 * (conf_errors.needs). */
struct conf *conf_load(const char *path, const struct conf_env *env,
		       struct conf_errors *errors);

/* A conf is freed with its last reference; conf_load() returns the first one.
 * NULL is fine for conf_unref(). MT-safe. */
struct conf *conf_ref(struct conf *conf);
void conf_unref(struct conf *conf);

/* The settings of a `tls` section, in the form that tls_files_read() takes. */
struct tls_settings conf_tls_settings(const struct conf_tls *tls);

const struct conf_service *conf_find_service(const struct conf *conf,
					     const char *name);

/* Whether a service listens on systemd:NAME. */
bool conf_listens_on(const struct conf *conf, const char *name);

/* The number of all services, and the i-th of them; internal services come
 * last. */
size_t conf_count_all(const struct conf *conf);
const struct conf_service *conf_service_at(const struct conf *conf, size_t i);

/* `workers` and `memory`, with auto resolved: the number of CPUs, a quarter of
 * the memory. conf_memory() 0: no ceiling. */
size_t conf_workers(const struct conf *conf);
uint64_t conf_memory(const struct conf *conf);

/* Whether connections from the address begin with a PROXY header, by
 * `proxy-from`. */
bool conf_is_proxy(const struct conf_service *service,
		   const struct sockaddr *address);

/*
 * The class of an address: the class with the longest prefix that contains the
 * address; between equal prefixes the first class. 0: none.
 */
uint8_t conf_class_of(const struct conf_service *service,
		      const struct sockaddr *address);
/* As conf_class_of(), with the class in *class. Returns the network that
 * decides; NULL: none. */
const struct lined_network *
conf_class_network(const struct conf_service *service,
		   const struct sockaddr *address, uint8_t *class);

/* The admission limits of a class; NULL for class 0, as in admission.h. */
const struct admission_limits *
conf_class_admission(const struct conf_service *service, uint8_t class);

/* The most clients that the service may have, including those of classes
 * counted separately. */
uint64_t conf_clients_max(const struct conf_service *service);

/* The limits of a class, or of the service for class 0. */
const struct conf_bounds *conf_class_bounds(const struct conf_service *service,
					    uint8_t class);

/* The log level for connects and disconnects of clients. LINED_LOG_DEBUG for
 * internal services, which are polled every few seconds. */
enum lined_log_level conf_clients_level(const struct conf_service *service);

/* ---- comparing, for a reload ----------------------------------------- */

enum conf_change {
	CONF_CHANGE_PROTOCOL = 1,
	CONF_CHANGE_LISTEN = 2, /* addresses, or socket-mode, -owner, -group */
	CONF_CHANGE_LIMITS = 4,
	CONF_CHANGE_FRAMING = 8,
	CONF_CHANGE_ACCESS = 16, /* access or proxy-from */
	CONF_CHANGE_TLS = 32,    /* which sections, or their contents */
	CONF_CHANGE_OPTIONS = 64,
	CONF_CHANGE_WEB = 128,
	CONF_CHANGE_CLUSTER = 256, /* the key `cluster` */
};

/* The differences between two services as a mask of enum conf_change; 0: none.
 */
unsigned conf_service_changes(const struct conf_service *a,
			      const struct conf_service *b);

/* Whether the two `cluster` sections are equal. */
bool conf_cluster_equal(const struct conf_cluster *a,
			const struct conf_cluster *b);

/* Whether protocol and options of the two services are equal. */
bool conf_options_equal(const struct conf_service *a,
			const struct conf_service *b);

/* The name of an option that differs and has lined_option.restarts: the service
 * must be started again. NULL: none. */
const char *conf_restarting_option(const struct conf_service *a,
				   const struct conf_service *b);

/* Whether socket-mode, socket-owner and socket-group are equal. */
bool conf_service_same_mode(const struct conf_service *a,
			    const struct conf_service *b);
