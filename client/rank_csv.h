/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>

#include "arguments.h"
#include "output.h"

/* A rank, an array of rows, as comma-separated values: what tells the rows apart, and every number. */
void rank_print_csv(struct json_object *rank, const struct output *output,
                    const struct arguments *arguments);
