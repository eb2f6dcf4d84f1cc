/* SPDX-License-Identifier: MIT */
/*
 * The broker nats-server, through libnats. A thread connects, and writes the
 * requests that were queued; libnats calls back on threads of its own. A link
 * is one connection with its subscriptions: it is not repaired but replaced, so
 * that nothing of the one before is left.
 */
#include "config.h"

#include "net/broker.h"

#include <errno.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls.h"

#define CONNECT_MS    2000
#define PING_MS       1000
#define PINGS_OUT     2
#define RETRY_MIN_MS  250
#define RETRY_MAX_MS  1000
#define FLUSH_MS      500
#define CLOSE_MS      1000
#define HEARTBEAT_NS  INT64_C(5000000000) /* of a watch */
#define SUBJECT_MAX   1280
#define NATS_WHY      256
#define FRAME_DEFAULT ((size_t)1 << 20)
/* The headers of a message, which count towards NATS's limit. */
#define FRAME_SPARE 256
/* A write that lasts longer: the server does not read, and what is published
 * meanwhile is lost instead of holding clients. */
#define STALL_MS 500

#define WRONG_SEQUENCE "wrong last sequence: "

bool broker_available(void)
{
	return true;
}

struct nats_link;

struct nats_watch {
	struct nats_link *link;
	enum broker_bucket bucket;
	natsSubscription *sub; /* the thread's alone */
	uint64_t last;         /* revision at UP; set before it is subscribed */
	uint64_t told;         /* how many changes were */
	atomic_bool listed;
};

struct nats_link {
	/* One of the thread, one of each callback that may still come. */
	atomic_uint refs;
	struct nats_broker *broker;
	uint64_t life;
	atomic_bool closed;
	char why[NATS_WHY]; /* why it ends, the first reason; under lock */
	char inbox[128];    /* written before the callbacks are set */
	struct nats_watch watches[BROKER_BUCKETS];
	/* The thread's alone: a callback is given its connection. */
	natsConnection *nc;
	uint64_t unsent; /* lines of requests that were not written */
	jsCtx *js;
	natsSubscription *frames, *answers;
};

struct nats_broker {
	struct broker_settings *settings; /* a copy */
	uint32_t lease_ms;
	pthread_t thread;
	char buckets[BROKER_BUCKETS][64], subject[64];
	uint64_t lives;

	pthread_mutex_t event_lock; /* held during event() */
	void (*event)(void *arg, struct broker_event *event);
	void *arg;
	bool silent; /* event() is not called any more */

	pthread_mutex_t lock;
	pthread_cond_t wanted; /* by the thread: a request, or the end */
	pthread_cond_t over;   /* the thread has ended */
	struct broker_request *first, **last; /* under lock */
	bool up, closing, ended, left;        /* under lock */
	atomic_size_t backlog, frame_max;
	_Atomic uint64_t writing_since; /* ms; 0: nothing is written */
};

static uint64_t nats_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- events ------------------------------------------------------------- */

static void nats_link_unref(struct nats_link *link)
{
	if (atomic_fetch_sub(&link->refs, 1) == 1)
		free(link);
}

static void nats_link_unref_arg(void *link)
{
	nats_link_unref(link);
}

/* What to do, by a part of the reason. */
static const struct {
	const char *part, *advice;
} nats_advice[] = {
	{"Authorization Violation",
	 "user, password, token or credentials are wrong"},
	{"Permissions Violation", "the user may not do this"},
	{"issuer certificate",
	 "tls-ca is not the CA of nats-server's certificate"},
	{"self-signed certificate",
	 "tls-ca is not the CA of nats-server's certificate"},
	{"mismatch", "nats-server's certificate has another name"},
	{"Secure Connection not available",
	 "nats-server has no TLS, say nats://"},
	{"Expected 'PONG'", "does nats-server want tls-certificate?"},
	{"not enabled",
	 "JetStream is not enabled there: start nats-server with -js"},
	{"configuration is different", "lease must be the same on every node"},
	{"already in use", "lease must be the same on every node"},
	{"insufficient", "give JetStream more memory (max_mem)"},
};

