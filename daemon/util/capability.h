/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* Is this capability (CAP_* of linux/capability.h) in the effective set of the calling thread? false also
 * when that cannot be told. */
bool have_capability(unsigned capability);
