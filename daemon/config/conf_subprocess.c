/* SPDX-License-Identifier: MIT */
/*
 * Starts a child process that reads a config, and receives the result. The
 * child reads the request from its standard input and writes the result to its
 * standard output: the messages, then the tree of the files if there is no
 * error. The result is incomplete if the child was killed or had no memory.
 */
#include "config.h"

#include "config/conf_subprocess.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "config/conf_serialize.h"

/* Ten thousand services with long option lists need a tenth of this. */
#define MEMORY_MAX ((size_t)256 << 20)
#define SECONDS    10
#define RESULT_MAX ((size_t)128 << 20)
#define READ_SIZE  65536
#define ERRORS_MAX 4096

/* ---- the request -------------------------------------------------------- */

static void child_put_source(struct serialized *out,
			     const struct conf_source *source)
{
	size_t i;

	serialize_text(out, source->path);
	serialize_text(out, source->module_dir);
	serialize_number(out, source->check_names);
	serialize_number(out, source->blind);
	serialize_number(out, (uint32_t)source->module_dir_count);
	for (i = 0; i < source->module_dir_count; i++)
		serialize_text(out, source->module_dirs[i]);
	if (source->files != NULL)
		serialize_bytes(out, source->files, source->files_len);
	else
		serialize_text(out, NULL);
}

/* Reads the request. -1: the request is damaged, or there is no memory. */
static int child_take_source(struct deserializer *reader,
			     struct conf_source *source)
{
	const char **dirs;
	size_t i;

	source->path = deserialize_text(reader);
	source->module_dir = deserialize_text(reader);
	source->check_names = deserialize_number(reader) != 0;
	source->blind = deserialize_number(reader) != 0;
	source->module_dir_count = deserialize_number(reader);
	if (reader->failed || source->path == NULL)
		return -1;
	dirs = calloc(source->module_dir_count + 1, sizeof(*dirs));
	if (dirs == NULL)
		return -1;
	for (i = 0; i < source->module_dir_count; i++)
		dirs[i] = deserialize_text(reader);
	source->module_dirs = dirs;
	source->files = deserialize_bytes(reader, &source->files_len);
	return reader->failed ? -1 : 0;
}

/* ---- the child ----------------------------------------------------------- */

static int child_write(const struct serialized *out)
{
	size_t at = 0;
	ssize_t n;

	while (at < out->len) {
		n = write(STDOUT_FILENO, out->data + at, out->len - at);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			at += (size_t)n;
	}
	return out->failed ? -1 : 0;
}

int conf_subprocess_main(void (*find)(const struct conf_source *source,
				      struct conf_env *env))
{
	/* Static: nothing is freed before the process ends, but the memory
	 * stays referenced, and a leak checker does not report it. */
	static struct conf_env env;
	static struct serialized tree, result;
	static struct conf_source source;
	static struct conf_errors errors;
	static struct conf *conf;
	static char *request;
	struct deserializer reader;
	size_t len;

	subprocess_limit(MEMORY_MAX, SECONDS);
	request = subprocess_input(&len);
	if (request == NULL)
		return 1;
	reader = (struct deserializer){request, request + len, false};
	if (child_take_source(&reader, &source) < 0)
		return 1;
	env.check_names = source.check_names;
	env.blind = source.blind;
	env.files = source.files;
	env.files_len = source.files_len;
	env.write_tree = &tree;
	find(&source, &env);
	conf_errors_init(&errors);
	conf = conf_load(source.path, &env, &errors);
	serialize_errors(&result, &errors);
	serialize_number(&result, conf != NULL);
	serialize_bytes(&result, tree.data != NULL ? tree.data : "", tree.len);
	return tree.failed || child_write(&result) < 0 ? 1 : 0;
}

/* ---- the result ---------------------------------------------------------- */

/* Reads what the child has written so far. True: the child's output has ended,
 * or child->why is set. */
