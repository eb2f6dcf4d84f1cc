/* SPDX-License-Identifier: MIT */
/*
 * Makes a sender's addresses equal if they vary from mail to mail: otherwise a
 * greylist would defer each mail.
 */
#pragma once

#include <stddef.h>

/*
 * Copies an address to `to` in lower case, without the parts that vary from
 * mail to mail. An extension after "+" is left out. Numbers (VERP:
 * list-return-1234@), the hash and the time of SRS0= and SRS1=, and the tag of
 * prvs= (BATV) become "#". The result is cut to size.
 */
void sender_fold(char *to, size_t size, const char *address);
