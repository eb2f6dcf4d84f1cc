/* SPDX-License-Identifier: MIT */
/*
 * Writes the records of LINED_REQUEST_ALL in Prometheus' text format, version
 * 0.0.4. Used by the protocol metrics, and by control for linectl metrics.
 */
#pragma once

#include <lined/control.h>

#include "growing_text.h"

/* Adds the whole page; each line ends with LF. */
void metrics_page_write(struct text *text,
			const struct lined_response *response);
