/* SPDX-License-Identifier: MIT */
/*
 * A queue of jobs for each address, and the thread that runs one job at a time,
 * from each address in turn: an address that guesses with many clients delays
 * only itself. After a wrong password the address pauses. The thread never uses
 * a client: it posts the answer to the client's worker. If the client has
 * closed, the job is only freed.
 */
#include "config.h"

#include "threads/verifier.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "list.h"
#include "log/log.h"
#include "system/crypt_hash.h"

/* How long an address pauses after a wrong password. */
#define PAUSE_MS 1000

/* A longer password is cut to this length. crypt(3) refuses a password that is
 * this long. */
#define VERIFIER_PASSWORD_MAX 512

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_FORGOTTEN, /* the client has closed: the verifier frees the job */
	JOB_POSTED,    /* the message's handler or cancel frees the job */
	JOB_LOST,      /* the mailbox is closed: job_client_gone() frees it */
};

/* An address, or a local user, that has jobs or is in a pause. */
struct verifier_peer {
	struct list link; /* verifier.peers */
	struct list jobs;
	uint64_t key, pause_end_ms;
};

struct verifier_job {
	struct lined_message message;
	struct list link;              /* verifier_peer.jobs */
	struct verifier_peer *peer;    /* while queued or running */
	struct client_pending pending; /* used by the client's thread */
	struct worker *worker;
	struct lined_service *instance;
	void (*verified)(struct lined_socket *client, void *arg, bool good);
	void *arg;
	void (*delayed)(struct lined_service *instance);
	enum job_state state; /* under the lock */
	bool good;            /* valid once posted */
	bool paused;          /* the job waited for a pause */
	char *hash;           /* after the password */
	char password[];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t queue_changed;
	struct list peers; /* the first is next */
	bool started;
} verifier = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

static void job_free(struct verifier_job *job)
{
	explicit_bzero(job->password, strlen(job->password));
	free(job);
}

/* ---- the verifier's thread --------------------------------------------- */

static struct verifier_job *verifier_first_job(const struct verifier_peer *peer)
{
	return list_entry(peer->jobs.next, struct verifier_job, link);
}

/* Returns the first peer in the list that has jobs and does not pause. NULL:
 * none; *due_ms is the time when the first pause of a peer with jobs ends
 * (UINT64_MAX: never). Frees peers without jobs whose pause is over. */
static struct verifier_peer *verifier_choose(uint64_t now_ms, uint64_t *due_ms)
{
	struct verifier_peer *peer, *next;

	*due_ms = UINT64_MAX;
	list_for_each_safe(peer, next, &verifier.peers, link) {
		bool has_jobs = !list_is_empty(&peer->jobs);

		if (peer->pause_end_ms <= now_ms && has_jobs)
			return peer;
		if (has_jobs) {
			verifier_first_job(peer)->paused = true;
			if (peer->pause_end_ms < *due_ms)
				*due_ms = peer->pause_end_ms;
		} else if (peer->pause_end_ms <= now_ms) {
			list_remove(&peer->link);
			free(peer);
		}
	}
	return NULL;
}

static void verifier_wait(uint64_t due_ms)
{
	struct timespec until = {
		.tv_sec = (time_t)(due_ms / 1000),
		.tv_nsec = (long)(due_ms % 1000) * 1000000,
	};

	if (due_ms == UINT64_MAX)
		pthread_cond_wait(&verifier.queue_changed, &verifier.lock);
	else
		pthread_cond_timedwait(&verifier.queue_changed, &verifier.lock,
				       &until);
}

static struct verifier_job *verifier_take_job(void)
{
	struct verifier_peer *peer;
	struct verifier_job *job;
	uint64_t due_ms;

	pthread_mutex_lock(&verifier.lock);
	while ((peer = verifier_choose(clock_monotonic_ms(), &due_ms)) == NULL)
		verifier_wait(due_ms);
	job = verifier_first_job(peer);
	list_remove(&job->link);
	job->state = JOB_RUNNING;
	/* The peer goes to the end of the list: other peers are next. */
	list_remove(&peer->link);
	list_append(&verifier.peers, &peer->link);
	pthread_mutex_unlock(&verifier.lock);
	return job;
}

static void *verifier_run(void *arg)
{
	pthread_setname_np(pthread_self(), "lined/password");
	for (;;) {
		struct verifier_job *job = verifier_take_job();
		int result;

		result = crypt_hash_compare(job->password, job->hash);
		if (result < 0)
			log_warning("a password was not compared: %s",
				    strerror(errno));
		job->good = result > 0;
		/* Post with the lock held: otherwise the client could close and
		 * the dispatcher be freed during the post. */
		pthread_mutex_lock(&verifier.lock);
		if (!job->good)
			job->peer->pause_end_ms =
				clock_monotonic_ms() + PAUSE_MS;
		if (job->state == JOB_FORGOTTEN)
			job_free(job);
		else if (lined_dispatcher_post(job->worker->dispatcher,
					       &job->message) < 0)
			job->state = JOB_LOST;
		else
			job->state = JOB_POSTED;
		pthread_mutex_unlock(&verifier.lock);
	}
	return NULL;
}

