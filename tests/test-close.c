/* SPDX-License-Identifier: MIT */
/*
 * Closing: any socket from any callback of any other, in the same turn, with
 * handle_close exactly once and last; and what each way of closing promises
 * to the peer. The matrix is meant to run under an address sanitizer.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "support.h"

/* ---- the matrix ------------------------------------------------------ */

/* Which callback strikes. */
enum striker {
	STRIKE_ACCEPT,
	STRIKE_CONNECT,
	STRIKE_READ,
	STRIKE_WRITE,
	STRIKE_TASK,
	STRIKE_CLOSE,
	STRIKE_TIMER,
	STRIKE_MESSAGE,
	STRIKE_DELEGATE,
	STRIKERS
};

/* What is struck; each is ready for something in the turn of the strike. */
enum target {
	TARGET_SELF,       /* where the callback is a socket's */
	TARGET_EARLIER,    /* input waits, registered before */
	TARGET_LATER,      /* and after the striker */
	TARGET_LEFTOVER,   /* lines read but not yet served */
	TARGET_LISTENER,   /* somebody waits */
	TARGET_CONNECTING, /* the connection stands, not yet told */
	TARGET_RESOLVING,  /* a name is looked up */
	TARGET_QUEUED,     /* more queued than the peer takes */
	TARGET_DIRTY,      /* queued in this turn */
	TARGET_TASK,       /* has a task and wants to write */
	TARGET_DATAGRAM,   /* a datagram waits */
	TARGET_CLOSED,     /* closed before */
	TARGETS,
	TARGET_ALL = TARGETS,
};

enum way { WAY_NOW, WAY_FOR, WAY_FLUSH, WAYS };

struct actor {
	struct scene *scene;
	struct lined_socket *sock; /* NULL after handle_close */
	enum target role;
	bool struck; /* closed now: no callback but handle_close */
	unsigned closes;
};

struct scene {
	struct lined_dispatcher *dispatcher;
	struct actor actors[TARGETS];
	struct lined_socket_group unlimited;
	enum striker striker;
	int target;
	enum way way;
	unsigned strikes;
	int fds[32];
	unsigned fd_count;
	struct lined_timer timer;
	struct lined_message message;
	struct lined_delegate delegate;
};

static void strike_actor(struct actor *actor, enum way way)
{
	if (actor->sock == NULL)
		return;
	switch (way) {
	case WAY_NOW:
		lined_socket_close(actor->sock);
		lined_socket_close(actor->sock);
		break;
	case WAY_FOR:
		lined_socket_close_for(actor->sock, LINED_CLOSE_KICKED, EPERM);
		lined_socket_close(actor->sock);
		break;
	default:
		lined_socket_close_after_flush(actor->sock, LINED_CLOSE_LIMIT,
					       0);
		lined_socket_close_after_flush(actor->sock, LINED_CLOSE_LOCAL,
					       1);
		return;
	}
	ck_assert(lined_socket_is_closed(actor->sock));
	actor->struck = true;
}

static void strike(struct scene *scene)
{
	struct actor *dirty = &scene->actors[TARGET_DIRTY];
	int i;

	if (scene->strikes++ > 0)
		return;
	if (dirty->sock != NULL)
		lined_socket_send(dirty->sock, "x\n", 2);
	for (i = 0; i < TARGETS; i++)
		if (scene->target == i || scene->target == TARGET_ALL)
			strike_actor(&scene->actors[i], scene->way);
}

/* Every callback of every socket passes here. */
static struct actor *called(void *arg, enum striker striker)
{
	struct actor *actor = arg;

	ck_assert(!actor->struck);
	ck_assert_uint_eq(actor->closes, 0);
	if (actor->role == TARGET_SELF && actor->scene->striker == striker)
		strike(actor->scene);
	return actor;
}

static void scene_accept(struct lined_socket *sock, void *arg)
{
	(void)sock;
	called(arg, STRIKE_ACCEPT);
}

static void scene_connect(struct lined_socket *sock, void *arg)
{
	(void)sock;
	called(arg, STRIKE_CONNECT);
}

static void scene_read(struct lined_socket *sock, void *arg)
{
	struct actor *actor = called(arg, STRIKE_READ);
	struct lined_line line;

	/* One line only: the rest is left over for the next turn. */
	if (!actor->struck)
		lined_socket_read_line(sock, &line);
}

static void scene_write(struct lined_socket *sock, void *arg)
{
	(void)sock;
	called(arg, STRIKE_WRITE);
}

static void scene_task(struct lined_socket *sock, void *arg)
{
	(void)sock;
	called(arg, STRIKE_TASK);
}

static void scene_close(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct actor *actor = arg;
	struct scene *scene = actor->scene;

	(void)reason;
	(void)error;
	ck_assert_ptr_eq(sock, actor->sock);
	ck_assert(lined_socket_is_closed(sock));
	ck_assert_uint_eq(actor->closes, 0);
	actor->closes++;
	if (actor->role == TARGET_SELF && scene->striker == STRIKE_CLOSE)
		strike(scene);
	actor->sock = NULL;
}

