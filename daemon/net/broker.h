/* SPDX-License-Identifier: MIT */
/*
 * The broker that connects the nodes of a cluster: it carries frames from each
 * node to all others, and stores entries, each a key with a value and a
 * revision, in buckets. Nodes use it through this interface only: broker_nats.c
 * speaks to nats-server, a test may have one in memory.
 *
 * A broker connects by itself, again and again, and decides nothing. Its events
 * come on threads of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts are NULL if not set. */
struct broker_settings {
	const char *const *servers; /* nats://HOST:PORT or tls://HOST:PORT */
	size_t server_count;
	const char *name;   /* of this node */
	const char *prefix; /* of subjects and buckets */
	const char *user, *password, *token, *credentials;
	const char *tls_ca, *tls_certificate, *tls_key;
};

/* A copy in one block of malloc(). NULL: no memory. */
struct broker_settings *
broker_settings_copy(const struct broker_settings *settings);

/* False: lined was built without a library for a broker. */
bool broker_available(void);

/* Whether a closed broker has not ended: it is connecting. MT-safe. */
bool broker_is_left(void);

enum broker_bucket {
	BROKER_NAMES,
	BROKER_NODES, /* an entry that is not stored again ends by itself */
	BROKER_BUCKETS,
};

/* ---- events ------------------------------------------------------------- */

enum broker_event_kind {
	BROKER_UP, /* connected; number: the buckets' creation */
	/* The link has ended; text: the reason; number: the lines of requests
	 * that were taken and not written. */
	BROKER_DOWN,
	BROKER_REFUSED, /* an attempt to connect has failed; text: why */
	/* Something is lost, the link stays; text, number as for DOWN. */
	BROKER_TROUBLE,
	BROKER_FRAME,  /* of another node; text is its bytes */
	BROKER_STORED, /* an entry: bucket, key, revision, text: its value */
	BROKER_ERASED, /* bucket, key, revision */
	/* All entries that the bucket had at UP were given; revision: its last
	 * one then, whose entry may be gone. */
	BROKER_LISTED,
	BROKER_DONE, /* a request: tag, revision */
	/* The request changed nothing, because the key's last revision is
	 * another one: tag, revision (0: there is no such key). */
	BROKER_FAILED,
};

/* One block of malloc(). Events between UP and DOWN have the same `life`. */
struct broker_event {
	struct broker_event *next; /* for the receiver */
	enum broker_event_kind kind;
	enum broker_bucket bucket;
	uint64_t life, number, revision, tag;
	const char *key;  /* NUL-terminated */
	const char *text; /* NUL-terminated */
	size_t len;       /* of text */
};

/* NULL: no memory. key and text may be NULL. */
struct broker_event *broker_event_new(enum broker_event_kind kind,
				      const char *key, const void *text,
				      size_t len);

/* ---- requests ----------------------------------------------------------- */

enum broker_request_kind {
	BROKER_SEND,  /* a frame to all other nodes: data */
	BROKER_STORE, /* bucket, key, data, expected, tag */
	BROKER_ERASE, /* bucket, key, expected, tag; leaves a mark with a
		       * revision of its own */
	BROKER_PURGE, /* removes the mark of this revision: bucket, key,
		       * expected; has no answer */
};

/* One block of malloc(). A key is one or more of A-Z a-z 0-9 - / _ = with dots
 * between them. */
struct broker_request {
	struct broker_request *next; /* for the broker */
	enum broker_request_kind kind;
	enum broker_bucket bucket;
	/* The last revision of the key; 0: there must be none. */
	uint64_t expected;
	uint64_t tag;   /* of the answer, which is lost if the link goes down */
	uint32_t lines; /* in a frame */
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
	 * Begins to connect. event() is called on any thread and owns the
	 * event; it must not block. lease_ms: for BROKER_NODES. NULL with
	 * errno.
	 */
	void *(*open)(const struct broker_settings *settings, uint32_t lease_ms,
		      void (*event)(void *arg, struct broker_event *event),
		      void *arg);
	/* Sends what is queued, for a second at most. event() is not called
	 * after it has returned. */
	void (*close)(void *broker);
	/* Takes over a request. False: it was freed, because the link is down
	 * or takes nothing. Requests of one thread keep their order. Does not
	 * block. MT-safe. */
	bool (*send)(void *broker, struct broker_request *request);
	/* The bytes that were not written to the link yet. MT-safe. */
	size_t (*backlog)(const void *broker);
	/* The longest frame. MT-safe. */
	size_t (*frame_max)(const void *broker);
};

extern const struct broker_ops broker_nats;
