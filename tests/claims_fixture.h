/* SPDX-License-Identifier: MIT */
/*
 * Clients that claim names of the registry, for its suites, on one worker and
 * on several.
 */
#pragma once

#include "worker_fixture.h"

/*
 * Does what its clients say: "c NAME" claims, "2 NAME" claims that and
 * "second", "r NAME" releases, "x NAME" claims and closes, "d NAME" claims and
 * releases; everything else comes back.
 */
extern const struct lined_protocol claiming;

extern struct hall claims_hall;

/* The numbers of workers of a loop test. */
enum { CLAIMS_VARIANTS = 3 };
extern const unsigned claims_workers[CLAIMS_VARIANTS];
#define WORKERS claims_workers[_i]

/* Waits for the text on a client's other end. */
void claims_expect(int fd, const char *text);

/* Sends the text, and waits for the answer. */
void claims_ask(int fd, const char *text, const char *answer_text);

/* Waits until the client has been closed; closes the other end. */
void claims_expect_end(int fd);

/* Waits until this is what is listed on every worker. */
void claims_expect_list(const char *prefix, const char *text);
