/* SPDX-License-Identifier: MIT */
/*
 * Makes, watches and changes the broker's buckets, which are key-value stores
 * of JetStream: each bucket is a stream in memory, watched by a consumer.
 * Entries are stored and erased by messages that JetStream answers.
 */
#include "config.h"

#include "net/nats_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATS_HEARTBEAT_NS INT64_C(5000000000) /* of a watch */
#define WRONG_SEQUENCE    "wrong last sequence: "

/* ---- making -------------------------------------------------------------- */

/* Changes the lease time of the bucket of nodes. This is allowed only while no
 * node has a lease. */
static bool nats_change_lease(struct nats_link *link, int64_t lease_ns)
{
	jsStreamInfo *info = NULL;
	jsStreamConfig *config;
	natsStatus s;

	s = js_GetStreamInfo(&info, link->js,
			     link->broker->streams[BROKER_NODES], NULL, NULL);
	if (s == NATS_OK && info->State.Msgs > 0)
		s = NATS_ERR;
	if (s == NATS_OK) {
		config = info->Config;
		config->MaxAge = lease_ns;
		if (config->Duplicates > lease_ns)
			config->Duplicates = lease_ns;
		s = js_UpdateStream(NULL, link->js, config, NULL, NULL);
	}
	jsStreamInfo_Destroy(info);
	return s == NATS_OK;
}

static bool nats_make_bucket(struct nats_link *link, enum broker_bucket bucket)
{
	struct nats_broker *broker = link->broker;
	char why[NATS_WHY];
	kvStore *store = NULL;
	kvConfig config;
	natsStatus s;

	kvConfig_Init(&config);
	config.Bucket = broker->buckets[bucket];
	config.History = 1;
	config.StorageType = js_MemoryStorage;
	if (bucket == BROKER_NODES)
		config.TTL = (int64_t)broker->lease_ms * 1000000;
	s = js_CreateKeyValue(&store, link->js, &config);
	kvStore_Destroy(store);
	if (s == NATS_OK)
		return true;
	nats_explain(why, s, broker->buckets[bucket]);
	if (config.TTL != 0 &&
	    (strstr(why, "is different") != NULL ||
	     strstr(why, "already in use") != NULL) &&
	    nats_change_lease(link, config.TTL))
		return true;
	if (s == NATS_NO_RESPONDERS || s == NATS_NO_SERVER_SUPPORT)
		nats_link_end(link, "JetStream: not enabled");
	else
		nats_link_end(link, "%s", why);
	return false;
}

/* Reads when the bucket of names was created: this tells a node whether the
 * buckets are new. Also reads the bucket's last revision. No entry has this
 * revision if the last change was a delete marker that has been purged. */
static bool nats_read_id(struct nats_link *link, uint64_t *buckets_id)
{
	jsStreamInfo *info = NULL;
	const char *stream = link->broker->streams[BROKER_NAMES];
	natsStatus s;

	s = js_GetStreamInfo(&info, link->js, stream, NULL, NULL);
	if (s == NATS_OK) {
		*buckets_id = (uint64_t)info->Created;
		link->watches[BROKER_NAMES].last = info->State.LastSeq;
	} else {
		nats_link_fail(link, s, stream);
	}
	jsStreamInfo_Destroy(info);
	return s == NATS_OK;
}

bool nats_buckets_make(struct nats_link *link, uint64_t *buckets_id)
{
	jsOptions options;
	natsStatus s;

	jsOptions_Init(&options);
	options.Wait = NATS_CONNECT_MS;
	s = natsConnection_JetStream(&link->js, link->nc, &options);
	if (s != NATS_OK)
		nats_link_fail(link, s, "JetStream");
	return s == NATS_OK && nats_make_bucket(link, BROKER_NODES) &&
	       nats_make_bucket(link, BROKER_NAMES) &&
	       nats_read_id(link, buckets_id);
}

/* ---- events ------------------------------------------------------------- */

