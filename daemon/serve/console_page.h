/* SPDX-License-Identifier: MIT */
/*
 * The page of `web { page = "console" }`: console.html as bytes, made by the
 * build.
 */
#pragma once

#include <stddef.h>

/* The text in the page that a nonce replaces. */
#define CONSOLE_PAGE_NONCE "0123456789abcdef0123456789abcdef"

extern const char console_page[];
extern const size_t console_page_len;
