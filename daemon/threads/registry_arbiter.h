/* SPDX-License-Identifier: MIT */
/*
 * The registry's backend within one daemon: the primary worker of the service
 * decides, and all workers change in the order of its decisions.
 */
#pragma once

#include "threads/registry.h"

extern const struct registry_backend registry_arbiter;