static const struct lined_socket_handlers scene_handlers = {
	.handle_accept = scene_accept,
	.handle_connect = scene_connect,
	.handle_read = scene_read,
	.handle_write = scene_write,
	.handle_close = scene_close,
};

static const struct lined_socket_handlers scene_task_handlers = {
	.handle_read = scene_read,
	.handle_write = scene_write,
	.handle_task = scene_task,
	.handle_close = scene_close,
};

static void strike_timer(struct lined_timer *timer)
{
	strike(lined_container_of(timer, struct scene, timer));
}

static void strike_message(struct lined_message *message)
{
	strike(lined_container_of(message, struct scene, message));
}

static void strike_delegate(struct lined_delegate *delegate)
{
	strike(lined_container_of(delegate, struct scene, delegate));
	lined_dispatcher_unregister(delegate->dispatcher, delegate);
}

static const struct lined_delegate_handlers delegate_handlers = {
	.handle_read = strike_delegate,
};

static void keep_fd(struct scene *scene, int fd)
{
	scene->fds[scene->fd_count++] = fd;
}

/* A connected socket in the role; its peer is kept. */
static int add_pair(struct scene *scene, enum target role,
		    const struct lined_socket_handlers *handlers)
{
	struct actor *actor = &scene->actors[role];
	int peer;

	actor->sock = support_pair_in_group(scene->dispatcher, handlers, actor,
					    &scene->unlimited, &peer);
	keep_fd(scene, peer);
	return peer;
}

static void add_listener(struct scene *scene, enum target role)
{
	struct actor *actor = &scene->actors[role];
	uint16_t port;

	actor->sock = support_listen(scene->dispatcher, &scene_handlers, actor,
				     &port);
	keep_fd(scene, support_connect_fd(port));
}

static void add_connecting(struct scene *scene, enum target role,
			   const char *host)
{
	struct actor *actor = &scene->actors[role];
	uint16_t port;

	keep_fd(scene, support_listen_fd(5, &port));
	actor->sock = support_socket(&scene_handlers, actor);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(
		scene->dispatcher, actor->sock));
	ck_assert_int_eq(lined_socket_connect(actor->sock, host, port, 0), 0);
}

static void add_queued(struct scene *scene)
{
	static char block[1024 * 1024];
	struct actor *actor = &scene->actors[TARGET_QUEUED];
	int i;

	add_pair(scene, TARGET_QUEUED, &scene_handlers);
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(
			lined_socket_send(actor->sock, block, sizeof(block)),
			0);
}

static void add_datagram(struct scene *scene)
{
	struct actor *actor = &scene->actors[TARGET_DATAGRAM];
	struct sockaddr_in address = support_loopback(0);
	socklen_t len = sizeof(address);
	int peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	keep_fd(scene, peer);
	actor->sock = support_socket(&scene_handlers, actor);
	ck_assert_int_eq(lined_socket_bind(actor->sock, SOCK_DGRAM,
					   (struct sockaddr *)&address, len),
			 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(
		scene->dispatcher, actor->sock));
	getsockname(lined_socket_fd(actor->sock), (struct sockaddr *)&address,
		    &len);
	ck_assert_int_eq(
		sendto(peer, "a\nb\n", 4, 0, (struct sockaddr *)&address, len),
		4);
}

static void add_striker(struct scene *scene)
{
	struct lined_dispatcher *d = scene->dispatcher;
	struct actor *self = &scene->actors[TARGET_SELF];
	int fds[2];

	switch (scene->striker) {
	case STRIKE_ACCEPT:
		add_listener(scene, TARGET_SELF);
		break;
	case STRIKE_CONNECT:
		add_connecting(scene, TARGET_SELF, "127.0.0.1");
		break;
	case STRIKE_READ:
		support_puts(add_pair(scene, TARGET_SELF, &scene_handlers),
			     "a\nb\n");
		break;
	case STRIKE_WRITE:
		add_pair(scene, TARGET_SELF, &scene_handlers);
		lined_socket_want_write(self->sock, true);
		break;
	case STRIKE_TASK:
		add_pair(scene, TARGET_SELF, &scene_task_handlers);
		break;
	case STRIKE_CLOSE:
		add_pair(scene, TARGET_SELF, &scene_handlers);
		self->struck = true;
		lined_socket_close(self->sock);
		break;
	case STRIKE_TIMER:
		lined_timer_init(&scene->timer, d, strike_timer);
		ck_assert_int_eq(lined_timer_start(&scene->timer, 0, 0), 0);
		break;
	case STRIKE_MESSAGE:
		lined_dispatcher_open_mailbox(d);
		scene->message.handler = strike_message;
		ck_assert_int_eq(lined_dispatcher_post(d, &scene->message), 0);
		break;
	default:
		ck_assert_int_eq(pipe(fds), 0);
		keep_fd(scene, fds[0]);
		keep_fd(scene, fds[1]);
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		scene->delegate.fd = fds[0];
		scene->delegate.mode = LINED_MODE_READ;
		scene->delegate.handlers = &delegate_handlers;
		ck_assert_int_eq(lined_dispatcher_register(d, &scene->delegate),
				 0);
	}
}

