/* SPDX-License-Identifier: MIT */
/*
 * Lines do not depend on packets: random streams, cut at every position and at
 * random, must give the same lines as a reference that sees the whole stream at
 * once. Many streams go through the framer alone, some through sockets. Each
 * run prints its seed; LINED_TEST_SEED repeats a run.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "framing.h"
#include "support.h"

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* ---- results --------------------------------------------------------- */

/* Events one after the other: kind, flags, terminator, length, bytes. */
struct events {
	char *data;
	size_t len, room;
	uint64_t bare_lf, dropped, too_long;
};

static void append(struct events *events, const void *data, size_t len)
{
	if (events->len + len > events->room) {
		events->room = 2 * (events->len + len) + 1024;
		events->data = realloc(events->data, events->room);
		ck_assert_ptr_nonnull(events->data);
	}
	memcpy(events->data + events->len, data, len);
	events->len += len;
}

static void add_line(struct events *events, const char *text, size_t len,
		     const char *terminator, size_t terminator_len,
		     bool truncated)
{
	const char head[3] = {'L', truncated ? 'T' : '-',
			      (char)('0' + terminator_len)};
	const uint32_t length = (uint32_t)len;

	append(events, head, sizeof(head));
	append(events, &length, sizeof(length));
	append(events, text, len);
	append(events, terminator, terminator_len);
}

static void add_too_long(struct events *events)
{
	append(events, "!", 1);
	events->too_long++;
}

static void add(struct events *events, const struct lined_line *line)
{
	ck_assert_int_eq(line->text[line->len], '\0');
	ck_assert(line->unterminated == (line->terminator_len == 0));
	add_line(events, line->text, line->len, line->terminator,
		 line->terminator_len, line->truncated);
}

static void forget(struct events *events)
{
	events->len = 0;
	events->bare_lf = events->dropped = events->too_long = 0;
}

/* ---- the reference --------------------------------------------------- */

/* Finds the next terminator from `begin` on. Returns its end (NULL: there is
 * none), and its length. */
static const char *terminator_end(const struct lined_framing *f,
				  const char *begin, const char *end,
				  size_t *len, uint64_t *bare_lf)
{
	for (const char *at = begin; at < end; at++) {
		bool after_cr = at > begin && at[-1] == '\r';

		*len = 1;
		if (f->terminator == LINED_TERMINATOR_BYTE ||
		    f->terminator == LINED_TERMINATOR_CR) {
			if (*at == (f->terminator == LINED_TERMINATOR_CR
					    ? '\r'
					    : (char)f->byte))
				return at + 1;
			continue;
		}
		if (*at != '\n')
			continue;
		if (f->terminator != LINED_TERMINATOR_LF && after_cr)
			*len = 2;
		if (f->terminator != LINED_TERMINATOR_CRLF || after_cr)
			return at + 1;
		(*bare_lf)++;
	}
	return NULL;
}

/* Reads the count of a counted message at `at`, and sets *text to the message.
 * 0: there is no count. */
static size_t count_at(const struct lined_framing *f, const char *at,
		       const char *end, const char **text)
{
	char number[11] = "";
	size_t digits = 0;

	if (f->terminator != LINED_TERMINATOR_SYSLOG)
		return 0;
	while (at + digits < end && digits < 10 && isdigit(at[digits]))
		digits++;
	if (digits == 0 || digits == 10 || *at == '0' || at + digits == end ||
	    at[digits] != ' ')
		return 0;
	memcpy(number, at, digits);
	*text = at + digits + 1;
	return strtoul(number, NULL, 10);
}

/* Takes a counted message. Returns the bytes after it; NULL: the stream is
 * closed. */
static const char *reference_counted(const struct lined_framing *f,
				     const char *text, const char *end,
				     size_t count, struct events *out)
{
	size_t there = (size_t)(end - text);
	bool over = count > f->line_length, whole = false;
	size_t len = over ? f->line_length : count;
	char *copy;

	if (over && f->too_long != LINED_TOO_LONG_TRUNCATE) {
		add_too_long(out);
		if (f->too_long == LINED_TOO_LONG_CLOSE)
			return NULL;
	} else if (there < len &&
		   (there == 0 || f->unterminated == LINED_UNTERMINATED_DROP)) {
		out->dropped++;
	} else {
		len = there < len ? there : len;
		copy = malloc(len + 1);
		ck_assert_ptr_nonnull(copy);
		for (size_t i = 0; i < len; i++)
			copy[i] = memchr("\n", text[i], 2) ? ' ' : text[i];
		over = over && len == f->line_length;
		if (len == count && !over) {
			whole = true;
			while (len > 0 && memchr("\n", text[len - 1], 2))
				len--;
			if (len > 0 && len < count && text[len - 1] == '\r')
				len--;
		}
		add_line(out, copy, len, "\n", over || whole, over);
		free(copy);
	}
	if (there <= count)
		return end;
	return text + count + (text[count] == '\n');
}

