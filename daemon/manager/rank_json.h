/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "engine/engine.h"

/* Writes the rank over the longest window as JSON, with the keys of the bus: processes, then what has none, by
 * reason. Straight to the file and not into a tree first, so that it is whole or fails whatever memory there is.
 * Returns 0, -ENOMEM with nothing written, or the negative errno of writing. */
int rank_json_write(const struct engine *engine, FILE *file);
