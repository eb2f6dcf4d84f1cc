/* SPDX-License-Identifier: MIT */
/*
 * Drawing. Rows are cut where the terminal ends, and left out where it is too
 * low, the workers first.
 */
#include "config.h"

#include "linectl/screen.h"

#include <curses.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "linectl/format.h"
#include "linectl/table.h"

#define GRAPH_WORKER 18
#define WORKERS_MAX  6

enum { COLOR_GRAPH = 1, COLOR_ALARM };

static bool has_blocks;

void screen_init(void)
{
	const char *no_color = getenv("NO_COLOR");

	has_blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!has_colors() || (no_color != NULL && no_color[0] != '\0'))
		return;
	start_color();
	use_default_colors();
	init_pair(COLOR_GRAPH, COLOR_CYAN, -1);
	init_pair(COLOR_ALARM, COLOR_RED, -1);
}

/* ---- pieces ------------------------------------------------------------ */

static void put(int y, int x, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* How many bytes of a text fit into so many places, one a character. */
static int fitting(const char *text, int places)
{
	int len = 0;

	while (text[len] != '\0' && places > 0) {
		len++;
		while ((text[len] & 0xc0) == 0x80)
			len++;
		places--;
	}
	return len;
}

/* Text, as far as the line goes: curses would go on in the next one. */
static void put(int y, int x, const char *format, ...)
{
	char text[512];
	va_list arguments;

	if (y < 0 || y >= LINES || x < 0 || x >= COLS)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	mvaddnstr(y, x, text, fitting(text, COLS - x));
}

/* A name in so many places; of a longer one, as much and a plus. */
static void put_cut(int y, int x, int width, const char *text)
{
	if ((int)table_width(text) <= width)
		put(y, x, "%s", text);
	else
		put(y, x, "%.*s+", fitting(text, width - 1), text);
}

/* A number is there or not: a part of it would be another one. */
static void put_right(int y, int x, int width, char *text)
{
	int pad = width - (int)table_width(text);

	if (x + width <= COLS)
		put(y, x + (pad > 0 ? pad : 0), "%s", text);
	free(text);
}

/* The last `width` values, against the largest of them, or against `full`. */
static void put_graph(int y, int x, int width, const struct history *history,
		      double full)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄",
					     "▅", "▆", "▇", "█"};
	static const char *const letters[] = {" ", ".", ".", ":", "-",
					      "=", "+", "*", "#"};
	const double *values;
	int i;

	if (width > SAMPLES_HISTORY)
		width = SAMPLES_HISTORY;
	if (x + width > COLS)
		width = COLS - x;
	if (width <= 0)
		return;
	values = history->values + SAMPLES_HISTORY - width;
	for (i = 0; i < width; i++)
		if (values[i] > full)
			full = values[i];
	attron(COLOR_PAIR(COLOR_GRAPH));
	for (i = 0; i < width; i++) {
		int level = full > 0 ? (int)(values[i] / full * 8 + 0.5) : 0;

		if (level == 0 && values[i] > 0)
			level = 1;
		put(y, x + i, "%s", (has_blocks ? blocks : letters)[level]);
	}
	attroff(COLOR_PAIR(COLOR_GRAPH));
}

static void put_head(int y, const char *text)
{
	attron(A_REVERSE);
	mvhline(y, 0, ' ', COLS);
	put(y, 0, "%s", text);
	attroff(A_REVERSE);
}

/* ---- the daemon and its workers ---------------------------------------- */

static void draw_daemon(const struct samples *samples)
{
	char *age = format_time(samples->uptime_s * 1000);
	char *clients = format_count(samples->clients);
	char when[16] = "";
	time_t now = time(NULL);
	struct tm tm;

	put(0, 0, "lined %s  %s %s  clients %s  services %" PRIu64 "  log %s",
	    samples->version, samples->state, age, clients,
	    samples->service_total, samples->log_level);
	/* The time has its place where the rest has left one. */
	if (getcury(stdscr) == 0 && getcurx(stdscr) < COLS - 9 &&
	    localtime_r(&now, &tm) != NULL) {
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
		put(0, COLS - 8, "%s", when);
	}
	if (COLS > 0)
		mvchgat(0, 0, 6 + (int)strlen(samples->version), A_BOLD, 0,
			NULL);
	free(age);
	free(clients);
}

static void draw_worker(int y, const struct worker_sample *worker)
{
	put(y, 0, "worker %-5s load %5.1f %%", worker->name,
	    worker->load * 100);
	put_graph(y, 26, GRAPH_WORKER, &worker->loads, 1);
	put(y, 46, "delay %4g ms", worker->delay_ms);
	put_graph(y, 60, GRAPH_WORKER, &worker->delays, 1);
	if (!worker->stuck)
		return;
	attron(A_BOLD | COLOR_PAIR(COLOR_ALARM));
	put(y, 13, "STUCK: see the log   ");
	attroff(A_BOLD | COLOR_PAIR(COLOR_ALARM));
}

