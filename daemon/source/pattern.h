/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "source/source.h"

/* Which devices are meant: names, and globs as fnmatch(3) has them; a leading `!` excludes. A device is
 * meant when it matches one that does not exclude, or there is no such one, and none that excludes. The
 * order does not matter. Vectors end with NULL. */

/* Returns 0, or -EINVAL with *ret_error set when one of them can match no device, or there are too many. */
int patterns_check(const char *const *patterns, struct source_error *ret_error);
bool patterns_match(const char *const *patterns, const char *name);

/* Does this one exclude? Is it a name, with nothing in it that globs? */
bool pattern_excludes(const char *pattern);
bool pattern_is_name(const char *pattern);
