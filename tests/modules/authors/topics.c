/* SPDX-License-Identifier: MIT */
/*
 * topics: clients with a name may publish, and all may listen. An example for
 * authors of modules: it uses the bus and the registry, so it runs on any
 * number of workers. topics.py is the same in Twisted, in one process.
 */
#include <lined/bus.h>
#include <lined/protocol.h>
#include <lined/registry.h>

#include <errno.h>
#include <string.h>

struct member {
	char name[33], wanted[33];
};

static const char *subscribe(struct lined_socket *client, const char *topic)
{
	if (lined_client_subscribe(client, topic) == 0)
		return "ok";
	return errno == EEXIST ? "subscribed already" : "no memory";
}

static const char *unsubscribe(struct lined_socket *client, const char *topic)
{
	return lined_client_unsubscribe(client, topic) == 0 ? "ok"
							    : "not subscribed";
}

static const char *publish(struct lined_socket *client, const char *topic,
			   struct lined_word text)
{
	const struct member *member = lined_client_data(client);
	struct lined_buffer *line;
	int rc = -1;

	if (member->name[0] == '\0')
		return "name yourself first";
	line = lined_buffer_printf("%s <%s> %.*s\n", topic, member->name,
				   (int)text.len, text.text);
	if (line != NULL)
		rc = lined_bus_publish(lined_client_service(client), topic,
				       line);
	lined_buffer_unref(line);
	return rc == 0 ? NULL : "not published";
}

static void named(struct lined_socket *client, void *arg, bool won)
{
	struct member *member = arg;

	if (!won) {
		lined_socket_printf(client, "%s is taken\n", member->wanted);
		return;
	}
	if (member->name[0] != '\0')
		lined_registry_release(lined_client_service(client), client,
				       member->name);
	strcpy(member->name, member->wanted);
	lined_socket_printf(client, "hello %s\n", member->name);
}

static const char *name(struct lined_socket *client,
			const struct lined_word *wanted)
{
	struct member *member = lined_client_data(client);

	if (!lined_word_copy(wanted, member->wanted, sizeof(member->wanted)))
		return "bad name";
	return lined_registry_claim(lined_client_service(client), client,
				    member->wanted, "", 0, named, member) == 0
		       ? NULL
		       : "no memory";
}

static void tell_name(const struct lined_registry_entry *entry, void *client)
{
	lined_socket_printf(client, "%s\n", entry->name);
}

static const char *serve(struct lined_socket *client,
			 const struct lined_line *line)
{
	struct lined_word word[2];
	size_t words = lined_line_words(line, word, 2);
	char topic[64];

	if (words == 1 && lined_word_is(&word[0], "who")) {
		lined_registry_list(lined_client_service(client), "", tell_name,
				    client);
		return ".";
	}
	if (words < 2 || !lined_word_copy(&word[1], topic, sizeof(topic)))
		return "what?";
	if (words > 2 && lined_word_is(&word[0], "pub"))
		return publish(client, topic, lined_line_rest(line, 2));
	if (words > 2)
		return "what?";
	if (lined_word_is(&word[0], "name"))
		return name(client, &word[1]);
	if (lined_word_is(&word[0], "sub"))
		return subscribe(client, topic);
	if (lined_word_is(&word[0], "unsub"))
		return unsubscribe(client, topic);
	return "what?";
}

static void handle_line(struct lined_socket *client,
			const struct lined_line *line)
{
	const char *answer = serve(client, line);

	if (answer != NULL)
		lined_socket_printf(client, "%s\n", answer);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "topics",
	.summary = "lines to all who listen to a topic",
	.handle_line = handle_line,
	.client_size = sizeof(struct member),
};
