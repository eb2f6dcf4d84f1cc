/* SPDX-License-Identifier: MIT */
/*
 * The filter of a relay service: rules in order, the first that matches
 * decides, no match allows.
 */
#ifndef RELAY_FILTER_H
#define RELAY_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include <lined/protocol.h>

struct relay_filter;

/* Compiles rules of the form "allow EXPRESSION" or "deny EXPRESSION". NULL:
 * there are no rules, and error is ""; or one is wrong, and error has the
 * reason. */
struct relay_filter *relay_filter_new(const struct lined_option_list *rules,
				      char *error, size_t size);
void relay_filter_free(struct relay_filter *filter);

/* A NULL filter allows everything. */
bool relay_filter_allows(const struct relay_filter *filter, const char *text,
			 size_t len);

#endif
