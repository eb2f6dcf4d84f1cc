/* SPDX-License-Identifier: MIT */
/* The option tag: a template for the beginning of each line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>

/* The longest tag. A template is at most a quarter as long. */
#define RELAY_TAG_MAX 2048

struct relay;

/* The sender of lines. An unknown part is "". */
struct relay_source {
	const char *address, *port, *name;
};

/* The template for the option's value: "true" and "false" stand for templates.
 */
const char *relay_tag_template(const char *option);

/* The fault of a template, as a constant text; NULL: none. */
const char *relay_tag_fault(const char *template, bool checksum);

/* Writes the tag of a line received now; returns the length, 0 without the
 * option. */
size_t relay_tag_write(const struct relay *relay,
		       const struct relay_source *source,
		       char tag[RELAY_TAG_MAX]);

/* As relay_tag_write(), for a line of a client, or of the datagram being read.
 */
size_t relay_tag_write_client(const struct relay *relay,
			      struct lined_socket *sock,
			      char tag[RELAY_TAG_MAX]);

/* Replaces {time} and {seconds} in a template; returns the length. */
size_t relay_tag_write_time(const char *template, char *text, size_t size);
