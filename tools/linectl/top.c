/* SPDX-License-Identifier: MIT */
/*
 * The loop of `linectl top`: sends a request each second, and handles keys at
 * once. There is one connection: other requests, for the clients of a service
 * or to close a client, wait until the previous one is answered.
 */
#include "config.h"

#include "linectl/top.h"

#include <curses.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/memory_or_exit.h"
#include "linectl/control_answer.h"
#include "linectl/show.h"
#include "linectl/top_samples.h"
#include "linectl/top_screen.h"
#include "linectl/top_terminal.h"
#include "linectl/utf8.h"

#define PERIOD_MS 1000
/* How long a restart of the daemon may take. */
#define RESTART_MS  10000
#define PATIENCE_MS 15000
#define INPUT_MAX   64

enum request { REQUEST_NONE, REQUEST_ALL, REQUEST_CLIENTS, REQUEST_KICK };

/* The kind of text that is typed into the last line. */
enum input { INPUT_NONE, INPUT_FILTER, INPUT_KICK, INPUT_CONFIRM };

struct top {
	struct control_socket *control;
	struct samples samples;
	struct screen screen;

	enum request asked;  /* the request that is being answered */
	bool wants_clients;  /* the clients are to be requested next */
	uint64_t wants_kick; /* the id of a client to be closed next; 0: none */
	uint64_t next_ms;    /* when to request all again */
	struct answer answer;
	struct answer clients;

	enum input input;
	char typed[INPUT_MAX + 1];
	char filter[INPUT_MAX + 1];
	char service[INPUT_MAX + 1];
	uint64_t kick; /* the id of a client, to be confirmed */
	char *prompt;
	bool quit;
	char *lost;       /* why the connection is lost, else NULL */
	uint64_t lost_ms; /* when the loop first saw `lost`; 0: not yet */
};

/* ---- the shown rows ---------------------------------------------------- */

static void top_set_prompt(struct top *top, char *text)
{
	free(top->prompt);
	top->prompt = text;
}

static void top_sort_services(struct top *top)
{
	struct screen *screen = &top->screen;

	free(screen->order);
	screen->order =
		memory_new(top->samples.service_count, sizeof(*screen->order));
	screen->order_count = samples_order(&top->samples, top->filter,
					    screen->sort, screen->order);
}

/* ---- requests ---------------------------------------------------------- */

static void top_ask(struct top *top, enum request what, char *request)
{
	top->asked = what;
	control_socket_ask(top->control, request, strlen(request), PATIENCE_MS,
			   &top->answer, NULL);
	free(request);
}

static uint64_t top_now_ms(struct top *top)
{
	return lined_dispatcher_now_ms(control_socket_dispatcher(top->control));
}

/* Sends the request that is due, unless one is being answered. */
static void top_ask_next(struct top *top)
{
	if (top->asked != REQUEST_NONE || top->lost != NULL)
		return;
	if (top->wants_kick > 0) {
		top_ask(top, REQUEST_KICK,
			memory_format("kick %" PRIu64 "\n", top->wants_kick));
		top->wants_kick = 0;
	} else if (top->wants_clients) {
		top->wants_clients = false;
		top_ask(top, REQUEST_CLIENTS,
			memory_format("clients %s\n", top->service));
	} else if (top_now_ms(top) >= top->next_ms) {
		top->next_ms = top_now_ms(top) + PERIOD_MS;
		top->wants_clients = top->screen.shows_clients;
		top_ask(top, REQUEST_ALL, memory_copy("all\n", 4));
	}
}

static void top_take_answer(struct top *top)
{
	const char *error = top->answer.error;
	enum request asked = top->asked;

	top->asked = REQUEST_NONE;
	if (top->answer.end == ANSWER_BROKEN) {
		free(top->lost);
		top->lost = memory_format("%s", error);
	} else if (top->answer.end == ANSWER_REFUSED) {
		top_set_prompt(top, utf8_shown(error));
		/* The service has ended. */
		if (asked == REQUEST_CLIENTS)
			top->screen.shows_clients = false;
	} else if (asked == REQUEST_ALL) {
		samples_take(&top->samples, &top->answer, top_now_ms(top));
		/* screen.order points to old samples, and a key may use it
		 * before top_loop() sorts again. */
		top_sort_services(top);
	} else if (asked == REQUEST_CLIENTS) {
		answer_fini(&top->clients);
		top->clients = top->answer;
		memset(&top->answer, 0, sizeof(top->answer));
		show_sort_clients(&top->clients);
	} else if (asked == REQUEST_KICK) {
		top_set_prompt(top, memory_format("the client was closed"));
		top->wants_clients = top->screen.shows_clients;
	}
	answer_fini(&top->answer);
}