static void reference_line(const struct lined_framing *f, const char *text,
			   size_t len, const char *terminator, size_t t,
			   bool over, struct events *out)
{
	if (f->terminator == LINED_TERMINATOR_SYSLOG && t > 0)
		add_line(out, text, len, "\n", 1, over);
	else
		add_line(out, text, len, terminator, t, over);
}

static void reference(const struct lined_framing *f, const char *at,
		      const char *end, struct events *out)
{
	const char *text;

	while (at != NULL && at < end) {
		size_t t = 0, len, count = count_at(f, at, end, &text);

		if (count > 0) {
			at = reference_counted(f, text, end, count, out);
			continue;
		}
		const char *next =
			terminator_end(f, at, end, &t, &out->bare_lf);
		bool whole = next != NULL, over;

		t = whole ? t : 0;
		next = whole ? next : end;
		len = (size_t)(next - at) - t;
		over = len > f->line_length;
		if (over && f->too_long != LINED_TOO_LONG_TRUNCATE)
			add_too_long(out);
		else if (whole || f->unterminated == LINED_UNTERMINATED_DELIVER)
			reference_line(f, at, over ? f->line_length : len,
				       next - t, t, over, out);
		else
			out->dropped++;
		if (over && f->too_long == LINED_TOO_LONG_CLOSE)
			return;
		if (whole && f->terminator == LINED_TERMINATOR_CR &&
		    next < end && *next == '\n')
			next++;
		at = next;
	}
}

/* ---- the framer, alone ----------------------------------------------- */

#define SHARED_SIZE 65536

static char shared[SHARED_SIZE + 1];

static bool take_lines(struct framer *framer, struct input_buffer *in,
		       struct events *out)
{
	struct lined_line line;

	for (;;) {
		switch (framer_next(framer, in, &line, &out->bare_lf)) {
		case FRAMER_READY:
			add(out, &line);
			break;
		case FRAMER_TOO_LONG:
			add_too_long(out);
			if (framer->framing.too_long == LINED_TOO_LONG_CLOSE)
				return false;
			break;
		case FRAMER_NEED_MORE:
			return true;
		}
	}
}

static bool feed_framer(struct framer *framer, struct input_buffer *in,
			const char *data, size_t len, struct events *out)
{
	while (len > 0) {
		size_t room;
		char *to = input_reserve(in, shared, SHARED_SIZE, &room);

		ck_assert_ptr_nonnull(to);
		ck_assert_uint_gt(room, 0);
		if (room > len)
			room = len;
		memcpy(to, data, room);
		input_received(in, room);
		data += room;
		len -= room;
		if (!take_lines(framer, in, out))
			return false;
		ck_assert_uint_le(input_len(in),
				  (size_t)framer->framing.line_length +
					  FRAMER_COUNT_MAX);
		ck_assert_int_eq(input_settle(in, shared), 0);
		memset(shared, '#', room); /* the borrowed bytes are no longer
					    * valid */
	}
	return true;
}

static void finish_framer(struct framer *framer, struct input_buffer *in,
			  struct events *out)
{
	struct lined_line line;

	if (in->data == NULL)
		return;
	switch (framer_end(framer, in, &line,
			   framer->framing.unterminated ==
				   LINED_UNTERMINATED_DELIVER,
			   &out->dropped)) {
	case FRAMER_READY:
		add(out, &line);
		break;
	case FRAMER_TOO_LONG:
		add_too_long(out);
		break;
	case FRAMER_NEED_MORE:
		break;
	}
}

/* cuts: ascending positions, the last of them the length. */
static void split_by_framer(const struct lined_framing *f, const char *data,
			    const size_t *cuts, size_t count,
			    struct events *out)
{
	struct framer framer;
	struct input_buffer in;
	size_t at = 0;
	bool more = true;

	memset(&framer, 0, sizeof(framer));
	memset(&in, 0, sizeof(in));
	framer_set(&framer, f);
	for (size_t i = 0; more && i < count; at = cuts[i++])
		more = feed_framer(&framer, &in, data + at, cuts[i] - at, out);
	if (more)
		finish_framer(&framer, &in, out);
	input_clear(&in, shared);
}

/* ---- the socket ------------------------------------------------------ */