/* Called with the lock held. */
static int verifier_start(void)
{
	pthread_condattr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int error;

	if (verifier.started)
		return 0;
	list_init(&verifier.peers);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&verifier.queue_changed, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, verifier_run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		errno = error;
		return -1;
	}
	pthread_detach(thread);
	verifier.started = true;
	return 0;
}

/* ---- the client's thread ----------------------------------------------- */

static void job_answered(struct lined_message *message)
{
	struct verifier_job *job =
		lined_container_of(message, struct verifier_job, message);

	/* The verifier posts with the lock held: taking the lock waits until
	 * the verifier is done with the job. */
	pthread_mutex_lock(&verifier.lock);
	pthread_mutex_unlock(&verifier.lock);
	if (client_pending_is_open(&job->pending)) {
		client_pending_end(&job->pending);
		if (job->paused)
			job->delayed(job->instance);
		worker_enter(job->worker, job->instance);
		job->verified(job->pending.sock, job->arg, job->good);
		worker_leave(job->worker);
	}
	job_free(job);
}

static void job_cancelled(struct lined_message *message)
{
	struct verifier_job *job =
		lined_container_of(message, struct verifier_job, message);

	if (client_pending_is_open(&job->pending))
		client_pending_end(&job->pending);
	job_free(job);
}

/* Frees the job, unless the verifier or the message's handler frees it later.
 */
static void job_client_gone(struct client_pending *pending)
{
	struct verifier_job *job =
		lined_container_of(pending, struct verifier_job, pending);
	bool mine = false;

	pthread_mutex_lock(&verifier.lock);
	if (job->state == JOB_QUEUED || job->state == JOB_LOST) {
		list_remove(&job->link);
		mine = true;
	} else if (job->state == JOB_RUNNING) {
		job->state = JOB_FORGOTTEN;
	}
	pthread_mutex_unlock(&verifier.lock);
	if (mine)
		job_free(job);
}

static struct verifier_job *job_new(const char *password, const char *hash)
{
	size_t password_len = strnlen(password, VERIFIER_PASSWORD_MAX);
	size_t hash_len = strlen(hash);
	struct verifier_job *job =
		calloc(1, sizeof(*job) + password_len + 1 + hash_len + 1);

	if (job == NULL)
		return NULL;
	memcpy(job->password, password, password_len);
	job->hash = job->password + password_len + 1;
	memcpy(job->hash, hash, hash_len + 1);
	job->message.handler = job_answered;
	job->message.cancel = job_cancelled;
	list_init(&job->link);
	return job;
}

/* NULL/ENOMEM. */
static struct verifier_peer *verifier_find_peer(uint64_t key)
{
	struct verifier_peer *peer;

	list_for_each(peer, &verifier.peers, link)
		if (peer->key == key)
			return peer;
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	peer->key = key;
	list_init(&peer->jobs);
	list_init(&peer->link);
	list_append(&verifier.peers, &peer->link);
	return peer;
}

static int verifier_enqueue(struct verifier_job *job, uint64_t key)
{
	int result;

	pthread_mutex_lock(&verifier.lock);
	result = verifier_start();
	if (result == 0) {
		job->peer = verifier_find_peer(key);
		result = job->peer != NULL ? 0 : -1;
	}
	if (result == 0) {
		list_append(&job->peer->jobs, &job->link);
		pthread_cond_signal(&verifier.queue_changed);
	}
	pthread_mutex_unlock(&verifier.lock);
	return result;
}

int verifier_verify(struct worker *worker, struct lined_service *instance,
		    struct lined_socket *client,
		    struct client_pending **pending, uint64_t key,
		    const char *password, const char *hash,
		    void (*verified)(struct lined_socket *client, void *arg,
				     bool good),
		    void *arg, void (*delayed)(struct lined_service *instance))
{
	struct verifier_job *job;

	if (crypt_hash_check(hash) < 0)
		return -1;
	job = job_new(password, hash);
	if (job == NULL)
		return -1;
	job->worker = worker;
	job->instance = instance;
	job->verified = verified;
	job->arg = arg;
	job->delayed = delayed;
	/* With one worker the mailbox is not open yet. */
	lined_dispatcher_open_mailbox(worker->dispatcher);
	if (verifier_enqueue(job, key) < 0) {
		job_free(job);
		return -1;
	}
	/* No race: the answer arrives on this thread, after this call. */
	client_pending_begin(&job->pending, pending, client,
			     CLIENT_HOLD_PASSWORD, job_client_gone);
	return 0;
}