static const char *nats_find_advice(const char *reason)
{
	size_t i;

	for (i = 0; i < sizeof(nats_advice) / sizeof(nats_advice[0]); i++)
		if (strstr(reason, nats_advice[i].part) != NULL)
			return nats_advice[i].advice;
	return NULL;
}

/* The advice comes first: a reason that names certificates may be long. */
static void nats_advise(char why[NATS_WHY], const char *reason)
{
	const char *advice = nats_find_advice(reason);

	snprintf(why, NATS_WHY, "%s%s%s", advice != NULL ? advice : "",
		 advice != NULL ? ": " : "", reason);
}

/* The first reason is kept: those that follow come of it. */
__attribute__((format(printf, 2, 3))) static void
nats_link_end(struct nats_link *link, const char *format, ...)
{
	char reason[NATS_WHY], why[NATS_WHY];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	nats_advise(why, reason);
	pthread_mutex_lock(&link->broker->lock);
	if (link->why[0] == '\0')
		memcpy(link->why, why, sizeof(why));
	pthread_mutex_unlock(&link->broker->lock);
}

static void nats_tell(struct nats_broker *broker, struct broker_event *event)
{
	pthread_mutex_lock(&broker->event_lock);
	if (broker->silent)
		free(event);
	else
		broker->event(broker->arg, event);
	pthread_mutex_unlock(&broker->event_lock);
}

/* Without memory an event is lost, so the link is given up: the next one lists
 * everything again. */
static void nats_emit(struct nats_link *link, natsConnection *nc,
		      struct broker_event *event)
{
	if (event == NULL) {
		nats_link_end(link, "no memory");
		natsConnection_Close(nc);
		return;
	}
	event->life = link->life;
	nats_tell(link->broker, event);
}

static void nats_emit_text(struct nats_link *link, natsConnection *nc,
			   enum broker_event_kind kind, const char *text,
			   uint64_t unsent)
{
	struct broker_event *event =
		broker_event_new(kind, NULL, text, strlen(text));

	if (event != NULL)
		event->number = unsent;
	nats_emit(link, nc, event);
}

static void nats_emit_end(struct nats_link *link, enum broker_event_kind kind)
{
	char why[NATS_WHY];

	pthread_mutex_lock(&link->broker->lock);
	memcpy(why, link->why, sizeof(why));
	pthread_mutex_unlock(&link->broker->lock);
	nats_emit_text(link, link->nc, kind,
		       why[0] != '\0' ? why : "the connection was closed",
		       link->unsent);
}

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

static void nats_on_frame(natsConnection *nc, natsSubscription *sub,
			  natsMsg *msg, void *arg)
{
	(void)sub;
	nats_emit(arg, nc,
		  broker_event_new(BROKER_FRAME, NULL, natsMsg_GetData(msg),
				   (size_t)natsMsg_GetDataLength(msg)));
	natsMsg_Destroy(msg);
}

static void nats_on_entry(natsConnection *nc, natsSubscription *sub,
			  natsMsg *msg, void *arg)
{
	struct nats_watch *watch = arg;
	const char *bucket = watch->link->broker->buckets[watch->bucket];
	/* Behind $KV.BUCKET. */
	const char *key = natsMsg_GetSubject(msg) + strlen(bucket) + 5;
	const char *operation = NULL;
	struct broker_event *event;
	jsMsgMetaData *meta = NULL;

	(void)sub;
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

/* The answer of JetStream: {"stream":"S","seq":7}, or {"error":{"code":400,
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

	(void)sub;
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
		/* E.g. no memory or no leader there: not kept, so begin
		 * again. */
		nats_link_end(link, "stored nothing: %.*s",
			      error != NULL ? (int)strcspn(error + 15, "\"")
					    : 9,
			      error != NULL ? error + 15 : "no answer");
		natsConnection_Close(nc);
	}
	natsMsg_Destroy(msg);
}