struct socket_run {
	struct events *out;
	bool closed;
};

static void run_read(struct lined_socket *sock, void *arg)
{
	struct socket_run *run = arg;
	struct lined_line line;

	for (;;) {
		switch (lined_socket_read_line(sock, &line)) {
		case LINED_LINE_READY:
			add(run->out, &line);
			break;
		case LINED_LINE_TOO_LONG:
			add_too_long(run->out);
			break;
		default:
			return;
		}
	}
}

static void run_close(struct lined_socket *sock, void *arg,
		      enum lined_close_reason reason, int error)
{
	((struct socket_run *)arg)->closed = true;
}

static const struct lined_socket_handlers run_handlers = {
	.handle_read = run_read,
	.handle_close = run_close,
};

static void feed_socket(struct lined_dispatcher *d, int fd, const char *data,
			size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return;
		} else {
			ck_assert(errno == EAGAIN || errno == EINTR);
		}
		support_run_turns(d, 1);
	}
}

static void split_by_socket(const struct lined_framing *f, const char *data,
			    const size_t *cuts, size_t count,
			    struct events *out)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket_group group = {.limits = {.send_queue = 65536}};
	struct socket_run run = {.out = out};
	struct lined_socket *sock = support_socket(&run_handlers, &run);
	size_t at = 0;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	lined_socket_set_group(sock, &group);
	lined_socket_set_framing(sock, f);
	support_wrap(d, sock, fds[0]);
	for (size_t i = 0; i < count; at = cuts[i++])
		feed_socket(d, fds[1], data + at, cuts[i] - at);
	shutdown(fds[1], SHUT_WR);
	support_run_until_set(d, &run.closed);
	out->bare_lf = group.counters.bare_lf;
	out->dropped = group.counters.unterminated;
	ck_assert_uint_eq(group.counters.too_long, out->too_long);
	lined_dispatcher_free(d);
	close(fds[1]);
}

/* ---- streams --------------------------------------------------------- */

#define STREAM_MAX 200000

static char stream[STREAM_MAX];
static size_t stream_len;

static void put(const void *data, size_t len)
{
	if (len > STREAM_MAX - stream_len)
		len = STREAM_MAX - stream_len;
	memcpy(stream + stream_len, data, len);
	stream_len += len;
}

/* Draws every byte, so that CR and LF meet in all ways. */
static void draw_noise(size_t len)
{
	static const char bytes[] = "\r\r\r\n\n\n\0;abcdef12 ";

	while (len-- > 0)
		put(&bytes[draw(sizeof(bytes) - 1)], 1);
}

/* Draws lines about as long as the limit, with all terminators. */
static void draw_lines(uint32_t limit, unsigned lines)
{
	static const struct {
		const char *text;
		size_t len;
	} ends[] = {{"\n", 1},       {"\r\n", 2},   {";", 1},
		    {"\r", 1},       {"\r\r\n", 3}, {"\n\n", 2},
		    {"\r\n\r\n", 4}, {"\0\n", 2},   {"\0", 1}};

	while (lines-- > 0) {
		uint32_t len = draw(3) == 0 ? draw(limit + 1)
					    : limit + draw(5) - (limit > 1) -
						      (limit > 2);
		size_t end = draw(sizeof(ends) / sizeof(*ends));
		char byte = (char)('a' + draw(26));

		while (len-- > 0)
			put(&byte, 1);
		put(ends[end].text, ends[end].len);
	}
}

/* Draws counted messages with any bytes, and text that resembles them. */
static void draw_counted(uint32_t limit)
{
	uint32_t len = draw(limit + 3);
	char number[32];
	int digits;

	switch (draw(8)) {
	case 0:
		digits = snprintf(number, sizeof(number), "%010u ", len);
		break;
	case 1:
		digits = snprintf(number, sizeof(number), "1%09u ", len);
		break;
	case 2:
		digits = snprintf(number, sizeof(number), "%ux", len);
		break;
	default:
		digits = snprintf(number, sizeof(number), "%u ", len);
		break;
	}
	put(number, (size_t)digits);
	draw_noise(len);
	if (draw(2) == 0)
		put("\n\n", 1 + draw(2));
}

/* Draws an end of the stream without a terminator. */
static void draw_rest(uint32_t limit)
{
	uint32_t len = 1 + draw(limit + 2);
	char number[32];

	switch (draw(4)) {
	case 0: /* as long as the limit, and a CR that may be data */
		for (len = limit; len > 0; len--)
			put("z", 1);
		/* fall through */
	case 1:
		put("\r", 1);
		break;
	case 2: /* a counted message without its end */
		put(number,
		    (size_t)snprintf(number, sizeof(number), "\n%u ", len));
		draw_noise(draw(len));
		break;
	}
}