static bool child_receive(struct conf_subprocess *child)
{
	size_t room;
	ssize_t n;
	char *data;

	for (;;) {
		if (child->room - child->len < READ_SIZE) {
			room = child->room * 2 + READ_SIZE;
			data = child->len < RESULT_MAX
				       ? realloc(child->data, room)
				       : NULL;
			if (data == NULL) {
				snprintf(child->why, sizeof(child->why), "%s",
					 strerror(ENOMEM));
				return true;
			}
			child->data = data;
			child->room = room;
		}
		n = read(child->process.out, child->data + child->len,
			 child->room - child->len);
		if (n == 0)
			return true;
		if (n > 0)
			child->len += (size_t)n;
		else if (errno == EAGAIN)
			return false;
		else if (errno != EINTR) {
			snprintf(child->why, sizeof(child->why), "%s",
				 strerror(errno));
			return true;
		}
	}
}

static void child_too_slow(struct conf_subprocess *child)
{
	snprintf(child->why, sizeof(child->why),
		 "reading it takes more than %d seconds", SECONDS);
}

/* Prints what the child wrote to its standard error, except a crash report of
 * crash.c. Returns this report; NULL: none. */
static const char *child_show_errors(char *text)
{
	static const char head[] = "main thread: ";
	char *crash = strstr(text, head), *end;

	if (crash != NULL && crash != text && crash[-1] != '\n')
		crash = NULL;
	(void)!write(STDERR_FILENO, text,
		     crash != NULL ? (size_t)(crash - text) : strlen(text));
	if (crash == NULL)
		return NULL;
	end = strchr(crash, '\n');
	if (end != NULL)
		*end = '\0';
	return crash + strlen(head);
}

/* Ends the child. Sets child->why if the child has crashed or has used up its
 * time. If SIGKILL has ended the child, sets nothing: either this function has
 * sent the signal, or the result is incomplete, which conf_subprocess_load()
 * reports. */
static void child_collect(struct conf_subprocess *child)
{
	char text[ERRORS_MAX];
	const char *crash;
	int status;

	if (!child->running)
		return;
	child->running = false;
	status = subprocess_end(&child->process, text, sizeof(text));
	crash = child_show_errors(text);
	/* A process built with a sanitizer exits when it crashes, and is not
	 * ended by a signal. So a crash report counts as a crash, too. */
	if (child->why[0] != '\0' || (!WIFSIGNALED(status) && crash == NULL))
		return;
	if (crash == NULL &&
	    (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGALRM))
		child_too_slow(child);
	else if (crash != NULL || WTERMSIG(status) != SIGKILL)
		snprintf(child->why, sizeof(child->why),
			 "the process that reads it has crashed: %s",
			 crash != NULL ? crash : strsignal(WTERMSIG(status)));
}

static int child_start(struct conf_subprocess *child,
		       const struct conf_source *source)
{
	struct serialized request = {NULL, 0, 0, false};
	int result = -1;

	memset(child, 0, sizeof(*child));
	child->path = strdup(source->path);
	child_put_source(&request, source);
	errno = ENOMEM;
	if (child->path != NULL && !request.failed)
		result = subprocess_start(&child->process, SELF_CONFIG_READER,
					  request.data, request.len);
	serialized_fini(&request);
	child->running = result == 0;
	if (result < 0)
		snprintf(child->why, sizeof(child->why),
			 "the process that reads it cannot be started: %s",
			 errno == ESRCH ? "the helper process has ended: "
					  "restart lined"
					: strerror(errno));
	return result;
}

/* ---- waiting ------------------------------------------------------------- */

void conf_subprocess_run(struct conf_subprocess *child,
			 const struct conf_source *source)
{
	uint64_t end_ms = clock_monotonic_ms() + SECONDS * 1000, now_ms;
	struct pollfd out = {.events = POLLIN};

	if (child_start(child, source) < 0)
		return;
	out.fd = child->process.out;
	while (!child_receive(child)) {
		now_ms = clock_monotonic_ms();
		if (now_ms >= end_ms) {
			child_too_slow(child);
			break;
		}
		poll(&out, 1, (int)(end_ms - now_ms));
	}
	child_collect(child);
}

