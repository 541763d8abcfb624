/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "util/macros.h"

/* Vectors of strings that end with NULL. A NULL vector is an empty one. */

size_t strv_length(const char *const *strings);

/* Copies vector and strings; an empty one becomes NULL. Returns 0 or -ENOMEM. The caller frees *ret_strings.
 */
int strv_copy(const char *const *strings, char ***ret_strings);
void strv_free(char **strings);
DEFINE_CLEANUP(char **, strv_free)

/* One string, separator between the parts; NULL: out of memory. The caller frees it. */
char *strv_join(const char *const *strings, const char *separator);
