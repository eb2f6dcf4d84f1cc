/* SPDX-License-Identifier: MIT */
/*
 * The backend of the registry for services in a cluster. A claim goes to the
 * main thread, where the table of names decides. Each decision is posted to all
 * workers, the claimant's worker last: lines that the claimant then publishes
 * arrive after the decision.
 *
 * The key of an entry is "service.name", both parts escaped; the value begins
 * with a line: version, node, since, owner.
 */
#include "config.h"

#include "cluster/cluster_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster/broker_escape.h"
#include "log/log.h"

#define KEY_MAX         (3 * (LINED_REGISTRY_NAME_MAX + 64) + 2)
#define VALUE_HEAD_MAX  80
#define ENTRIES_VERSION 1

static struct cluster *cluster_of_names(struct names *names)
{
	return lined_container_of(names, struct cluster, names);
}

/* ---- values ------------------------------------------------------------- */

bool cluster_registry_read(struct names_value *value, const char *text,
			   size_t len)
{
	const char *end = memchr(text, '\n', len);
	unsigned version;

	if (end == NULL ||
	    sscanf(text, "%u %" SCNx64 " %" SCNu64 " %" SCNu64, &version,
		   &value->node, &value->since, &value->owner) != 4 ||
	    version != ENTRIES_VERSION)
		return false;
	value->data = end + 1;
	value->len = len - (size_t)(value->data - text);
	return true;
}

static void cluster_names_store(struct names *names, const char *key,
				const struct names_value *value,
				uint64_t expected, uint64_t tag)
{
	char text[VALUE_HEAD_MAX + LINED_REGISTRY_VALUE_MAX];
	int head = snprintf(text, VALUE_HEAD_MAX,
			    "%u %" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
			    ENTRIES_VERSION, value->node, value->since,
			    value->owner);

	memcpy(text + head, value->data, value->len);
	cluster_out_request(&cluster_of_names(names)->out, BROKER_STORE,
			    BROKER_NAMES, key, text, (size_t)head + value->len,
			    expected, tag);
}

static void cluster_names_erase(struct names *names, const char *key,
				uint64_t expected, uint64_t tag)
{
	cluster_out_request(&cluster_of_names(names)->out, BROKER_ERASE,
			    BROKER_NAMES, key, NULL, 0, expected, tag);
}

/* ---- changes on the workers --------------------------------------------- */

static void registry_change(struct registry_claim *claim, size_t i, bool added)
{
	struct registry_copy *copy = &claim->copies[i];

	registry_claim_ref(claim);
	cluster_post(claim->registry->replicas[i].worker,
		     added ? &copy->add : &copy->remove);
}

static void registry_change_all(struct registry_claim *claim, bool added)
{
	size_t count = claim->registry->count, k;
	size_t last = claim->from == REGISTRY_ELSEWHERE ? 0 : claim->from;

	for (k = 1; k <= count; k++)
		registry_change(claim, (last + k) % count, added);
}

static void cluster_names_won(struct names *names, void *arg)
{
	struct registry_claim *claim = arg;

	claim->won = true;
	registry_change_all(claim, true);
}

/* The claim has left the table, or was never in it. Drops the table's
 * reference. */
static void cluster_names_refused(struct names *names, void *arg)
{
	struct registry_claim *claim = arg;

	claim->copies[claim->from].add.handler = registry_copy_refused;
	registry_change(claim, claim->from, true);
	registry_claim_unref(claim);
}

static void cluster_names_released(struct names *names, void *arg)
{
	struct registry_claim *claim = arg;

	registry_change_all(claim, false);
	registry_claim_unref(claim);
}

static void cluster_names_lost(struct names *names, void *arg)
{
	struct registry_claim *claim = arg;

	log_notice("cluster: name %s: another node's claim was earlier",
		   claim->name);
	claim->copies[claim->from].remove.handler = registry_copy_taken;
	cluster_names_released(names, claim);
}

