/* SPDX-License-Identifier: MIT */
/*
 * Draws the screen of `linectl top`. Rows are cut at the right edge. If the
 * terminal has too few lines, workers are left out first.
 */
#include "config.h"

#include "linectl/top_screen.h"

#include <curses.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linectl/format_number.h"
#include "linectl/record_table.h"

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

/* How many bytes of a text fit into the columns, with one column for each
 * character. */
static int len_of_columns(const char *text, int columns)
{
	int len = 0;

	while (text[len] != '\0' && columns > 0) {
		len++;
		while ((text[len] & 0xc0) == 0x80)
			len++;
		columns--;
	}
	return len;
}

/* Cuts text at the right edge: curses would continue it in the next line. */
static void __attribute__((format(printf, 3, 4)))
put_text(int y, int x, const char *format, ...)
{
	char text[512];
	va_list arguments;

	if (y < 0 || y >= LINES || x < 0 || x >= COLS)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	mvaddnstr(y, x, text, len_of_columns(text, COLS - x));
}

/* A name of at most `width` columns; a longer one is cut and ends with +. */
static void put_name(int y, int x, int width, const char *text)
{
	if ((int)table_width(text) <= width)
		put_text(y, x, "%s", text);
	else
		put_text(y, x, "%.*s+", len_of_columns(text, width - 1), text);
}

/* Prints a number, aligned to the right. A number that does not fit is left
 * out: a part of it would be another number. */
static void put_number_text(int y, int x, int width, const char *text)
{
	if (x + width <= COLS)
		put_text(y, x, "%*s", width, text);
}

/* Draws the last `width` values. A full block stands for `full`, or for the
 * largest value if that is more. */
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
		put_text(y, x + i, "%s",
			 (has_blocks ? blocks : letters)[level]);
	}
	attroff(COLOR_PAIR(COLOR_GRAPH));
}

static void put_title_row(int y)
{
	attron(A_REVERSE);
	mvhline(y, 0, ' ', COLS);
	attroff(A_REVERSE);
}

/* ---- the daemon and its workers ---------------------------------------- */

static void draw_daemon(const struct record *daemon)
{
	const char *version = record_text(daemon, "version");

	put_text(0, 0,
		 "lined %s  %s %s  clients %s  services %" PRIu64 "  log %s",
		 version, record_text(daemon, "state"),
		 format_age(record_number(daemon, "uptime_s")).s,
		 format_count(record_number(daemon, "clients")).s,
		 record_number(daemon, "services"),
		 record_text(daemon, "log_level"));
	/* The time of day, if there is room left. */
	if (getcury(stdscr) == 0 && getcurx(stdscr) < COLS - 9)
		put_text(0, COLS - 8, "%s", format_clock().s);
	if (COLS > 0)
		mvchgat(0, 0, 6 + (int)strlen(version), A_BOLD, 0, NULL);
}

static void draw_worker(int y, const struct sample *worker)
{
	put_text(y, 0, "worker %-5s load %5.1f %%", worker->name,
		 worker->load * 100);
	put_graph(y, 26, GRAPH_WORKER, &worker->history, 1);
	put_text(y, 46, "delay %4g ms", worker->delay_ms);
	put_graph(y, 60, GRAPH_WORKER, &worker->delays, 1);
	if (record_number(worker->now, "stuck") == 0)
		return;
	attron(A_BOLD | COLOR_PAIR(COLOR_ALARM));
	put_text(y, 13, "STUCK: see the log   ");
	attroff(A_BOLD | COLOR_PAIR(COLOR_ALARM));
}

