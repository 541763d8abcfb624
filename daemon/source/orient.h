/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/sample.h"
#include "source/interfaces.h"

/* From captured bytes to a sample: decodes the packet and turns it so that `local` is our end. */
struct orient {
        int link_type;
        const struct interfaces *interfaces; /* who we are */
        bool any_host;                       /* a savefile: it may come from another host */
        uint64_t skipped_enslaved;           /* bytes that count on the interface's master instead */
};

/* Returns true with *ret_sample set, false when the packet does not count here. */
bool orient_packet(struct orient *orient, const uint8_t *data, size_t captured, size_t wire_length,
                   uint64_t time_usec, struct sample *ret_sample);
