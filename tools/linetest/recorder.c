/* SPDX-License-Identifier: MIT */
/*
 * Listens for clients and opens a connection to the daemon for each. Passes
 * bytes on at once; transcript_writer.c makes lines of them. Streams only.
 */
#include "config.h"

#include "linetest/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/socket.h>

#include "linetest/net_address.h"
#include "linetest/deadline.h"
#include "linetest/run_dir.h"
#include "linetest/transcript_file.h"
#include "linetest/escape.h"
#include "linetest/transcript_writer.h"
#include "list.h"

#define START_MS   30000
#define FOREVER_MS UINT32_MAX

/* If more bytes than this wait for a side that does not read, the other side is
 * not read. */
#define QUEUE_MAX (256 * 1024)

struct recorder {
	const struct recorder_settings *settings;
	struct lined_dispatcher *dispatcher;
	struct transcript_writer writer;
	struct run_dir dir;
	struct daemon_process process;
	struct net_address here, daemon;
	const char *connect; /* the action of clients in the transcript */
	struct list links;
	unsigned count; /* how many clients there were so far */
};

/* A client and its connection to the daemon. */
struct link {
	struct recorder *recorder;
	struct list node;
	struct writer_client transcript;
	struct side {
		struct link *link;
		struct side *other;
		struct lined_socket *sock; /* NULL: the connection has ended */
		bool eof;
	} client, daemon;
};

static int print_errno(const char *what)
{
	escape_print(stderr, "linetest: %s: %s\n", what, strerror(errno));
	return -1;
}

/* ---- passing on --------------------------------------------------------- */

static bool side_is_client(const struct side *side)
{
	return side == &side->link->client;
}

static void link_write_action(struct link *link, const char *action)
{
	transcript_writer_act(&link->recorder->writer, &link->transcript,
			      action);
}

/* Closes the socket when its queue is sent. Removes its handlers first, because
 * handle_close comes later, after link_free(). */
static void side_drop(struct side *side)
{
	if (side->sock == NULL)
		return;
	lined_socket_set_handlers(side->sock, NULL, NULL);
	lined_socket_close_after_flush(side->sock, LINED_CLOSE_LOCAL, 1000);
	side->sock = NULL;
}

static void link_free(struct link *link)
{
	transcript_writer_client_fini(&link->recorder->writer,
				      &link->transcript);
	side_drop(&link->client);
	side_drop(&link->daemon);
	list_remove(&link->node);
	free(link);
}

static void side_pass_on(struct side *side, const struct lined_line *data)
{
	struct link *link = side->link;

	transcript_writer_bytes(&link->recorder->writer, &link->transcript,
				side_is_client(side), data->text, data->len);
	if (side->other->sock == NULL)
		return;
	lined_socket_send(side->other->sock, data->text, data->len);
	if (lined_socket_queued(side->other->sock) > QUEUE_MAX) {
		lined_socket_pause(side->sock);
		lined_socket_want_write(side->other->sock, true);
	}
}

/* Passes the end of a stream on: half-closes the other side, which may still
 * send. Frees the link when both sides have ended. */
static void side_ended(struct side *side)
{
	struct link *link = side->link;

	side->eof = true;
	link_write_action(link, side_is_client(side) ? "half-close" : "eof");
	if (side->other->sock != NULL)
		lined_socket_shutdown_write(side->other->sock);
	if (side->other->eof || side->other->sock == NULL)
		link_free(link);
}

static void side_readable(struct lined_socket *sock, void *arg)
{
	struct side *side = arg;
	enum lined_line_status status;
	struct lined_line data;

	while ((status = lined_socket_read(sock, &data)) == LINED_LINE_READY)
		side_pass_on(side, &data);
	if (status == LINED_LINE_CLOSED && !side->eof)
		side_ended(side);
}

/* The queue was sent: read the other side again. */
static void side_writable(struct lined_socket *sock, void *arg)
{
	struct side *side = arg;

	lined_socket_want_write(sock, false);
	if (side->other->sock != NULL)
		lined_socket_resume(side->other->sock);
}

static void side_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct side *side = arg;

	side->sock = NULL;
	if (!side->eof && side_is_client(side)) {
		link_write_action(side->link, "reset");
	} else if (!side->eof) {
		link_write_action(side->link, "gone");
		escape_print(stderr, "linetest: %s: the daemon: %s\n",
			     side->link->transcript.name, strerror(error));
	}
	link_free(side->link);
}