/* It may come after nats_on_closed(), when the link is gone. */
static void nats_on_error(natsConnection *nc, natsSubscription *sub,
			  natsStatus status, void *arg)
{
	struct nats_broker *broker = arg;
	struct broker_event *event;
	const char *text = NULL;
	char why[NATS_WHY];

	(void)sub;
	if (natsConnection_IsClosed(nc))
		return;
	if (status == NATS_SLOW_CONSUMER)
		text = "this node is too slow: lines were dropped";
	/* It names the subject. */
	else if (natsConnection_GetLastError(nc, &text) != status ||
		 text == NULL)
		text = natsStatus_GetText(status);
	nats_advise(why, text);
	event = broker_event_new(BROKER_TROUBLE, NULL, why, strlen(why));
	if (event != NULL)
		nats_tell(broker, event);
	/* A watch has ended there: the next connection has others. */
	if (status == NATS_MISSED_HEARTBEAT)
		natsConnection_Close(nc);
}

static void nats_on_closed(natsConnection *nc, void *arg)
{
	struct nats_link *link = arg;
	struct nats_broker *broker = link->broker;
	const char *text = NULL;

	if (natsConnection_GetLastError(nc, &text) != NATS_OK && text != NULL)
		nats_link_end(link, "%s", text);
	pthread_mutex_lock(&broker->lock);
	atomic_store(&link->closed, true);
	pthread_cond_signal(&broker->wanted);
	pthread_mutex_unlock(&broker->lock);
	nats_link_unref(link);
}

/* ---- connecting --------------------------------------------------------- */

/* What libnats said last, on this thread. */
static void nats_explain(char why[NATS_WHY], natsStatus status,
			 const char *doing)
{
	natsStatus last = NATS_OK;
	const char *text = nats_GetLastError(&last);

	if (text == NULL || text[0] == '\0' || last != status)
		text = natsStatus_GetText(status);
	/* "(conn.c:2088): No server available": where libnats says so. */
	if (text[0] == '(' && strstr(text, "): ") != NULL)
		text = strstr(text, "): ") + 3;
	snprintf(why, NATS_WHY, "%s%s%s", doing, doing[0] != '\0' ? ": " : "",
		 text);
}

static void nats_link_fail(struct nats_link *link, natsStatus status,
			   const char *doing)
{
	char why[NATS_WHY];

	nats_explain(why, status, doing);
	nats_link_end(link, "%s", why);
}

static bool nats_wants_tls(const struct broker_settings *settings)
{
	size_t i;

	for (i = 0; i < settings->server_count; i++)
		if (strncmp(settings->servers[i], "tls:", 4) == 0)
			return true;
	return settings->tls_ca != NULL || settings->tls_certificate != NULL;
}

static natsStatus nats_set_tls(natsOptions *options,
			       const struct broker_settings *settings)
{
	natsStatus s = NATS_OK;

	if (!nats_wants_tls(settings))
		return s;
	s = natsOptions_SetSecure(options, true);
	if (s == NATS_OK && settings->tls_ca != NULL)
		s = natsOptions_LoadCATrustedCertificates(options,
							  settings->tls_ca);
	if (s == NATS_OK && settings->tls_certificate != NULL)
		s = natsOptions_LoadCertificatesChain(
			options, settings->tls_certificate, settings->tls_key);
	return s;
}

static natsStatus nats_set_identity(natsOptions *options,
				    const struct broker_settings *settings)
{
	if (settings->user != NULL)
		return natsOptions_SetUserInfo(options, settings->user,
					       settings->password);
	if (settings->token != NULL)
		return natsOptions_SetToken(options, settings->token);
	if (settings->credentials != NULL)
		return natsOptions_SetUserCredentialsFromFiles(
			options, settings->credentials, NULL);
	return NATS_OK;
}

