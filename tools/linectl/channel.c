/* SPDX-License-Identifier: MIT */
/*
 * The connection, on a dispatcher of its own. What it is like to have none is
 * told in a sentence that says what to do.
 */
#include "config.h"

#include "linectl/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lined/address.h>
#include <lined/socket.h>

#include "common/memory.h"

#define CONNECT_MS 5000

/* What an answer may take, and what each record of it does beside its text.
 * Half a million clients need less. */
#define ANSWER_MAX  (256 << 20)
#define RECORD_COST 256

struct channel {
	struct lined_dispatcher *dispatcher;
	struct lined_socket_group group; /* no limits: requests may be long */
	struct lined_socket *sock;       /* NULL: lost */
	struct lined_timer timer;
	unsigned timeout_ms;
	bool connected;
	int error;    /* why it is lost */
	size_t taken; /* bytes of the answer */

	/* The request. */
	const struct channel_handlers *handlers; /* NULL: none */
	void *arg;
};

static const char closed[] =
	"the daemon closed the connection: it has stopped, or its control "
	"section was changed";

/* ---- answers ------------------------------------------------------------ */

static void end(struct channel *channel, enum channel_end how, const char *text)
{
	const struct channel_handlers *handlers = channel->handlers;

	if (handlers == NULL)
		return;
	channel->handlers = NULL;
	lined_timer_stop(&channel->timer);
	handlers->ended(channel->arg, how, text);
}

static void lose(struct channel *channel, const char *text)
{
	if (channel->sock != NULL)
		lined_socket_close(channel->sock);
	end(channel, CHANNEL_BROKEN, text);
}

static void restart_timer(struct channel *channel)
{
	if (channel->timeout_ms > 0)
		lined_timer_start(&channel->timer, channel->timeout_ms, 0);
}

/* `error "WHY"` is a record with a nameless value. */
static void take_error(struct channel *channel, const char *json, size_t len)
{
	char *line = memory_format("error text=%.*s", (int)len, json);
	struct record record;

	if (record_parse(&record, line, strlen(line)) < 0) {
		lose(channel, "the answer is none of lined's");
	} else {
		end(channel, CHANNEL_REFUSED, record_exact(&record, "text"));
		record_fini(&record);
	}
	free(line);
}

static void take_line(struct channel *channel, const struct lined_line *line)
{
	struct record record;

	if (channel->handlers == NULL)
		return;
	restart_timer(channel);
	channel->taken += line->len + RECORD_COST;
	if (channel->taken > ANSWER_MAX && !channel->handlers->endless)
		lose(channel, "the answer has no end");
	else if (line->len == 2 && memcmp(line->text, "ok", 2) == 0) {
		end(channel, CHANNEL_OK, "");
	} else if (line->len > 6 && memcmp(line->text, "error ", 6) == 0) {
		take_error(channel, line->text + 6, line->len - 6);
	} else if (record_parse(&record, line->text, line->len) < 0) {
		lose(channel, "the answer is none of lined's");
	} else {
		channel->handlers->record(channel->arg, &record);
		record_fini(&record);
	}
}

/* ---- the socket --------------------------------------------------------- */

static void on_connect(struct lined_socket *sock, void *arg)
{
	struct channel *channel = arg;

	(void)sock;
	channel->connected = true;
}

static void on_read(struct lined_socket *sock, void *arg)
{
	struct channel *channel = arg;
	enum lined_line_status status;
	struct lined_line line;

	while ((status = lined_socket_read_line(sock, &line)) ==
	       LINED_LINE_READY)
		take_line(channel, &line);
	if (status == LINED_LINE_TOO_LONG)
		lose(channel, "the answer is none of lined's");
}

static void on_close(struct lined_socket *sock, void *arg,
		     enum lined_close_reason reason, int error)
{
	struct channel *channel = arg;

	(void)sock;
	(void)reason;
	channel->sock = NULL;
	channel->error = error;
	end(channel, CHANNEL_BROKEN, closed);
}

static const struct lined_socket_handlers handlers = {
	.handle_connect = on_connect,
	.handle_read = on_read,
	.handle_close = on_close,
};

