/* SPDX-License-Identifier: MIT */
/*
 * Connects to the daemon and reads its answers, on a dispatcher of its own. If
 * the connection cannot be opened or is lost, the error text says why.
 */
#include "config.h"

#include "linectl/control_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lined/address.h>
#include <lined/socket.h>

#include "common/memory_or_exit.h"

#define CONNECT_MS 5000

/* A limit for the records that an answer keeps, so that an endless answer does
 * not fill the memory of the machine. Half a million clients need less. A
 * record counts as the length of its line plus RECORD_COST. Records that
 * take_record() gets are not kept. */
#define ANSWER_MAX  (256 << 20)
#define RECORD_COST 256

struct control_socket {
	char *path;
	struct lined_dispatcher *dispatcher;
	struct lined_socket_group group; /* no limits: requests may be long */
	struct lined_socket *sock;       /* NULL: the connection is lost */
	struct lined_timer timer;
	unsigned timeout_ms;
	bool connected;
	int error;    /* why sock is lost */
	size_t taken; /* the size of the answer so far, see ANSWER_MAX */

	/* The request under way. answer is NULL if there is none. */
	struct answer *answer;
	void (*take_record)(struct answer *answer, const struct record *record);
};

static const char closed[] =
	"the daemon closed the connection: it has stopped, or its control "
	"section was changed";

/* ---- answers ------------------------------------------------------------ */

static void control_end(struct control_socket *control, enum answer_end end,
			const char *error)
{
	struct answer *answer = control->answer;

	if (answer == NULL)
		return;
	control->answer = NULL;
	lined_timer_stop(&control->timer);
	answer->end = end;
	free(answer->error);
	answer->error = memory_copy(error, strlen(error));
}

static void control_lose(struct control_socket *control, const char *text)
{
	if (control->sock != NULL)
		lined_socket_close(control->sock);
	control_end(control, ANSWER_BROKEN, text);
}

static void control_restart_timer(struct control_socket *control)
{
	if (control->timeout_ms > 0)
		lined_timer_start(&control->timer, control->timeout_ms, 0);
}

static void control_take_line(struct control_socket *control,
			      const struct lined_line *line)
{
	struct record record;

	if (control->answer == NULL)
		return;
	control_restart_timer(control);
	control->taken += line->len + RECORD_COST;
	if (control->taken > ANSWER_MAX && control->take_record == NULL) {
		control_lose(control, "the answer has no end");
	} else if (record_parse(&record, line->text, line->len) < 0) {
		control_lose(control, "the answer is not in lined's format");
	} else {
		if (record_is(&record, "ok"))
			control_end(control, ANSWER_OK, "");
		else if (record_is(&record, "error"))
			control_end(control, ANSWER_REFUSED,
				    record_exact(&record, "error"));
		else if (control->take_record != NULL)
			control->take_record(control->answer, &record);
		else
			answer_take(control->answer, &record);
		record_fini(&record);
	}
}

/* ---- the socket --------------------------------------------------------- */

static void control_connected(struct lined_socket *sock, void *arg)
{
	struct control_socket *control = arg;

	control->connected = true;
}

static void control_readable(struct lined_socket *sock, void *arg)
{
	struct control_socket *control = arg;
	enum lined_line_status status;
	struct lined_line line;

	while ((status = lined_socket_read_line(sock, &line)) ==
	       LINED_LINE_READY)
		control_take_line(control, &line);
	if (status == LINED_LINE_TOO_LONG)
		control_lose(control, "the answer is not in lined's format");
}

static void control_closed(struct lined_socket *sock, void *arg,
			   enum lined_close_reason reason, int error)
{
	struct control_socket *control = arg;

	control->sock = NULL;
	control->error = error;
	control_end(control, ANSWER_BROKEN, closed);
}

static const struct lined_socket_handlers handlers = {
	.handle_connect = control_connected,
	.handle_read = control_readable,
	.handle_close = control_closed,
};

static void control_timed_out(struct lined_timer *timer)
{
	struct control_socket *control =
		lined_container_of(timer, struct control_socket, timer);

	control_lose(control, "the daemon does not answer: its main thread is "
			      "busy, or stuck");
}

/* ---- opening ----------------------------------------------------------- */

/* connect(2) also fails with ECONNREFUSED if the path is not that of a
 * socket. */
static bool path_is_no_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