#define NATS_TRY(STATUS, CALL)                                                 \
	do {                                                                   \
		if ((STATUS) == NATS_OK)                                       \
			(STATUS) = (CALL);                                     \
	} while (0)

static natsStatus nats_set_options(natsOptions *options, struct nats_link *link)
{
	const struct broker_settings *settings = link->broker->settings;
	natsStatus s;

	s = natsOptions_SetServers(options,
				   (const char **)(uintptr_t)settings->servers,
				   (int)settings->server_count);
	NATS_TRY(s, natsOptions_SetName(options, settings->name));
	NATS_TRY(s, natsOptions_SetTimeout(options, CONNECT_MS));
	NATS_TRY(s, natsOptions_SetPingInterval(options, PING_MS));
	NATS_TRY(s, natsOptions_SetMaxPingsOut(options, PINGS_OUT));
	NATS_TRY(s, natsOptions_SetAllowReconnect(options, false));
	NATS_TRY(s, natsOptions_SetNoEcho(options, true));
	NATS_TRY(s, natsOptions_SetSendAsap(options, true));
	NATS_TRY(s, natsOptions_SetErrorHandler(options, nats_on_error,
						link->broker));
	NATS_TRY(s, natsOptions_SetClosedCB(options, nats_on_closed, link));
	NATS_TRY(s, nats_set_identity(options, settings));
	NATS_TRY(s, nats_set_tls(options, settings));
	return s;
}

static bool nats_connect(struct nats_link *link)
{
	natsOptions *options = NULL;
	natsStatus s = natsOptions_Create(&options);

	NATS_TRY(s, nats_set_options(options, link));
	if (s == NATS_OK) {
		atomic_fetch_add(&link->refs, 1); /* nats_on_closed() */
		s = natsConnection_Connect(&link->nc, options);
		if (s != NATS_OK)
			nats_link_unref(link);
	}
	if (s != NATS_OK)
		nats_link_fail(link, s, "");
	natsOptions_Destroy(options);
	return s == NATS_OK;
}

/* ---- buckets ------------------------------------------------------------ */

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
	if (s == NATS_NO_RESPONDERS || s == NATS_NO_SERVER_SUPPORT)
		nats_link_end(link, "JetStream: not enabled");
	else
		nats_link_end(link, "%s", why);
	return false;
}

/* The life of the buckets: when the one of the names was made. Its last
 * revision, too: the mark of a name that was erased may be gone. */
static bool nats_read_life(struct nats_link *link, uint64_t *life)
{
	jsStreamInfo *info = NULL;
	char stream[80];
	natsStatus s;

	snprintf(stream, sizeof(stream), "KV_%s",
		 link->broker->buckets[BROKER_NAMES]);
	s = js_GetStreamInfo(&info, link->js, stream, NULL, NULL);
	if (s == NATS_OK) {
		*life = (uint64_t)info->Created;
		link->watches[BROKER_NAMES].last = info->State.LastSeq;
	} else {
		nats_link_fail(link, s, stream);
	}
	jsStreamInfo_Destroy(info);
	return s == NATS_OK;
}

static natsStatus nats_complete(struct nats_link *link, natsSubscription *sub)
{
	natsStatus s;

	atomic_fetch_add(&link->refs, 1);
	s = natsSubscription_SetOnCompleteCB(sub, nats_link_unref_arg, link);
	if (s != NATS_OK)
		nats_link_unref(link);
	return s;
}

static natsStatus nats_watch_bucket(struct nats_link *link,
				    enum broker_bucket bucket)
{
	struct nats_watch *watch = &link->watches[bucket];
	jsConsumerInfo *info = NULL;
	char subject[SUBJECT_MAX], stream[80];
	jsSubOptions options;
	natsStatus s;

