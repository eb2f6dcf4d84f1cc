/* SPDX-License-Identifier: MIT */
/*
 * Sender addresses that differ with each mail, made equal: a greylist would
 * otherwise let each of them wait.
 */
#ifndef LINED_POLICY_SENDER_H
#define LINED_POLICY_SENDER_H

#include <stddef.h>

/*
 * Copies an address to `to` in lower case, without what changes from mail to
 * mail: an extension behind "+", numbers (VERP: list-return-1234@), the hash
 * and the time of SRS0= and SRS1=, the tag of prvs= (BATV). These parts become
 * "#". Cuts the result to size.
 */
void sender_fold(char *to, size_t size, const char *address);

#endif
