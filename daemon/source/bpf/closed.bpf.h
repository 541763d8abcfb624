/* SPDX-License-Identifier: MIT */
#pragma once

/* What still comes and goes for a TCP connection whose socket is gone: the last FIN, where only TIME_WAIT is left of
 * it, and the kernel's answer; what the other end of one that was closed sends on, and the RST it gets. The programs at
 * the sockets are not shown these packets or not with a socket that would tell, so that the connection's addresses
 * have to. They may be used again by another process: what tells of a new connection ends the old one's entry, no
 * SYN is looked up, and nothing is after the time that the kernel itself keeps TIME_WAIT. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "account.h"
#include "books.bpf.h"
#include "wire.bpf.h"

#define AF_INET  2
#define AF_INET6 10

#define LOOPBACK_IFINDEX 1 /* in every network namespace: net/loopback.h of the kernel */

/* TCP_TIMEWAIT_LEN in the kernel's net/tcp.h */
#define CLOSED_NSEC (60 * 1000000000ULL)

struct tuple {
        __u64 network; /* cookie of the network namespace: another one may have the same addresses */
        __u32 local[4], remote[4]; /* network order; an IPv4 address is the last word, the others are 0 */
        __u16 local_port, remote_port;
        __u32 padding;
};

struct closed {
        __u64 owner;
        __u64 since_nsec;
};

/* LRU: nearly all of it comes within moments. What is evicted too early is not attributed, but to nobody else. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 16384); /* a second of what nginx can do; a FIN may be sent again after that */
        __type(key, struct tuple);
        __type(value, struct closed);
} closed SEC(".maps");

static __always_inline bool is_mapped(const __u32 address[4]) {
        return address[0] == 0 && address[1] == 0 && address[2] == bpf_htonl(0xffff);
}

/* Of a connection that ends now. */
static __always_inline void remember_closed(struct sock *sk, __u64 owner) {
        struct tuple tuple = {};
        struct closed entry = {.owner = owner, .since_nsec = bpf_ktime_get_ns()};

        if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
                BPF_CORE_READ_INTO(&tuple.local, sk, __sk_common.skc_v6_rcv_saddr);
                BPF_CORE_READ_INTO(&tuple.remote, sk, __sk_common.skc_v6_daddr);
        }
        if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET || is_mapped(tuple.remote)) {
                __builtin_memset(tuple.local, 0, sizeof(tuple.local));
                __builtin_memset(tuple.remote, 0, sizeof(tuple.remote));
                tuple.local[3] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
                tuple.remote[3] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
        }
        tuple.local_port = BPF_CORE_READ((struct inet_sock *) sk, inet_sport); /* skc_num is 0 by now */
        tuple.remote_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
        tuple.network = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
        bpf_map_update_elem(&closed, &tuple, &entry, BPF_ANY);
}

/* A TCP packet, by the kernel's own marks of where its headers are. */
struct segment {
        struct tuple tuple;
        struct amount amount;
        __u8 flags;
};

#define TCP_SYN 2

/* Returns whether it is one, whole, with its headers there, and not yet at a socket: there the kernel takes the device from
 * it (tcp_v4_rcv(), tcp_v6_rcv()), once it has been counted. */
static __always_inline bool find_segment(struct sk_buff *skb, bool out, struct segment *segment) {
        unsigned char *head = BPF_CORE_READ(skb, head), *data = BPF_CORE_READ(skb, data);
        __u32 network = BPF_CORE_READ(skb, network_header), transport = BPF_CORE_READ(skb, transport_header);
        __u32 source[4] = {}, destination[4] = {};
        __u16 protocol = BPF_CORE_READ(skb, protocol);
        struct net_device *device = BPF_CORE_READ(skb, dev);
        bool ipv6 = protocol == bpf_htons(0x86dd);
        __u16 from = 0, to = 0;
        __u8 next = 0;

        if (!device || transport == 0xffff || transport < network + (ipv6 ? 40 : 20) ||
            (!ipv6 && protocol != bpf_htons(0x0800)))
                return false;
        bpf_probe_read_kernel(&next, 1, head + network + (ipv6 ? 6 : 9));
        if (next != IPPROTO_TCP || bpf_probe_read_kernel(&from, 2, head + transport) < 0 ||
            bpf_probe_read_kernel(&to, 2, head + transport + 2) < 0)
                return false;
        if (ipv6) {
                bpf_probe_read_kernel(source, 16, head + network + 8);
                bpf_probe_read_kernel(destination, 16, head + network + 24);
        } else {
                bpf_probe_read_kernel(&source[3], 4, head + network + 12);
                bpf_probe_read_kernel(&destination[3], 4, head + network + 16);
        }
        bpf_probe_read_kernel(&segment->flags, 1, head + transport + 13);
        for (int i = 0; i < 4; i++) { /* values: the compiler would choose between the addresses by arithmetic */
                segment->tuple.local[i] = out ? source[i] : destination[i];
                segment->tuple.remote[i] = out ? destination[i] : source[i];
        }
        segment->tuple.local_port = out ? from : to;
        segment->tuple.remote_port = out ? to : from;
        segment->tuple.network = BPF_CORE_READ(device, nd_net.net, net_cookie);
        segment->amount = (struct amount){
                .bytes = BPF_CORE_READ(skb, len) + (data - (head + network)),
                .packets = 1,
                .way = (out ? ACCOUNT_OUT : 0) | (ipv6 ? ACCOUNT_IPV6 : 0) |
                       (BPF_CORE_READ(device, ifindex) == LOOPBACK_IFINDEX ? ACCOUNT_LOOPBACK : 0),
                .protocol = ACCOUNT_TCP,
                .now_nsec = bpf_ktime_get_ns(),
        };
        return true;
}

/* The process whose connection it was; 0: none that is known. */
static __always_inline __u64 owner_of_closed(const struct segment *segment) {
        struct closed *entry;

        if (segment->flags & TCP_SYN)
                return 0;
        entry = bpf_map_lookup_elem(&closed, &segment->tuple);
        if (!entry || segment->amount.now_nsec > entry->since_nsec + CLOSED_NSEC)
                return 0;
        return entry->owner;
}

/* A packet at a socket that listens, or one that is not connected yet: the process whose connection it was; 0: it is
 * of a new one. */
VERIFIED_ONCE __u64 belated(struct __sk_buff *skb, int out) {
        struct segment segment = {};

        if (!find_segment(kernel_pointer(skb), out, &segment))
                return 0;
        if (segment.flags & TCP_SYN)
                bpf_map_delete_elem(&closed, &segment.tuple);
        return owner_of_closed(&segment);
}

/* A packet of one of the kernel's own sockets: whose it is; 0: the kernel's. */
VERIFIED_ONCE __u64 answered_for(struct __sk_buff *skb) {
        struct segment segment = {};

        return find_segment(kernel_pointer(skb), true, &segment) ? owner_of_closed(&segment) : 0;
}

/* A packet that no program at a socket is shown. */
static __always_inline void count_unseen(struct sk_buff *skb, bool out) {
        struct segment segment = {};
        __u64 owner;

        if (!find_segment(skb, out, &segment))
                return;
        owner = owner_of_closed(&segment);
        if (owner != 0)
                book(owner, &segment.amount);
}