static const struct lined_socket_handlers handlers = {
	.handle_read = side_readable,
	.handle_write = side_writable,
	.handle_close = side_closed,
};

/* ---- clients ------------------------------------------------------------ */

static struct lined_socket *side_init(struct side *side, struct link *link,
				      struct side *other)
{
	side->link = link;
	side->other = other;
	side->sock = net_address_socket(&handlers, side);
	return side->sock;
}

static struct link *link_new(struct recorder *recorder)
{
	struct link *link = memory_new(1, sizeof(*link));

	link->recorder = recorder;
	list_append(&recorder->links, &link->node);
	snprintf(link->transcript.name, sizeof(link->transcript.name),
		 "client%u", ++recorder->count);
	if (side_init(&link->client, link, &link->daemon) != NULL &&
	    side_init(&link->daemon, link, &link->client) != NULL)
		return link;
	link_free(link);
	return NULL;
}

static void recorder_acceptable(struct lined_socket *listener, void *arg)
{
	struct recorder *recorder = arg;
	struct link *link = link_new(recorder);

	if (link == NULL)
		return;
	if (lined_socket_accept(listener, link->client.sock) < 0) {
		recorder->count--;
		link_free(link);
		return;
	}
	link_write_action(link, recorder->connect);
	if (net_address_connect(&recorder->daemon, link->daemon.sock) < 0 ||
	    lined_dispatcher_register_socket(recorder->dispatcher,
					     link->daemon.sock) == NULL) {
		print_errno(link->transcript.name);
		link_free(link);
	}
}

static const struct lined_socket_handlers listener_handlers = {
	.handle_accept = recorder_acceptable,
};

static int recorder_listen(struct recorder *recorder)
{
	const struct net_address *here = &recorder->here;
	char *url;

	if (net_address_listen(here, recorder->dispatcher, &listener_handlers,
			       recorder) != NULL)
		return 0;
	url = net_address_url(here);
	print_errno(url);
	free(url);
	return -1;
}

/* ---- the daemon --------------------------------------------------------- */

/* Starts a daemon with the head's config; clients go to its first address for
 * streams. */
static int recorder_start_daemon(struct recorder *recorder)
{
	const struct recorder_settings *settings = recorder->settings;
	const struct transcript *head = settings->head;
	char *config, *path, *error = NULL;
	size_t i;
	int result = -1;

	for (i = 0; i < head->address_count; i++)
		if (head->addresses[i].transport <= TRANSPORT_TCP6)
			break;
	if (i == head->address_count) {
		escape_print(stderr, "linetest: %s: no stream to record\n",
			     head->path);
		return -1;
	}
	if (run_dir_open(&recorder->dir, head, &error) < 0)
		goto fail;
	recorder->daemon = recorder->dir.addresses[i];
	config = run_dir_fill(&recorder->dir, head->config);
	path = run_dir_write_config(&recorder->dir, config,
				    head->fixes_workers ? 0 : settings->workers,
				    &error);
	if (path != NULL)
		result = daemon_process_start(&recorder->process,
					      &settings->daemon, path, START_MS,
					      &error);
	free(config);
	free(path);
	if (result == 0)
		return 0;
	for (i = 0; i < recorder->process.log_count; i++)
		escape_print(stderr, "%s\n", recorder->process.log[i]);
fail:
	escape_print(stderr, "linetest: %s: %s\n", head->path, error);
	free(error);
	return -1;
}

/* The recorder passes bytes on as they are: it does not decode WebSocket, and
 * speaks TLS only to a daemon. */
static int read_stream_address(struct net_address *address, const char *option,
			       const char *url, bool takes_tls)
{
	const struct transport_info *info;
	char *error = NULL;

	if (net_address_read(address, url, &error) == 0) {
		info = &transports[address->transport];
		if (info->type == SOCK_STREAM && !info->web &&
		    (takes_tls || !info->tls))
			return 0;
		error = memory_format("\"%s\": %s takes %s only", url, option,
				      takes_tls ? "tcp://, unix:// and tls://"
						: "tcp:// and unix://");
	}
	escape_print(stderr, "linetest: %s\n", error);
	free(error);
	return -1;
}

/* Sets the address of a running or a new daemon, and the action by which
 * clients of the transcript connect. */
