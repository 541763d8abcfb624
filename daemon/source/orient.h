/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/decode.h"
#include "decode/repeat.h"
#include "model/sample.h"
#include "source/addresses.h"
#include "source/device_list.h"
#include "source/interfaces.h"

/* Packets, and bytes at the IP layer. */
struct orient_counts {
        uint64_t received; /* packets that came */
        uint64_t dropped;  /* packets that the kernel had no room for */

        /* beside the ledger: bytes that count somewhere else, or are not asked for */
        uint64_t skipped_enslaved; /* on a port: they count on the bridge or bond, or only pass through it */
        uint64_t skipped_stacked;  /* on the device below: they count on the one above, or where tc(8) took
                                    * them from */
        uint64_t skipped_address;  /* of local addresses that are not asked for */

        uint64_t tunnel_inner; /* bytes in the ledger that travelled inside packets that are in it too */
};

/* What became of a packet: the next one is likely to be of the same flow. */
struct orient_memo {
        struct repeat repeat;
        uint64_t like;        /* names what such packets have in common */
        struct sample sample; /* what such a packet is, but for its stamp and length; it is no SYN */
};

/* One for either way, so that data and what acknowledges it do not take turns. */
#define ORIENT_MEMOS 2

/* From captured bytes to a sample: decodes the packet, turns it so that `local` is our end, and sees to it
 * that what is seen on several devices counts on one. */
struct orient {
        int link_type;
        uint32_t ifindex;                    /* of the device they come from; 0: their header says */
        const struct interfaces *interfaces; /* who we are */
        const struct device_list *devices;   /* those captured on; NULL: all are */
        const struct addresses *addresses;   /* that count; NULL or none: all do */
        bool any_host;                       /* a savefile: it may come from another host */
        bool namespaces; /* sockets in other network namespaces can be looked up: what passes a veth to one
                            is its */
        uint64_t time_usec;                  /* of the packet under way */
        struct orient_memo memos[ORIENT_MEMOS];
        uint32_t oldest_memo;
        uint64_t last_like;
        uint64_t generation;   /* of the interfaces, when memos were good last, */
        uint64_t changed_usec; /* which have been as they are since then, CLOCK_REALTIME */
        struct orient_counts counts;
};

/* Returns true with *ret_sample set, false when the packet does not count here. */
bool orient_packet(struct orient *orient, const uint8_t *data, size_t captured, size_t wire_length,
                   uint64_t time_usec, struct sample *ret_sample);

/* The same in steps, for trains of packets, of which each needs no sample of its own. Before some are read: what was
 * remembered is forgotten where interfaces or addresses are others now. */
void orient_begin(struct orient *orient);

/* First: is it like one that was decoded before? Returns that, good until the next one is decoded, with *ret_bytes the
 * length; NULL: it is not. */
const struct orient_memo *orient_recall(const struct orient *orient, const uint8_t *data, size_t captured,
                                        size_t wire_length, uint64_t time_usec, uint32_t *ret_bytes);

/* Then, where it is, and where it is not; that one returns as orient_packet(). */
struct sample orient_sample_like(const struct orient_memo *memo, uint64_t time_usec, uint32_t bytes);
bool orient_decode(struct orient *orient, const uint8_t *data, size_t captured, size_t wire_length,
                   uint64_t time_usec, struct sample *ret_sample);

void orient_counts_add(struct orient_counts *counts, const struct orient_counts *more);
