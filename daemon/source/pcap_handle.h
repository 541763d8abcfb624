/* SPDX-License-Identifier: MIT */
#pragma once

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/filter.h"
#include "source/source.h"
#include "util/clock.h"

/* Setting up and reading a live capture, in the cheapest correct way there is: what all sources of live
 * packets share. */

/* All interfaces: LINUX_SLL2 headers name interface and direction. */
#define PCAP_ANY "any"

/* How much of a packet is copied for counting it: enough for SLL2, VLAN tags, IPv6 with a few extension
 * headers and the ports. */
#define SNAPLEN 192

/* How long the kernel may hold back a block of packets that is not full: a part of the interval the ring is
 * drained in, so that a packet waits for little more than one of these. */
#define BLOCK_TIMEOUT_MSEC 40

struct pcap_handle_config {
        const char *device;
        int snaplen; /* bytes of each packet; it only helps with a filter */
        size_t ring_bytes;
        const char *filter; /* pcap-filter(7), on top of "ip or ip6"; NULL: none. On PCAP_ANY only */
        bool immediate;     /* each packet is there at once, and wakes whoever waits: for very few of them */
};

/* Opens it without its filter, non-blocking: the kernel copies whole packets until one is set. Returns as
 * pcap_handle_open(). */
int pcap_handle_activate(const struct pcap_handle_config *config, pcap_t **ret_handle,
                         struct source_error *ret_error);

/* Sets it, for the handle's link type. On PCAP_ANY, frames with a VLAN tag do not pass either: they are seen
 * again on the device of that VLAN. Returns 0, or as filter_program(), or -EIO; what was set before holds
 * then. */
int pcap_handle_set_filter(pcap_t *handle, const char *device, const struct filter *filter, uint32_t snaplen,
                           struct source_error *ret_error);

/* Opens it with its filter, non-blocking. Returns 0 or a negative errno with *ret_error: -EPERM without
 * CAP_NET_RAW, -ENODEV, -ENETDOWN, -EINVAL for a filter that does not compile, and as filter_new(). */
int pcap_handle_open(const struct pcap_handle_config *config, pcap_t **ret_handle,
                     struct source_error *ret_error);

/* For _cleanup_ too. NULL: nothing to do. */
void pcap_handle_close(pcap_t **handle);

/* pcap_dispatch(3PCAP). Returns how many packets that were, or a negative errno with *ret_error. */
int pcap_handle_dispatch(pcap_t *handle, const char *device, int max_packets, pcap_handler handler,
                         u_char *userdata, struct source_error *ret_error);

/* The stamp of a packet, CLOCK_REALTIME in µs. */
static inline uint64_t pcap_usec(const struct pcap_pkthdr *header) {
        return (uint64_t) header->ts.tv_sec * USEC_PER_SEC + (uint64_t) header->ts.tv_usec;
}

/* What the kernel had no room for, in 64 bits: pcap_stats(3PCAP) has 32, which wrap. Zero-initialised. */
struct drop_counter {
        uint64_t dropped;
        u_int last;
};

/* Takes in what came since, and returns all. */
uint64_t drop_counter_read(struct drop_counter *counter, pcap_t *handle);