static void scene_build(struct scene *scene, enum striker striker, int target,
			enum way way)
{
	struct actor *closed = &scene->actors[TARGET_CLOSED];
	int i, peer;

	memset(scene, 0, sizeof(*scene));
	scene->dispatcher = support_dispatcher();
	scene->striker = striker;
	scene->target = target;
	scene->way = way;
	for (i = 0; i < TARGETS; i++) {
		scene->actors[i].scene = scene;
		scene->actors[i].role = (enum target)i;
	}
	/* Left over must be read before: a turn of its own. */
	peer = add_pair(scene, TARGET_LEFTOVER, &scene_handlers);
	support_puts(peer, "1\n2\n3\n4\n5\n6\n");
	add_queued(scene);
	support_run_turns(scene->dispatcher, 1);

	support_puts(add_pair(scene, TARGET_EARLIER, &scene_handlers),
		     "a\nb\n");
	add_striker(scene);
	support_puts(add_pair(scene, TARGET_LATER, &scene_handlers), "a\nb\n");
	add_listener(scene, TARGET_LISTENER);
	add_connecting(scene, TARGET_CONNECTING, "127.0.0.1");
	add_connecting(scene, TARGET_RESOLVING, "localhost");
	add_pair(scene, TARGET_DIRTY, &scene_handlers);
	add_pair(scene, TARGET_TASK, &scene_task_handlers);
	lined_socket_want_write(scene->actors[TARGET_TASK].sock, true);
	add_datagram(scene);
	add_pair(scene, TARGET_CLOSED, &scene_handlers);
	closed->struck = true;
	lined_socket_close(closed->sock);
}

static void assert_struck_are_closed(const struct scene *scene)
{
	int i;

	for (i = 0; i < TARGETS; i++)
		if (scene->actors[i].struck)
			ck_assert_uint_eq(scene->actors[i].closes, 1);
}

static void scene_play(struct scene *scene)
{
	struct lined_dispatcher *d = scene->dispatcher;
	bool existed[TARGETS];
	unsigned i;

	for (i = 0; i < TARGETS; i++)
		existed[i] = scene->actors[i].sock != NULL;
	support_run_until_count(d, &scene->strikes, 1);
	/* What the close phase itself closed is told a turn later. */
	if (scene->striker == STRIKE_CLOSE)
		support_run_turns(d, 1);
	assert_struck_are_closed(scene);
	support_run_turns(d, 4);
	assert_struck_are_closed(scene);
	lined_dispatcher_free(d);
	for (i = 0; i < TARGETS; i++)
		ck_assert_uint_eq(scene->actors[i].closes, existed[i]);
	for (i = 0; i < scene->fd_count; i++)
		close(scene->fds[i]);
}

START_TEST(any_callback_may_close_any_socket_in_any_way)
{
	static struct scene scene;
	int target, way;

	for (way = 0; way < WAYS; way++)
		for (target = 0; target <= TARGET_ALL; target++) {
			scene_build(&scene, (enum striker)_i, target,
				    (enum way)way);
			scene_play(&scene);
		}
}
END_TEST

/* ---- one socket, and how it ended ------------------------------------ */

struct ending {
	struct lined_dispatcher *dispatcher;
	struct lined_socket *sock;
	struct lined_socket_group group;
	int peer;
	unsigned closes, reads, lines, group_closes;
	enum lined_line_status status; /* the last that was not a line */
	enum lined_close_reason reason;
	int error;
	int fd;
	bool answer_the_end;
};

static void ending_read(struct lined_socket *sock, void *arg)
{
	struct ending *ending = arg;
	struct lined_line line;

	ck_assert_uint_eq(ending->closes, 0);
	ending->reads++;
	for (;;) {
		ending->status = lined_socket_read_line(sock, &line);
		if (ending->status != LINED_LINE_READY)
			break;
		ending->lines++;
	}
	if (ending->status == LINED_LINE_CLOSED && ending->answer_the_end)
		ck_assert_int_eq(lined_socket_send(sock, "bye\n", 4), 0);
}

static void ending_close(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	struct ending *ending = arg;

	ck_assert_uint_eq(ending->closes, 0);
	ending->closes++;
	ending->reason = reason;
	ending->error = error;
	/* Still to be asked, and its descriptor not yet anybody else's. */
	ck_assert_ptr_eq(lined_socket_arg(sock), ending);
	ck_assert_int_eq(lined_socket_send(sock, "x", 1), -1);
	if (ending->fd >= 0)
		ck_assert_int_ge(fcntl(ending->fd, F_GETFD), 0);
	ending->sock = NULL;
}

