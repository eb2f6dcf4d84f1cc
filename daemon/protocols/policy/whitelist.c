/* SPDX-License-Identifier: MIT */
/*
 * Reads whitelists, and searches them one entry after the other: they have a
 * few hundred entries, and a mail takes much longer than the search.
 */
#include "policy/whitelist.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lined/address.h>

#define FILE_MAX (1024 * 1024)

enum entry_kind { ENTRY_NETWORK, ENTRY_NAME, ENTRY_PATTERN };

struct whitelist_entry {
	enum entry_kind kind;
	struct lined_network network;
	char *name;
	regex_t pattern;
};

static void entry_fini(struct whitelist_entry *entry)
{
	free(entry->name);
	if (entry->kind == ENTRY_PATTERN)
		regfree(&entry->pattern);
}

void whitelist_fini(struct whitelist *list)
{
	while (list->count > 0)
		entry_fini(&list->entries[--list->count]);
	free(list->entries);
	*list = (struct whitelist){0};
}

/* ---- reading ---------------------------------------------------------- */

/* Parses "192", "192.0" or "192.0.2": the first bytes of an IPv4 address. */
static bool entry_parse_octets(struct lined_network *network, const char *text)
{
	char whole[LINED_NETWORK_TEXT_MAX];
	unsigned dots = 0;
	const char *c;

	for (c = text; *c != '\0'; c++) {
		if (*c != '.' && !isdigit((unsigned char)*c))
			return false;
		dots += *c == '.';
	}
	if (dots > 2 || c == text || c[-1] == '.')
		return false;
	snprintf(whole, sizeof(whole), "%s%s/%u", text,
		 (const char *[]){".0.0.0", ".0.0", ".0"}[dots],
		 (dots + 1) * 8);
	return lined_network_parse(network, whole) == LINED_NETWORK_OK;
}

/* Returns NULL, or a text that says what is wrong with the entry: a constant,
 * or `error`. */
static const char *entry_parse_pattern(struct whitelist_entry *entry,
				       char *text, size_t len, char *error,
				       size_t size)
{
	int rc;

	if (len < 3 || text[len - 1] != '/')
		return "a pattern ends with /";
	text[len - 1] = '\0';
	rc = regcomp(&entry->pattern, text + 1,
		     REG_EXTENDED | REG_ICASE | REG_NOSUB);
	if (rc != 0) {
		regerror(rc, &entry->pattern, error, size);
		return error;
	}
	entry->kind = ENTRY_PATTERN;
	return NULL;
}

static const char *entry_parse(struct whitelist_entry *entry, char *text,
			       char *error, size_t size)
{
	size_t len = strlen(text);

	*entry = (struct whitelist_entry){.kind = ENTRY_NAME};
	if (text[0] == '/')
		return entry_parse_pattern(entry, text, len, error, size);
	switch (lined_network_parse(&entry->network, text)) {
	case LINED_NETWORK_OK:
		entry->kind = ENTRY_NETWORK;
		return NULL;
	case LINED_NETWORK_HOST_BITS:
		return "the address has bits past its prefix";
	case LINED_NETWORK_BAD:
		break;
	}
	if (entry_parse_octets(&entry->network, text)) {
		entry->kind = ENTRY_NETWORK;
		return NULL;
	}
	if (strpbrk(text, "/: \t*") != NULL)
		return "neither an address, a network, a name nor a /pattern/";
	entry->name = strdup(text);
	return entry->name != NULL ? NULL : strerror(ENOMEM);
}

/* Cuts the line's comment and surrounding blanks. "#" begins a comment even in
 * a pattern. */