static void draw_stream(uint32_t limit, size_t about)
{
	stream_len = 0;
	while (stream_len < about) {
		if (draw(3) == 0)
			draw_counted(limit);
		else if (draw(2) == 0)
			draw_noise(1 + draw((uint32_t)about / 4 + 1));
		else
			draw_lines(limit, 1 + draw(3));
	}
	draw_rest(limit);
}

/* ---- the comparison -------------------------------------------------- */

typedef void (*splitter)(const struct lined_framing *f, const char *data,
			 const size_t *cuts, size_t count, struct events *out);

static struct events want, got;
static uint64_t stream_seed;
static unsigned long comparisons;

static void compare(const struct lined_framing *f, splitter split,
		    const size_t *cuts, size_t count)
{
	bool counts = f->too_long != LINED_TOO_LONG_CLOSE;

	forget(&got);
	split(f, stream, cuts, count, &got);
	comparisons++;
	if (got.len == want.len && got.too_long == want.too_long &&
	    (want.len == 0 || memcmp(got.data, want.data, got.len) == 0) &&
	    got.dropped == want.dropped &&
	    (!counts || got.bare_lf == want.bare_lf))
		return;
	ck_abort_msg(
		"LINED_TEST_SEED=%llu: stream of %zu bytes, limit %u, "
		"terminator %u, too-long %u, unterminated %u, %zu pieces, the "
		"first of %zu: events %zu/%zu, too long %llu/%llu, dropped "
		"%llu/%llu, bare LF %llu/%llu (got/want)",
		(unsigned long long)stream_seed, stream_len, f->line_length,
		f->terminator, f->too_long, f->unterminated, count, cuts[0],
		got.len, want.len, (unsigned long long)got.too_long,
		(unsigned long long)want.too_long,
		(unsigned long long)got.dropped,
		(unsigned long long)want.dropped,
		(unsigned long long)got.bare_lf,
		(unsigned long long)want.bare_lf);
}

static size_t cuts[STREAM_MAX + 1];

static void cut_in_two(const struct lined_framing *f, splitter split)
{
	for (size_t at = 0; at <= stream_len; at++) {
		cuts[0] = at;
		cuts[1] = stream_len;
		compare(f, split, cuts, 2);
	}
}

static void cut_to_bytes(const struct lined_framing *f, splitter split)
{
	for (size_t i = 0; i < stream_len; i++)
		cuts[i] = i + 1;
	compare(f, split, cuts, stream_len);
}

static void cut_at_random(const struct lined_framing *f, splitter split,
			  uint32_t longest)
{
	size_t count = 0, at = 0;

	while (at < stream_len) {
		at += 1 + draw(longest);
		cuts[count++] = at < stream_len ? at : stream_len;
	}
	compare(f, split, cuts, count);
}

static void compare_all_cuts(const struct lined_framing *f, splitter split,
			     bool everywhere)
{
	forget(&want);
	reference(f, stream, stream + stream_len, &want);
	if (everywhere) {
		cut_in_two(f, split);
		cut_to_bytes(f, split);
	}
	cut_at_random(f, split, everywhere ? 4 : 400);
	cut_at_random(f, split, 1 + (uint32_t)stream_len / 3);
	cuts[0] = stream_len;
	compare(f, split, cuts, 1);
}

static void each_framing(uint32_t limit, splitter split, bool everywhere)
{
	struct lined_framing f = {.line_length = limit, .byte = ';'};

	for (f.terminator = LINED_TERMINATOR_ANY;
	     f.terminator <= LINED_TERMINATOR_SYSLOG; f.terminator++)
		for (f.too_long = LINED_TOO_LONG_CLOSE;
		     f.too_long <= LINED_TOO_LONG_TRUNCATE; f.too_long++)
			for (f.unterminated = LINED_UNTERMINATED_DROP;
			     f.unterminated <= LINED_UNTERMINATED_DELIVER;
			     f.unterminated++) {
				f.byte = draw(2) == 0 ? ';' : '\0';
				compare_all_cuts(&f, split, everywhere);
			}
}

static void new_stream(uint32_t limit, size_t about)
{
	stream_seed = seed;
	draw_stream(limit, about);
}

static void check_framings(splitter split, unsigned rounds, size_t about)
{
	static const uint32_t limits[] = {1, 2, 3, 7, 64};

	while (rounds-- > 0)
		for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
			new_stream(limits[i], about);
			each_framing(limits[i], split,
				     split == split_by_framer || limits[i] < 8);
		}
}

