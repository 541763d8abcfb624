/* SPDX-License-Identifier: MIT */
#pragma once

/* What a packet is on the wire: the length at the IP layer, and in how many packets. */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/in6.h>

#define EXTENSION_HEADERS_MAX 8

struct headers {
        __u32 transport; /* where the transport header begins, from the IP header on */
        __u8 protocol;   /* of it */
};

static __always_inline bool is_ipv6(const struct __sk_buff *skb) {
        return skb->protocol == bpf_htons(0x86dd);
}

static __always_inline void ipv6_headers(struct __sk_buff *skb, struct headers *ret_headers) {
        __u32 offset = 40;
        __u8 next = 0, extension[2] = {};

        bpf_skb_load_bytes(skb, 6, &next, 1);
        for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {
                if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_FRAGMENT &&
                    next != IPPROTO_AH && next != IPPROTO_DSTOPTS && next != IPPROTO_MH)
                        break;
                if (bpf_skb_load_bytes(skb, offset, extension, 2) < 0)
                        break;
                /* RFC 8200 section 4, RFC 4302 section 2.2 */
                offset += next == IPPROTO_FRAGMENT ? 8 : next == IPPROTO_AH ? (extension[1] + 2) * 4
                                                                        : (extension[1] + 1) * 8;
                next = extension[0];
        }
        ret_headers->transport = offset;
        ret_headers->protocol = next;
}

static __always_inline void find_headers(struct __sk_buff *skb, struct headers *ret_headers) {
        __u8 first = 0, protocol = 0;

        if (is_ipv6(skb)) {
                ipv6_headers(skb, ret_headers);
                return;
        }
        bpf_skb_load_bytes(skb, 0, &first, 1);
        bpf_skb_load_bytes(skb, 9, &protocol, 1);
        ret_headers->transport = (first & 15) * 4;
        ret_headers->protocol = protocol;
}

/* All headers that each segment of a GSO or GRO packet has. */
VERIFIED_ONCE __u32 segment_headers(struct __sk_buff *skb) {
        struct headers headers = {};
        __u8 offset = 0;

        find_headers(skb, &headers);
        if (headers.protocol == IPPROTO_UDP)
                return headers.transport + 8;
        if (headers.protocol != IPPROTO_TCP)
                return headers.transport;
        bpf_skb_load_bytes(skb, headers.transport + 12, &offset, 1);
        return headers.transport + (offset >> 4) * 4;
}

/* A super-packet carries its headers once and goes out in segments that each have them. */
static __always_inline void wire_length(struct __sk_buff *skb, __u64 *ret_bytes, __u32 *ret_packets) {
        __u32 segments = skb->gso_segs;

        *ret_bytes = skb->len;
        *ret_packets = 1;
        if (skb->gso_size == 0 || segments <= 1)
                return;
        *ret_bytes += (__u64) (segments - 1) * segment_headers(skb);
        *ret_packets = segments;
}
