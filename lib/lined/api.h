/* SPDX-License-Identifier: MIT */
/*
 * Included by every public header of lined: the visibility of public functions
 * and the C++ guard.
 */
#ifndef LINED_API_H
#define LINED_API_H

#if defined(__GNUC__)
#define LINED_API __attribute__((visibility("default")))
#else
#define LINED_API
#endif

/* C does not allow an empty source file: without this, the header would not
 * compile alone. */
struct lined_socket;

#ifdef __cplusplus
#define LINED_BEGIN_DECLS extern "C" {
#define LINED_END_DECLS   }
#else
#define LINED_BEGIN_DECLS
#define LINED_END_DECLS
#endif

#endif