	watch->link = link;
	watch->bucket = bucket;
	snprintf(stream, sizeof(stream), "KV_%s",
		 link->broker->buckets[bucket]);
	snprintf(subject, sizeof(subject), "$KV.%s.>",
		 link->broker->buckets[bucket]);
	jsSubOptions_Init(&options);
	options.Stream = stream;
	/* Not an `ordered` one, which libnats makes anew by itself, on a thread
	 * that it may use before it has it. */
	options.Config.DeliverPolicy = js_DeliverLastPerSubject;
	options.Config.AckPolicy = js_AckNone;
	options.Config.MaxDeliver = 1;
	options.Config.MemoryStorage = true;
	options.Config.FlowControl = true;
	options.Config.Heartbeat = HEARTBEAT_NS;
	s = js_Subscribe(&watch->sub, link->js, subject, nats_on_entry, watch,
			 NULL, &options, NULL);
	NATS_TRY(s, nats_complete(link, watch->sub));
	NATS_TRY(s, natsSubscription_GetConsumerInfo(&info, watch->sub, NULL,
						     NULL));
	/* Without entries there is no last one that could say so. */
	if (s == NATS_OK && info->NumPending == 0 &&
	    info->Delivered.Consumer == 0)
		nats_emit_listed(watch, link->nc);
	jsConsumerInfo_Destroy(info);
	return s;
}

static bool nats_subscribe(struct nats_link *link)
{
	struct nats_broker *broker = link->broker;
	char subject[SUBJECT_MAX];
	natsInbox *inbox = NULL;
	natsStatus s;

	s = natsInbox_Create(&inbox);
	if (s == NATS_OK)
		snprintf(link->inbox, sizeof(link->inbox), "%s", inbox);
	natsInbox_Destroy(inbox);
	snprintf(subject, sizeof(subject), "%s.*", link->inbox);
	NATS_TRY(s, natsConnection_Subscribe(&link->answers, link->nc, subject,
					     nats_on_answer, link));
	NATS_TRY(s, nats_complete(link, link->answers));
	NATS_TRY(s, natsConnection_Subscribe(&link->frames, link->nc,
					     broker->subject, nats_on_frame,
					     link));
	NATS_TRY(s, nats_complete(link, link->frames));
	NATS_TRY(s, nats_watch_bucket(link, BROKER_NODES));
	NATS_TRY(s, nats_watch_bucket(link, BROKER_NAMES));
	if (s != NATS_OK)
		nats_link_fail(link, s, "subscribe");
	return s == NATS_OK;
}

static void nats_read_frame_max(struct nats_link *link)
{
	int64_t max = natsConnection_GetMaxPayload(link->nc);

	if (max > 2 * FRAME_SPARE)
		atomic_store(&link->broker->frame_max,
			     (size_t)max - FRAME_SPARE);
}

/* ---- requests ----------------------------------------------------------- */

static natsStatus nats_write_entry(struct nats_link *link,
				   const struct broker_request *request)
{
	char subject[SUBJECT_MAX], reply[160], expected[32];
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
	const char *bucket = link->broker->buckets[request->bucket];
	char subject[SUBJECT_MAX], text[2 * SUBJECT_MAX];

	snprintf(subject, sizeof(subject), "$JS.API.STREAM.PURGE.KV_%s",
		 bucket);
	snprintf(text, sizeof(text), "{\"filter\":\"$KV.%s.%s\",\"seq\":%llu}",
		 bucket, request->key,
		 (unsigned long long)request->expected + 1);
	return natsConnection_PublishString(link->nc, subject, text);
}

