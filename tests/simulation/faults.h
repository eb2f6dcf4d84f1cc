/* SPDX-License-Identifier: MIT */
/*
 * Deliberate faults between parts of lined: the simulation must find them.
 */
#pragma once

#include <stdbool.h>

struct broker_event;

enum fault {
	FAULT_NONE,
	FAULT_LOST,    /* a message of the bus is lost on its way to a worker */
	FAULT_SWAPPED, /* two messages of the bus change places */
	FAULT_TWICE,   /* the registry gives a name to a second owner */
	/* The following are between machines. */
	FAULT_UNCOUNTED, /* a line is lost, but its frame arrives */
	FAULT_UNTOLD,    /* a machine does not hear of a change of a name */
	FAULT_KEPT,      /* a client that has lost its name keeps it */
};

/* Chooses a fault by its word: none, lost, swapped, twice, uncounted, untold,
 * kept. False: there is no such word. */
bool faults_choose(const char *word);

/* To be called before and after a seed. */
void faults_begin(void);
void faults_end(void);

/* Called for each event that a broker is about to deliver. True: the event is
 * lost. */
bool faults_spoil_event(struct broker_event *event);