/* Returns the next free line. */
static int draw_workers(const struct samples *samples)
{
	size_t room = LINES > 14 ? WORKERS_MAX : 1, i;
	int y = 1;

	/* If one worker would be left out, show it in place of the line "(and 1
	 * more workers)". */
	if (samples->worker_count == room + 1)
		room++;
	for (i = 0; i < samples->worker_count && i < room; i++)
		draw_worker(y++, &samples->workers[i]);
	if (i < samples->worker_count)
		put_text(y++, 0, "(and %zu more workers)",
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

/* By how many columns to widen the column of names (of addresses, if clients
 * are shown) beyond `width`, so that its longest text fits. The result is at
 * most the number of columns that the terminal has beyond `least`. */
static int screen_stretch(const struct screen *screen, int width, int least)
{
	size_t count = screen->shows_clients ? screen->clients->count
					     : screen->order_count,
	       i;
	int longest = width, most = COLS > least ? COLS - least : 0;

	for (i = 0; i < count; i++) {
		int own = (int)table_width(
			screen->shows_clients
				? record_text(&screen->clients->records[i],
					      "address")
				: screen->order[i]->name);

		if (own > longest)
			longest = own;
	}
	return longest - width < most ? longest - width : most;
}

static void draw_service_head(int y, enum sort_key sort, int stretch)
{
	int graph = COLS - GRAPH_X - stretch, i;

	put_title_row(y);
	for (i = 0; i < SORT_KEYS; i++) {
		int len = (int)strlen(columns[i].title);
		int x = columns[i].x +
			(i == SORT_NAME ? 0 : stretch + columns[i].width - len);

		if (x + len > COLS)
			break;
		attron(A_REVERSE | (i == (int)sort ? A_BOLD | A_UNDERLINE : 0));
		put_text(y, x, "%s", columns[i].title);
		attroff(A_REVERSE | A_BOLD | A_UNDERLINE);
	}
	attron(A_REVERSE);
	put_text(y, GRAPH_X + stretch, "LINES/S, %d s",
		 graph < SAMPLES_HISTORY ? graph : SAMPLES_HISTORY);
	attroff(A_REVERSE);
}

static void put_service_number(int y, enum sort_key column, int stretch,
			       double n)
{
	put_number_text(y, columns[column].x + stretch, columns[column].width,
			format_short(n).s);
}

static void draw_service(int y, const struct sample *service, int stretch)
{
	const char *state = record_text(service->now, "state");

	put_name(y, 0, columns[SORT_NAME].width + stretch, service->name);
	if (strcmp(state, "open") != 0) {
		put_text(y, columns[SORT_CLIENTS].x + stretch, "%s", state);
		return;
	}
	put_service_number(y, SORT_CLIENTS, stretch, (double)service->clients);
	put_service_number(y, SORT_LINES, stretch, service->lines);
	put_service_number(y, SORT_IN, stretch, service->in);
	put_service_number(y, SORT_OUT, stretch, service->out);
	put_service_number(y, SORT_QUEUE, stretch, (double)service->queued);
	if (service->drops > 0)
		attron(COLOR_PAIR(COLOR_ALARM));
	put_service_number(y, SORT_DROPS, stretch, (double)service->drops);
	attroff(COLOR_PAIR(COLOR_ALARM));
	put_graph(y, GRAPH_X + stretch, COLS - GRAPH_X - stretch,
		  &service->history, 0);
}

/* ---- clients ----------------------------------------------------------- */

#define ADDRESS_WIDTH 24
/* The least width of a row, including the name of the service. */
#define CLIENTS_WIDTH 80

/* The numbers, right of the address. */
static const struct {
	const char *title;
	int x, width;
	const char *value; /* the name of the record's value */
} client_columns[] = {
	{"CONNECTED", 38, 9, "connected_ms"},
	{"LINES", 48, 7, "lines_in"},
	{"IN", 56, 6, "bytes_in"},
	{"OUT", 63, 6, "bytes_out"},
	{"QUEUE", 70, 6, "queued"},
};

#define CLIENT_COLUMNS (sizeof(client_columns) / sizeof(client_columns[0]))
#define ID_WIDTH       10
#define ADDRESS_X      12
#define SERVICE_X      78

static void draw_client_head(int y, const struct screen *screen, int stretch)
{
	size_t i;

	put_title_row(y);
	attron(A_REVERSE);
	put_text(y, ID_WIDTH - 2, "ID");
	put_text(y, ADDRESS_X, "ADDRESS");
	for (i = 0; i < CLIENT_COLUMNS; i++)
		put_number_text(y, client_columns[i].x + stretch,
				client_columns[i].width,
				client_columns[i].title);
	if (screen->service[0] == '\0')
		put_text(y, SERVICE_X + stretch, "SERVICE");
	attroff(A_REVERSE);
}

static void draw_client(int y, const struct record *client,
			const struct screen *screen, int stretch)
{
	size_t i;

	put_text(y, 0, "%*" PRIu64, ID_WIDTH, record_number(client, "id"));
	put_name(y, ADDRESS_X, ADDRESS_WIDTH + stretch,
		 record_text(client, "address"));
	for (i = 0; i < CLIENT_COLUMNS; i++) {
		uint64_t n = record_number(client, client_columns[i].value);

		put_number_text(y, client_columns[i].x + stretch,
				client_columns[i].width,
				i == 0 ? format_time(n).s
				       : format_short((double)n).s);
	}
	if (screen->service[0] == '\0')
		put_text(y, SERVICE_X + stretch, "%s",
			 record_text(client, "service"));
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
		put_text(LINES - 1, 0, "%s", screen->prompt);
		attroff(A_BOLD);
		return;
	}
	if (screen->filter[0] != '\0' && !screen->shows_clients)
		put_text(LINES - 1, 0, "%s  [filter: %s]", keys,
			 screen->filter);
	else
		put_text(LINES - 1, 0, "%s", keys);
}

/* Keeps the selected row visible. */
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
	size_t count = screen->shows_clients ? screen->clients->count
					     : screen->order_count;
	size_t height = LINES - 1 > top ? (size_t)(LINES - 1 - top) : 0, i;

	scroll_to_selected(screen, count, height);
	for (i = screen->first; i < count && i - screen->first < height; i++) {
		int y = top + (int)(i - screen->first);

		if (i == screen->selected)
			attron(A_BOLD);
		if (screen->shows_clients)
			draw_client(y, &screen->clients->records[i], screen,
				    stretch);
		else
			draw_service(y, screen->order[i], stretch);
		attroff(A_BOLD);
		if (i == screen->selected)
			mvchgat(y, 0, -1, A_BOLD | A_STANDOUT, 0, NULL);
	}
	if (count == 0 && height > 0)
		put_text(top, 0, "%s",
			 screen->shows_clients ? "(no clients)"
					       : "(no services)");
}

void screen_draw(struct screen *screen)
{
	const struct record *daemon =
		answer_find(&screen->samples->answer, "daemon");
	int y, stretch;

	erase();
	if (daemon == NULL) {
		put_text(0, 0, "waiting for the daemon");
	} else {
		draw_daemon(daemon);
		y = draw_workers(screen->samples) + 1;
		if (screen->shows_clients) {
			put_text(y - 1, 0, "clients of %s",
				 screen->service[0] != '\0' ? screen->service
							    : "all services");
			stretch = screen_stretch(screen, ADDRESS_WIDTH,
						 CLIENTS_WIDTH);
			draw_client_head(y, screen, stretch);
		} else {
			stretch =
				screen_stretch(screen, columns[SORT_NAME].width,
					       GRAPH_X + GRAPH_MIN);
			draw_service_head(y, screen->sort, stretch);
		}
		draw_rows(screen, y + 1, stretch);
	}
	draw_foot(screen);
	refresh();
}