static char *line_trim(char *line)
{
	char *end = line + strcspn(line, "#");

	while (end > line && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return line + strspn(line, " \t");
}

/* Returns as entry_parse_pattern(). */
static const char *whitelist_add(struct whitelist *list, char *text,
				 char *error, size_t size)
{
	struct whitelist_entry *entries = realloc(
		list->entries, (list->count + 1) * sizeof(*list->entries));
	const char *wrong;

	if (entries == NULL)
		return strerror(ENOMEM);
	list->entries = entries;
	wrong = entry_parse(&entries[list->count], text, error, size);
	list->count += wrong == NULL;
	return wrong;
}

/* Returns the bytes of the file and a NUL, to be freed; NULL and errno. */
static char *whitelist_read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *bytes = NULL;
	ssize_t got = 0;
	size_t len = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		else if (st.st_size > FILE_MAX)
			errno = EFBIG;
		else
			bytes = malloc((size_t)st.st_size + 1);
	}
	while (bytes != NULL && len < (size_t)st.st_size &&
	       (got = read(fd, bytes + len, (size_t)st.st_size - len)) > 0)
		len += (size_t)got;
	if (bytes != NULL && got < 0) {
		free(bytes);
		bytes = NULL;
	}
	if (bytes != NULL)
		bytes[len] = '\0';
	got = errno;
	close(fd);
	errno = (int)got;
	return bytes;
}

int whitelist_load(struct whitelist *list, const char *path, char *error,
		   size_t size)
{
	struct whitelist fresh = {0};
	char *bytes, *line = NULL, *rest, detail[128];
	const char *wrong = NULL;
	unsigned number = 0;

	if (path[0] == '\0') {
		whitelist_fini(list);
		return 0;
	}
	bytes = whitelist_read_file(path);
	if (bytes == NULL) {
		snprintf(error, size, "%s: %s", path, strerror(errno));
		return -1;
	}
	rest = bytes;
	while (wrong == NULL && (line = strsep(&rest, "\n")) != NULL) {
		number++;
		line = line_trim(line);
		if (*line != '\0')
			wrong = whitelist_add(&fresh, line, detail,
					      sizeof(detail));
	}
	if (wrong != NULL) {
		snprintf(error, size, "%s:%u: \"%s\": %s", path, number, line,
			 wrong);
		whitelist_fini(&fresh);
	} else {
		whitelist_fini(list);
		*list = fresh;
	}
	free(bytes);
	return wrong == NULL ? 0 : -1;
}

/* ---- looking up ------------------------------------------------------- */

/* Whether name equals the domain or is below it. */
static bool domain_is_below(const char *name, const char *domain)
{
	size_t len = strlen(name), domain_len = strlen(domain);

	return len >= domain_len &&
	       strcasecmp(name + len - domain_len, domain) == 0 &&
	       (len == domain_len || name[len - domain_len - 1] == '.');
}

bool whitelist_has_client(const struct whitelist *list, const char *address,
			  const char *name)
{
	struct lined_address parsed;
	bool is_address = lined_address_parse(&parsed, address) == 0;
	bool found = false;
	size_t i;

	for (i = 0; !found && i < list->count; i++) {
		const struct whitelist_entry *entry = &list->entries[i];

		switch (entry->kind) {
		case ENTRY_NETWORK:
			found = is_address &&
				lined_network_contains(&entry->network,
						       &parsed.any);
			break;
		case ENTRY_NAME:
			found = domain_is_below(name, entry->name);
			break;
		case ENTRY_PATTERN:
			found = regexec(&entry->pattern, name, 0, NULL, 0) == 0;
			break;
		}
	}
	return found;
}

static bool name_is_recipient(const char *name, const char *recipient)
{
	const char *at = strchr(name, '@');
	const char *domain = strrchr(recipient, '@');

	if (at == NULL)
		return domain != NULL && domain_is_below(domain + 1, name);
	if (at[1] == '\0')
		return strncasecmp(name, recipient, strlen(name)) == 0;
	return strcasecmp(name, recipient) == 0;
}

bool whitelist_has_recipient(const struct whitelist *list,
			     const char *recipient)
{
	bool found = false;
	size_t i;

	for (i = 0; !found && i < list->count; i++) {
		const struct whitelist_entry *entry = &list->entries[i];

		found = entry->kind == ENTRY_PATTERN
				? regexec(&entry->pattern, recipient, 0, NULL,
					  0) == 0
				: entry->kind == ENTRY_NAME &&
					  name_is_recipient(entry->name,
							    recipient);
	}
	return found;
}
