/* SPDX-License-Identifier: MIT */
/*
 * The door of this folder: a config file's text becomes a part of the tree
 * (conf_tree.h). The text is scanned (conf_scan.h), for what libconfuse cannot
 * report, and then read by libconfuse. Includes are noted, not followed; no key
 * and no value is interpreted.
 *
 * Thread: one at a time in the process, for libconfuse is not reentrant.
 */
#ifndef CONF_PARSE_H
#define CONF_PARSE_H

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"

/* Bounds on one file, against files that would fill the memory. */
#define CONF_FILE_MAX (1024u * 1024)

/*
 * Appends the len bytes of text, which a NUL follows, to the tree; place is
 * the file, whose name the tree keeps. -1 with an error reported.
 */
int conf_parse_text(const char *text, size_t len,
		    const struct conf_place *place, struct conf_tree *tree,
		    struct conf_report *report);

#endif
