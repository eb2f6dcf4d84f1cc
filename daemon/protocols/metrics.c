/* SPDX-License-Identifier: MIT */
/*
 * The metrics protocol: serves the daemon's counters at /metrics to Prometheus,
 * with the part of HTTP that Prometheus needs. metrics_page.c writes the page,
 * http_request.c reads requests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lined/control.h>
#include <lined/protocol.h>

#include "growing_text.h"
#include "http_request.h"
#include "metrics_page.h"

#define PATH       "/metrics"
#define PAGE_TYPE  "text/plain; version=0.0.4; charset=utf-8"
#define ERROR_TYPE "text/plain; charset=utf-8"
#define REQUEST_MS 10000
/* How long a page is sent to clients before a new page is made. */
#define PAGE_AGE_MS 500
/* The most pages sent in a millisecond, so that a crowd of clients does not
 * delay clients of other services on the same thread. */
#define PAGES_A_MS 8

/* The state of an instance. */
struct metrics_server {
	struct lined_buffer *page; /* NULL: none yet */
	uint64_t made_ms;
	struct session *asking;       /* asks for records; NULL: none */
	struct session *first, **end; /* waiting, in order */
	struct lined_timer next;
	uint64_t sent_ms; /* the ms in which `sent` pages were sent */
	unsigned sent;
};

struct session {
	struct session *next, **link; /* while waiting for a page */
	struct lined_socket *client;
	struct http_request request;
	struct lined_timer deadline; /* for a request that has begun */
};

/* ---- responses --------------------------------------------------------- */

/* Closes the client after the response, or waits for its next request. */
static void metrics_finish(struct session *session)
{
	bool keep = session->request.keep;

	memset(&session->request, 0, sizeof(session->request));
	lined_socket_resume(session->client);
	if (!keep)
		lined_socket_close_after_flush(session->client,
					       LINED_CLOSE_LOCAL, 0);
}

/* Sends the head of a response, and `body`. len: the length of the whole body.
 * `body` is "" if the request is HEAD, or if the caller sends the body. */
static void metrics_send(struct session *session, enum http_status status,
			 const char *type, size_t len, const char *body)
{
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT",
		 gmtime_r(&now, &tm));
	if (lined_socket_printf(
		    session->client,
		    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
		    "Content-Length: %zu\r\nConnection: %s\r\n%s\r\n%s",
		    (int)status, http_status_text(status), date, type, len,
		    session->request.keep ? "keep-alive" : "close",
		    status == HTTP_METHOD_NOT_ALLOWED ? "Allow: GET, HEAD\r\n"
						      : "",
		    body) < 0)
		lined_socket_close_for(session->client, LINED_CLOSE_ERROR,
				       errno);
}

static void metrics_send_page(struct session *session,
			      const struct metrics_server *server)
{
	size_t len = lined_buffer_len(server->page);

	metrics_send(session, HTTP_OK, PAGE_TYPE, len, "");
	if (!session->request.head)
		lined_socket_send_shared(session->client, server->page, 0, len);
	metrics_finish(session);
}

static void metrics_send_error(struct session *session, enum http_status status)
{
	char body[128];
	int len =
		snprintf(body, sizeof(body), "%s%s\n", http_status_text(status),
			 status == HTTP_NOT_FOUND ? ": there is " PATH : "");

	metrics_send(session, status, ERROR_TYPE, (size_t)len,
		     session->request.head ? "" : body);
	metrics_finish(session);
}

/* ---- the page ---------------------------------------------------------- */

static void metrics_wait(struct metrics_server *server, struct session *session)
{
	session->link = server->end;
	*server->end = session;
	server->end = &session->next;
}

static void metrics_wait_no_more(struct metrics_server *server,
				 struct session *session)
{
	if (session->link == NULL)
		return;
	*session->link = session->next;
	if (session->next != NULL)
		session->next->link = session->link;
	else
		server->end = session->link;
	session->next = NULL;
	session->link = NULL;
}

static struct session *metrics_next_session(struct metrics_server *server)
{
	struct session *session;

	while ((session = server->first) != NULL) {
		metrics_wait_no_more(server, session);
		/* Skips a client that has closed. */
		if (!lined_socket_is_closed(session->client))
			break;
	}
	return session;
}

/* Answers this session and all waiting sessions with an error. */
static void metrics_refuse(struct metrics_server *server,
			   struct session *session, const char *why)
{
	lined_service_log(lined_client_service(session->client),
			  LINED_LOG_WARNING, "no counters for a client: %s",
			  why);
	do {
		session->request.keep = false;
		metrics_send_error(session, HTTP_UNAVAILABLE);
	} while ((session = metrics_next_session(server)) != NULL);
}

static bool metrics_is_fresh(const struct metrics_server *server,
			     uint64_t now_ms)
{
	return server->page != NULL && now_ms - server->made_ms < PAGE_AGE_MS;
}

static void metrics_serve(struct metrics_server *server, uint64_t now_ms);

static void metrics_respond(struct lined_socket *client, void *arg,
			    const struct lined_response *response)
{
	struct session *session = arg;
	struct lined_service *service = lined_client_service(client);
	struct metrics_server *server = lined_service_data(service);
	struct text page = {.len = 0};
	struct lined_buffer *buffer = NULL;

	if (!response->last)
		return; /* the last response has all records */
	server->asking = NULL;
	if (response->error == NULL)
		metrics_page_write(&page, response);
	if (page.len > 0 && !page.oom)
		buffer = lined_buffer_new(page.data, page.len);
	text_fini(&page);
	if (buffer == NULL) {
		metrics_refuse(server, session,
			       response->error != NULL ? response->error
						       : strerror(ENOMEM));
		return;
	}
	lined_buffer_unref(server->page);
	server->page = buffer;
	server->made_ms =
		lined_dispatcher_now_ms(lined_service_dispatcher(service));
	metrics_send_page(session, server);
	metrics_serve(server, server->made_ms);
}

