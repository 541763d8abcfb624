/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/decode.h"

/* Of 8 bytes: IPv6 header and ports. */
#define REPEAT_WORDS 6

/* A packet to tell those by that are like it but for their length: trains of packets of one flow need not be decoded
 * each. */
struct repeat {
        uint64_t words[REPEAT_WORDS], masks[REPEAT_WORDS]; /* of its IP header and ports, what decides */
        uint8_t link[20];                                  /* its link header, */
        uint8_t network;                                   /* which takes as many; 0: nothing is told by it */
        uint8_t length;                                    /* of IP header and ports */
        bool tcp;
};

/* From a packet that was decoded, with what that came to: TCP or UDP, not in fragments, straight behind IPv4 without options
 * or behind IPv6, with LINKTYPE_LINUX_SLL2, or LINKTYPE_ETHERNET without tags. Returns false for any other, and *repeat
 * stays as it was. Zeroed, nothing is like it. */
bool repeat_set(struct repeat *repeat, int link_type, const uint8_t *data, size_t captured,
                const struct packet *packet);

/* Is that a packet of which decode_packet() would say the same but for *ret_bytes, and that it does not start a
 * connection? captured and wire_length are as there, and the link type is the same. Where it may be, or not, it says
 * false. */
bool repeat_is(const struct repeat *repeat, const uint8_t *data, size_t captured, size_t wire_length,
               uint32_t *ret_bytes);