static void ending_group_closed(struct lined_socket *sock,
				enum lined_close_reason reason, int error)
{
	struct ending *ending = lined_socket_arg(sock);

	/* After handle_close, with the same arguments. */
	ck_assert_uint_eq(ending->closes, 1);
	ck_assert_int_eq(ending->reason, reason);
	ck_assert_int_eq(ending->error, error);
	ending->group_closes++;
}

static void ending_write(struct lined_socket *sock, void *arg)
{
	(void)sock;
	(void)arg;
}

static const struct lined_socket_handlers ending_handlers = {
	.handle_read = ending_read,
	.handle_write = ending_write,
	.handle_close = ending_close,
};

/* Without limits but those the test sets in ending->group. */
static void ending_begin(struct ending *ending)
{
	memset(ending, 0, sizeof(*ending));
	ending->dispatcher = support_dispatcher();
	ending->group.closed = ending_group_closed;
	ending->sock =
		support_pair_in_group(ending->dispatcher, &ending_handlers,
				      ending, &ending->group, &ending->peer);
	ending->fd = lined_socket_fd(ending->sock);
}

static void ending_wait(struct ending *ending)
{
	support_run_until_count(ending->dispatcher, &ending->closes, 1);
	support_run_turns(ending->dispatcher, 2);
}

static void ending_finish(struct ending *ending, enum lined_close_reason reason,
			  int error)
{
	ck_assert_uint_eq(ending->closes, 1);
	ck_assert_uint_eq(ending->group_closes, 1);
	ck_assert_uint_eq(ending->group.counters.closed[reason], 1);
	ck_assert_int_eq(ending->reason, reason);
	ck_assert_int_eq(ending->error, error);
	ck_assert_int_eq(fcntl(ending->fd, F_GETFD), -1);
	close(ending->peer);
	lined_dispatcher_free(ending->dispatcher);
	ck_assert_uint_eq(ending->closes, 1);
}

START_TEST(handle_close_never_runs_inside_close)
{
	struct ending ending;

	ending_begin(&ending);
	lined_socket_close_for(ending.sock, LINED_CLOSE_LIMIT, EMFILE);
	ck_assert_uint_eq(ending.closes, 0);
	ck_assert(lined_socket_is_closed(ending.sock));
	/* The first reason holds. */
	lined_socket_close(ending.sock);
	ck_assert_int_eq(lined_dispatcher_poll(ending.dispatcher, -1), 0);
	ending_finish(&ending, LINED_CLOSE_LIMIT, EMFILE);
}
END_TEST

START_TEST(close_drops_what_is_queued)
{
	struct ending ending;
	int error;

	ending_begin(&ending);
	ck_assert_int_eq(lined_socket_send(ending.sock, "lost\n", 5), 0);
	lined_socket_close(ending.sock);
	ck_assert_int_eq(lined_socket_send(ending.sock, "more\n", 5), -1);
	ck_assert_int_eq(errno, EPIPE);
	ending_wait(&ending);
	ck_assert_uint_eq(support_drain(NULL, ending.peer, &error), 0);
	ending_finish(&ending, LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(close_after_flush_delivers_all_that_is_queued)
{
	static char block[1024 * 1024];
	struct ending ending;
	int error, i;

	ending_begin(&ending);
	for (i = 0; i < 6; i++)
		ck_assert_int_eq(
			lined_socket_send(ending.sock, block, sizeof(block)),
			0);
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_SHUTDOWN, 0);
	ck_assert_uint_eq(support_drain(ending.dispatcher, ending.peer, &error),
			  6 * sizeof(block));
	ck_assert_int_eq(error, 0);
	ending_wait(&ending);
	ending_finish(&ending, LINED_CLOSE_SHUTDOWN, 0);
}
END_TEST

START_TEST(close_after_flush_with_nothing_queued_is_soon)
{
	struct ending ending;

	ending_begin(&ending);
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	while (ending.closes == 0)
		lined_dispatcher_poll(ending.dispatcher, -1);
	support_expect_eof(NULL, ending.peer);
	ending_finish(&ending, LINED_CLOSE_LIMIT, 0);
}
END_TEST

START_TEST(close_after_flush_reads_no_more)
{
	static char block[4 * 1024 * 1024];
	struct ending ending;
	int error;

	ending_begin(&ending);
	lined_socket_send(ending.sock, block, sizeof(block));
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LOCAL, 0);
	support_puts(ending.peer, "too late\n");
	support_run_turns(ending.dispatcher, 5);
	ck_assert_uint_eq(ending.reads, 0);
	ck_assert_uint_eq(ending.closes, 0);
	ck_assert_uint_eq(support_drain(ending.dispatcher, ending.peer, &error),
			  sizeof(block));
	ck_assert_int_eq(error, 0);
	close(ending.peer);
	ending.peer = -1;
	ending_wait(&ending);
	ck_assert_uint_eq(ending.reads, 0);
	ending_finish(&ending, LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(close_after_flush_gives_up_at_its_deadline)
{
	static char block[16 * 1024 * 1024];
	uint64_t start_ms = support_now_ms();
	struct ending ending;

	ending_begin(&ending);
	ck_assert_int_eq(lined_socket_send(ending.sock, block, sizeof(block)),
			 0);
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_SHUTDOWN, 120);
	ending_wait(&ending);
	ck_assert_uint_ge(support_now_ms() - start_ms + 2, 120);
	ending_finish(&ending, LINED_CLOSE_SHUTDOWN, 0);
}
END_TEST

START_TEST(a_close_cuts_a_close_after_flush_short)
{
	static char block[16 * 1024 * 1024];
	struct ending ending;

	ending_begin(&ending);
	lined_socket_send(ending.sock, block, sizeof(block));
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_SHUTDOWN, 0);
	support_run_turns(ending.dispatcher, 3);
	ck_assert_uint_eq(ending.closes, 0);
	lined_socket_close_for(ending.sock, LINED_CLOSE_KICKED, 0);
	ck_assert_int_eq(lined_dispatcher_poll(ending.dispatcher, -1), 0);
	ending_finish(&ending, LINED_CLOSE_KICKED, 0);
}
END_TEST

