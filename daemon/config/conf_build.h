/* SPDX-License-Identifier: MIT */
/*
 * The state of a load that makes a struct conf from the tree, and the functions
 * that read the sections, one file for each. For conf*.c only.
 *
 * After a failed allocation in a pool, the load fails, but only when all is
 * read. Until then the functions only have to handle NULL.
 */
#pragma once

#include "config/conf.h"
#include "config/conf_section.h"
#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"
#include "memory_pool.h"
#include "system/privileges.h"

/* The values of a `limits` or `class` section; -1: not set. */
struct conf_limits {
	struct lined_option_list from; /* only in a class */
	int64_t clients;
	int64_t clients_per_address;
	int64_t connect_rate_per_address;
	int64_t line_rate;
	int64_t line_burst;
	int64_t idle_ms;
	int64_t first_line_ms;
	int64_t line_ms;
	int64_t send_queue;
	int64_t send_stall_ms;
	int64_t handshake_ms;
	int64_t handshakes;
	int64_t penalty_ms;
	int64_t penalty_max_ms;
	struct lined_option_list exempt;
	struct conf_networks exempt_networks; /* items NULL: not set */
	/* penalty_key: the key, penalty-max or penalty, in the last section
	 * read that sets one of them (penalty-max if it sets both).
	 * penalty_context: that section's context in messages. NULL: no section
	 * sets one of them. */
	struct conf_key *penalty_key;
	const char *penalty_context;
};

/* A `class` section. */
struct conf_class_keys {
	struct conf_section section;
	struct conf_networks from;
	struct conf_limits limits;
};

/* An address of a service, kept to find collisions. */
struct conf_use {
	struct conf_use *next;
	const struct listen_address *listen;
	struct conf_place place;
	const char *owner; /* e.g. `service "echo"` */
	size_t order;
};

struct conf_build {
	struct conf *conf;
	const struct conf_env *env;
	struct conf_report report;
	struct conf_tree tree;
	struct conf_limits defaults;
	struct conf_class_keys *default_classes;
	size_t default_class_count;
	struct conf_use *uses, **uses_end;
	size_t use_count;
	/* user: the config's `user`, which must be able to read the files of
	 * the config. visit: that user's rights, if lined will switch from root
	 * to that user. visit NULL: the process checks with its own rights. */
	const char *user;
	struct privileges_visit *visit;
};

/* Whether this load must neither open files named in the config nor call the
 * checks of modules: see conf_env.blind. */
static inline bool conf_build_is_blind(const struct conf_build *build)
{
	return build->env->blind || build->env->tree != NULL;
}

/* The root section, which contains all others. */
struct conf_section conf_build_root(struct conf_build *build);

/* Sets user and visit. Call this when the tree is complete. */
void conf_build_find_user(struct conf_build *build);

/* Reports a title that is not a name: names stand without quotes in linectl
 * commands and log lines. */
void conf_build_check_name(const struct conf_section *section);

/* These functions warn of a user or group that this machine does not know, if
 * env->check_names is set. name: the key that sets the user or group. user or
 * group NULL: not set. */
void conf_build_check_user(const struct conf_section *section, const char *name,
			   const char *user);
void conf_build_check_group(const struct conf_section *section,
			    const char *name, const char *group);

/* conf_file.c */
/*
 * Fills an empty tree from the first file and the included ones, or from
 * env->files if given. File names are allocated in names, which must outlive
 * all places. An included file that cannot be read is reported and skipped. -1,
 * reported: the first file cannot be read, a file is malformed, too many files
 * are included, or memory ran out.
 */
int conf_file_read(const char *path, const struct conf_env *env,
		   struct pool *names, struct conf_tree *tree,
		   struct conf_report *report);

/* Warns of files and directories of the config that build->user cannot read:
 * a start can succeed, but no reload. */
void conf_file_check_user(struct conf_build *build);

