/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "model/unattributed.h"

/* All bytes, at the IP layer, since the capture began. Always: seen = attributed + the sum of unattributed.
 * What never came into seen stands beside it. */
struct ledger {
        uint64_t seen;
        uint64_t attributed;
        uint64_t unattributed[UNATTRIBUTED_MAX];
        uint64_t skipped_enslaved; /* seen on a bridge or bond port too: counted on its master */
};