/* ---- keys -------------------------------------------------------------- */

static void top_begin_input(struct top *top, enum input input,
			    const char *prompt)
{
	top->input = input;
	top->typed[0] = '\0';
	top_set_prompt(top, memory_format("%s", prompt));
}

static void top_confirm_kick(struct top *top, uint64_t id, const char *address)
{
	top->kick = id;
	top->input = INPUT_CONFIRM;
	top_set_prompt(top, memory_format("close client %" PRIu64 " %s? (y/n)",
					  id, address));
}

static void top_finish_input(struct top *top)
{
	enum input input = top->input;
	char *end;
	uint64_t id;

	top->input = INPUT_NONE;
	top_set_prompt(top, NULL);
	if (input == INPUT_FILTER) {
		memcpy(top->filter, top->typed, sizeof(top->filter));
	} else if (input == INPUT_KICK && top->typed[0] != '\0') {
		id = strtoull(top->typed, &end, 10);
		if (id == 0 || *end != '\0')
			top_set_prompt(top,
				       memory_format("\"%s\" is no client's id",
						     top->typed));
		else
			top_confirm_kick(top, id, "");
	}
}

static void top_type_key(struct top *top, int key)
{
	size_t len = strlen(top->typed);

	if (key == 27) {
		top->input = INPUT_NONE;
		top_set_prompt(top, NULL);
		return;
	}
	if (key == '\n') {
		top_finish_input(top);
		return;
	}
	if ((key == KEY_BACKSPACE || key == 127 || key == 8) && len > 0)
		top->typed[len - 1] = '\0';
	else if (key > 32 && key < 127 && len < INPUT_MAX)
		snprintf(top->typed + len, 2, "%c", key);
	top_set_prompt(top, memory_format("%s%s",
					  top->input == INPUT_FILTER
						  ? "filter: "
						  : "kick client: ",
					  top->typed));
}

static void top_select_row(struct top *top, int key)
{
	struct screen *screen = &top->screen;
	size_t count = screen->shows_clients ? screen->clients->count
					     : screen->order_count;
	size_t page = LINES > 8 ? (size_t)LINES - 8 : 1;

	switch (key) {
	case KEY_UP:
		screen->selected -= screen->selected > 0;
		break;
	case KEY_DOWN:
		screen->selected += screen->selected + 1 < count;
		break;
	case KEY_PPAGE:
		screen->selected -=
			screen->selected < page ? screen->selected : page;
		break;
	case KEY_NPAGE:
		screen->selected += page;
		if (screen->selected >= count)
			screen->selected = count > 0 ? count - 1 : 0;
		break;
	case KEY_HOME:
		screen->selected = 0;
		break;
	default:
		screen->selected = count > 0 ? count - 1 : 0;
		break;
	}
}

static void top_show_clients(struct top *top)
{
	struct screen *screen = &top->screen;

	if (screen->shows_clients || screen->selected >= screen->order_count)
		return;
	snprintf(top->service, sizeof(top->service), "%s",
		 screen->order[screen->selected]->name);
	screen->shows_clients = true;
	answer_fini(&top->clients);
	screen->selected = screen->first = 0;
	top->wants_clients = true;
}

static void top_show_services(struct top *top)
{
	top->screen.shows_clients = false;
	top->screen.selected = top->screen.first = 0;
	top->wants_clients = false;
}

static void top_kick(struct top *top)
{
	struct screen *screen = &top->screen;
	const struct record *client;

	if (!screen->shows_clients) {
		top_begin_input(top, INPUT_KICK, "kick client: ");
	} else if (screen->selected < screen->clients->count) {
		client = &screen->clients->records[screen->selected];
		top_confirm_kick(top, record_number(client, "id"),
				 record_text(client, "address"));
	}
}

static void top_run_key(struct top *top, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		top->quit = true;
		break;
	case 's':
	case 'S':
		top->screen.sort = (top->screen.sort + 1) % SORT_KEYS;
		break;
	case '/':
		top_begin_input(top, INPUT_FILTER, "filter: ");
		break;
	case 'k':
	case 'K':
		top_kick(top);
		break;
	case 'r':
	case 'R':
		top->next_ms = 0;
		break;
	case '\n':
		top_show_clients(top);
		break;
	case 27:
		top_show_services(top);
		break;
	case KEY_UP:
	case KEY_DOWN:
	case KEY_PPAGE:
	case KEY_NPAGE:
	case KEY_HOME:
	case KEY_END:
		top_select_row(top, key);
		break;
	default:
		break;
	}
}