/* Resolves a path in a value: a relative path is relative to the directory of
 * the config file at place. Allocated in pool; NULL: no memory. */
const char *conf_file_path(const char *path, const struct conf_place *place,
			   struct pool *pool);

/* conf_collisions.c: conf_collisions_add() records an address of a service,
 * conf_collisions_report() reports those that collide. */
void conf_collisions_add(struct conf_build *build,
			 const struct listen_address *listen,
			 const struct conf_place *place, const char *owner);
void conf_collisions_report(struct conf_build *build);

/* conf_limits.c */
void conf_limits_read_defaults(const struct conf_section *limits);
/* Reads the limits of a service. Fills *limits with them: the service's classes
 * start from these. */
void conf_limits_read(const struct conf_section *section,
		      struct conf_service *service, struct conf_limits *limits);
/* Reads the keys that a class section sets. */
void conf_limits_read_class(const struct conf_section *class,
			    struct conf_limits *limits);
/* Copies to limits the keys that are set in `stronger`. Returns the number of
 * these keys. */
unsigned conf_limits_overlay(struct conf_limits *limits,
			     const struct conf_limits *stronger);
/* Checks limits and stores them. */
void conf_limits_store(const struct conf_section *section,
		       const struct conf_limits *limits,
		       struct conf_bounds *bounds);

/* conf_client_class.c: the `class` sections of `defaults`, and the classes of a
 * service, which start from the service's own limits. */
void conf_class_read_defaults(const struct conf_section *defaults);
void conf_class_read(const struct conf_section *section,
		     const struct conf_limits *limits,
		     struct conf_service *service);
/* Warns of penalty keys in the service's `limits` that have no effect. */
void conf_class_check_penalty(const struct conf_section *limits,
			      const struct conf_service *service);

/* conf_framing.c */
void conf_framing_read(const struct conf_section *section,
		       struct conf_service *service);

/* conf_access.c */
void conf_access_read(const struct conf_section *section,
		      struct conf_service *service);
/* Reads the list of networks in a key. Sets *local if the list has "unix";
 * local NULL: "unix" is not allowed. */
const struct lined_network *
conf_access_networks(const struct conf_section *section, const char *name,
		     size_t *count, bool *local);

/* conf_web.c */
void conf_web_read(const struct conf_section *section,
		   struct conf_service *service);

/* conf_tls.c: conf_tls_read() reads all `tls "name"` sections,
 * conf_tls_select() reads a service's list of such names. */
void conf_tls_read(const struct conf_section *root);
/* The path in the value of a key. NULL: not set, or reported. Sets *unread if
 * the file cannot be read. That is reported as an error, except for a
 * credential whose directory is unknown or closed to this process. */
const char *conf_tls_file(const struct conf_section *section, const char *name,
			  const char *text, bool *unread);
void conf_tls_select(const struct conf_section *section,
		     struct conf_service *service);

/* conf_cluster.c: the section `cluster`. */
void conf_cluster_read(const struct conf_section *section);
/* Warns if no service uses the section `cluster`. Call this after the services
 * are read. */
void conf_cluster_check_used(const struct conf_section *root);

/* conf_service.c: all `service "name"` sections. */
void conf_services_read(const struct conf_section *root);
/* Sets socket_gid from socket_group. */
void conf_service_find_group(struct conf_service *service);

/* conf_protocol.c: conf_protocol_find() finds the module named by the key
 * `protocol`, conf_protocol_read() reads the protocol's section. */
void conf_protocol_find(const struct conf_section *section,
			struct conf_service *service);
void conf_protocol_read(const struct conf_section *section,
			struct conf_service *service);
/* Loads the module of service->protocol, with default options and framing.
 * Errors are reported at place. */
void conf_protocol_use(const struct conf_section *section,
		       const struct conf_place *place,
		       struct conf_service *service);

/* conf_control.c: the sections `control` and `metrics`, and their services. */
void conf_control_read(const struct conf_section *control,
		       const struct conf_section *metrics);
