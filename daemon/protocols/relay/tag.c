/* SPDX-License-Identifier: MIT */
/*
 * Fills in the template of a tag. The checksum is that of NMEA 0183: the XOR of
 * all bytes between the backslashes of a TAG block.
 */
#include "relay/tag.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lined/address.h>
#include <lined/tls.h>

#include "relay/relay.h"

/* Written in place of an unknown part. */
#define NONE "-"

#define CHECKSUM_ROOM sizeof("*00")

enum tag_field {
	TAG_ADDRESS,
	TAG_PORT,
	TAG_NAME,
	TAG_SERVICE,
	TAG_TIME,
	TAG_SECONDS,
	TAG_FIELDS
};

static const char *const tag_fields[TAG_FIELDS] = {
	[TAG_ADDRESS] = "{address}", [TAG_PORT] = "{port}",
	[TAG_NAME] = "{name}",       [TAG_SERVICE] = "{service}",
	[TAG_TIME] = "{time}",       [TAG_SECONDS] = "{seconds}",
};

/* The field at the beginning of the text; TAG_FIELDS: none. */
static enum tag_field tag_field_at(const char *text)
{
	int i = 0;

	while (i < TAG_FIELDS &&
	       strncmp(text, tag_fields[i], strlen(tag_fields[i])) != 0)
		i++;
	return (enum tag_field)i;
}

const char *relay_tag_template(const char *option)
{
	static const char *const yes[] = {"true", "yes", "on"};
	static const char *const no[] = {"false", "no", "off"};
	size_t i;

	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(option, yes[i]) == 0)
			return "{address} ";
		if (strcmp(option, no[i]) == 0)
			return "";
	}
	return option;
}

const char *relay_tag_fault(const char *template, bool checksum)
{
	const char *first = strchr(template, '\\'), *at;

	if (strlen(template) > RELAY_TAG_MAX / 4)
		return "the template is too long";
	if (template[strcspn(template, "\r\n")] != '\0')
		return "it is more than one line";
	for (at = strchr(template, '{'); at != NULL; at = strchr(at + 1, '{'))
		if (tag_field_at(at) == TAG_FIELDS)
			return "after { comes one of address, port, name, "
			       "service, time, seconds, and }";
	if (checksum && (first == NULL || strchr(first + 1, '\\') == NULL))
		return "tag-checksum needs a block between backslashes";
	return NULL;
}

static void tag_write_time(enum tag_field field, char *text, size_t size)
{
	time_t now = time(NULL);
	struct tm utc;

	if (field == TAG_SECONDS)
		snprintf(text, size, "%lld", (long long)now);
	else if (gmtime_r(&now, &utc) == NULL ||
		 strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		snprintf(text, size, NONE);
}

static const char *tag_value(const struct relay *relay,
			     const struct relay_source *source,
			     enum tag_field field, char *text, size_t size)
{
	const char *value = text;

	if (field == TAG_ADDRESS)
		value = source->address;
	else if (field == TAG_PORT)
		value = source->port;
	else if (field == TAG_NAME)
		value = source->name;
	else if (field == TAG_SERVICE)
		value = lined_service_name(relay->service);
	else
		tag_write_time(field, text, size);
	return value[0] != '\0' ? value : NONE;
}

/* Replaces fields; cuts the text at size. relay NULL: replaces only time
 * fields. */
static size_t tag_fill(const char *template, const struct relay *relay,
		       const struct relay_source *source, char *text,
		       size_t size)
{
	enum tag_field field;
	char time[64];
	size_t len = 0, n;

	while (*template != '\0' && len < size) {
		const char *from = template;

		field = *template == '{' ? tag_field_at(template) : TAG_FIELDS;
		if (field == TAG_FIELDS ||
		    (relay == NULL && field < TAG_TIME)) {
			n = 1;
			template ++;
		} else {
			template += strlen(tag_fields[field]);
			from = tag_value(relay, source, field, time,
					 sizeof(time));
			n = strlen(from);
		}
		if (n > size - len)
			n = size - len;
		memcpy(text + len, from, n);
		len += n;
	}
	return len;
}

/* Inserts "*hh" before the second backslash. */
static size_t tag_add_checksum(char *tag, size_t len)
{
	const char *end = tag + len;
	char *first = memchr(tag, '\\', len), *at, digits[CHECKSUM_ROOM];
	unsigned sum = 0;

	if (first == NULL) /* the block was cut off after a long field */
		return len;
	for (at = first + 1; at < end && *at != '\\'; at++)
		sum ^= (unsigned char)*at;
	memmove(at + CHECKSUM_ROOM - 1, at, (size_t)(end - at));
	snprintf(digits, sizeof(digits), "*%02X", sum);
	memcpy(at, digits, CHECKSUM_ROOM - 1);
	return len + CHECKSUM_ROOM - 1;
}

size_t relay_tag_write(const struct relay *relay,
		       const struct relay_source *source,
		       char tag[RELAY_TAG_MAX])
{
	const char *template = relay_tag_template(relay->options->tag);
	size_t len;

	if (template[0] == '\0')
		return 0;
	len = tag_fill(template, relay, source, tag,
		       RELAY_TAG_MAX - CHECKSUM_ROOM);

	return relay->options->tag_checksum ? tag_add_checksum(tag, len) : len;
}

/* Copies a text of the client with control characters replaced, because they
 * could end the line. */
static const char *tag_make_printable(char *to, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i < size - 1 && text[i] != '\0'; i++)
		to[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f
				? '?'
				: text[i];
	to[i] = '\0';
	return to;
}

size_t relay_tag_write_client(const struct relay *relay,
			      struct lined_socket *sock,
			      char tag[RELAY_TAG_MAX])
{
	struct relay_source source = {"", "", ""};
	char name[256];
	struct lined_tls tls;
	char host[LINED_ADDRESS_TEXT_MAX];
	struct lined_address address;
	const char *peer, *colon;

	if (relay->options->tag[0] == '\0')
		return 0;
	if (lined_client_tls(sock, &tls))
		source.name = tag_make_printable(name, sizeof(name), tls.name);
	peer = lined_client_peer(sock);
	source.address = peer;
	if (lined_address_parse(&address, peer) == 0) {
		source.address = lined_address_format_host(&address.any, host,
							   sizeof(host));
		colon = strrchr(peer, ':');
		if (colon != NULL)
			source.port = colon + 1;
	}
	return relay_tag_write(relay, &source, tag);
}

size_t relay_tag_write_time(const char *template, char *text, size_t size)
{
	return tag_fill(template, NULL, NULL, text, size);
}