/* Returns the line behind them. */
static int draw_workers(const struct samples *samples)
{
	size_t room = LINES > 14 ? WORKERS_MAX : 1, i;
	int y = 1;

	/* The last one takes no more room than words about it. */
	if (samples->worker_count == room + 1)
		room++;
	for (i = 0; i < samples->worker_count && i < room; i++)
		draw_worker(y++, &samples->workers[i]);
	if (i < samples->worker_count)
		put(y++, 0, "(and %zu more workers)",
		    samples->worker_count - i);
	return y;
}

/* ---- services ---------------------------------------------------------- */

/* Where each column begins, and how wide it is. */
static const struct {
	const char *title;
	int x, width;
} columns[SORT_KEYS] = {
	[SORT_NAME] = {"SERVICE", 0, 18},  [SORT_CLIENTS] = {"CLIENTS", 19, 7},
	[SORT_LINES] = {"LINES/S", 27, 7}, [SORT_IN] = {"IN/S", 35, 6},
	[SORT_OUT] = {"OUT/S", 42, 6},     [SORT_QUEUE] = {"QUEUE", 49, 6},
	[SORT_DROPS] = {"DROPS", 56, 6},
};

#define GRAPH_X   64
#define GRAPH_MIN 36

/* How much wider the first column can and need be than it is: a graph of some
 * length goes first. */
static int stretch_names(const struct screen *screen)
{
	int longest = columns[SORT_NAME].width, room;
	size_t i;

	for (i = 0; i < screen->order_count; i++) {
		int width = (int)table_width(screen->order[i]->name);

		if (width > longest)
			longest = width;
	}
	longest -= columns[SORT_NAME].width;
	room = COLS - GRAPH_X - GRAPH_MIN;
	return longest < room ? longest : room > 0 ? room : 0;
}

static void draw_service_head(int y, enum sort_key sort, int stretch)
{
	int graph = COLS - GRAPH_X - stretch, i;

	put_head(y, "");
	for (i = 0; i < SORT_KEYS; i++) {
		int len = (int)strlen(columns[i].title);
		int x = columns[i].x +
			(i == SORT_NAME ? 0 : stretch + columns[i].width - len);

		if (x + len > COLS)
			break;
		attron(A_REVERSE | (i == (int)sort ? A_BOLD | A_UNDERLINE : 0));
		put(y, x, "%s", columns[i].title);
		attroff(A_REVERSE | A_BOLD | A_UNDERLINE);
	}
	attron(A_REVERSE);
	put(y, GRAPH_X + stretch, "LINES/S, %d s",
	    graph < SAMPLES_HISTORY ? graph : SAMPLES_HISTORY);
	attroff(A_REVERSE);
}

static void put_number(int y, enum sort_key column, int stretch, double n)
{
	put_right(y, columns[column].x + stretch, columns[column].width,
		  format_short(n));
}

static void draw_service(int y, const struct service_sample *service,
			 int stretch)
{
	bool is_open = strcmp(service->state, "open") == 0;

	put_cut(y, 0, columns[SORT_NAME].width + stretch, service->name);
	if (!is_open) {
		put(y, columns[SORT_CLIENTS].x + stretch, "%s", service->state);
		return;
	}
	put_number(y, SORT_CLIENTS, stretch, (double)service->clients);
	put_number(y, SORT_LINES, stretch, service->lines);
	put_number(y, SORT_IN, stretch, service->in);
	put_number(y, SORT_OUT, stretch, service->out);
	put_number(y, SORT_QUEUE, stretch, (double)service->queued);
	if (service->drops > 0)
		attron(COLOR_PAIR(COLOR_ALARM));
	put_number(y, SORT_DROPS, stretch, (double)service->drops);
	attroff(COLOR_PAIR(COLOR_ALARM));
	put_graph(y, GRAPH_X + stretch, COLS - GRAPH_X - stretch,
		  &service->history, 0);
}

/* ---- clients ----------------------------------------------------------- */

#define ADDRESS_WIDTH 24
/* What the columns take at their narrowest, with the name of a service. */
#define CLIENTS_WIDTH 80

/* As stretch_names(), for addresses. */
static int stretch_addresses(const struct screen *screen)
{
	int longest = ADDRESS_WIDTH, room = COLS - CLIENTS_WIDTH;
	size_t i;

	for (i = 0; i < screen->client_count; i++) {
		int width = (int)table_width(
			record_text(screen->clients[i], "address"));

		if (width > longest)
			longest = width;
	}
	longest -= ADDRESS_WIDTH;
	return longest < room ? longest : room > 0 ? room : 0;
}

