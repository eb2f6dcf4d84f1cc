/* SPDX-License-Identifier: MIT */
/*
 * The control protocol. A request is a line with a verb and its argument. The
 * response is a line of JSON for each record; the last record is of kind "ok"
 * or "error". This file checks the client's rights and passes requests to the
 * daemon (lined/control.h), which has all data. linectl(1) uses this protocol;
 * nc -U also works.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/control.h>
#include <lined/protocol.h>
#include <lined/text.h>
#include <lined/word.h>

#include "control_record.h"
#include "growing_text.h"
#include "metrics_page.h"

/* The most bytes of a config file, and of all files of a config. */
#define PLAN_MAX       (1024 * 1024)
#define PLAN_FILES_MAX (8 * 1024 * 1024)

#define USAGE_MAX 64

struct verb;

/* The state of a client. */
struct session {
	struct lined_socket *client;
	const struct verb *verb; /* verb of the current request */
	bool tapping;
	uint64_t lost; /* lines of the tap dropped after the last line sent */
	/* Length and name of the file, or files, that follow `plan`. */
	size_t plan_len;
	char *plan_name;
};

struct verb {
	const char *name;
	const char *argument; /* in brackets if optional; "": none */
	const char *summary;
	enum lined_request_kind request;
	enum lined_right right;
	const char *records; /* the request's argument, unless NULL */
	size_t files_max;    /* unless 0: the most bytes of files that follow */
	/* Called instead of sending a request, unless NULL. */
	void (*obey)(struct session *session);
	/* Called instead of writing records, unless NULL. */
	void (*write)(struct text *text, const struct lined_response *response);
};

static void control_help(struct session *session);
static void control_write_metrics(struct text *text,
				  const struct lined_response *response);

#define LOOK   LINED_RIGHT_LOOK
#define CHANGE LINED_RIGHT_CHANGE