static void child_finish(struct conf_subprocess *child)
{
	lined_dispatcher_unregister(child->dispatcher, &child->delegate);
	lined_timer_stop(&child->timer);
	child_collect(child);
}

static void child_readable(struct lined_delegate *delegate)
{
	struct conf_subprocess *child =
		lined_container_of(delegate, struct conf_subprocess, delegate);

	if (!child_receive(child))
		return;
	child_finish(child);
	child->done(child);
}

static void child_timed_out(struct lined_timer *timer)
{
	struct conf_subprocess *child =
		lined_container_of(timer, struct conf_subprocess, timer);

	child_too_slow(child);
	child_finish(child);
	child->done(child);
}

int conf_subprocess_start(struct conf_subprocess *child,
			  const struct conf_source *source,
			  struct lined_dispatcher *d,
			  void (*done)(struct conf_subprocess *child))
{
	static const struct lined_delegate_handlers handlers = {
		.handle_read = child_readable};

	if (child_start(child, source) < 0)
		return -1;
	child->done = done;
	child->dispatcher = d;
	child->delegate.fd = child->process.out;
	child->delegate.mode = LINED_MODE_READ;
	child->delegate.handlers = &handlers;
	lined_timer_init(&child->timer, d, child_timed_out);
	if (lined_dispatcher_register(d, &child->delegate) == 0 &&
	    lined_timer_start(&child->timer, SECONDS * 1000, 0) == 0)
		return 0;
	snprintf(child->why, sizeof(child->why), "%s", strerror(errno));
	child_finish(child);
	return -1;
}

void conf_subprocess_fini(struct conf_subprocess *child)
{
	if (child->running && child->dispatcher != NULL)
		child_finish(child);
	child_collect(child);
	free(child->path);
	free(child->data);
	memset(child, 0, sizeof(*child));
}

/* ---- the conf ------------------------------------------------------------ */

/* Makes a struct conf from the tree. Copies only errors to report, because the
 * child has already reported the warnings. */
static struct conf *child_make_conf(const struct conf_subprocess *child,
				    const struct conf_env *with,
				    const char *tree, size_t len,
				    struct conf_report *report)
{
	struct conf_env env = *with;
	struct conf_errors errors;
	struct conf *conf;
	size_t i;

	env.tree = tree;
	env.tree_len = len;
	conf_errors_init(&errors);
	conf = conf_load(child->path, &env, &errors);
	for (i = 0; i < errors.errors.count; i++)
		conf_message_copy(report, &report->errors->errors,
				  &errors.errors.items[i]);
	report->oom |= conf == NULL && errors.errors.count == 0;
	conf_errors_fini(&errors);
	return conf;
}

struct conf *conf_subprocess_load(const struct conf_subprocess *child,
				  const struct conf_env *env,
				  struct conf_errors *errors)
{
	struct deserializer reader = {child->data, child->data + child->len,
				      false};
	struct conf_report report = {.errors = errors};
	const struct conf_place itself = {child->path, 0, 0};
	struct conf *conf = NULL;
	const char *tree;
	size_t len;
	bool good;

	if (child->path == NULL) {
		report.oom = true;
	} else if (child->why[0] != '\0') {
		conf_error(&report, &itself, "%s", child->why);
	} else {
		deserialize_errors(&reader, &report);
		good = deserialize_number(&reader) != 0;
		tree = deserialize_bytes(&reader, &len);
		if (reader.failed)
			conf_error(&report, &itself,
				   "the process that reads it has ended early: "
				   "it may have no memory left");
		else if (good)
			conf = child_make_conf(child, env, tree, len, &report);
	}
	conf_report_finish(&report);
	return conf;
}
