/* SPDX-License-Identifier: MIT */
/*
 * Clients that claim names of the registry, for its suites, on one worker and
 * on several.
 */
#pragma once

#include "worker_fixture.h"

/*
 * Does what its clients say: "c NAME" claims, "2 NAME" claims NAME and
 * "second", "r NAME" releases, "x NAME" claims and closes, "d NAME" claims and
 * releases; any other line is echoed.
 */
extern const struct lined_protocol claiming;

extern struct hall claims_hall;

/* How many workers each run of a loop test has. */
enum { CLAIMS_VARIANTS = 3 };
extern const unsigned claims_workers[CLAIMS_VARIANTS];
#define WORKERS claims_workers[_i]

/* Waits until the client has received this text. */
void claims_expect(int fd, const char *text);

/* Sends the text, and waits for the answer. */
void claims_ask(int fd, const char *text, const char *answer_text);

/* Waits until lined has closed the client, and closes the other end. */
void claims_expect_end(int fd);

/* Waits until every worker lists exactly this. */
void claims_expect_list(const char *prefix, const char *text);
