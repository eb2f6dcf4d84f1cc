/* SPDX-License-Identifier: MIT */
/*
 * The interface of this folder: turns the text of a config file into a part of
 * the tree (conf_tree.h). The scan (conf_scan.h) reports what libconfuse cannot
 * report, then libconfuse reads the text. Includes are noted, not followed; no
 * key and no value is interpreted.
 *
 * Thread: one parse at a time in the process, because libconfuse is not
 * reentrant.
 */
#pragma once

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"

/* The largest file, in bytes: a wrong path must not fill the memory. */
#define CONF_FILE_MAX (1024u * 1024)

/* Parses the len bytes of text, which a NUL follows, and appends what they say
 * to the tree. place is the file; the tree keeps a pointer to its name. -1, and
 * an error is reported. */
int conf_parse_text(const char *text, size_t len,
		    const struct conf_place *place, struct conf_tree *tree,
		    struct conf_report *report);
