/* SPDX-License-Identifier: MIT */
/*
 * The option tag: a template for what each line begins with.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>

/* The longest tag. A template is at most a quarter of it. */
#define RELAY_TAG_MAX 2048

struct relay;

/* Where lines come from. An unknown part is "". */
struct relay_source {
	const char *address, *port, *name;
};

/* The template that the option means: "true" and "false" stand for
 * templates. */
const char *relay_tag_template(const char *option);

/* The fault of a template as a constant text; NULL: none. */
const char *relay_tag_fault(const char *template, bool checksum);

/* Writes the tag of a line that comes in now; returns its length. Without the
 * option it is 0. */
size_t relay_tag_write(const struct relay *relay,
		       const struct relay_source *source,
		       char tag[RELAY_TAG_MAX]);

/* The same for a line of a client, or of the datagram that is being read. */
size_t relay_tag_write_client(const struct relay *relay,
			      struct lined_socket *sock,
			      char tag[RELAY_TAG_MAX]);

/* Replaces {time} and {seconds} in a template; returns the length. */
size_t relay_tag_write_time(const char *template, char *text, size_t size);