static const char *control_why_refused(const char *path, int error)
{
	switch (error) {
	case ECONNREFUSED:
		return path_is_no_socket(path)
			       ? "this is no socket; -s names the control "
				 "socket of lined"
			       : "lined is not running: start it (systemctl "
				 "start lined), or name another socket by -s";
	case EACCES:
	case EPERM:
		return "permission denied; ask as root or as the user that "
		       "lined runs as, or become a member of the control group";
	case ETIMEDOUT:
	case EAGAIN:
		return "the daemon does not accept connections: its main "
		       "thread is busy, or stuck";
	default:
		return strerror(error);
	}
}

static char *control_explain(const char *path, int error)
{
	if (error != ENOENT)
		return memory_format("%s: %s", path,
				     control_why_refused(path, error));
	return memory_format("%s: there is no such socket; is lined running, "
			     "and does its configuration have control { socket "
			     "= \"%s\" }? (-s names another one)",
			     path, path);
}

static int control_connect(struct control_socket *control, const char *path)
{
	const struct lined_framing framing = {
		.line_length = 16 << 20,
		.terminator = LINED_TERMINATOR_LF,
		.too_long = LINED_TOO_LONG_CLOSE,
	};
	struct lined_address address;

	if (lined_address_set_unix(&address, path) < 0)
		return -1;
	control->sock = lined_socket_new(&handlers, control);
	if (control->sock == NULL)
		return -1;
	lined_socket_set_framing(control->sock, &framing);
	lined_socket_set_group(control->sock, &control->group);
	if (lined_dispatcher_register_socket(control->dispatcher,
					     control->sock) == NULL) {
		lined_socket_close(control->sock);
		return -1;
	}
	if (lined_socket_connect_to(control->sock, &address.any, address.len,
				    CONNECT_MS) < 0)
		return -1;
	while (control->sock != NULL && !control->connected)
		if (lined_dispatcher_poll(control->dispatcher, -1) < 0)
			return -1;
	errno = control->error;
	return control->connected ? 0 : -1;
}

struct control_socket *control_socket_open(const char *path, char **error)
{
	struct control_socket *control = memory_new(1, sizeof(*control));

	control->path = memory_copy(path, strlen(path));
	control->dispatcher = lined_dispatcher_new();
	if (control->dispatcher != NULL) {
		lined_timer_init(&control->timer, control->dispatcher,
				 control_timed_out);
		if (control_connect(control, path) == 0)
			return control;
	}
	*error = control_explain(path, errno);
	control_socket_close(control);
	return NULL;
}

void control_socket_close(struct control_socket *control)
{
	if (control == NULL)
		return;
	control->answer = NULL;
	lined_dispatcher_free(control->dispatcher);
	free(control->path);
	free(control);
}

int control_socket_reopen(struct control_socket *control)
{
	if (control->sock != NULL)
		lined_socket_close(control->sock);
	while (control->sock != NULL)
		if (lined_dispatcher_poll(control->dispatcher, 0) < 0)
			return -1;
	control->connected = false;
	control->error = 0;
	return control_connect(control, control->path);
}

struct lined_dispatcher *
control_socket_dispatcher(struct control_socket *control)
{
	return control->dispatcher;
}

/* ---- asking ------------------------------------------------------------ */

void control_socket_ask(struct control_socket *control, const char *request,
			size_t len, unsigned timeout_ms, struct answer *answer,
			void (*take_record)(struct answer *answer,
					    const struct record *record))
{
	control->answer = answer;
	control->take_record = take_record;
	control->timeout_ms = timeout_ms;
	control->taken = 0;
	control_restart_timer(control);
	if (control->sock == NULL ||
	    lined_socket_send(control->sock, request, len) < 0)
		control_lose(control, closed);
}

void control_socket_get(struct control_socket *control, const char *request,
			size_t len, unsigned timeout_ms, struct answer *answer)
{
	control_socket_ask(control, request, len, timeout_ms, answer, NULL);
	while (control_socket_poll(control, -1))
		;
}

void control_socket_send(struct control_socket *control, const char *bytes,
			 size_t len)
{
	if (control->sock != NULL)
		lined_socket_send(control->sock, bytes, len);
}

bool control_socket_poll(struct control_socket *control, int timeout_ms)
{
	if (control->answer != NULL &&
	    lined_dispatcher_poll(control->dispatcher, timeout_ms) < 0)
		control_lose(control, strerror(errno));
	return control->answer != NULL;
}