static int recorder_find_daemon(struct recorder *recorder)
{
	static const char *const ways[] = {"connect", "connect tcp",
					   "connect tcp6"};
	const char *asked = recorder->settings->connect;
	const struct sockaddr *any = &recorder->daemon.to.any;

	recorder->connect = ways[0];
	if (asked == NULL)
		return recorder_start_daemon(recorder);
	if (read_stream_address(&recorder->daemon, "--connect", asked, true) <
	    0)
		return -1;
	if (any->sa_family == AF_INET)
		recorder->connect = ways[1];
	else if (any->sa_family == AF_INET6)
		recorder->connect = ways[2];
	return 0;
}

static int recorder_find_here(struct recorder *recorder)
{
	const char *asked = recorder->settings->listen;

	if (asked != NULL)
		return read_stream_address(&recorder->here, "--listen", asked,
					   false);
	if (net_address_free(&recorder->here, TRANSPORT_TCP, NULL) < 0)
		return print_errno("no free port");
	return 0;
}

/* ---- the file ----------------------------------------------------------- */

/* Writes the head to the file, or a comment in place of the head. */
static void recorder_write_head(struct recorder *recorder)
{
	const struct transcript *head = recorder->settings->head;
	struct transcript_writer *writer = &recorder->writer;
	struct transcript_file file;
	char *error;

	if (head == NULL) {
		transcript_writer_line(
			writer, "# What is served (protocol NAME, or config "
				"FILE) is to be written here.");
	} else if (transcript_file_open(&file, head->path, &error) < 0) {
		escape_print(stderr, "linetest: %s\n", error);
		free(error);
		writer->failed = true;
	} else {
		while (transcript_file_next(&file))
			transcript_writer_line(writer, file.row);
		transcript_file_close(&file);
	}
	transcript_writer_line(writer, "");
}

static int recorder_open_file(struct recorder *recorder)
{
	const char *name = recorder->settings->file;

	if (strcmp(name, "-") == 0)
		recorder->writer.file = stdout;
	else
		recorder->writer.file = fopen(name, "wxe");
	if (recorder->writer.file == NULL)
		return print_errno(name);
	recorder_write_head(recorder);
	return recorder->writer.failed ? -1 : 0;
}

static int recorder_close_file(struct recorder *recorder)
{
	struct transcript_writer *writer = &recorder->writer;

	if (writer->file != NULL && writer->file != stdout &&
	    fclose(writer->file) != 0)
		writer->failed = true;
	return writer->failed ? print_errno(recorder->settings->file) : 0;
}

/* ---- the recording ------------------------------------------------------ */

static bool recorder_daemon_has_died(struct recorder *recorder)
{
	char *end;

	if (recorder->settings->connect != NULL ||
	    recorder->process.error != NULL ||
	    !daemon_process_has_ended(&recorder->process))
		return false;
	end = daemon_process_end_text(&recorder->process);
	escape_print(stderr, "linetest: the daemon is gone: %s\n", end);
	free(end);
	return true;
}

static int recorder_record(struct recorder *recorder)
{
	char *url;
	uint32_t timeout_ms = recorder->settings->timeout_ms;
	bool died;

	if (recorder_find_here(recorder) < 0 ||
	    recorder_find_daemon(recorder) < 0 ||
	    recorder_listen(recorder) < 0 || recorder_open_file(recorder) < 0)
		return -1;
	url = net_address_url(&recorder->here);
	fprintf(recorder->writer.file == stdout ? stderr : stdout,
		"listening on %s\n", url);
	fflush(stdout);
	free(url);
	deadline_wait_until(recorder->dispatcher,
			    timeout_ms > 0 ? timeout_ms : FOREVER_MS,
			    (died = recorder_daemon_has_died(recorder)) ||
				    recorder->writer.failed);
	return died ? -1 : 0;
}

int recorder_run(const struct recorder_settings *settings)
{
	struct recorder recorder = {.settings = settings};
	struct link *link, *next;
	int result;

	recorder.dispatcher = lined_dispatcher_new();
	if (recorder.dispatcher == NULL)
		return print_errno("dispatcher");
	list_init(&recorder.links);
	daemon_process_init(&recorder.process, recorder.dispatcher);
	result = recorder_record(&recorder);
	list_for_each_safe(link, next, &recorder.links, node)
		link_free(link);
	if (recorder_close_file(&recorder) < 0)
		result = -1;
	daemon_process_fini(&recorder.process);
	lined_dispatcher_free(recorder.dispatcher);
	run_dir_close(&recorder.dir, false);
	return result;
}
