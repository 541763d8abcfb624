/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/decode.h"

/* Link header, IPv6 header, ports. */
#define REPEAT_BYTES (20 + 40 + 4)

/* A packet to tell those by that are like it but for their length and TCP flags: trains of packets of one flow need not
 * be decoded each. */
struct repeat {
        uint8_t bytes[REPEAT_BYTES]; /* how it begins */
        uint8_t network;             /* where its IP header begins; 0: nothing is told by it */
        uint8_t transport;           /* and that of TCP or UDP */
        bool tcp;
};

/* From a packet that was decoded, with what that came to: TCP or UDP, not in fragments, straight behind IPv4 without options
 * or behind IPv6, with LINKTYPE_LINUX_SLL2, or LINKTYPE_ETHERNET without tags. Returns false for any other, and *repeat
 * stays as it was. Zeroed, nothing is like it. */
bool repeat_set(struct repeat *repeat, int link_type, const uint8_t *data, size_t captured,
                const struct packet *packet);

/* Is that a packet of which decode_packet() would say the same but for *ret_bytes and *ret_connection_start? captured and
 * wire_length are as there, and the link type is the same. Where it may be, or not, it says false. */
bool repeat_is(const struct repeat *repeat, const uint8_t *data, size_t captured, size_t wire_length,
               uint32_t *ret_bytes, bool *ret_connection_start);