static void timed_out(struct lined_timer *timer)
{
	struct channel *channel =
		lined_container_of(timer, struct channel, timer);

	lose(channel,
	     "the daemon does not answer: its main thread is busy, or stuck");
}

/* ---- opening ----------------------------------------------------------- */

/* What is no socket refuses like one that nobody listens on. */
static bool is_other(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

static char *explain(const char *path, int error)
{
	if (error == ECONNREFUSED && is_other(path))
		return memory_format("%s: this is no socket; -s names the "
				     "control socket of lined",
				     path);
	switch (error) {
	case ENOENT:
		return memory_format(
			"%s: there is no such socket; is lined running, and "
			"does its configuration have control { socket = "
			"\"%s\" }? (-s names another one)",
			path, path);
	case ECONNREFUSED:
		return memory_format(
			"%s: nobody answers; lined is not running: start it "
			"(systemctl start lined), or name another socket by -s",
			path);
	case EACCES:
	case EPERM:
		return memory_format(
			"%s: permission denied; ask as root or as the user "
			"that lined runs as, or become a member of the control "
			"group",
			path);
	case ETIMEDOUT:
	case EAGAIN:
		return memory_format(
			"%s: the daemon does not accept connections: its main "
			"thread is busy, or stuck",
			path);
	default:
		return memory_format("%s: %s", path, strerror(error));
	}
}

static int make_socket(struct channel *channel, const char *path)
{
	const struct lined_framing framing = {
		.line_length = 16 << 20,
		.terminator = LINED_TERMINATOR_LF,
		.too_long = LINED_TOO_LONG_CLOSE,
	};
	struct lined_address address;

	if (lined_address_set_unix(&address, path) < 0)
		return -1;
	channel->sock = lined_socket_new(&handlers, channel);
	if (channel->sock == NULL)
		return -1;
	lined_socket_set_framing(channel->sock, &framing);
	lined_socket_set_group(channel->sock, &channel->group);
	if (lined_dispatcher_register_socket(channel->dispatcher,
					     channel->sock) == NULL) {
		lined_socket_close(channel->sock);
		return -1;
	}
	if (lined_socket_connect_to(channel->sock, &address.any, address.len,
				    CONNECT_MS) < 0)
		return -1;
	while (channel->sock != NULL && !channel->connected)
		if (lined_dispatcher_poll(channel->dispatcher, -1) < 0)
			return -1;
	errno = channel->error;
	return channel->connected ? 0 : -1;
}

struct channel *channel_open(const char *path, char **error)
{
	struct channel *channel = memory_new(1, sizeof(*channel));

	channel->dispatcher = lined_dispatcher_new();
	if (channel->dispatcher != NULL) {
		lined_timer_init(&channel->timer, channel->dispatcher,
				 timed_out);
		if (make_socket(channel, path) == 0)
			return channel;
	}
	*error = explain(path, errno);
	channel_close(channel);
	return NULL;
}

void channel_close(struct channel *channel)
{
	if (channel == NULL)
		return;
	channel->handlers = NULL;
	lined_dispatcher_free(channel->dispatcher);
	free(channel);
}

struct lined_dispatcher *channel_dispatcher(struct channel *channel)
{
	return channel->dispatcher;
}

/* ---- asking ------------------------------------------------------------ */

void channel_ask(struct channel *channel, const char *request, size_t len,
		 unsigned timeout_ms, const struct channel_handlers *how,
		 void *arg)
{
	channel->handlers = how;
	channel->arg = arg;
	channel->timeout_ms = timeout_ms;
	channel->taken = 0;
	restart_timer(channel);
	if (channel->sock == NULL ||
	    lined_socket_send(channel->sock, request, len) < 0)
		lose(channel, closed);
}

void channel_send(struct channel *channel, const char *bytes, size_t len)
{
	if (channel->sock != NULL)
		lined_socket_send(channel->sock, bytes, len);
}

bool channel_poll(struct channel *channel, int timeout_ms)
{
	if (channel->handlers != NULL &&
	    lined_dispatcher_poll(channel->dispatcher, timeout_ms) < 0)
		lose(channel, strerror(errno));
	return channel->handlers != NULL;
}
