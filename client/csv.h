/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>
#include <stddef.h>

#include "arguments.h"
#include "output.h"

/* Comma-separated values as in RFC 4180, but for its line ends, which are those of this system. A column is
 * named by the keys that lead to it in JSON, joined by a dot: "pid", "total.in". With --watch there is one
 * more in front, the second of the answer. */

/* The names, unless they are not wanted or have been there before. */
void csv_print_names(const struct output *output, const struct arguments *arguments,
                     const char *const *columns, size_t n);

/* What stands in an array of objects, in the order of the columns, with their names before it: numbers as they are,
 * nothing for what is not there. */
void csv_print(const struct output *output, const struct arguments *arguments, struct json_object *array,
               const char *const *columns, size_t n);

/* For what has no columns of its own: the beginning of a row, where it has one, and one field, in quotes
 * where it needs them. */
void csv_begin_row(const struct arguments *arguments);
void csv_print_field(const struct output *output, const char *text);
