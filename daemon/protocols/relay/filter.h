/* SPDX-License-Identifier: MIT */
/*
 * The filters of a relay service: a list of rules. The first rule that matches
 * decides; if none matches, the line is allowed. Also compiles the expression
 * of dedupe-without.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/protocol.h>

struct relay_filter;

/* Compiles rules of the form "allow EXPRESSION" or "deny EXPRESSION". NULL: no
 * rules (error is ""), or a bad rule (error says why). */
struct relay_filter *relay_filter_new(const struct lined_option_list *rules,
				      char *error, size_t size);
void relay_filter_free(struct relay_filter *filter);

/* A NULL filter allows everything. */
bool relay_filter_allows(const struct relay_filter *filter, const char *text,
			 size_t len);

struct relay_pattern;

/* Compiles an expression. NULL, and the reason in error. */
struct relay_pattern *relay_pattern_new(const char *expression, char *error,
					size_t size);
void relay_pattern_free(struct relay_pattern *pattern);

/* Removes what the expression matches from a text: changes text and len if
 * something matches. The result is valid until the next call. */
void relay_pattern_leave_out(struct relay_pattern *pattern, const char **text,
			     size_t *len);

/* Whether the expression has a $ that cannot match: an anchor followed by more
 * text. */
bool relay_filter_is_anchored_early(const char *expression);
