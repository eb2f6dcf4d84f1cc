/* SPDX-License-Identifier: MIT */
/*
 * notes: texts under keys, kept for a while, and reminders. An example for
 * authors of modules: it has options, a table, a task and a timer for each
 * client. notes.py is the same in Twisted.
 */
#include <lined/protocol.h>

struct options {
	int64_t keep_ms, memory;
	const char *motto;
};

struct notes {
	size_t told;
};

struct guest {
	char reminder[200];
};

static void guest_remind(struct lined_socket *client)
{
	const struct guest *guest = lined_client_data(client);

	lined_socket_printf(client, "reminder: %s\n", guest->reminder);
}

static void note(struct lined_socket *client, struct lined_table *table,
		 const struct lined_word *key, struct lined_word text)
{
	struct lined_service *service = lined_client_service(client);
	const struct options *options = lined_service_options(service);
	uint64_t now =
		lined_dispatcher_now_ms(lined_service_dispatcher(service));
	struct lined_table_entry entry = {
		.value =
			lined_buffer_printf("%.*s\n", (int)text.len, text.text),
		.expires_ms = now + (uint64_t)options->keep_ms,
	};

	if (lined_table_put(table, key->text, key->len, &entry) < 0)
		lined_socket_printf(client, "no room\n");
	else
		lined_socket_printf(client, "ok\n");
	lined_buffer_unref(entry.value);
}

static void show(struct lined_socket *client, struct lined_table *table,
		 const struct lined_word *key)
{
	const struct lined_table_entry *entry =
		lined_table_find(table, key->text, key->len);

	if (entry == NULL)
		lined_socket_printf(client, "no such note\n");
	else
		lined_socket_send_shared(client, entry->value, 0,
					 lined_buffer_len(entry->value));
}

static void list(struct lined_socket *client, struct lined_table *table)
{
	struct lined_table_cursor at = {.entry = NULL};

	while (lined_table_next(table, &at))
		lined_socket_printf(client, "%.*s\n", (int)at.key_len,
				    (const char *)at.key);
	lined_socket_printf(client, ".\n");
}

static void remind(struct lined_socket *client, const struct lined_word *delay,
		   struct lined_word text)
{
	struct guest *guest = lined_client_data(client);
	uint64_t ms;

	if (lined_word_unsigned(delay, 3600000, &ms) &&
	    lined_word_copy(&text, guest->reminder, sizeof(guest->reminder)))
		lined_client_timer(client, ms, guest_remind);
	else
		lined_socket_printf(client, "bad reminder\n");
}

static void greet(struct lined_service *service, struct lined_socket *client)
{
	const struct options *options = lined_service_options(service);

	lined_socket_printf(client, "%s\n", options->motto);
}

static void serve(struct lined_socket *client, const struct lined_line *line)
{
	struct lined_service *service = lined_client_service(client);
	const struct options *options = lined_service_options(service);
	struct lined_table *table =
		lined_service_table(service, (size_t)options->memory);
	struct lined_word word[2] = {{"", 0}, {"", 0}};
	size_t words = lined_line_words(line, word, 2);

	if (words > 2 && lined_word_is(&word[0], "note"))
		note(client, table, &word[1], lined_line_rest(line, 2));
	else if (words == 2 && lined_word_is(&word[0], "show"))
		show(client, table, &word[1]);
	else if (words == 1 && lined_word_is(&word[0], "list"))
		list(client, table);
	else if (words > 2 && lined_word_is(&word[0], "remind"))
		remind(client, &word[1], lined_line_rest(line, 2));
	else
		lined_socket_printf(client, "what?\n");
}

/* Tells all clients when the number of notes has changed. */
static void tell(struct lined_service *service)
{
	const struct options *options = lined_service_options(service);
	struct notes *notes = lined_service_data(service);
	size_t count = lined_table_len(
		lined_service_table(service, (size_t)options->memory));

	if (count != notes->told)
		lined_service_printf(service, "%zu notes\n", count);
	notes->told = count;
}

static const struct lined_option options[] = {
	{LINED_OPTION("keep", DURATION, struct options, keep_ms),
	 .fallback = "1h"},
	{LINED_OPTION("memory", SIZE, struct options, memory),
	 .fallback = "1M"},
	{LINED_OPTION("motto", STRING, struct options, motto),
	 .fallback = "Take notes."},
	{.name = NULL},
};

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "notes",
	.summary = "texts under keys, and reminders",
	.flags = LINED_ONE_WORKER,
	.handle_accept = greet,
	.handle_line = serve,
	.handle_task = tell,
	.task_ms = 100,
	.options = options,
	.options_size = sizeof(struct options),
	.instance_size = sizeof(struct notes),
	.client_size = sizeof(struct guest),
};