/* False: it was not written. */
static bool nats_write(struct nats_link *link,
		       const struct broker_request *request)
{
	struct nats_broker *broker = link->broker;
	natsStatus s = NATS_OK;
	char why[NATS_WHY];

	atomic_store(&broker->writing_since, nats_clock_ms());
	switch (request->kind) {
	case BROKER_SEND:
		s = natsConnection_Publish(link->nc, broker->subject,
					   request->data, (int)request->len);
		break;
	case BROKER_STORE:
	case BROKER_ERASE:
		s = nats_write_entry(link, request);
		break;
	case BROKER_PURGE:
		s = nats_write_purge(link, request);
		break;
	}
	atomic_store(&broker->writing_since, 0);
	if (s == NATS_OK || atomic_load(&link->closed))
		return s == NATS_OK;
	nats_explain(why, s, "write");
	if (s == NATS_MAX_PAYLOAD && request->kind == BROKER_SEND) {
		nats_emit_text(link, link->nc, BROKER_TROUBLE, why,
			       request->lines);
		return true;
	}
	nats_link_end(link, "%s", why);
	natsConnection_Close(link->nc);
	return false;
}

static void nats_free_request(struct nats_broker *broker,
			      struct broker_request *request)
{
	atomic_fetch_sub(&broker->backlog, request->len);
	free(request);
}

/* Under lock. */
static struct broker_request *nats_take_requests(struct nats_broker *broker)
{
	struct broker_request *first = broker->first;

	broker->first = NULL;
	broker->last = &broker->first;
	return first;
}

/* Writes requests until the link or the broker closes. */
static void nats_serve(struct nats_link *link)
{
	struct nats_broker *broker = link->broker;
	struct broker_request *request, *next;
	bool closing = false;

	while (!closing && !atomic_load(&link->closed)) {
		pthread_mutex_lock(&broker->lock);
		while (broker->first == NULL && !broker->closing &&
		       !atomic_load(&link->closed))
			pthread_cond_wait(&broker->wanted, &broker->lock);
		closing = broker->closing;
		request = nats_take_requests(broker);
		pthread_mutex_unlock(&broker->lock);
		for (; request != NULL; request = next) {
			next = request->next;
			if (atomic_load(&link->closed) ||
			    !nats_write(link, request))
				link->unsent += request->lines;
			nats_free_request(broker, request);
		}
	}
	if (closing)
		natsConnection_FlushTimeout(link->nc, FLUSH_MS);
}

/* ---- the thread --------------------------------------------------------- */

static struct nats_link *nats_link_new(struct nats_broker *broker)
{
	struct nats_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	atomic_init(&link->refs, 1);
	link->broker = broker;
	link->life = ++broker->lives;
	return link;
}

static void nats_link_close(struct nats_link *link)
{
	size_t i;

	if (link->nc != NULL)
		natsConnection_Close(link->nc);
	for (i = 0; i < BROKER_BUCKETS; i++)
		natsSubscription_Destroy(link->watches[i].sub);
	natsSubscription_Destroy(link->frames);
	natsSubscription_Destroy(link->answers);
	jsCtx_Destroy(link->js);
	natsConnection_Destroy(link->nc);
	nats_link_unref(link);
}

static void nats_set_up(struct nats_link *link, bool up)
{
	struct nats_broker *broker = link->broker;
	struct broker_request *request, *next;

	pthread_mutex_lock(&broker->lock);
	broker->up = up;
	request = up ? NULL : nats_take_requests(broker);
	pthread_mutex_unlock(&broker->lock);
	for (; request != NULL; request = next) {
		next = request->next;
		link->unsent += request->lines;
		nats_free_request(broker, request);
	}
}

static bool nats_prepare(struct nats_link *link, uint64_t *life)
{
	jsOptions options;
	natsStatus s;

	if (!nats_connect(link))
		return false;
	nats_read_frame_max(link);
	jsOptions_Init(&options);
	options.Wait = CONNECT_MS;
	s = natsConnection_JetStream(&link->js, link->nc, &options);
	if (s != NATS_OK)
		nats_link_fail(link, s, "JetStream");
	return s == NATS_OK && nats_make_bucket(link, BROKER_NODES) &&
	       nats_make_bucket(link, BROKER_NAMES) &&
	       nats_read_life(link, life);
}

