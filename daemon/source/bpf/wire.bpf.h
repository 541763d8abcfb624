/* SPDX-License-Identifier: MIT */
#pragma once

/* What a packet is on the wire: the length at the IP layer, and in how many packets. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/in6.h>
#include <linux/rtnetlink.h>

#include "task.bpf.h"

#define EXTENSION_HEADERS_MAX 8

/* No packet that is shorter is looked at as a possible lot of fragments: who has a smaller MTU than any IPv4
 * host has to take in (RFC 791) is counted a few headers short. */
#define UNFRAGMENTED_BYTES 576

#define IPV6_HEADER_BYTES     40
#define FRAGMENT_HEADER_BYTES 8
#define FLAGS_MASK            3UL /* in the last bits of a pointer */

struct headers {
        __u32 transport; /* where the transport header begins, from the IP header on */
        __u8 protocol;   /* of it */
};

static __always_inline bool is_ipv6(const struct __sk_buff *skb) {
        return skb->protocol == bpf_htons(0x86dd);
}

static __always_inline void ipv6_headers(struct __sk_buff *skb, struct headers *ret_headers) {
        __u32 offset = IPV6_HEADER_BYTES;
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

/* What a packet that is sent is cut to, as ipv4_mtu() and ip6_mtu() of the kernel have it. */
static __always_inline __u32 route_mtu(struct sk_buff *skb, bool ipv6) {
        struct rtable *route = (void *) (BPF_CORE_READ(skb, _skb_refdst) & ~FLAGS_MASK);
        __u32 *metrics = (void *) (BPF_CORE_READ(route, dst._metrics) & ~FLAGS_MASK), mtu = 0;

        if (!route)
                return 0;
        if (!ipv6)
                mtu = BPF_CORE_READ_BITFIELD_PROBED(route, rt_pmtu);
        if (mtu == 0)
                bpf_probe_read_kernel(&mtu, sizeof(mtu), &metrics[RTAX_MTU - 1]);
        return mtu ?: BPF_CORE_READ(route, dst.dev, mtu);
}

/* How long the longest fragment was of a packet that has been put together. */
static __always_inline __u32 longest_fragment(struct sk_buff *skb, bool ipv6) {
        char *cb = skb->cb; /* an address: nothing is read here */

        return ipv6 ? BPF_CORE_READ((struct inet6_skb_parm *) cb, frag_max_size)
                    : BPF_CORE_READ((struct inet_skb_parm *) cb, frag_max_size);
}

/* How many fragments a packet is sent in, or came in, where all but the last are as long as they can be. */
VERIFIED_ONCE __u32 fragments_of(struct __sk_buff *skb, int out) {
        struct sk_buff *kernel_skb = kernel_pointer(skb);
        bool ipv6 = is_ipv6(skb);
        __u32 headers = IPV6_HEADER_BYTES, longest, payload;
        __u8 first = 0;

        longest = out ? route_mtu(kernel_skb, ipv6) : longest_fragment(kernel_skb, ipv6);
        if (longest == 0 || (out && skb->len <= longest))
                return 1;
        if (!ipv6) {
                bpf_skb_load_bytes(skb, 0, &first, 1);
                headers = (first & 15) * 4;
        }
        if (longest <= headers + FRAGMENT_HEADER_BYTES || skb->len <= headers)
                return 1;
        payload = (longest - headers - (ipv6 ? FRAGMENT_HEADER_BYTES : 0)) & ~7U;
        return payload == 0 ? 1 : (skb->len - headers + payload - 1) / payload;
}

/* Each fragment has an IP header of its own, and in IPv6 one that says which part it is. */
static __always_inline void fragment_length(struct __sk_buff *skb, bool out, __u64 *bytes, __u32 *packets) {
        __u32 fragments = fragments_of(skb, out);

        if (fragments <= 1)
                return;
        *packets = fragments;
        if (is_ipv6(skb))
                *bytes += (fragments - 1) * IPV6_HEADER_BYTES + fragments * FRAGMENT_HEADER_BYTES;
        else
                *bytes += (fragments - 1) * 20; /* options are for the first: few are copied, RFC 791 */
}

/* A super-packet carries its headers once and goes out in segments that each have them. */
static __always_inline void wire_length(struct __sk_buff *skb, bool tcp, bool out, __u64 *ret_bytes,
                                        __u32 *ret_packets) {
        __u32 segments = skb->gso_segs;

        *ret_bytes = skb->len;
        *ret_packets = 1;
        if (skb->gso_size == 0 || segments <= 1) {
                if (!tcp && skb->len > UNFRAGMENTED_BYTES)
                        fragment_length(skb, out, ret_bytes, ret_packets);
                return;
        }
        *ret_bytes += (__u64) (segments - 1) * segment_headers(skb);
        *ret_packets = segments;
}
