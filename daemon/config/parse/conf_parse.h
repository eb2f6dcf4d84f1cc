/* SPDX-License-Identifier: MIT */
/*
 * The interface of this folder: turns the text of a config file into a part of
 * the tree (conf_tree.h). First the syntax check (conf_syntax.h) reports what
 * libconfuse cannot report, then libconfuse reads the text. Includes are only
 * recorded; keys and values are not interpreted.
 *
 * Thread: one parse at a time in a process, because libconfuse is not
 * reentrant.
 */
#pragma once

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"

/* The largest file, in bytes: a wrong path must not use up the memory. */
#define CONF_FILE_MAX (1024u * 1024)

/* Parses the len bytes of text, which must be followed by a NUL, and appends
 * the result to the tree. place is the file; the tree keeps a pointer to the
 * file's name. -1: an error was reported. */
int conf_parse_text(const char *text, size_t len,
		    const struct conf_place *place, struct conf_tree *tree,
		    struct conf_report *report);
