/* SPDX-License-Identifier: MIT */
/*
 * A queue of jobs, and the thread that runs them one by one. The thread never
 * uses a client; it posts the answer to the client's worker. If the client has
 * closed meanwhile, the job is only freed.
 */
#include "config.h"

#include "threads/verifier.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "system/crypt_hash.h"

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_FORGOTTEN, /* its client has closed: the verifier frees it */
	JOB_POSTED,    /* its message's handler or cancel frees it */
	JOB_LOST,      /* the mailbox was closed: job_client_gone() frees it */
};

struct verifier_job {
	struct lined_message message;
	struct list link;        /* verifier.queue */
	struct client_wait wait; /* the client's thread's */
	struct worker *worker;
	const struct lined_service *instance;
	void (*verified)(struct lined_socket *client, void *arg, bool good);
	void *arg;
	enum job_state state; /* under the lock */
	bool good;            /* valid once it is posted */
	char *hash;           /* after the password */
	char password[];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t queue_changed;
	struct list queue;
	bool started;
} verifier = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.queue_changed = PTHREAD_COND_INITIALIZER,
};

static void job_free(struct verifier_job *job)
{
	explicit_bzero(job->password, strlen(job->password));
	free(job);
}

/* ---- the verifier's thread --------------------------------------------- */

static struct verifier_job *verifier_take_job(void)
{
	struct verifier_job *job;

	pthread_mutex_lock(&verifier.lock);
	while (list_is_empty(&verifier.queue))
		pthread_cond_wait(&verifier.queue_changed, &verifier.lock);
	job = list_entry(verifier.queue.next, struct verifier_job, link);
	list_remove(&job->link);
	job->state = JOB_RUNNING;
	pthread_mutex_unlock(&verifier.lock);
	return job;
}

static void *verifier_run(void *arg)
{
	(void)arg;
	for (;;) {
		struct verifier_job *job = verifier_take_job();

		job->good = crypt_hash_matches(job->password, job->hash);
		/* Under the lock: otherwise the client could close and the
		 * dispatcher be freed during the post. */
		pthread_mutex_lock(&verifier.lock);
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

/* To be called under the lock. */
static int verifier_start(void)
{
	pthread_t thread;
	sigset_t all, before;
	int error;

	if (verifier.started)
		return 0;
	list_init(&verifier.queue);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, verifier_run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		errno = error;
		return -1;
	}
	pthread_setname_np(thread, "lined/password");
	pthread_detach(thread);
	verifier.started = true;
	return 0;
}

/* ---- the client's thread ----------------------------------------------- */

static void job_answered(struct lined_message *message)
{
	struct verifier_job *job =
		lined_container_of(message, struct verifier_job, message);

	/* Waits until the verifier, which has the lock during the post, no
	 * longer uses the job. */
	pthread_mutex_lock(&verifier.lock);
	pthread_mutex_unlock(&verifier.lock);
	if (client_wait_is_open(&job->wait)) {
		client_wait_end(&job->wait);
		worker_enter(job->worker, job->instance);
		job->verified(job->wait.sock, job->arg, job->good);
		worker_leave(job->worker);
	}
	job_free(job);
}

static void job_cancelled(struct lined_message *message)
{
	struct verifier_job *job =
		lined_container_of(message, struct verifier_job, message);

	if (client_wait_is_open(&job->wait))
		client_wait_end(&job->wait);
	job_free(job);
}

/* Frees the job, unless the verifier or the message's handler will. */
static void job_client_gone(struct client_wait *wait)
{
	struct verifier_job *job =
		lined_container_of(wait, struct verifier_job, wait);
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
	size_t password_len = strlen(password), hash_len = strlen(hash);
	struct verifier_job *job =
		calloc(1, sizeof(*job) + password_len + 1 + hash_len + 1);

	if (job == NULL)
		return NULL;
	memcpy(job->password, password, password_len + 1);
	job->hash = job->password + password_len + 1;
	memcpy(job->hash, hash, hash_len + 1);
	job->message.handler = job_answered;
	job->message.cancel = job_cancelled;
	list_init(&job->link);
	return job;
}

static int verifier_enqueue(struct verifier_job *job)
{
	int result;

	pthread_mutex_lock(&verifier.lock);
	result = verifier_start();
	if (result == 0) {
		list_append(&verifier.queue, &job->link);
		pthread_cond_signal(&verifier.queue_changed);
	}
	pthread_mutex_unlock(&verifier.lock);
	return result;
}

int verifier_verify(struct worker *worker, const struct lined_service *instance,
		    struct lined_socket *client, struct client_wait **waits,
		    const char *password, const char *hash,
		    void (*verified)(struct lined_socket *client, void *arg,
				     bool good),
		    void *arg)
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
	/* With one worker nothing else has opened it. */
	lined_dispatcher_open_mailbox(worker->dispatcher);
	if (verifier_enqueue(job) < 0) {
		job_free(job);
		return -1;
	}
	/* The answer is handled on this thread, so not before this call. */
	client_wait_begin(&job->wait, waits, client, CLIENT_HOLD_PASSWORD,
			  job_client_gone);
	return 0;
}