static void *cluster_names_came(struct names *names, const char *key,
				const struct names_value *value)
{
	const char *dot = strchr(key, '.');
	char service_name[KEY_MAX], name[KEY_MAX];
	const struct cluster_service *service;
	struct registry_claim *claim;

	if (dot == NULL || strlen(key) >= KEY_MAX ||
	    value->len > LINED_REGISTRY_VALUE_MAX ||
	    broker_unescape(service_name, key, (size_t)(dot - key)) == NULL ||
	    broker_unescape(name, dot + 1, strlen(dot + 1)) == NULL ||
	    name[0] == '\0' || strlen(name) > LINED_REGISTRY_NAME_MAX)
		return NULL;
	service = cluster_find_service(cluster_of_names(names), service_name,
				       strlen(service_name));
	if (service == NULL)
		return NULL;
	claim = registry_claim_new(service->registry, REGISTRY_ELSEWHERE, name,
				   value->data, value->len);
	if (claim == NULL)
		return NULL;
	registry_copies_init(claim);
	claim->owner = value->owner;
	cluster_names_won(names, claim);
	return claim;
}

const struct names_ops cluster_names_ops = {
	.store = cluster_names_store,
	.erase = cluster_names_erase,
	.won = cluster_names_won,
	.refused = cluster_names_refused,
	.released = cluster_names_released,
	.lost = cluster_names_lost,
	.came = cluster_names_came,
	.gone = cluster_names_released,
};

/* ---- claims ------------------------------------------------------------- */

static void cluster_write_key(char key[KEY_MAX],
			      const struct cluster_service *service,
			      const char *name)
{
	strcpy(key, service->prefix);
	broker_escape(key + strlen(key), name);
}

/* The table takes over the message's reference to the claim. */
static void cluster_decide_claim(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, claim);
	struct cluster_service *service = claim->registry->backend_link;
	struct names_value value = {
		.since = clock_ns(CLOCK_REALTIME) / 1000,
		.owner = claim->owner,
		.data = claim->value,
		.len = claim->value_len,
	};
	char key[KEY_MAX];

	if (service != NULL) {
		cluster_write_key(key, service, claim->name);
		if (names_claim(&service->cluster->names, key, &value, claim) ==
		    0)
			return;
	}
	cluster_names_refused(NULL, claim);
}

static void cluster_decide_release(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, release);
	struct cluster_service *service = claim->registry->backend_link;
	char key[KEY_MAX];

	if (service != NULL) {
		cluster_write_key(key, service, claim->name);
		names_release(&service->cluster->names, key, claim);
	}
	registry_claim_unref(claim);
}

static void cluster_claim_cancelled(struct lined_message *message)
{
	registry_claim_unref(
		lined_container_of(message, struct registry_claim, claim));
}

static void cluster_release_cancelled(struct lined_message *message)
{
	registry_claim_unref(
		lined_container_of(message, struct registry_claim, release));
}

/* Runs on the claimant's worker. The service still exists, because it has a
 * client. */
static void cluster_to_main(struct registry_claim *claim,
			    struct lined_message *message)
{
	const struct cluster_service *service = claim->registry->backend_link;
	struct worker *worker = claim->registry->replicas[claim->from].worker;

	registry_claim_ref(claim);
	if (!worker->threaded)
		lined_dispatcher_defer(worker->dispatcher, message);
	else if (lined_dispatcher_post(service->cluster->dispatcher, message) <
		 0)
		message->cancel(message);
}

static void cluster_claim(struct registry_claim *claim)
{
	registry_copies_init(claim);
	claim->claim.handler = cluster_decide_claim;
	claim->claim.cancel = cluster_claim_cancelled;
	claim->release.handler = cluster_decide_release;
	claim->release.cancel = cluster_release_cancelled;
	cluster_to_main(claim, &claim->claim);
}

static void cluster_release(struct registry_claim *claim)
{
	cluster_to_main(claim, &claim->release);
}

const struct registry_backend cluster_registry = {
	.claim = cluster_claim,
	.release = cluster_release,
	.freed = cluster_service_freed,
};
