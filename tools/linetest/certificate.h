/* SPDX-License-Identifier: MIT */
/*
 * The certificate with which a daemon of linetest serves TLS.
 */
#ifndef LINETEST_CERTIFICATE_H
#define LINETEST_CERTIFICATE_H

/* Writes tls.pem and tls.key into the directory. -1 and errno. */
int certificate_write(const char *dir);

#endif
