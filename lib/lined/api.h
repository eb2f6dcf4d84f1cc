/* SPDX-License-Identifier: MIT */
/*
 * What every public header of lined begins with: the visibility of a
 * public function and the C++ guard. Nothing here is meant to be called.
 */
#ifndef LINED_API_H
#define LINED_API_H

#if defined(__GNUC__)
#define LINED_API __attribute__((visibility("default")))
#else
#define LINED_API
#endif

/* This header alone makes a whole source file, which must declare something. */
struct lined_socket;

#ifdef __cplusplus
#define LINED_BEGIN_DECLS extern "C" {
#define LINED_END_DECLS   }
#else
#define LINED_BEGIN_DECLS
#define LINED_END_DECLS
#endif

#endif