/* One connection. False: none was made. */
static bool nats_run_link(struct nats_broker *broker)
{
	struct nats_link *link = nats_link_new(broker);
	struct broker_event *up;
	uint64_t life = 0;

	if (link == NULL)
		return false;
	if (!nats_prepare(link, &life)) {
		nats_emit_end(link, BROKER_REFUSED);
		nats_link_close(link);
		return false;
	}
	nats_set_up(link, true);
	up = broker_event_new(BROKER_UP, NULL, NULL, 0);
	if (up != NULL)
		up->number = life;
	nats_emit(link, link->nc, up);
	if (nats_subscribe(link))
		nats_serve(link);
	nats_set_up(link, false);
	nats_emit_end(link, BROKER_DOWN);
	nats_link_close(link);
	return true;
}

/* Waits until *done, but not longer. Under lock. */
static bool nats_wait(struct nats_broker *broker, pthread_cond_t *cond,
		      const bool *done, unsigned ms)
{
	uint64_t until_ms = nats_clock_ms() + ms;
	struct timespec until = {
		.tv_sec = (time_t)(until_ms / 1000),
		.tv_nsec = (long)(until_ms % 1000) * 1000000,
	};

	while (!*done &&
	       pthread_cond_timedwait(cond, &broker->lock, &until) == 0)
		;
	return *done;
}

/* False: the broker closes. */
static bool nats_wait_retry(struct nats_broker *broker, unsigned ms)
{
	bool closing;

	pthread_mutex_lock(&broker->lock);
	closing = nats_wait(broker, &broker->wanted, &broker->closing, ms);
	pthread_mutex_unlock(&broker->lock);
	return !closing;
}

static void nats_broker_free(struct nats_broker *broker)
{
	pthread_mutex_destroy(&broker->event_lock);
	pthread_mutex_destroy(&broker->lock);
	pthread_cond_destroy(&broker->wanted);
	pthread_cond_destroy(&broker->over);
	free(broker->settings);
	free(broker);
}

/* Held by the broker that uses libnats, whose end is for all: one that was left
 * goes on for a while beside its successor. */
static pthread_mutex_t nats_turn = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint nats_left;

bool broker_is_left(void)
{
	return atomic_load(&nats_left) > 0;
}

static void *nats_run(void *arg)
{
	struct nats_broker *broker = arg;
	unsigned wait_ms = RETRY_MIN_MS;
	bool left;

	/* Its own name, for which it needs no file of /proc. */
	pthread_setname_np(pthread_self(), "lined/nats");
	pthread_mutex_lock(&nats_turn);
	while (nats_wait_retry(broker, 0)) {
		wait_ms = nats_run_link(broker) ? RETRY_MIN_MS : 2 * wait_ms;
		if (wait_ms > RETRY_MAX_MS)
			wait_ms = RETRY_MAX_MS;
		nats_wait_retry(broker, wait_ms);
	}
	nats_ReleaseThreadMemory();
	/* Ends the threads of libnats, so that no callback is under way. */
	nats_CloseAndWait(0);
	tls_keep_compressions();
	pthread_mutex_unlock(&nats_turn);
	pthread_mutex_lock(&broker->lock);
	left = broker->left;
	broker->ended = true;
	pthread_cond_signal(&broker->over);
	pthread_mutex_unlock(&broker->lock);
	if (left) {
		nats_broker_free(broker);
		atomic_fetch_sub(&nats_left, 1);
	}
	return NULL;
}

/* ---- the broker --------------------------------------------------------- */

/* The thread, and those that libnats starts from it, get no signals: the main
 * thread handles them. */
static int nats_start(struct nats_broker *broker)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	sigset_t none, before;
	size_t i;
	int error;

	sigfillset(&none);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&none, faults[i]);
	pthread_sigmask(SIG_SETMASK, &none, &before);
	error = pthread_create(&broker->thread, NULL, nats_run, broker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return error == 0 ? 0 : -1;
}

