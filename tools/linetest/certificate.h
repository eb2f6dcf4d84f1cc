/* SPDX-License-Identifier: MIT */
/*
 * The certificate with which a daemon of linetest serves TLS.
 */
#pragma once

/* Writes tls.pem and tls.key into the directory. -1 and errno. */
int certificate_write(const char *dir);
