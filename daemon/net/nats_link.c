/* SPDX-License-Identifier: MIT */
/*
 * Connects to nats-server, turns arriving messages into events, and records why
 * a link ends. A broken link is replaced by a new one, so no old state is left.
 */
#include "config.h"

#include "net/nats_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATS_PING_MS   1000
#define NATS_PINGS_OUT 2
/* A longer write ends the link: nobody reads at the other end, and pings could
 * not be written either. */
#define NATS_WRITE_MS 2000

/* ---- why a link ends ----------------------------------------------------- */

/* Advice to the operator for reasons that contain `part`. */
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

/* The advice comes first: a long reason, e.g. with certificate names, is cut.
 */
static void nats_advise(char why[NATS_WHY], const char *reason)
{
	const char *advice = nats_find_advice(reason);

	snprintf(why, NATS_WHY, "%s%s%s", advice != NULL ? advice : "",
		 advice != NULL ? ": " : "", reason);
}

/* Keeps the first reason: later ones are consequences. */
void nats_link_end(struct nats_link *link, const char *format, ...)
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

/* Writes libnats's last error message on this thread, or the status's own text
 * if that message belongs to another status. */
void nats_explain(char why[NATS_WHY], natsStatus status, const char *doing)
{
	natsStatus last = NATS_OK;
	const char *text = nats_GetLastError(&last);

	if (text == NULL || text[0] == '\0' || last != status)
		text = natsStatus_GetText(status);
	/* Removes the place from "(conn.c:2088): No server available". */
	if (text[0] == '(' && strstr(text, "): ") != NULL)
		text = strstr(text, "): ") + 3;
	snprintf(why, NATS_WHY, "%s%s%s", doing, doing[0] != '\0' ? ": " : "",
		 text);
}

void nats_link_fail(struct nats_link *link, natsStatus status,
		    const char *doing)
{
	char why[NATS_WHY];

	nats_explain(why, status, doing);
	nats_link_end(link, "%s", why);
}

/* ---- events ------------------------------------------------------------- */

static void nats_tell(struct nats_broker *broker, struct broker_event *event)
{
	pthread_mutex_lock(&broker->event_lock);
	if (broker->silent) {
		free(event);
	} else {
		if (event->kind == BROKER_DOWN || event->kind == BROKER_TROUBLE)
			atomic_fetch_sub(&broker->lines, event->number);
		broker->event(broker->arg, event);
	}
	pthread_mutex_unlock(&broker->event_lock);
}

/* If there was no memory for the event, the link ends: the next link lists
 * everything again. */
void nats_emit(struct nats_link *link, natsConnection *nc,
	       struct broker_event *event)
{
	if (event == NULL) {
		nats_link_end(link, "no memory");
		natsConnection_Close(nc);
		return;
	}
	event->connection = link->number;
	nats_tell(link->broker, event);
}

void nats_emit_text(struct nats_link *link, natsConnection *nc,
		    enum broker_event_kind kind, const char *text,
		    uint64_t unsent)
{
	struct broker_event *event =
		broker_event_new(kind, NULL, text, strlen(text));

	if (event != NULL)
		event->number = unsent;
	nats_emit(link, nc, event);
}

void nats_emit_end(struct nats_link *link, enum broker_event_kind kind)
{
	char why[NATS_WHY];

	pthread_mutex_lock(&link->broker->lock);
	memcpy(why, link->why, sizeof(why));
	pthread_mutex_unlock(&link->broker->lock);
	nats_emit_text(link, link->nc, kind,
		       why[0] != '\0' ? why : "the connection was closed",
		       link->unsent);
}

static void nats_link_unref(void *arg)
{
	struct nats_link *link = arg;
	pthread_mutex_t *lock = &link->broker->lock;

	pthread_mutex_lock(lock);
	if (--link->refs == 0) {
		list_remove(&link->link);
		free(link);
	}
	pthread_mutex_unlock(lock);
}

static void nats_link_ref(struct nats_link *link)
{
	pthread_mutex_lock(&link->broker->lock);
	link->refs++;
	pthread_mutex_unlock(&link->broker->lock);
}

static void nats_on_frame(natsConnection *nc, natsSubscription *sub,
			  natsMsg *msg, void *arg)
{
	nats_emit(arg, nc,
		  broker_event_new(BROKER_FRAME, NULL, natsMsg_GetData(msg),
				   (size_t)natsMsg_GetDataLength(msg)));
	natsMsg_Destroy(msg);
}