/* Asks for the records through one session; all other sessions wait for the
 * same page. */
static void metrics_ask(struct metrics_server *server)
{
	static const struct lined_request request = {
		.kind = LINED_REQUEST_ALL,
		.argument = "",
		.text = "",
	};
	struct session *session = metrics_next_session(server);

	if (session == NULL)
		return;
	if (lined_control_request(session->client, &request, metrics_respond,
				  session) == 0)
		server->asking = session;
	else
		metrics_refuse(server, session, strerror(errno));
}

/* Sends the page to waiting sessions, as many as PAGES_A_MS allows. */
static void metrics_serve(struct metrics_server *server, uint64_t now_ms)
{
	struct session *session;

	if (server->asking != NULL)
		return;
	if (!metrics_is_fresh(server, now_ms)) {
		metrics_ask(server);
		return;
	}
	if (server->sent_ms != now_ms)
		server->sent = 0;
	server->sent_ms = now_ms;
	while (server->sent < PAGES_A_MS &&
	       (session = metrics_next_session(server)) != NULL) {
		metrics_send_page(session, server);
		server->sent++;
	}
	if (server->first != NULL)
		lined_timer_start(&server->next, 1, 0);
}

static void metrics_serve_next(struct lined_timer *timer)
{
	struct metrics_server *server =
		lined_container_of(timer, struct metrics_server, next);

	metrics_serve(server, lined_dispatcher_now_ms(timer->dispatcher));
}

/* Makes the client wait for a page; until then nothing is read from it. */
static void metrics_request_page(struct session *session)
{
	struct lined_service *service = lined_client_service(session->client);
	struct metrics_server *server = lined_service_data(service);

	lined_socket_pause(session->client);
	metrics_wait(server, session);
	metrics_serve(server, lined_dispatcher_now_ms(
				      lined_service_dispatcher(service)));
}

/* ---- requests ---------------------------------------------------------- */

static void metrics_deadline_passed(struct lined_timer *timer)
{
	struct session *session =
		lined_container_of(timer, struct session, deadline);

	session->request.keep = false;
	metrics_send_error(session, HTTP_TIMEOUT);
}

static void metrics_take_line(struct session *session,
			      const struct lined_line *line)
{
	enum http_status status;

	/* The deadline starts with the first line; further lines do not extend
	 * it. */
	if (!lined_timer_is_armed(&session->deadline))
		lined_timer_start(&session->deadline, REQUEST_MS, 0);
	status = http_request_line(&session->request, PATH, line->text,
				   line->len);
	if (status == HTTP_MORE)
		return;
	lined_timer_stop(&session->deadline);
	/* After a failed write no answer can reach the client: its remaining
	 * requests must not cost time. */
	if (!lined_socket_is_writeable(session->client)) {
		lined_socket_close_for(session->client, LINED_CLOSE_ERROR,
				       EPIPE);
		return;
	}
	if (status == HTTP_OK)
		metrics_request_page(session);
	else
		metrics_send_error(session, status);
}

static void metrics_read(struct lined_socket *client, void *arg)
{
	struct session *session = arg;
	enum lined_line_status status;
	struct lined_line line;

	while ((status = lined_socket_read_line(client, &line)) ==
	       LINED_LINE_READY)
		metrics_take_line(session, &line);
	if (status != LINED_LINE_TOO_LONG)
		return;
	session->request.keep = false;
	lined_timer_stop(&session->deadline);
	metrics_send_error(session, HTTP_TOO_LARGE);
}

static void metrics_close(struct lined_socket *client, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct session *session = arg;
	struct lined_service *service = lined_client_service(client);
	struct metrics_server *server = lined_service_data(service);

	lined_timer_stop(&session->deadline);
	metrics_wait_no_more(server, session);
	if (server->asking == session) {
		server->asking = NULL;
		metrics_ask(server);
	}
	free(session);
}

static const struct lined_socket_handlers metrics_handlers = {
	.handle_read = metrics_read,
	.handle_close = metrics_close,
};

static void metrics_accept(struct lined_service *service,
			   struct lined_socket *client)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		lined_socket_close_for(client, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	session->client = client;
	lined_service_timer(service, &session->deadline,
			    metrics_deadline_passed);
	lined_socket_set_handlers(client, &metrics_handlers, session);
}

static int metrics_start(struct lined_service *service)
{
	struct metrics_server *server = lined_service_data(service);

	server->end = &server->first;
	lined_service_timer(service, &server->next, metrics_serve_next);
	return 0;
}

static void metrics_stop(struct lined_service *service)
{
	struct metrics_server *server = lined_service_data(service);

	lined_timer_stop(&server->next);
	lined_buffer_unref(server->page);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "metrics",
	.summary = "the daemon's counters for Prometheus, over HTTP",
	.flags = LINED_ONE_WORKER,
	.handle_accept = metrics_accept,
	.start = metrics_start,
	.stop = metrics_stop,
	.instance_size = sizeof(struct metrics_server),
	.framing_fixed = LINED_FRAMING_TERMINATOR | LINED_FRAMING_LINE_LENGTH |
			 LINED_FRAMING_TOO_LONG | LINED_FRAMING_UNTERMINATED,
	.framing = {LINED_LINE_LENGTH_DEFAULT, LINED_TERMINATOR_ANY, 0,
		    LINED_TOO_LONG_CLOSE, LINED_UNTERMINATED_DROP},
};