/* The peer still sends while the last answer is under way: no reset may
 * overtake it. */
START_TEST(the_last_answer_arrives_though_the_peer_still_sends)
{
	static char answer[256 * 1024], junk[64 * 1024];
	struct ending ending;
	size_t got = 0;
	ssize_t n;
	int i;

	ending_begin(&ending);
	lined_socket_pause(ending.sock);
	support_write(ending.peer, junk, sizeof(junk));
	support_run_turns(ending.dispatcher, 2);
	lined_socket_send(ending.sock, answer, sizeof(answer));
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	for (i = 0; i < 20; i++) {
		support_run_turns(ending.dispatcher, 2);
		n = send(ending.peer, junk, sizeof(junk) / 4,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		ck_assert_msg(n > 0 || errno == EAGAIN, "send: %s",
			      strerror(errno));
	}
	while (got < sizeof(answer)) {
		n = recv(ending.peer, answer, sizeof(answer), MSG_DONTWAIT);
		ck_assert_msg(n > 0 || (n < 0 && errno == EAGAIN),
			      "after %zu bytes: %s", got,
			      n == 0 ? "the end" : strerror(errno));
		if (n > 0)
			got += (size_t)n;
		else
			lined_dispatcher_poll(ending.dispatcher, 20);
	}
	support_expect_eof(ending.dispatcher, ending.peer);
	close(ending.peer);
	ending.peer = -1;
	ending_wait(&ending);
	ending_finish(&ending, LINED_CLOSE_LIMIT, 0);
}
END_TEST

/* All has been flushed, and nothing waits to be read: but the peer, which has
 * not got it all, says something more a moment later. */
START_TEST(the_last_answer_arrives_though_the_peer_sends_again)
{
	static char answer[1024 * 1024];
	struct ending ending;
	size_t got = 0;
	ssize_t n;

	ending_begin(&ending);
	lined_socket_send(ending.sock, answer, sizeof(answer));
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	while (ending.closes == 0 && lined_socket_queued(ending.sock) > 0) {
		lined_dispatcher_poll(ending.dispatcher, 0);
		n = recv(ending.peer, answer, 4096, MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
	}
	support_run_turns(ending.dispatcher, 3);
	support_puts(ending.peer, "and another thing\n");
	support_run_turns(ending.dispatcher, 3);
	while (got < sizeof(answer)) {
		n = recv(ending.peer, answer, sizeof(answer), 0);
		ck_assert_msg(n > 0, "after %zu bytes: %s", got,
			      n == 0 ? "the end" : strerror(errno));
		got += (size_t)n;
	}
	support_expect_eof(ending.dispatcher, ending.peer);
	close(ending.peer);
	ending.peer = -1;
	ending_wait(&ending);
	ending_finish(&ending, LINED_CLOSE_LIMIT, 0);
}
END_TEST

/* And one that never stops does not hold us longer than two seconds. */
START_TEST(lingering_ends_by_itself)
{
	static char junk[64 * 1024];
	uint64_t start_ms = support_now_ms();
	struct ending ending;

	ending_begin(&ending);
	lined_socket_pause(ending.sock);
	support_write(ending.peer, junk, sizeof(junk));
	support_run_turns(ending.dispatcher, 2);
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	while (ending.closes == 0) {
		send(ending.peer, junk, 512, MSG_NOSIGNAL | MSG_DONTWAIT);
		lined_dispatcher_poll(ending.dispatcher, 20);
		ck_assert_uint_le(support_now_ms() - start_ms, 8000);
	}
	ending_finish(&ending, LINED_CLOSE_LIMIT, 0);
}
END_TEST

/* ---- ends that the peer makes ---------------------------------------- */

START_TEST(the_end_of_the_peer_is_PEER)
{
	struct ending ending;

	ending_begin(&ending);
	support_puts(ending.peer, "one\ntwo\n");
	shutdown(ending.peer, SHUT_WR);
	ending_wait(&ending);
	ck_assert_uint_eq(ending.lines, 2);
	ck_assert_int_eq(ending.status, LINED_LINE_CLOSED);
	ending_finish(&ending, LINED_CLOSE_PEER, 0);
}
END_TEST

START_TEST(what_is_sent_at_the_end_of_the_peer_still_leaves)
{
	struct ending ending;

	ending_begin(&ending);
	ending.answer_the_end = true;
	support_puts(ending.peer, "one\n");
	shutdown(ending.peer, SHUT_WR);
	support_expect(ending.dispatcher, ending.peer, "bye\n");
	support_expect_eof(ending.dispatcher, ending.peer);
	ending_wait(&ending);
	ending_finish(&ending, LINED_CLOSE_PEER, 0);
}
END_TEST

START_TEST(a_reset_is_an_ERROR_with_its_errno)
{
	struct ending ending;

	ending_begin(&ending);
	support_reset(ending.peer);
	ending.peer = -1;
	ending_wait(&ending);
	ending_finish(&ending, LINED_CLOSE_ERROR, ECONNRESET);
}
END_TEST

enum paused_how {
	PAUSED_QUIET,
	PAUSED_UNREAD,
	PAUSED_BLOCKED,
	PAUSED_WANTS_WRITE,
	PAUSED_HOWS
};

START_TEST(a_reset_is_noticed_while_paused)
{
	static char block[8 * 1024 * 1024];
	struct ending ending;

	ending_begin(&ending);
	lined_socket_pause(ending.sock);
	switch ((enum paused_how)_i) {
	case PAUSED_UNREAD:
		support_puts(ending.peer, "unread\n");
		break;
	case PAUSED_BLOCKED:
		lined_socket_send(ending.sock, block, sizeof(block));
		break;
	case PAUSED_WANTS_WRITE:
		lined_socket_want_write(ending.sock, true);
		break;
	default:
		break;
	}
	support_run_turns(ending.dispatcher, 3);
	ck_assert_uint_eq(ending.reads, 0);
	support_reset(ending.peer);
	ending.peer = -1;
	ending_wait(&ending);
	ck_assert_int_eq(ending.reason, LINED_CLOSE_ERROR);
	ck_assert(ending.error == ECONNRESET || ending.error == EPIPE);
	ck_assert_uint_eq(ending.reads, 0);
	ending_finish(&ending, LINED_CLOSE_ERROR, ending.error);
}
END_TEST

START_TEST(the_end_of_the_peer_waits_for_a_paused_reader_without_spinning)
{
	struct ending ending;

	ending_begin(&ending);
	lined_socket_pause(ending.sock);
	support_puts(ending.peer, "last\n");
	close(ending.peer);
	ending.peer = -1;
	ck_assert_uint_le(support_run_for(ending.dispatcher, 60), 6);
	ck_assert_uint_eq(ending.closes, 0);
	lined_socket_resume(ending.sock);
	ending_wait(&ending);
	ck_assert_uint_eq(ending.lines, 1);
	ending_finish(&ending, LINED_CLOSE_PEER, 0);
}
END_TEST

/* ---- half-close ------------------------------------------------------ */

START_TEST(shutdown_write_ends_sending_after_the_queue)
{
	static char block[4 * 1024 * 1024];
	struct ending ending;
	int error;

	ending_begin(&ending);
	lined_socket_send(ending.sock, block, sizeof(block));
	lined_socket_shutdown_write(ending.sock);
	errno = 0;
	ck_assert_int_eq(lined_socket_send(ending.sock, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert(!lined_socket_is_writeable(ending.sock));
	ck_assert_uint_eq(support_drain(ending.dispatcher, ending.peer, &error),
			  sizeof(block));
	ck_assert_int_eq(error, 0);
	/* Reading goes on. */
	ck_assert_uint_eq(ending.closes, 0);
	support_puts(ending.peer, "still\n");
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	close(ending.peer);
	ending.peer = -1;
	ending_wait(&ending);
	ending_finish(&ending, LINED_CLOSE_PEER, 0);
}
END_TEST

START_TEST(with_half_close_allowed_sending_goes_on_after_the_end)
{
	struct ending ending;

	ending_begin(&ending);
	lined_socket_allow_half_close(ending.sock, true);
	support_puts(ending.peer, "one\n");
	shutdown(ending.peer, SHUT_WR);
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	/* It stays, and does not spin. */
	ck_assert_uint_le(support_run_for(ending.dispatcher, 60), 6);
	ck_assert_int_eq(ending.status, LINED_LINE_CLOSED);
	ck_assert_uint_eq(ending.closes, 0);
	ck_assert_int_eq(lined_socket_send(ending.sock, "two\n", 4), 0);
	support_expect(ending.dispatcher, ending.peer, "two\n");
	lined_socket_close(ending.sock);
	ending_wait(&ending);
	ending_finish(&ending, LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(both_halves_closed_is_the_end)
{
	struct ending ending;

	ending_begin(&ending);
	lined_socket_allow_half_close(ending.sock, true);
	shutdown(ending.peer, SHUT_WR);
	support_run_until_count(ending.dispatcher, &ending.reads, 1);
	lined_socket_send(ending.sock, "two\n", 4);
	lined_socket_shutdown_write(ending.sock);
	support_expect(ending.dispatcher, ending.peer, "two\n");
	support_expect_eof(ending.dispatcher, ending.peer);
	ending_wait(&ending);
	ending_finish(&ending, LINED_CLOSE_PEER, 0);
}
END_TEST

/* ---- the end of the dispatcher --------------------------------------- */

START_TEST(the_end_of_the_dispatcher_is_SHUTDOWN_for_all)
{
	static char block[1024 * 1024];
	struct lined_dispatcher *d = support_dispatcher();
	struct ending endings[4];
	uint16_t port;
	int i;

	for (i = 0; i < 4; i++) {
		memset(&endings[i], 0, sizeof(endings[i]));
		endings[i].fd = -1;
		endings[i].dispatcher = d;
		endings[i].peer = -1;
	}
	endings[0].sock = support_pair(d, &ending_handlers, &endings[0],
				       &endings[0].peer);
	lined_socket_send(endings[0].sock, block, sizeof(block));
	endings[1].sock =
		support_listen(d, &ending_handlers, &endings[1], &port);
	endings[2].sock = support_socket(&ending_handlers, &endings[2]);
	lined_dispatcher_register_socket(d, endings[2].sock);
	lined_socket_connect(endings[2].sock, "localhost", port, 0);
	endings[3].sock = support_socket(&ending_handlers, &endings[3]);
	lined_dispatcher_register_socket(d, endings[3].sock);
	lined_dispatcher_free(d);
	for (i = 0; i < 4; i++) {
		ck_assert_uint_eq(endings[i].closes, 1);
		ck_assert_int_eq(endings[i].reason, LINED_CLOSE_SHUTDOWN);
		ck_assert_int_eq(endings[i].error, 0);
		if (endings[i].peer >= 0)
			close(endings[i].peer);
	}
}
END_TEST

struct reborn {
	struct lined_dispatcher *dispatcher;
	unsigned closes;
	int fd;
};

static void reopen(struct lined_socket *sock, void *arg,
		   enum lined_close_reason reason, int error)
{
	static const struct lined_socket_handlers again = {
		.handle_close = reopen,
	};
	struct reborn *reborn = arg;
	struct lined_socket *next;
	int fd = reborn->fd;

	(void)sock;
	(void)error;
	ck_assert_int_eq(reason, LINED_CLOSE_SHUTDOWN);
	reborn->closes++;
	if (fd < 0)
		return;
	reborn->fd = -1;
	next = support_socket(&again, reborn);
	ck_assert_int_eq(lined_socket_wrap(next, fd, LINED_SOCKET_CONNECTED),
			 0);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(reborn->dispatcher, next));
}

/* A relay reconnects in handle_close: the end is an end nevertheless. */
START_TEST(what_is_opened_at_the_end_is_closed_too)
{
	static const struct lined_socket_handlers first = {
		.handle_close = reopen,
	};
	struct reborn reborn = {.dispatcher = support_dispatcher()};
	int peer, fds[2];

	support_tcp_fds(fds);
	reborn.fd = fds[0];
	support_pair(reborn.dispatcher, &first, &reborn, &peer);
	lined_dispatcher_free(reborn.dispatcher);
	ck_assert_uint_eq(reborn.closes, 2);
	close(peer);
	close(fds[1]);
}
END_TEST

struct stubborn {
	struct lined_dispatcher *dispatcher;
	unsigned opened, closes, refused;
};

static void reconnect(struct lined_socket *sock, void *arg,
		      enum lined_close_reason reason, int error);

static const struct lined_socket_handlers stubborn_handlers = {
	.handle_close = reconnect,
};

static void reconnect(struct lined_socket *sock, void *arg,
		      enum lined_close_reason reason, int error)
{
	struct stubborn *stubborn = arg;
	struct lined_socket *next;

	(void)sock;
	(void)reason;
	(void)error;
	stubborn->closes++;
	next = support_socket(&stubborn_handlers, stubborn);
	if (lined_dispatcher_register_socket(stubborn->dispatcher, next) ==
	    NULL) {
		ck_assert_int_eq(errno, ESHUTDOWN);
		stubborn->refused++;
		lined_socket_set_handlers(next, NULL, NULL);
		lined_socket_close(next);
		return;
	}
	ck_assert_int_eq(lined_socket_connect(next, "127.0.0.1", 1, 0), 0);
	/* From the second on: the first is queued to be flushed. */
	if (stubborn->opened++ > 0)
		ck_assert_int_eq(lined_socket_send(next, "again\n", 6), 0);
}

START_TEST(the_end_comes_though_everybody_reconnects)
{
	struct stubborn stubborn = {.dispatcher = support_dispatcher()};
	struct lined_socket *first;
	int peer;

	first = support_pair(stubborn.dispatcher, &stubborn_handlers, &stubborn,
			     &peer);
	lined_socket_send(first, "first\n", 6);
	lined_dispatcher_free(stubborn.dispatcher);
	ck_assert_uint_ge(stubborn.opened, 3);
	ck_assert_uint_eq(stubborn.refused, 1);
	ck_assert_uint_eq(stubborn.closes, stubborn.opened + 1);
	close(peer);
}
END_TEST

START_TEST(a_socket_taken_out_of_its_group_has_the_defaults)
{
	struct ending ending;

	ending_begin(&ending);
	lined_socket_set_group(ending.sock, NULL);
	support_puts(ending.peer, "one\n");
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	ck_assert_int_eq(lined_socket_send(ending.sock, "two\n", 4), 0);
	support_expect(ending.dispatcher, ending.peer, "two\n");
	lined_socket_close(ending.sock);
	ending_wait(&ending);
	ck_assert_uint_eq(ending.group.counters.lines_in, 0);
	ck_assert_uint_eq(ending.group_closes, 0);
	close(ending.peer);
	lined_dispatcher_free(ending.dispatcher);
}
END_TEST

START_TEST(every_reason_has_its_text)
{
	static const char *const texts[LINED_CLOSE_REASONS] = {
		"closed", "peer",  "error",    "timeout", "too-long",
		"slow",   "limit", "shutdown", "kicked",
	};

	ck_assert_str_eq(lined_close_reason_text((enum lined_close_reason)_i),
			 texts[_i]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("close");
	TCase *tcase = support_case(suite, "matrix");

	tcase_add_loop_test(tcase, any_callback_may_close_any_socket_in_any_way,
			    0, STRIKERS);

	tcase = support_case(suite, "ways");
	tcase_add_test(tcase, handle_close_never_runs_inside_close);
	tcase_add_test(tcase, close_drops_what_is_queued);
	tcase_add_test(tcase, close_after_flush_delivers_all_that_is_queued);
	tcase_add_test(tcase, close_after_flush_with_nothing_queued_is_soon);
	tcase_add_test(tcase, close_after_flush_reads_no_more);
	tcase_add_test(tcase, close_after_flush_gives_up_at_its_deadline);
	tcase_add_test(tcase, a_close_cuts_a_close_after_flush_short);
	tcase_add_test(tcase,
		       the_last_answer_arrives_though_the_peer_still_sends);
	tcase_add_test(tcase,
		       the_last_answer_arrives_though_the_peer_sends_again);
	tcase_add_test(tcase, lingering_ends_by_itself);
	tcase_add_test(tcase, a_socket_taken_out_of_its_group_has_the_defaults);
	tcase_add_loop_test(tcase, every_reason_has_its_text, 0,
			    LINED_CLOSE_REASONS);

	tcase = support_case(suite, "peer");
	tcase_add_test(tcase, the_end_of_the_peer_is_PEER);
	tcase_add_test(tcase, what_is_sent_at_the_end_of_the_peer_still_leaves);
	tcase_add_test(tcase, a_reset_is_an_ERROR_with_its_errno);
	tcase_add_loop_test(tcase, a_reset_is_noticed_while_paused, 0,
			    PAUSED_HOWS);
	tcase_add_test(
		tcase,
		the_end_of_the_peer_waits_for_a_paused_reader_without_spinning);

	tcase = support_case(suite, "half-close");
	tcase_add_test(tcase, shutdown_write_ends_sending_after_the_queue);
	tcase_add_test(tcase,
		       with_half_close_allowed_sending_goes_on_after_the_end);
	tcase_add_test(tcase, both_halves_closed_is_the_end);

	tcase = support_case(suite, "dispatcher");
	tcase_add_test(tcase, the_end_of_the_dispatcher_is_SHUTDOWN_for_all);
	tcase_add_test(tcase, what_is_opened_at_the_end_is_closed_too);
	tcase_add_test(tcase, the_end_comes_though_everybody_reconnects);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