static const struct verb verbs[] = {
	{"status", "", "the daemon and its workers", LINED_REQUEST_STATUS,
	 .right = LOOK},
	{"services", "[SERVICE]", "the services", LINED_REQUEST_SERVICES,
	 .right = LOOK},
	{"all", "", "the records of status and services", LINED_REQUEST_ALL,
	 .right = LOOK},
	{"clients", "[SERVICE]", "the clients", LINED_REQUEST_CLIENTS,
	 .right = LOOK},
	{"why", "ADDRESS",
	 "which limit or rule decides on a client from ADDRESS",
	 LINED_REQUEST_WHY, .right = LOOK},
	{"plan", "LENGTH FILE",
	 "what a reload of FILE would do; its LENGTH bytes follow",
	 LINED_REQUEST_PLAN, .right = LOOK, .files_max = PLAN_MAX},
	{"plan-files", "LENGTH FILE",
	 "the same; FILE and what it includes follow (lined/control.h)",
	 LINED_REQUEST_PLAN_FILES, .right = LOOK, .files_max = PLAN_FILES_MAX},
	{"upstreams", "", "the upstreams of relay services",
	 LINED_REQUEST_RECORDS, .right = LOOK, .records = "upstream"},
	{"cluster", "", "this node of the cluster and the others",
	 LINED_REQUEST_CLUSTER, .right = LOOK},
	{"programs", "", "the programs of exec services", LINED_REQUEST_RECORDS,
	 .right = LOOK, .records = "programs"},
	{"tap", "SERVICE", "the lines of a service, until another line is sent",
	 LINED_REQUEST_TAP, .right = LOOK},
	{"metrics", "", "the counters as Prometheus reads them",
	 LINED_REQUEST_ALL, .right = LOOK, .write = control_write_metrics},
	{"kick", "ID", "closes a client", LINED_REQUEST_KICK, .right = CHANGE},
	{"forgive", "ADDRESS", "ends the penalties of an address",
	 LINED_REQUEST_FORGIVE, .right = CHANGE},
	{"drain", "SERVICE", "ends a service, until the next reload",
	 LINED_REQUEST_DRAIN, .right = CHANGE},
	{"reload", "", "reads the configuration again", LINED_REQUEST_RELOAD,
	 .right = CHANGE},
	{"log", "LEVEL", "sets the level of the log, until the next reload",
	 LINED_REQUEST_LOG, .right = CHANGE},
	{"help", "", "these verbs", .right = LOOK, .obey = control_help},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* "tap SERVICE" */
static void control_write_usage(char usage[USAGE_MAX], const struct verb *verb)
{
	snprintf(usage, USAGE_MAX, "%s%s%s", verb->name,
		 verb->argument[0] != '\0' ? " " : "", verb->argument);
}

/* ---- responses ---------------------------------------------------------- */

/* Sends the text, or an error if there was no memory for the text. */
static void control_send(struct session *session, struct text *text)
{
	static const char oom[] =
		"{\"kind\":\"error\",\"error\":\"out of memory\"}\n";

	if (!text->oom)
		lined_socket_send(session->client, text->data, text->len);
	else
		lined_socket_send(session->client, oom, sizeof(oom) - 1);
	text_fini(text);
}

static void control_refuse(struct session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void control_refuse(struct session *session, const char *format, ...)
{
	struct text text = {.len = 0};
	va_list arguments;
	char why[512];

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	control_record_write_end(&text, why);
	control_send(session, &text);
}

/* Writes each line of the metrics page as a record. */
static void control_write_metrics(struct text *text,
				  const struct lined_response *response)
{
	struct lined_value value = {.name = "line", .type = LINED_VALUE_TEXT};
	const struct lined_record record = {"text", 1, &value};
	struct text page = {.len = 0};
	size_t begin, end;

	metrics_page_write(&page, response);
	/* Without memory the page may end in the middle of a line. */
	if (page.oom)
		page.len = 0;
	for (begin = 0; begin < page.len; begin = end + 1) {
		for (end = begin; page.data[end] != '\n'; end++)
			;
		page.data[end] = '\0';
		value.text = page.data + begin;
		control_record_write(text, &record);
	}
	text->oom |= page.oom;
	text_fini(&page);
}

static void control_respond(struct lined_socket *client, void *arg,
			    const struct lined_response *response)
{
	struct session *session = arg;
	struct text text = {.len = 0};
	size_t i;

	if (session->verb->write != NULL && response->count > 0)
		session->verb->write(&text, response);
	for (i = 0; session->verb->write == NULL && i < response->count; i++)
		control_record_write(&text, &response->records[i]);
	if (response->last)
		control_record_write_end(&text, response->error);
	control_send(session, &text);
}

/* The number of lines in a response, including those reported as lost. */
static uint64_t control_count_lines(const struct lined_response *response)
{
	uint64_t lines = 0;
	size_t i;

	for (i = 0; i < response->count; i++)
		lines += strcmp(response->records[i].kind, "lost") == 0
				 ? response->records[i].values[0].number
				 : 1;
	return lines;
}

/* A line that arrives while the client does not read is counted as lost. When
 * the client reads again, it first gets the number of lost lines. */
static void control_respond_tap(struct lined_socket *client, void *arg,
				const struct lined_response *response)
{
	struct session *session = arg;
	struct text text = {.len = 0};
	const struct lined_value value = {.name = "lines",
					  .type = LINED_VALUE_NUMBER,
					  .number = session->lost};
	const struct lined_record lost = {"lost", 1, &value};

	if (!response->last && !lined_socket_is_writeable(client)) {
		session->lost += control_count_lines(response);
		return;
	}
	if (session->lost > 0) {
		control_record_write(&text, &lost);
		control_send(session, &text);
		session->lost = 0;
	}
	control_respond(client, session, response);
	if (!response->last)
		return;
	session->tapping = false;
	lined_socket_resume(client);
}

/* ---- requests ----------------------------------------------------------- */

/* Sends a request. If the client cannot be written to, only a request that
 * changes something is sent: a client that sends thousands of requests and
 * closes must not cost time. */
static void control_request(struct session *session, const struct verb *verb,
			    const char *argument, const char *text, size_t len)
{
	const struct lined_request request = {
		.kind = verb->request,
		.argument = argument,
		.text = text,
		.text_len = len,
	};

	if (verb->right == LOOK && !lined_socket_is_writeable(session->client))
		return;
	session->verb = verb;
	session->tapping = verb->request == LINED_REQUEST_TAP;
	if (lined_control_request(session->client, &request,
				  session->tapping ? control_respond_tap
						   : control_respond,
				  session) == 0)
		return;
	session->tapping = false;
	control_refuse(session, "%s", strerror(errno));
}

/* Sends the request for which the files were awaited. */
static void control_finish_plan(struct session *session, const char *text,
				size_t len)
{
	char *name = session->plan_name;

	session->plan_name = NULL;
	session->plan_len = 0;
	control_request(session, session->verb, name, text, len);
	free(name);
}

/* Waits for the files. After a bad length the end of the files is unknown, and
 * their bytes would be read as verbs, so the connection is closed. */
static void control_await_files(struct session *session,
				const struct verb *verb, const char *argument)
{
	const struct lined_word length = {argument, strcspn(argument, " ")};
	const char *name = argument + length.len + 1;
	uint64_t len;

	if (argument[length.len] == '\0' || name[0] == '\0' ||
	    !lined_word_unsigned(&length, verb->files_max, &len)) {
		control_refuse(session,
			       "%s: usage: %s LENGTH FILE, and then that many "
			       "bytes, %zu at most",
			       verb->name, verb->name, verb->files_max);
	} else if ((session->plan_name = strdup(name)) == NULL) {
		control_refuse(session, "%s", strerror(errno));
	} else {
		session->verb = verb;
		session->plan_len = (size_t)len;
		if (len == 0)
			control_finish_plan(session, "", 0);
		return;
	}
	lined_socket_close_after_flush(session->client, LINED_CLOSE_LOCAL, 0);
}

static const struct verb *control_find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static bool control_may(struct session *session, const struct verb *verb)
{
	enum lined_right right = lined_client_right(session->client);
	struct lined_service *service = lined_client_service(session->client);

	if (right >= verb->right)
		return true;
	lined_service_count(service, "denied", 1);
	lined_service_log(service, LINED_LOG_INFO, "%s: %s: permission denied",
			  lined_client_identity(session->client), verb->name);
	control_refuse(session,
		       right == LINED_RIGHT_LOOK
			       ? "%s: permission denied: only root and the "
				 "user that lined runs as may change anything"
			       : "%s: permission denied: only root, the user "
				 "that lined runs as and members of the "
				 "control group may look",
		       verb->name);
	return false;
}

static bool control_fits(struct session *session, const struct verb *verb,
			 const char *argument)
{
	bool given = argument[0] != '\0', takes = verb->argument[0] != '\0';
	char usage[USAGE_MAX];

	control_write_usage(usage, verb);
	if (given && !takes)
		control_refuse(session, "%s takes no argument", verb->name);
	else if (!given && takes && verb->argument[0] != '[')
		control_refuse(session, "usage: %s", usage);
	else
		return true;
	return false;
}

/* Runs a line. Blanks separate the verb from the argument. The argument may
 * contain blanks. */
static void control_obey(struct session *session, char *line)
{
	char *name = line + strspn(line, " \t");
	char *argument = name + strcspn(name, " \t");
	char *end = line + strlen(line);
	char shown[68];
	const struct verb *verb;

	if (*argument != '\0')
		*argument++ = '\0';
	argument += strspn(argument, " \t");
	while (end > argument && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	verb = control_find_verb(name);
	if (verb == NULL) {
		lined_text_escape(shown, sizeof(shown), name, strlen(name));
		control_refuse(session, "unknown command \"%s\" (try help)",
			       shown);
		return;
	}
	if (!control_may(session, verb) ||
	    !control_fits(session, verb, argument))
		return;
	if (verb->right == LINED_RIGHT_CHANGE)
		lined_service_log(
			lined_client_service(session->client), LINED_LOG_NOTICE,
			"%s: %s%s%s", lined_client_identity(session->client),
			verb->name, argument[0] != '\0' ? " " : "", argument);
	if (verb->obey != NULL)
		verb->obey(session);
	else if (verb->files_max > 0)
		control_await_files(session, verb, argument);
	else
		control_request(session, verb,
				verb->records != NULL ? verb->records
						      : argument,
				"", 0);
}

static void control_help(struct session *session)
{
	struct text text = {.len = 0};
	char usage[USAGE_MAX];
	struct lined_value values[] = {
		{.name = "usage", .type = LINED_VALUE_TEXT, .text = usage},
		{.name = "summary", .type = LINED_VALUE_TEXT},
	};
	const struct lined_record record = {"verb", 2, values};
	size_t i;

	for (i = 0; i < VERBS && lined_socket_is_writeable(session->client);
	     i++) {
		control_write_usage(usage, &verbs[i]);
		values[1].text = verbs[i].summary;
		control_record_write(&text, &record);
	}
	control_record_write_end(&text, NULL);
	control_send(session, &text);
}

/* ---- clients ----------------------------------------------------------- */

static void control_take_line(struct session *session,
			      const struct lined_line *line)
{
	char copy[LINED_LINE_LENGTH_DEFAULT + 1];

	if (session->tapping) {
		/* Any line ends the tap. Reading resumes when the tap has
		 * ended. */
		lined_socket_pause(session->client);
		lined_control_stop(session->client);
		return;
	}
	if (memchr(line->text, '\0', line->len) != NULL) {
		control_refuse(session, "a line with a NUL is no command");
		return;
	}
	memcpy(copy, line->text, line->len);
	copy[line->len] = '\0';
	if (copy[strspn(copy, " \t")] != '\0')
		control_obey(session, copy);
}

static void control_read(struct lined_socket *client, void *arg)
{
	struct session *session = arg;
	enum lined_line_status status;
	struct lined_line line;

	do {
		if (session->plan_len > 0) {
			status = lined_socket_read_block(client,
							 session->plan_len,
							 PLAN_FILES_MAX, &line);
			if (status == LINED_LINE_READY && line.unterminated)
				control_refuse(session,
					       "plan: the file is shorter "
					       "than LENGTH");
			else if (status == LINED_LINE_READY)
				control_finish_plan(session, line.text,
						    line.len);
			continue;
		}
		status = lined_socket_read_line(client, &line);
		if (status == LINED_LINE_READY)
			control_take_line(session, &line);
		else if (status == LINED_LINE_TOO_LONG)
			control_refuse(session, "the line is too long");
	} while (status == LINED_LINE_READY);
}

static void control_close(struct lined_socket *client, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct session *session = arg;

	free(session->plan_name);
	free(session);
}

static const struct lined_socket_handlers control_handlers = {
	.handle_read = control_read,
	.handle_close = control_close,
};

static void control_accept(struct lined_service *service,
			   struct lined_socket *client)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		lined_socket_close_for(client, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	session->client = client;
	/* Find out now whether the client is a program of exec, while its
	 * process exists. The answer is cached. */
	lined_client_right(client);
	lined_socket_set_handlers(client, &control_handlers, session);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "control",
	.summary = "looks at the daemon and changes it (linectl)",
	.flags = LINED_ONE_WORKER | LINED_NO_IDLE_TIMEOUT,
	.handle_accept = control_accept,
	.framing_fixed = LINED_FRAMING_LINE_LENGTH | LINED_FRAMING_TOO_LONG,
	.framing = {LINED_LINE_LENGTH_DEFAULT, LINED_TERMINATOR_ANY, 0,
		    LINED_TOO_LONG_CLOSE, LINED_UNTERMINATED_DELIVER},
};
