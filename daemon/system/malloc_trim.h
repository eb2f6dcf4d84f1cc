/* SPDX-License-Identifier: MIT */
/*
 * Giving memory back to the system once many clients are gone. The allocator
 * keeps what lies between blocks that are still in use unless it is asked
 * (memory_glibc.c); where it cannot be asked nothing is done (memory_none.c).
 */
#ifndef MEMORY_H
#define MEMORY_H

/* Takes some milliseconds; other threads may wait for memory meanwhile. */
void memory_trim(void);

#endif