static void draw_client_head(int y, const struct screen *screen, int stretch)
{
	static const struct {
		const char *title;
		int end;
	} titles[] = {
		{"ID", 10}, {"CONNECTED", 47}, {"LINES", 55},
		{"IN", 62}, {"OUT", 69},       {"QUEUE", 76},
	};
	size_t i;

	put_head(y, "");
	attron(A_REVERSE);
	put(y, 12, "ADDRESS");
	for (i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		int end = titles[i].end + (i > 0 ? stretch : 0);

		if (end <= COLS)
			put(y, end - (int)strlen(titles[i].title), "%s",
			    titles[i].title);
	}
	if (screen->service[0] == '\0')
		put(y, 78 + stretch, "SERVICE");
	attroff(A_REVERSE);
}

static void draw_client(int y, const struct record *client,
			const struct screen *screen, int stretch)
{
	put(y, 0, "%10" PRIu64, record_number(client, "id"));
	put_cut(y, 12, ADDRESS_WIDTH + stretch, record_text(client, "address"));
	put_right(y, 38 + stretch, 9,
		  format_time(record_number(client, "connected_ms")));
	put_right(y, 48 + stretch, 7,
		  format_short((double)record_number(client, "lines_in")));
	put_right(y, 56 + stretch, 6,
		  format_short((double)record_number(client, "bytes_in")));
	put_right(y, 63 + stretch, 6,
		  format_short((double)record_number(client, "bytes_out")));
	put_right(y, 70 + stretch, 6,
		  format_short((double)record_number(client, "queued")));
	if (screen->service[0] == '\0')
		put(y, 78 + stretch, "%s", record_text(client, "service"));
}

/* ---- the screen -------------------------------------------------------- */

static void draw_foot(const struct screen *screen)
{
	const char *keys =
		screen->shows_clients
			? "up/down select  k kick  r refresh  Esc back  q quit"
			: "up/down select  Enter clients  s sort  / filter  "
			  "k kick  q quit";

	if (screen->prompt[0] != '\0') {
		attron(A_BOLD);
		put(LINES - 1, 0, "%s", screen->prompt);
		attroff(A_BOLD);
		return;
	}
	if (screen->filter[0] != '\0' && !screen->shows_clients)
		put(LINES - 1, 0, "%s  [filter: %s]", keys, screen->filter);
	else
		put(LINES - 1, 0, "%s", keys);
}

/* The selected row is always among those that are seen. */
static void scroll_to_selected(struct screen *screen, size_t count,
			       size_t height)
{
	if (count > 0 && screen->selected >= count)
		screen->selected = count - 1;
	if (count == 0)
		screen->selected = 0;
	if (screen->first > screen->selected)
		screen->first = screen->selected;
	if (height > 0 && screen->selected >= screen->first + height)
		screen->first = screen->selected - height + 1;
	if (screen->first + height > count)
		screen->first = count > height ? count - height : 0;
}

static void draw_rows(struct screen *screen, int top, int stretch)
{
	size_t count = screen->shows_clients ? screen->client_count
					     : screen->order_count;
	size_t height = LINES - 1 > top ? (size_t)(LINES - 1 - top) : 0, i;

	scroll_to_selected(screen, count, height);
	for (i = screen->first; i < count && i - screen->first < height; i++) {
		int y = top + (int)(i - screen->first);

		if (i == screen->selected)
			attron(A_BOLD);
		if (screen->shows_clients)
			draw_client(y, screen->clients[i], screen, stretch);
		else
			draw_service(y, screen->order[i], stretch);
		attroff(A_BOLD);
		if (i == screen->selected)
			mvchgat(y, 0, -1, A_BOLD | A_STANDOUT, 0, NULL);
	}
	if (count == 0 && height > 0)
		put(top, 0, "%s",
		    screen->shows_clients ? "(no clients)" : "(no services)");
}

void screen_draw(struct screen *screen)
{
	int y, stretch;

	erase();
	if (screen->samples->taken_ms == 0) {
		put(0, 0, "waiting for the daemon");
	} else {
		draw_daemon(screen->samples);
		y = draw_workers(screen->samples) + 1;
		if (screen->shows_clients) {
			put(y - 1, 0, "clients of %s",
			    screen->service[0] != '\0' ? screen->service
						       : "all services");
			stretch = stretch_addresses(screen);
			draw_client_head(y, screen, stretch);
		} else {
			stretch = stretch_names(screen);
			draw_service_head(y, screen->sort, stretch);
		}
		draw_rows(screen, y + 1, stretch);
	}
	draw_foot(screen);
	refresh();
}
