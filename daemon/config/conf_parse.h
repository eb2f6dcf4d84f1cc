/* SPDX-License-Identifier: MIT */
/*
 * One config file's text into the tree (conf_tree.h), by libconfuse. Includes
 * are noted in the tree, not followed; nothing is interpreted.
 */
#ifndef CONF_PARSE_H
#define CONF_PARSE_H

#include "config/conf_message.h"
#include "config/conf_scan.h"
#include "config/conf_tree.h"

/*
 * Reads a scanned file into the tree, behind what is in it. -1 with an error
 * reported.
 */
int conf_parse(const struct conf_scan *scan, const struct conf_place *place,
	       struct conf_tree *tree, struct conf_report *report);

#endif
