/* SPDX-License-Identifier: MIT */
/*
 * The memory of a script, and the names in it. parse.c reads it, player.c plays
 * it.
 */
#include "config.h"

#include "linetest/script.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/text.h"

const char *const transport_names[TRANSPORTS] = {"unix", "tcp", "tcp6", "udp",
						 "udp6", "tls", "ws",   "wss"};

static bool name_equals(const char *text, const char *other, size_t len)
{
	return strlen(text) == len && memcmp(text, other, len) == 0;
}

enum transport transport_find(const char *name, size_t len)
{
	unsigned i;

	for (i = 0; i < TRANSPORTS; i++)
		if (name_equals(transport_names[i], name, len))
			break;
	return (enum transport)i;
}

void script_free(struct script *script)
{
	size_t i;

	if (script == NULL)
		return;
	for (i = 0; i < script->step_count; i++) {
		struct step *step = &script->steps[i];

		template_fini(&step->text);
		free(step->source);
		free(step->url);
		free(step->config);
	}
	for (i = 0; i < script->actor_count; i++)
		free(script->actors[i]);
	for (i = 0; i < script->address_count; i++)
		free(script->addresses[i].name);
	for (i = 0; i < script->file_count; i++)
		free(script->files[i]);
	free(script->steps);
	free(script->actors);
	free(script->addresses);
	free(script->files);
	free(script->config);
	free(script->here);
	free(script->path);
	free(script);
}

size_t script_find_actor(const struct script *script, const char *name,
			 size_t len)
{
	size_t i;

	for (i = 0; i < script->actor_count; i++)
		if (name_equals(script->actors[i], name, len))
			return i;
	return SIZE_MAX;
}

size_t script_actor(struct script *script, const char *name, size_t len)
{
	size_t found = script_find_actor(script, name, len);

	if (found != SIZE_MAX)
		return found;
	script->actors = memory_resize(script->actors, script->actor_count + 1,
				       sizeof(*script->actors));
	script->actors[script->actor_count] = memory_copy(name, len);
	return script->actor_count++;
}

size_t script_find_address(const struct script *script,
			   enum transport transport, const char *name,
			   size_t len)
{
	size_t i;

	for (i = 0; i < script->address_count; i++)
		if (script->addresses[i].transport == transport &&
		    name_equals(script->addresses[i].name, name, len))
			return i;
	return SIZE_MAX;
}

size_t script_address(struct script *script, enum transport transport,
		      const char *name, size_t len)
{
	size_t found = script_find_address(script, transport, name, len);

	if (found != SIZE_MAX)
		return found;
	script->addresses =
		memory_resize(script->addresses, script->address_count + 1,
			      sizeof(*script->addresses));
	script->addresses[script->address_count].transport = transport;
	script->addresses[script->address_count].name = memory_copy(name, len);
	return script->address_count++;
}

size_t script_placeholder(const char *text, unsigned *transport,
			  const char **name, size_t *name_len)
{
	const char *end = text + strlen(text), *p = text + 1;
	size_t len;
	unsigned i;

	if (*text != '{')
		return 0;
	len = text_name(p, end);
	i = transport_find(p, len);
	if (i == TRANSPORTS && name_equals("here", p, len))
		i++;
	else if (i == TRANSPORTS && !name_equals("dir", p, len))
		return 0;
	*transport = i;
	p += len;
	*name = p;
	*name_len = 0;
	if (*p == ':' && i < TRANSPORTS) {
		*name = ++p;
		*name_len = text_name(p, end);
		if (*name_len == 0)
			return 0;
		p += *name_len;
	}
	return *p == '}' ? (size_t)(p + 1 - text) : 0;
}
