/* SPDX-License-Identifier: MIT */
/*
 * Holds a transcript in memory: its steps, clients and addresses by name, and
 * the placeholders of its config. parser_*.c make it, run_play.c plays it.
 */
#include "config.h"

#include "linetest/transcript.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/word.h"

static bool name_equals(const char *text, const char *other, size_t len)
{
	return strlen(text) == len && memcmp(text, other, len) == 0;
}

void transcript_free(struct transcript *transcript)
{
	size_t i;

	if (transcript == NULL)
		return;
	for (i = 0; i < transcript->step_count; i++) {
		struct step *step = &transcript->steps[i];

		template_fini(&step->text);
		free(step->statement);
		free(step->url);
		free(step->config);
	}
	for (i = 0; i < transcript->client_count; i++)
		free(transcript->clients[i]);
	for (i = 0; i < transcript->address_count; i++)
		free(transcript->addresses[i].name);
	for (i = 0; i < transcript->file_count; i++)
		free(transcript->files[i]);
	free(transcript->steps);
	free(transcript->clients);
	free(transcript->addresses);
	free(transcript->files);
	free(transcript->config);
	free(transcript->here);
	free(transcript->path);
	free(transcript);
}

size_t transcript_find_client(const struct transcript *transcript,
			      const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < transcript->client_count; i++)
		if (name_equals(transcript->clients[i], name, len))
			return i;
	return SIZE_MAX;
}

size_t transcript_client(struct transcript *transcript, const char *name,
			 size_t len)
{
	size_t found = transcript_find_client(transcript, name, len);

	if (found != SIZE_MAX)
		return found;
	transcript->clients =
		memory_resize(transcript->clients, transcript->client_count + 1,
			      sizeof(*transcript->clients));
	transcript->clients[transcript->client_count] = memory_copy(name, len);
	return transcript->client_count++;
}

size_t transcript_find_address(const struct transcript *transcript,
			       enum transport transport, const char *name,
			       size_t len)
{
	size_t i;

	for (i = 0; i < transcript->address_count; i++)
		if (transcript->addresses[i].transport == transport &&
		    name_equals(transcript->addresses[i].name, name, len))
			return i;
	return SIZE_MAX;
}

size_t transcript_address(struct transcript *transcript,
			  enum transport transport, const char *name,
			  size_t len)
{
	size_t found =
		transcript_find_address(transcript, transport, name, len);

	if (found != SIZE_MAX)
		return found;
	transcript->addresses = memory_resize(transcript->addresses,
					      transcript->address_count + 1,
					      sizeof(*transcript->addresses));
	transcript->addresses[transcript->address_count].transport = transport;
	transcript->addresses[transcript->address_count].name =
		memory_copy(name, len);
	return transcript->address_count++;
}

bool placeholder_read(struct placeholder *found, const char *text)
{
	const char *end = text + strlen(text), *p = text + 1;
	size_t len;

	if (*text != '{')
		return false;
	len = word_name_len(p, end);
	found->transport = transport_find(p, len);
	if (found->transport != TRANSPORTS)
		found->kind = PLACEHOLDER_ADDRESS;
	else if (name_equals("here", p, len))
		found->kind = PLACEHOLDER_HERE;
	else if (name_equals("dir", p, len))
		found->kind = PLACEHOLDER_DIR;
	else
		return false;
	p += len;
	found->name = p;
	found->name_len = 0;
	if (*p == ':' && found->kind == PLACEHOLDER_ADDRESS) {
		found->name = ++p;
		found->name_len = word_name_len(p, end);
		if (found->name_len == 0)
			return false;
		p += found->name_len;
	}
	found->len = (size_t)(p + 1 - text);
	return *p == '}';
}
