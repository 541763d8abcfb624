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

        /* not in seen: */
        uint64_t skipped_enslaved; /* on a bridge or bond port: counted on its master, or only passing through it */
        uint64_t skipped_stacked;  /* on the device below a VLAN or macvlan, counted there; or on an ifb, counted
                                    * where tc(8) took it from */
        uint64_t skipped_address;  /* of a local address that is not asked for */

        /* in seen: came on a tunnel's own device; on the device that the tunnel goes over, the packets that
         * carry it count too, for whoever sends and receives those */
        uint64_t tunnel_inner;
};
