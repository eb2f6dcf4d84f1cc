/* SPDX-License-Identifier: MIT */
/*
 * The broker that connects the nodes of a cluster: it carries frames from each
 * node to all others, and stores entries in buckets; an entry has a key, a
 * value and a revision. Nodes use only this interface: nats_broker.c implements
 * it for nats-server, tests implement it in memory.
 *
 * A broker reconnects by itself and decides nothing. Events come from the
 * broker's own threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

/* Texts are NULL if not set. */
struct broker_settings {
	const char *const *servers; /* nats://HOST:PORT or tls://HOST:PORT */
	size_t server_count;
	const char *name;   /* this node's name */
	const char *prefix; /* begins subjects and buckets */
	const char *user, *password, *token, *credentials;
	const char *tls_ca, *tls_certificate, *tls_key;
};

/* NULL: no memory. */
struct broker_settings *
broker_settings_copy(const struct broker_settings *settings, struct pool *pool);
bool broker_settings_equal(const struct broker_settings *a,
			   const struct broker_settings *b);

/* False: lined was built without a library for a broker. */
bool broker_available(void);

/* Whether a closed broker still has a running thread, because the thread was
 * connecting and could not end in time. MT-safe. */
bool broker_is_left(void);

enum broker_bucket {
	BROKER_NAMES,
	BROKER_NODES, /* entries that are not stored again expire */
	BROKER_BUCKETS,
};

/* ---- events ------------------------------------------------------------- */

/* With each kind: the fields of struct broker_event that are set. */
enum broker_event_kind {
	BROKER_UP, /* connected; number: creation time of the buckets */
	/* The link has ended. text: the reason; number: how many lines of
	 * accepted requests were not written. */
	BROKER_DOWN,
	BROKER_REFUSED, /* connecting has failed; text: the reason */
	/* Something was lost, but the link has not ended. text and number as
	 * for BROKER_DOWN. */
	BROKER_TROUBLE,
	BROKER_FRAME,  /* from another node; text: the frame's bytes */
	BROKER_STORED, /* an entry: bucket, key, revision; text: its value */
	BROKER_ERASED, /* bucket, key, revision */
	/* All entries that the bucket had at BROKER_UP were reported. revision
	 * (only for BROKER_NAMES): the bucket's last revision at BROKER_UP; the
	 * entry of this revision may be gone. */
	BROKER_LISTED,
	BROKER_DONE, /* a request succeeded: tag, revision */
	/* The request changed nothing, because the key's last revision is not
	 * the expected one: tag, revision (0: the key does not exist). */
	BROKER_FAILED,
};

/* One block of malloc(). All events of one connection have the same
 * `connection`; BROKER_TROUBLE may have 0. */
struct broker_event {
	struct broker_event *next; /* for the receiver */
	enum broker_event_kind kind;
	enum broker_bucket bucket;
	uint64_t connection, number, revision, tag;
	const char *key;  /* NUL-terminated */
	const char *text; /* NUL-terminated */
	size_t len;       /* length of text */
};

/* NULL: no memory. key and text may be NULL. */
struct broker_event *broker_event_new(enum broker_event_kind kind,
				      const char *key, const void *text,
				      size_t len);

/* ---- requests ----------------------------------------------------------- */

/* With each kind: the fields of struct broker_request that are used, besides
 * `connection` and `lines`. */
enum broker_request_kind {
	BROKER_SEND,  /* a frame to all other nodes: data */
	BROKER_STORE, /* bucket, key, data, expected, tag */
	BROKER_ERASE, /* bucket, key, expected, tag; leaves a delete marker with
		       * a revision */
	BROKER_PURGE, /* bucket, key, expected; removes the key's delete marker
		       * if its revision is `expected`; no answer */
};

/* One block of malloc(). A key is one or more of A-Z a-z 0-9 - / _ = with dots
 * between them. */
struct broker_request {
	struct broker_request *next; /* for the broker */
	enum broker_request_kind kind;
	enum broker_bucket bucket;
	/* The expected last revision of the key; 0: the key must not exist. */
	uint64_t expected;
	/* Repeated in the answer. After BROKER_DOWN no answer follows. */
	uint64_t tag;
	/* The `connection` of the BROKER_UP event. After a reconnect the
	 * buckets may be new, so an older `connection` is refused. Not for
	 * frames. */
	uint64_t connection;
	uint32_t lines; /* lines in a frame */
	const char *key;
	const char *data;
	size_t len;
};

/* NULL: no memory. key and data may be NULL. */
struct broker_request *broker_request_new(enum broker_request_kind kind,
					  const char *key, const void *data,
					  size_t len);

/* ---- the broker --------------------------------------------------------- */

struct broker_ops {
	/*
	 * Starts connecting. event() is called on any thread, takes ownership
	 * of the event and must not block. lease_ms: how long an entry of
	 * BROKER_NODES lives after it was stored. NULL with errno.
	 */
	void *(*open)(const struct broker_settings *settings, uint32_t lease_ms,
		      void (*event)(void *arg, struct broker_event *event),
		      void *arg);
	/* Sends queued requests for a second at most. event() is not called
	 * after close() has returned. Returns how many lines of accepted
	 * requests were not written, without those that BROKER_DOWN or
	 * BROKER_TROUBLE has reported. */
	uint64_t (*close)(void *broker);
	/* Takes ownership of a request. False: the request was freed, because
	 * the link is down, or is stalled (frames), or has another `connection`
	 * (all other requests). Requests of one thread keep their order. Does
	 * not block. MT-safe. */
	bool (*send)(void *broker, struct broker_request *request);
	/* Bytes not yet written to the link; 0 while the link is stalled.
	 * MT-safe. */
	size_t (*backlog)(const void *broker);
	/* The length of the longest frame. MT-safe. */
	size_t (*frame_max)(const void *broker);
};

extern const struct broker_ops broker_nats;
