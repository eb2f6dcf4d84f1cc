/* SPDX-License-Identifier: MIT */
/*
 * The verifier: a queue of jobs and a thread that takes them one by one. It
 * never touches a client; a job whose client has gone is answered to nobody.
 */
#include "config.h"

#include "threads/verifier.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "serve/client.h"
#include "serve/instance.h"
#include "list.h"
#include "socket_hold.h"
#include "system/crypt_hash.h"

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_FORGOTTEN, /* and the verifier's to free */
	JOB_POSTED,    /* the dispatcher's, which frees it */
	JOB_LOST,      /* the dispatcher takes nothing any more */
};

struct job {
	struct lined_message message;
	struct list link;      /* verifier.queue */
	struct list asked;     /* on the client's thread */
	struct client *client; /* NULL: gone. The client's thread only */
	struct lined_dispatcher *dispatcher;
	void (*verified)(struct lined_socket *client, void *arg, bool good);
	void *arg;
	enum job_state state; /* under lock */
	bool good;            /* read once it was posted */
	char *hash;           /* behind the password */
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

/* Of this thread's clients. */
static _Thread_local struct list asked;

static void job_free(struct job *job)
{
	explicit_bzero(job->password, strlen(job->password));
	free(job);
}

/* ---- the verifier's thread --------------------------------------------- */

static struct job *take_job(void)
{
	struct job *job;

	pthread_mutex_lock(&verifier.lock);
	while (list_is_empty(&verifier.queue))
		pthread_cond_wait(&verifier.queue_changed, &verifier.lock);
	job = list_entry(verifier.queue.next, struct job, link);
	list_remove(&job->link);
	job->state = JOB_RUNNING;
	pthread_mutex_unlock(&verifier.lock);
	return job;
}

static void *run(void *arg)
{
	(void)arg;
	for (;;) {
		struct job *job = take_job();

		job->good = crypt_hash_matches(job->password, job->hash);
		/* Under the lock, or the client, and with it the dispatcher,
		 * might go before the post is done. */
		pthread_mutex_lock(&verifier.lock);
		if (job->state == JOB_FORGOTTEN)
			job_free(job);
		else if (lined_dispatcher_post(job->dispatcher, &job->message) <
			 0)
			job->state = JOB_LOST;
		else
			job->state = JOB_POSTED;
		pthread_mutex_unlock(&verifier.lock);
	}
	return NULL;
}

/* Under the lock. */
static int start(void)
{
	pthread_t thread;
	sigset_t all, before;
	int error;

	if (verifier.started)
		return 0;
	list_init(&verifier.queue);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, run, NULL);
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

static void answer(struct lined_message *message)
{
	struct job *job = lined_container_of(message, struct job, message);
	struct client *client = job->client;

	/* The poster holds the lock until it has let go of the job. */
	pthread_mutex_lock(&verifier.lock);
	pthread_mutex_unlock(&verifier.lock);
	if (client != NULL) {
		struct lined_socket *sock = client_socket(client);
		struct worker *worker = client_service(client)->worker;

		list_remove(&job->asked);
		socket_unhold(sock, CLIENT_HOLD_PASSWORD);
		worker_enter(worker, client_service(client));
		job->verified(sock, job->arg, job->good);
		worker_leave(worker);
	}
	job_free(job);
}

static void cancel(struct lined_message *message)
{
	struct job *job = lined_container_of(message, struct job, message);

	if (job->client != NULL)
		list_remove(&job->asked);
	job_free(job);
}

static struct job *job_new(const char *password, const char *hash)
{
	size_t password_len = strlen(password), hash_len = strlen(hash);
	struct job *job =
		calloc(1, sizeof(*job) + password_len + 1 + hash_len + 1);

	if (job == NULL)
		return NULL;
	memcpy(job->password, password, password_len + 1);
	job->hash = job->password + password_len + 1;
	memcpy(job->hash, hash, hash_len + 1);
	job->message.handler = answer;
	job->message.cancel = cancel;
	list_init(&job->link);
	list_init(&job->asked);
	return job;
}

static int enqueue(struct job *job)
{
	int result;

	pthread_mutex_lock(&verifier.lock);
	result = start();
	if (result == 0) {
		list_append(&verifier.queue, &job->link);
		pthread_cond_signal(&verifier.queue_changed);
	}
	pthread_mutex_unlock(&verifier.lock);
	return result;
}

int lined_service_verify_password(struct lined_service *service,
				  struct lined_socket *sock,
				  const char *password, const char *hash,
				  void (*verified)(struct lined_socket *client,
						   void *arg, bool good),
				  void *arg)
{
	struct job *job;

	if (crypt_hash_check(hash) < 0)
		return -1;
	job = job_new(password, hash);
	if (job == NULL)
		return -1;
	job->client = client_of(sock);
	job->dispatcher = service->worker->dispatcher;
	job->verified = verified;
	job->arg = arg;
	if (asked.next == NULL)
		list_init(&asked);
	list_append(&asked, &job->asked);
	/* With one worker nobody else has opened it. */
	lined_dispatcher_open_mailbox(job->dispatcher);
	if (enqueue(job) < 0) {
		list_remove(&job->asked);
		job_free(job);
		return -1;
	}
	socket_hold(sock, CLIENT_HOLD_PASSWORD);
	return 0;
}

int lined_password_check_hash(const char *hash)
{
	return crypt_hash_check(hash);
}

bool lined_password_equal(const char *a, const char *b)
{
	return crypt_hash_equal(a, b);
}

static void forget(struct job *job)
{
	bool mine = false;

	list_remove(&job->asked);
	pthread_mutex_lock(&verifier.lock);
	job->client = NULL;
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

void password_client_gone(struct client *client)
{
	struct job *job, *next;

	if (asked.next == NULL)
		return;
	list_for_each_safe(job, next, &asked, asked)
		if (job->client == client)
			forget(job);
}
