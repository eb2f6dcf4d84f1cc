/* SPDX-License-Identifier: MIT */
/*
 * The load's state while the tree of texts becomes a struct conf, and the
 * readers of the sections, one file each. For conf*.c only.
 */
#pragma once

#include "config/conf.h"
#include "config/conf_options.h"
#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"
#include "pool.h"

/* A `limits` section, or a class, as its options are stored; -1: not set. */
struct conf_limits {
	struct lined_option_list from; /* of a class */
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
	/* The last of penalty and penalty-max that was set, and in which
	 * section; NULL: neither was. */
	struct conf_key *penalty_key;
	const char *penalty_context;
};

/* A `class` section of `defaults`. */
struct conf_class_keys {
	const struct conf_node *node;
	struct conf_networks from;
	struct conf_limits limits;
};

/* An address that a service listens on, to find collisions. */
struct conf_use {
	struct conf_use *next;
	const struct listen_address *listen;
	struct conf_place place;
	const char *owner; /* `service "echo"` */
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
};

/* Whether not to look at files that the config names, nor to call checks of
 * modules: see conf_env. */
static inline bool conf_build_is_blind(const struct conf_build *build)
{
	return build->env->blind || build->env->tree != NULL;
}

/* The options for reading a section; its messages begin with context. */
struct conf_options conf_build_options(struct conf_build *build,
				       const char *context);

/* Notes that memory ran out. */
void conf_build_oom(struct conf_build *build);

/* Reports a title that is no name: names stand without quotes in linectl
 * commands, metric labels and log lines. kind: "service", ... */
void conf_build_check_name(struct conf_build *build, const char *context,
			   const struct conf_node *node, const char *kind);

/* The text; NULL if it is empty, which is an error if the config sets the
 * key. */
const char *conf_build_text(struct conf_build *build, const char *context,
			    const struct conf_node *node, const char *name,
			    const char *text);

/* Warns of a user or a group (NULL: none) that this machine does not know, if
 * env->check_names is set. */
void conf_build_check_user(struct conf_build *build, const char *context,
			   const struct conf_node *node, const char *name,
			   const char *user);
void conf_build_check_group(struct conf_build *build, const char *context,
			    const struct conf_node *node, const char *name,
			    const char *group);

/* Notes an address; conf_build_check_uses() reports those that collide. */
void conf_build_use(struct conf_build *build,
		    const struct listen_address *listen,
		    const struct conf_place *place, const char *owner);
void conf_build_check_uses(struct conf_build *build);

/* conf_limits.c */
void conf_limits_read_defaults(struct conf_build *build,
			       struct conf_node *node);
/* *limits: those in force, which classes start from. */
void conf_limits_read(struct conf_build *build, struct conf_node *node,
		      const char *context, struct conf_service *service,
		      struct conf_limits *limits);
/* The keys that a class section sets. */
void conf_limits_read_class(struct conf_build *build, struct conf_node *node,
			    const char *context, struct conf_limits *limits);
/* Overrides limits with what stronger sets. Returns how many. */
unsigned conf_limits_overlay(struct conf_limits *limits,
			     const struct conf_limits *stronger);
/* Checks limits (node NULL: no section) and stores them. */
void conf_limits_store(struct conf_build *build, const struct conf_node *node,
		       const char *context, const struct conf_limits *limits,
		       struct conf_bounds *bounds);

/* conf_class.c: the `class` sections of `defaults`, and of a service, whose own
 * limits are given. */
void conf_class_read_defaults(struct conf_build *build,
			      struct conf_node *defaults);
void conf_class_read(struct conf_build *build, struct conf_node *node,
		     const char *context, const struct conf_limits *limits,
		     struct conf_service *service);
/* Checks the keys of the service's `limits` that need a penalty. */
void conf_class_check_penalty(struct conf_build *build,
			      const struct conf_node *limits,
			      const char *context,
			      const struct conf_service *service);

/* conf_framing.c */
void conf_framing_read(struct conf_build *build, struct conf_node *node,
		       const char *context, struct conf_service *service);

/* conf_access.c */
void conf_access_read(struct conf_build *build, struct conf_node *node,
		      const char *context, struct conf_service *service);
/* local NULL: "unix" is refused. */
const struct lined_network *conf_access_networks(struct conf_build *build,
						 const struct conf_key *key,
						 const char *context,
						 size_t *count, bool *local);

/* conf_web.c */
void conf_web_read(struct conf_build *build, struct conf_node *node,
		   const char *context, struct conf_service *service);

/* conf_tls.c: all `tls "name"` sections, and the list of a service. */
void conf_tls_read(struct conf_build *build);
/* The path of the file that a key names. NULL: not set, or reported. *unread:
 * set if it cannot be read here: an error, except for a credential. */
const char *conf_tls_file(struct conf_build *build, const char *context,
			  const struct conf_node *node, const char *name,
			  const char *text, bool *unread);
void conf_tls_select(struct conf_build *build, const struct conf_key *key,
		     const char *context, struct conf_service *service);

/* conf_cluster.c: the section `cluster` (NULL: there is none). */
void conf_cluster_read(struct conf_build *build, struct conf_node *node);
/* Warns of a section that no service uses; the services were read. */
void conf_cluster_check_used(struct conf_build *build);

/* conf_service.c: all `service "name"` sections. */
void conf_services_read(struct conf_build *build);
/* Sets socket_gid from socket_group. */
void conf_service_find_group(struct conf_service *service);

/* conf_protocol.c: the module of the key `protocol`; then its section (NULL:
 * all options have their defaults). */
void conf_protocol_find(struct conf_build *build, const char *context,
			const struct conf_node *node,
			struct conf_service *service);
void conf_protocol_read(struct conf_build *build, struct conf_node *node,
			const char *context, struct conf_service *service);
/* Loads the module of service->protocol with default options and framing.
 * Errors are reported at place. */
void conf_protocol_use(struct conf_build *build, const char *context,
		       const struct conf_place *place,
		       struct conf_service *service);

/* conf_control.c: `control` and `metrics` (NULL: there is none), and the
 * services that they make. */
void conf_control_read(struct conf_build *build, struct conf_node *control,
		       struct conf_node *metrics);
