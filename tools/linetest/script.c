/* SPDX-License-Identifier: MIT */
/*
 * What a script holds and how it is let go of. Reading it is the parser's
 * business, playing it the player's.
 */
#include "config.h"

#include "linetest/script.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/text.h"

const char *const transport_names[TRANSPORTS] = {"unix", "tcp", "tcp6", "udp",
						 "udp6"};

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

static bool is_text(const char *text, const char *other, size_t len)
{
	return strlen(text) == len && memcmp(text, other, len) == 0;
}

size_t script_find_actor(const struct script *script, const char *name,
			 size_t len)
{
	size_t i;

	for (i = 0; i < script->actor_count; i++)
		if (is_text(script->actors[i], name, len))
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
		    is_text(script->addresses[i].name, name, len))
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
	for (i = 0; i < TRANSPORTS; i++)
		if (is_text(transport_names[i], p, len))
			break;
	if (i == TRANSPORTS && is_text("here", p, len))
		i++;
	else if (i == TRANSPORTS && !is_text("dir", p, len))
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
