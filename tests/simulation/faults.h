/* SPDX-License-Identifier: MIT */
/*
 * Faults that are put in on purpose, between parts of lined, to see that the
 * simulation finds them.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>

enum fault {
	FAULT_NONE,
	FAULT_LOST,    /* a message of the bus does not arrive at a worker */
	FAULT_SWAPPED, /* two messages of the bus arrive in the other order */
	FAULT_TWICE,   /* the registry gives a name away that it has given */
};

/* By its word: none, lost, swapped, twice. False: no such word. */
bool faults_choose(const char *word);

/* Before and after a seed. */
void faults_begin(void);
void faults_end(void);

#endif