static void nats_emit_listed(struct nats_watch *watch, natsConnection *nc)
{
	struct broker_event *event;

	if (atomic_exchange(&watch->listed, true))
		return;
	event = broker_event_new(BROKER_LISTED, NULL, NULL, 0);
	if (event != NULL) {
		event->bucket = watch->bucket;
		event->revision = watch->last;
	}
	nats_emit(watch->link, nc, event);
}

static void nats_on_entry(natsConnection *nc, natsSubscription *sub,
			  natsMsg *msg, void *arg)
{
	struct nats_watch *watch = arg;
	const char *bucket = watch->link->broker->buckets[watch->bucket];
	/* The subject is $KV.BUCKET.KEY. */
	const char *key = natsMsg_GetSubject(msg) + strlen(bucket) + 5;
	const char *operation = NULL;
	struct broker_event *event;
	jsMsgMetaData *meta = NULL;

	if (natsMsg_GetMetaData(&meta, msg) != NATS_OK) {
		natsMsg_Destroy(msg);
		return;
	}
	if (meta->Sequence.Consumer != ++watch->told) {
		nats_link_end(watch->link, "changes of names were lost");
		natsConnection_Close(nc);
	}
	natsMsgHeader_Get(msg, "KV-Operation", &operation);
	event = broker_event_new(
		operation != NULL ? BROKER_ERASED : BROKER_STORED, key,
		natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
	if (event != NULL) {
		event->bucket = watch->bucket;
		event->revision = meta->Sequence.Stream;
	}
	nats_emit(watch->link, nc, event);
	if (meta->NumPending == 0)
		nats_emit_listed(watch, nc);
	jsMsgMetaData_Destroy(meta);
	natsMsg_Destroy(msg);
}

/* JetStream answers {"stream":"S","seq":7}, or {"error":{"code":400,
 * "err_code":10071,"description":"wrong last sequence: 5"},...}. */
static void nats_on_answer(natsConnection *nc, natsSubscription *sub,
			   natsMsg *msg, void *arg)
{
	struct nats_link *link = arg;
	const char *tag = natsMsg_GetSubject(msg) + strlen(link->inbox) + 1;
	const char *data = natsMsg_GetData(msg);
	const char *wrong = strstr(data, WRONG_SEQUENCE);
	const char *seq = strstr(data, "\"seq\":");
	const char *error = strstr(data, "\"description\":\"");
	struct broker_event *event = NULL;

	if (wrong != NULL || (error == NULL && seq != NULL)) {
		event = broker_event_new(wrong != NULL ? BROKER_FAILED
						       : BROKER_DONE,
					 NULL, NULL, 0);
		if (event != NULL) {
			event->tag = strtoull(tag, NULL, 10);
			event->revision = strtoull(
				wrong != NULL ? wrong + strlen(WRONG_SEQUENCE)
					      : seq + strlen("\"seq\":"),
				NULL, 10);
		}
		nats_emit(link, nc, event);
	} else {
		/* Nothing was stored, e.g. because the server has no memory or
		 * no leader: reconnect. */
		nats_link_end(link, "stored nothing: %.*s",
			      error != NULL ? (int)strcspn(error + 15, "\"")
					    : 9,
			      error != NULL ? error + 15 : "no answer");
		natsConnection_Close(nc);
	}
	natsMsg_Destroy(msg);
}

static natsStatus nats_watch_bucket(struct nats_link *link,
				    enum broker_bucket bucket)
{
	struct nats_watch *watch = &link->watches[bucket];
	jsConsumerInfo *info = NULL;
	char subject[NATS_SUBJECT_MAX];
	jsSubOptions options;
	natsStatus s;

	watch->link = link;
	watch->bucket = bucket;
	snprintf(subject, sizeof(subject), "$KV.%s.>",
		 link->broker->buckets[bucket]);
	jsSubOptions_Init(&options);
	options.Stream = link->broker->streams[bucket];
	/* Not `ordered`: libnats would recreate an ordered consumer by itself,
	 * on a thread that may use the new consumer too early. */
	options.Config.DeliverPolicy = js_DeliverLastPerSubject;
	options.Config.AckPolicy = js_AckNone;
	options.Config.MaxDeliver = 1;
	options.Config.MemoryStorage = true;
	options.Config.FlowControl = true;
	options.Config.Heartbeat = NATS_HEARTBEAT_NS;
	s = js_Subscribe(&watch->sub, link->js, subject, nats_on_entry, watch,
			 NULL, &options, NULL);
	NATS_TRY(s, nats_link_complete(link, watch->sub));
	NATS_TRY(s, natsSubscription_GetConsumerInfo(&info, watch->sub, NULL,
						     NULL));
	/* In an empty bucket, no entry comes that could end the listing. */
	if (s == NATS_OK && info->NumPending == 0 &&
	    info->Delivered.Consumer == 0)
		nats_emit_listed(watch, link->nc);
	jsConsumerInfo_Destroy(info);
	return s;
}

bool nats_buckets_subscribe(struct nats_link *link)
{
	char subject[NATS_SUBJECT_MAX];
	natsInbox *inbox = NULL;
	natsStatus s;

	s = natsInbox_Create(&inbox);
	if (s == NATS_OK)
		snprintf(link->inbox, sizeof(link->inbox), "%s", inbox);
	natsInbox_Destroy(inbox);
	snprintf(subject, sizeof(subject), "%s.*", link->inbox);
	NATS_TRY(s, natsConnection_Subscribe(&link->answers, link->nc, subject,
					     nats_on_answer, link));
	NATS_TRY(s, nats_link_complete(link, link->answers));
	NATS_TRY(s, nats_watch_bucket(link, BROKER_NODES));
	NATS_TRY(s, nats_watch_bucket(link, BROKER_NAMES));
	if (s != NATS_OK)
		nats_link_fail(link, s, "subscribe");
	return s == NATS_OK;
}

/* ---- requests ----------------------------------------------------------- */

static natsStatus nats_write_entry(struct nats_link *link,
				   const struct broker_request *request)
{
	char subject[NATS_SUBJECT_MAX], reply[160], expected[32];
	natsMsg *msg = NULL;
	natsStatus s;

	snprintf(subject, sizeof(subject), "$KV.%s.%s",
		 link->broker->buckets[request->bucket], request->key);
	snprintf(reply, sizeof(reply), "%s.%llu", link->inbox,
		 (unsigned long long)request->tag);
	snprintf(expected, sizeof(expected), "%llu",
		 (unsigned long long)request->expected);
	s = natsMsg_Create(&msg, subject, reply, request->data,
			   (int)request->len);
	NATS_TRY(s,
		 natsMsgHeader_Set(msg, "Nats-Expected-Last-Subject-Sequence",
				   expected));
	if (request->kind == BROKER_ERASE)
		NATS_TRY(s, natsMsgHeader_Set(msg, "KV-Operation", "DEL"));
	NATS_TRY(s, natsConnection_PublishMsg(link->nc, msg));
	natsMsg_Destroy(msg);
	return s;
}

static natsStatus nats_write_purge(struct nats_link *link,
				   const struct broker_request *request)
{
	const struct nats_broker *broker = link->broker;
	char subject[NATS_SUBJECT_MAX], text[2 * NATS_SUBJECT_MAX];

	snprintf(subject, sizeof(subject), "$JS.API.STREAM.PURGE.%s",
		 broker->streams[request->bucket]);
	snprintf(text, sizeof(text), "{\"filter\":\"$KV.%s.%s\",\"seq\":%llu}",
		 broker->buckets[request->bucket], request->key,
		 (unsigned long long)request->expected + 1);
	return natsConnection_PublishString(link->nc, subject, text);
}

natsStatus nats_bucket_write(struct nats_link *link,
			     const struct broker_request *request)
{
	return request->kind == BROKER_PURGE ? nats_write_purge(link, request)
					     : nats_write_entry(link, request);
}
