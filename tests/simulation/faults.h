/* SPDX-License-Identifier: MIT */
/*
 * Faults that are put in on purpose, between parts of lined, to see that the
 * simulation finds them.
 */
#pragma once

#include <stdbool.h>

struct broker_event;

enum fault {
	FAULT_NONE,
	FAULT_LOST,    /* a message of the bus does not arrive at a worker */
	FAULT_SWAPPED, /* two messages of the bus arrive in the other order */
	FAULT_TWICE,   /* the registry gives a name away that it has given */
	/* Between machines: */
	FAULT_UNCOUNTED, /* a line does not arrive, and its frame does */
	FAULT_UNTOLD,    /* a machine is not told of a change of a name */
	FAULT_KEPT,      /* who has lost its name to another keeps it */
};

/* By its word: none, lost, swapped, twice, uncounted, untold, kept. False: no
 * such word. */
bool faults_choose(const char *word);

/* Before and after a seed. */
void faults_begin(void);
void faults_end(void);

/* An event of a machine's broker is about to come. True: it does not. */
bool faults_spoil_event(struct broker_event *event);