static void tell(const char *what)
{
	printf("%s: %lu comparisons\n", what, comparisons);
	fflush(stdout);
	free(want.data);
	free(got.data);
	memset(&want, 0, sizeof(want));
	memset(&got, 0, sizeof(got));
}

START_TEST(framer_does_not_depend_on_cuts)
{
	check_framings(split_by_framer, 3, 90);
	tell("framer");
}
END_TEST

START_TEST(framer_does_not_depend_on_cuts_in_long_lines)
{
	new_stream(20000, 60000);
	each_framing(20000, split_by_framer, false);
	tell("framer, long lines");
}
END_TEST

START_TEST(socket_lines_do_not_depend_on_cuts)
{
	check_framings(split_by_socket, 1, 40);
	tell("socket");
}
END_TEST

START_TEST(socket_lines_do_not_depend_on_cuts_in_long_lines)
{
	struct lined_framing f = {.line_length = 20000};

	new_stream(20000, 90000);
	for (f.too_long = LINED_TOO_LONG_CLOSE;
	     f.too_long <= LINED_TOO_LONG_TRUNCATE; f.too_long++) {
		f.terminator = (uint8_t)draw(6);
		f.unterminated = LINED_UNTERMINATED_DELIVER;
		forget(&want);
		reference(&f, stream, stream + stream_len, &want);
		cut_at_random(&f, split_by_socket, 50);
		cut_at_random(&f, split_by_socket, 3000);
		cut_at_random(&f, split_by_socket, 60000);
	}
	tell("socket, long lines");
}
END_TEST

/* Compares the reference with results written by hand. */
START_TEST(reference_splits_as_designed)
{
	struct lined_framing f = {.line_length = 2,
				  .too_long = LINED_TOO_LONG_SKIP};
	struct events hand = {0};
	static const char text[] = "ab\r\n\nabc\na\rb";
	static const char cr[] = "a\r\nb\r\r\n\n";
	static const char counted[] = "2 a\nb\r\n1 \0\n3 abc2x\n2 x";

	forget(&want);
	reference(&f, text, text + sizeof(text) - 1, &want);
	add_line(&hand, "ab", 2, "\r\n", 2, false);
	add_line(&hand, "", 0, "\n", 1, false);
	add_too_long(&hand);
	add_too_long(&hand);
	ck_assert_uint_eq(want.len, hand.len);
	ck_assert_mem_eq(want.data, hand.data, hand.len);
	forget(&want);
	forget(&hand);
	f.terminator = LINED_TERMINATOR_CR;
	reference(&f, cr, cr + sizeof(cr) - 1, &want);
	add_line(&hand, "a", 1, "\r", 1, false);
	add_line(&hand, "b", 1, "\r", 1, false);
	add_line(&hand, "", 0, "\r", 1, false);
	hand.dropped = 1;
	ck_assert_uint_eq(want.len, hand.len);
	ck_assert_mem_eq(want.data, hand.data, hand.len);
	ck_assert_uint_eq(want.dropped, 1);
	forget(&want);
	forget(&hand);
	f.terminator = LINED_TERMINATOR_SYSLOG;
	reference(&f, counted, counted + sizeof(counted) - 1, &want);
	add_line(&hand, "a", 1, "\n", 1, false);
	add_line(&hand, "b", 1, "\n", 1, false);
	add_line(&hand, "", 0, "\n", 1, false);
	add_too_long(&hand);
	add_line(&hand, "2x", 2, "\n", 1, false);
	ck_assert_uint_eq(want.len, hand.len);
	ck_assert_mem_eq(want.data, hand.data, hand.len);
	ck_assert_uint_eq(want.dropped, 1);
	free(hand.data);
	tell("reference");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("framing");
	TCase *tcase = support_case(suite, "framing");

	tcase_add_test(tcase, reference_splits_as_designed);
	tcase_add_test(tcase, framer_does_not_depend_on_cuts);
	tcase_add_test(tcase, framer_does_not_depend_on_cuts_in_long_lines);
	tcase_add_test(tcase, socket_lines_do_not_depend_on_cuts);
	tcase_add_test(tcase, socket_lines_do_not_depend_on_cuts_in_long_lines);
	return suite;
}

int main(void)
{
	const char *chosen = getenv("LINED_TEST_SEED");

	seed = chosen != NULL ? strtoull(chosen, NULL, 10)
			      : (uint64_t)time(NULL) * 2654435761u +
					(uint64_t)getpid();
	if (seed == 0)
		seed = 1;
	printf("LINED_TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return support_main(make_suite);
}