static void nats_init_locks(struct nats_broker *broker)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&broker->event_lock, NULL);
	pthread_mutex_init(&broker->lock, NULL);
	pthread_cond_init(&broker->wanted, &attr);
	pthread_cond_init(&broker->over, &attr);
	pthread_condattr_destroy(&attr);
}

static void *nats_open(const struct broker_settings *settings,
		       uint32_t lease_ms,
		       void (*event)(void *arg, struct broker_event *event),
		       void *arg)
{
	struct nats_broker *broker = calloc(1, sizeof(*broker));

	if (broker == NULL)
		return NULL;
	nats_init_locks(broker);
	broker->settings = broker_settings_copy(settings);
	broker->lease_ms = lease_ms;
	broker->event = event;
	broker->arg = arg;
	broker->last = &broker->first;
	atomic_init(&broker->frame_max, FRAME_DEFAULT - FRAME_SPARE);
	snprintf(broker->subject, sizeof(broker->subject), "%s.frames",
		 settings->prefix);
	snprintf(broker->buckets[BROKER_NAMES], sizeof(broker->buckets[0]),
		 "%s_names", settings->prefix);
	snprintf(broker->buckets[BROKER_NODES], sizeof(broker->buckets[0]),
		 "%s_nodes", settings->prefix);
	if (broker->settings != NULL && nats_start(broker) == 0)
		return broker;
	nats_broker_free(broker);
	return NULL;
}

static void nats_close(void *arg)
{
	struct nats_broker *broker = arg;
	pthread_t thread = broker->thread;
	bool ended;

	pthread_mutex_lock(&broker->event_lock);
	broker->silent = true;
	pthread_mutex_unlock(&broker->event_lock);
	pthread_mutex_lock(&broker->lock);
	broker->closing = true;
	pthread_cond_signal(&broker->wanted);
	ended = nats_wait(broker, &broker->over, &broker->ended, CLOSE_MS);
	/* It connects, which cannot be interrupted: it frees the rest. */
	broker->left = !ended;
	if (!ended)
		atomic_fetch_add(&nats_left, 1);
	pthread_mutex_unlock(&broker->lock);
	if (!ended) {
		pthread_detach(thread);
		return;
	}
	pthread_join(thread, NULL);
	nats_broker_free(broker);
}

/* Whether a frame is dropped: the link is down or takes nothing. Under
 * lock. */
static bool nats_drops(const struct nats_broker *broker,
		       const struct broker_request *request)
{
	uint64_t since = atomic_load(&broker->writing_since);

	return !broker->up || (request->kind == BROKER_SEND && since != 0 &&
			       nats_clock_ms() > since + STALL_MS);
}

static bool nats_send(void *arg, struct broker_request *request)
{
	struct nats_broker *broker = arg;
	bool taken, wake = false;

	request->next = NULL;
	pthread_mutex_lock(&broker->lock);
	taken = !nats_drops(broker, request);
	if (taken) {
		wake = broker->first == NULL;
		atomic_fetch_add(&broker->backlog, request->len);
		*broker->last = request;
		broker->last = &request->next;
	}
	pthread_mutex_unlock(&broker->lock);
	/* Not under the lock, for which the thread would wait. */
	if (wake)
		pthread_cond_signal(&broker->wanted);
	if (!taken)
		free(request);
	return taken;
}

static size_t nats_backlog(const void *arg)
{
	const struct nats_broker *broker = arg;
	uint64_t since = atomic_load(&broker->writing_since);

	if (since != 0 && nats_clock_ms() > since + STALL_MS)
		return 0;
	return atomic_load(&broker->backlog);
}

static size_t nats_frame_max(const void *arg)
{
	const struct nats_broker *broker = arg;

	return atomic_load(&broker->frame_max);
}

const struct broker_ops broker_nats = {
	.open = nats_open,
	.close = nats_close,
	.send = nats_send,
	.backlog = nats_backlog,
	.frame_max = nats_frame_max,
};