static void top_take_key(struct top *top, int key)
{
	if (key == KEY_RESIZE)
		return; /* the loop draws the screen in each turn */
	if (key == '\r' || key == KEY_ENTER)
		key = '\n';
	if (top->input == INPUT_CONFIRM) {
		if (key == 'y' || key == 'Y')
			top->wants_kick = top->kick;
		top->input = INPUT_NONE;
		top_set_prompt(top, NULL);
	} else if (top->input != INPUT_NONE) {
		top_type_key(top, key);
	} else {
		top_set_prompt(top, NULL);
		top_run_key(top, key);
	}
}

/* ---- the loop ---------------------------------------------------------- */

static void keyboard_ready(struct lined_delegate *delegate)
{
	(void)delegate; /* nothing to do: the turn ends, and top_loop() reads
			 * the keys */
}

static const struct lined_delegate_handlers keyboard = {
	.handle_read = keyboard_ready,
};

/* Waits for a daemon that restarts. The counters of the new daemon begin at
 * 0. */
static void top_reconnect(struct top *top)
{
	uint64_t now_ms = top_now_ms(top);

	if (top->lost_ms == 0)
		top->lost_ms = now_ms;
	if (now_ms < top->next_ms)
		return;
	top->next_ms = now_ms + PERIOD_MS;
	if (control_socket_reopen(top->control) < 0) {
		top->quit |= now_ms - top->lost_ms >= RESTART_MS;
		top_set_prompt(top, memory_format("no answer, trying again: %s",
						  top->lost));
		return;
	}
	free(top->lost);
	top->lost = NULL;
	top->lost_ms = 0;
	samples_fini(&top->samples);
	top->screen.shows_clients = false;
	top->next_ms = 0;
	top_set_prompt(top, memory_format("connected again"));
}

static void top_loop(struct top *top)
{
	struct lined_dispatcher *d = control_socket_dispatcher(top->control);
	int key;

	while (!top->quit) {
		if (top->lost != NULL)
			top_reconnect(top);
		top_ask_next(top);
		top_sort_services(top);
		top->screen.samples = &top->samples;
		top->screen.clients = &top->clients;
		top->screen.filter = top->filter;
		top->screen.service = top->service;
		top->screen.prompt = top->prompt != NULL ? top->prompt : "";
		screen_draw(&top->screen);
		/* SIGWINCH ends the wait, too. */
		if (top->asked == REQUEST_NONE)
			lined_dispatcher_poll(d, PERIOD_MS / 4);
		else if (!control_socket_poll(top->control, PERIOD_MS / 4))
			top_take_answer(top);
		while (!top->quit && (key = getch()) != ERR)
			top_take_key(top, key);
		/* A terminal that hung up stays readable: do not spin. */
		if (!isatty(STDIN_FILENO))
			top->quit = true;
	}
}

static void top_open_screen(void)
{
	initscr();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	screen_init();
}

static void top_fini(struct top *top)
{
	samples_fini(&top->samples);
	answer_fini(&top->answer);
	answer_fini(&top->clients);
	free(top->screen.order);
	free(top->prompt);
	free(top->lost);
}

enum linectl_status top_run(const struct command_call *call)
{
	struct lined_delegate input = {
		.fd = STDIN_FILENO,
		.mode = LINED_MODE_READ,
		.handlers = &keyboard,
	};
	struct top top = {.control = call->control};
	enum linectl_status status = LINECTL_DONE;

	if (call->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		return error_report(call->json, LINECTL_USAGE,
				    "top draws on a terminal; for programs "
				    "there are status, services and --json");
	}
	if (!terminal_can_draw()) {
		const char *term = getenv("TERM");

		fprintf(stderr,
			"linectl: top: cannot draw on a terminal \"%s\"; try "
			"TERM=xterm linectl top\n",
			term != NULL ? term : "");
		return LINECTL_USAGE;
	}
	top_open_screen();
	lined_dispatcher_register(control_socket_dispatcher(call->control),
				  &input);
	top_loop(&top);
	lined_dispatcher_unregister(control_socket_dispatcher(call->control),
				    &input);
	endwin();
	if (top.lost != NULL) {
		error_print(top.lost);
		status = LINECTL_NO_DAEMON;
	}
	top_fini(&top);
	return status;
}
