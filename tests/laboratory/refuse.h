/* SPDX-License-Identifier: MIT */
/*
 * The declarations that the files of the laboratory's library share. The
 * library exports none of them to the program.
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* A fault is an errno, or one of these. */
#define FAULT_SHORT -1 /* transfer one byte, if more was asked for */
#define FAULT_END   -2 /* report the end of the file */

/* ---- the table, as lab.py reads it ------------------------------------ */

#define DEPTH       32
#define PLACES_MAX  16384
#define OBJECTS_MAX 64
#define CALL_LEN    16

enum { FOR_ONCE, FROM_THEN_ON };

struct place {
	uint64_t key;
	uint32_t count, depth;
	char call[CALL_LEN];
	struct {
		uint32_t object, offset;
	} frames[DEPTH];
};

struct table {
	uint64_t target; /* the place that fails; 0: none, places are noted */
	int32_t fault;
	uint32_t how_long;
	uint32_t first;     /* the offset of the target's first frame */
	uint32_t is_memory; /* whether the target is an allocation */
	uint32_t is_over;   /* set by lab.py: no more faults */
	uint32_t faults;    /* how many faults were made */
	uint32_t place_count, object_count, lock;
	char own[256]; /* the directory of lined's modules */
	char objects[OBJECTS_MAX][256];
	struct place places[PLACES_MAX];
};

extern struct table *table; /* NULL: this process is left alone */

/* Notes the place. Returns whether its call must fail now. may(fd, fault) says
 * whether the fault can occur for this descriptor. */
bool place_fails(const char *call, bool is_memory, const void *caller, int fd,
		 bool (*may)(int fd, int fault));

/* The function that would be called without this library. */
void *next(const char *name);

bool fd_is_stream_socket(int fd);

#define CALLER __builtin_return_address(0)

#pragma GCC visibility pop