/* arg is the broker, not the link: this may be called after nats_on_closed(),
 * when the link is freed. */
static void nats_on_error(natsConnection *nc, natsSubscription *sub,
			  natsStatus status, void *arg)
{
	struct nats_broker *broker = arg;
	struct broker_event *event;
	const char *text = NULL;
	char why[NATS_WHY];

	if (natsConnection_IsClosed(nc))
		return;
	if (status == NATS_SLOW_CONSUMER)
		text = "this node is too slow: lines were dropped";
	/* The text of natsConnection_GetLastError() names the subject. */
	else if (natsConnection_GetLastError(nc, &text) != status ||
		 text == NULL)
		text = natsStatus_GetText(status);
	nats_advise(why, text);
	event = broker_event_new(BROKER_TROUBLE, NULL, why, strlen(why));
	if (event != NULL)
		nats_tell(broker, event);
	/* The server has lost a consumer: a new connection makes new consumers.
	 */
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

static bool nats_wants_tls(const struct broker_settings *settings)
{
	/* All servers in the config have the same scheme. */
	return strncmp(settings->servers[0], "tls:", 4) == 0 ||
	       settings->tls_ca != NULL || settings->tls_certificate != NULL;
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

static natsStatus nats_set_options(natsOptions *options, struct nats_link *link)
{
	const struct broker_settings *settings = link->broker->settings;
	natsStatus s;

	s = natsOptions_SetServers(options,
				   (const char **)(uintptr_t)settings->servers,
				   (int)settings->server_count);
	NATS_TRY(s, natsOptions_SetName(options, settings->name));
	NATS_TRY(s, natsOptions_SetTimeout(options, NATS_CONNECT_MS));
	NATS_TRY(s, natsOptions_SetPingInterval(options, NATS_PING_MS));
	NATS_TRY(s, natsOptions_SetMaxPingsOut(options, NATS_PINGS_OUT));
	NATS_TRY(s, natsOptions_SetWriteDeadline(options, NATS_WRITE_MS));
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

static bool nats_read_frame_max(struct nats_link *link)
{
	int64_t max = natsConnection_GetMaxPayload(link->nc);

	if (max < NATS_PAYLOAD_MIN) {
		nats_link_end(link,
			      "max_payload of nats-server is %lld bytes: it "
			      "must be %d at least",
			      (long long)max, NATS_PAYLOAD_MIN);
		return false;
	}
	atomic_store(&link->broker->frame_max, (size_t)max - NATS_FRAME_SPARE);
	return true;
}

bool nats_link_connect(struct nats_link *link)
{
	natsOptions *options = NULL;
	natsStatus s = natsOptions_Create(&options);

	NATS_TRY(s, nats_set_options(options, link));
	if (s == NATS_OK) {
		nats_link_ref(link); /* dropped by nats_on_closed() */
		s = natsConnection_Connect(&link->nc, options);
		if (s != NATS_OK)
			nats_link_unref(link);
	}
	if (s != NATS_OK)
		nats_link_fail(link, s, "");
	natsOptions_Destroy(options);
	return s == NATS_OK && nats_read_frame_max(link);
}

natsStatus nats_link_complete(struct nats_link *link, natsSubscription *sub)
{
	natsStatus s;

	nats_link_ref(link);
	s = natsSubscription_SetOnCompleteCB(sub, nats_link_unref, link);
	if (s != NATS_OK)
		nats_link_unref(link);
	return s;
}

bool nats_link_subscribe(struct nats_link *link)
{
	natsStatus s;

	s = natsConnection_Subscribe(&link->frames, link->nc,
				     link->broker->subject, nats_on_frame,
				     link);
	NATS_TRY(s, nats_link_complete(link, link->frames));
	if (s != NATS_OK)
		nats_link_fail(link, s, "subscribe");
	return s == NATS_OK;
}

/* ---- life ---------------------------------------------------------------- */

struct nats_link *nats_link_new(struct nats_broker *broker)
{
	struct nats_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->refs = 1;
	link->broker = broker;
	link->number = ++broker->connections;
	pthread_mutex_lock(&broker->lock);
	list_append(&broker->links, &link->link);
	pthread_mutex_unlock(&broker->lock);
	return link;
}

void nats_links_free(struct nats_broker *broker)
{
	struct nats_link *link, *next;

	list_for_each_safe(link, next, &broker->links, link)
		free(link);
}

void nats_link_close(struct nats_link *link)
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
