/* SPDX-License-Identifier: MIT */
/*
 * Closes any socket from any callback of any other socket in the same turn.
 * handle_close must come exactly once, as the last callback. This suite is
 * meant to run under an address sanitizer.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "support.h"

/* ---- the matrix ------------------------------------------------------ */

/* The callback that closes. */
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

/* The object that is closed. Each has an event in the same turn. */
enum target {
	TARGET_SELF,       /* the socket whose callback closes */
	TARGET_EARLIER,    /* has input, and was registered before the closing
			    * socket */
	TARGET_LATER,      /* has input, and was registered after the closing
			    * socket */
	TARGET_LEFTOVER,   /* has lines that were received but not handled */
	TARGET_LISTENER,   /* has a connection to accept */
	TARGET_CONNECTING, /* is connected, but handle_connect has not run */
	TARGET_RESOLVING,  /* waits for the lookup of a name */
	TARGET_QUEUED,     /* has more output than the peer takes */
	TARGET_DIRTY,      /* got output in this turn */
	TARGET_TASK,       /* has a task and wants to write */
	TARGET_DATAGRAM,   /* a datagram waits */
	TARGET_CLOSED,     /* was closed before */
	TARGETS,
	TARGET_ALL = TARGETS,
};

enum way { WAY_NOW, WAY_FOR, WAY_FLUSH, WAYS };

struct actor {
	struct scene *scene;
	struct lined_socket *sock; /* NULL after handle_close */
	enum target role;
	bool struck; /* was closed: no callback but handle_close may follow */
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

/* All callbacks of all sockets call this function. */
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
	called(arg, STRIKE_ACCEPT);
}

static void scene_connect(struct lined_socket *sock, void *arg)
{
	called(arg, STRIKE_CONNECT);
}

static void scene_read(struct lined_socket *sock, void *arg)
{
	struct actor *actor = called(arg, STRIKE_READ);
	struct lined_line line;

	/* Reads only one line: the rest is left over for the next turn. */
	if (!actor->struck)
		lined_socket_read_line(sock, &line);
}

static void scene_write(struct lined_socket *sock, void *arg)
{
	called(arg, STRIKE_WRITE);
}

static void scene_task(struct lined_socket *sock, void *arg)
{
	called(arg, STRIKE_TASK);
}

static void scene_close(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct actor *actor = arg;
	struct scene *scene = actor->scene;

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

/* Adds a connected socket in this role, and keeps its peer. */
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
	/* The lines of TARGET_LEFTOVER must be received in an earlier turn. */
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
	/* handle_close of sockets that the close phase closes comes a turn
	 * later. */
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

static Suite *make_suite(void)
{
	Suite *suite = suite_create("close anywhere");
	TCase *tcase = support_case(suite, "matrix");

	tcase_add_loop_test(tcase, any_callback_may_close_any_socket_in_any_way,
			    0, STRIKERS);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
